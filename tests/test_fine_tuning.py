"""`train --from`: any causal model goes on with a novel, also by LoRA, also after a kill."""

from pathlib import Path

import pytest
import torch
from helpers_command import assert_one_line, read, result, run
from helpers_models import bert_vocabulary, random_gpt2, save_gpt2_bpe, save_llama, save_uer

from novelkit.errors import InputError
from novelkit.model import open_model
from novelkit.training import TrainConfig, read_history, without_clock
from novelkit.training.config import LEARNING_RATES
from novelkit.training.optimizers import build_optimizers

torch.set_num_threads(1)
SHORT = ("--batch-size", 4, "--evaluate-every", 5, "--patience", 0, "--device", "cpu")
KINDS = ["uer", "gpt2", "llama"]


@pytest.fixture(scope="module")
def models(data_folder, tmp_path_factory) -> dict[str, Path]:
    """Models in the formats that are found in the wild, each with a vocabulary of its own."""
    folder = tmp_path_factory.mktemp("models")
    text = (data_folder / "train.txt").read_text(encoding="utf-8")
    vocabulary = bert_vocabulary(text)
    return {
        "uer": save_uer(folder / "uer", random_gpt2(len(vocabulary)), vocabulary),
        "gpt2": save_gpt2_bpe(folder / "gpt2", text),
        "llama": save_llama(folder / "llama", text),
    }


def train(data: Path, out: Path, *options: object) -> dict:
    return result("train", data, "--out", out, "--dtype", "float32", *SHORT, *options)


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_goes_on_with_the_novel_and_writes(kind, models, data_folder, tmp_path):
    begun = ("--from", models[kind], "--n-ctx", 32, "--learning-rate", 0.003)
    found = train(data_folder, tmp_path / "run", *begun, "--max-steps", 20)
    history = read_history(tmp_path / "run")
    assert history[-1]["loss"] < history[0]["loss"] - 0.2
    assert found["steps"] == 20
    prompt = (data_folder / "validation.txt").read_text(encoding="utf-8").strip()[:16]
    samples = [record["sample"] for record in history if "sample" in record]
    assert len(samples) == 4 and all(text.startswith(prompt) for text in samples)
    assert len(set(samples)) > 1 and max(map(len, samples)) > 16
    written = result("write", found["model"], "--prompt", "天亮以前，", "--length", 30)
    assert 0 < len(written["text"]) <= 30  # it may end the book
    # Readable elsewhere: the folder is what `transformers` expects of that architecture.
    config = read(Path(found["model"]) / "config.json")
    assert config["model_type"] == ("llama" if kind == "llama" else "gpt2")
    start = read(tmp_path / "run" / "run.json")["decisions"][0]
    assert start["kind"] == "start" and "词表" in start["reason"]


def test_a_trained_model_goes_on_at_gentler_rates(models, data_folder, tmp_path):
    run_folder, begun = tmp_path / "run", ("--from", models["uer"], "--n-ctx", 32)
    train(data_folder, run_folder, *begun, "--max-steps", 2)
    told = read(run_folder / "run.json")["config"]
    assert told["learning_rate"] == LEARNING_RATES["muon"] / 8 and told["adamw_factor"] == 1
    # A resume goes on as it was told, and what is typed comes first.
    train(data_folder, run_folder, "--resume", "--max-steps", 4)
    assert read(run_folder / "run.json")["config"] == told
    typed = ("--optimizer", "adamw", "--learning-rate", 0.002, "--max-steps", 2)
    train(data_folder, tmp_path / "typed", *begun, *typed)
    assert read(tmp_path / "typed" / "run.json")["config"]["learning_rate"] == 0.002
    for optimizer, rate in LEARNING_RATES.items():
        config = TrainConfig.fine_tuning(optimizer=optimizer, seed=3)
        assert (config.learning_rate, config.seed) == (rate / 8, 3)
    with pytest.raises(InputError, match="optimizer"):
        TrainConfig.fine_tuning(optimizer="none")


@pytest.mark.parametrize("kind", ["uer", "llama"])
def test_lora_trains_little_and_leaves_a_plain_model(kind, models, data_folder, tmp_path):
    options = ("--from", models[kind], "--n-ctx", 32, "--lora", 4, "--learning-rate", 0.003)
    straight = train(data_folder, tmp_path / "straight", *options, "--max-steps", 12)
    names = {name for name, _ in open_model(straight["model"]).model.named_parameters()}
    assert not any("lora" in name for name in names)
    assert "LoRA" in read(tmp_path / "straight" / "run.json")["decisions"][0]["reason"]

    # Interrupted and resumed by a line that repeats nothing.
    out = tmp_path / "half"
    code, _, err = run(
        "train", data_folder, "--out", out, "--dtype", "float32", *SHORT, *options,
        "--max-steps", 12, "--checkpoint-minutes", 1e-9,
    )  # fmt: skip
    assert code == 0, err
    newest = max((out / "checkpoints").iterdir())
    for path in newest.iterdir():
        path.unlink()
    resumed = result("train", data_folder, "--out", out, "--resume", "--max-steps", 12)
    assert resumed["resumed_from"] == 11
    histories = [without_clock(read_history(tmp_path / name)) for name in ("straight", "half")]
    assert histories[0] == histories[1]
    weights = [Path(one["model"]) / "model.safetensors" for one in (straight, resumed)]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_a_resumed_run_keeps_its_settings(data_folder, tmp_path):
    sizes = ("--n-layer", 1, "--n-embd", 16, "--n-head", 2, "--n-ctx", 32)
    settings = ("--learning-rate", 0.002, "--optimizer", "adamw", "--seed", 9)
    train(data_folder, tmp_path, *sizes, *settings, "--max-steps", 5)
    found = result("train", data_folder, "--out", tmp_path, "--resume", "--max-steps", 8)
    assert (found["resumed_from"], found["steps"]) == (5, 8)
    other = run("train", data_folder, "--out", tmp_path, "--resume", "--learning-rate", 0.01)
    assert_one_line(*other, says="learning_rate：原来 0.002，现在 0.01")
    other = run("train", data_folder, "--out", tmp_path, "--resume", "--n-layer", 2)
    assert_one_line(*other, says="n_layer：原来 1，现在 2")


def test_what_contradicts_a_start_model_is_refused(models, data_folder, tmp_path):
    begun = ("train", data_folder, "--out", tmp_path / "run")
    found = run(*begun, "--from", models["uer"], "--n-layer", 3)
    assert_one_line(*found, says="--from")
    assert_one_line(*run(*begun, "--lora", 4), says="--from")
    assert_one_line(*run(*begun, "--from", tmp_path / "nowhere"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_muon_gets_no_table_of_tokens_or_positions(kind, models):
    model = open_model(models[kind]).model
    muon = build_optimizers(model, TrainConfig())["muon"]
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    moved = {names[id(item)] for group in muon.param_groups for item in group["params"]}
    matrices = {name for name, item in model.named_parameters() if item.dim() == 2}
    tables = {"wte", "wpe", "embed_tokens", "lm_head", "token_embedding", "position_embedding"}
    assert moved == {name for name in matrices if not tables & set(name.split("."))}
    assert moved
