"""Stage 05: a model by its name, from a server that answers as the Hub does."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers_models import (
    bert_vocabulary,
    random_gpt2,
    save_gpt2_bpe,
    save_llama,
    save_uer,
    serving_models,
)
from safetensors.torch import load_file, save_file

from novelkit.errors import InputError, WorkError
from novelkit.model import GPT2, CausalLM, open_model
from novelkit.model.hub import find_model
from novelkit.model.weights import read_weights, weight_files

torch.set_num_threads(1)
TEXT = "天亮以前，渡口上只有一盏灯还亮着。老船夫把缆绳绕了三圈，才慢慢直起腰来。" * 4
UER, BPE, QWEN = "uer/gpt2-chinese-cluecorpussmall", "gpt2", "Qwen/Qwen2-0.5B"


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    """The three kinds of models that people start from; tests only read them."""
    parent = tmp_path_factory.mktemp("models")
    vocabulary = bert_vocabulary(TEXT)
    return {
        UER: save_uer(parent / "uer", random_gpt2(len(vocabulary)), vocabulary),
        BPE: save_gpt2_bpe(parent / "bpe", TEXT),
        QWEN: save_llama(parent / "qwen", TEXT, kind="qwen2"),
    }


@pytest.fixture
def hub(folders, tmp_path, monkeypatch):
    """A running Hub that `huggingface_hub` takes for the real one, and an empty cache."""
    from huggingface_hub import constants

    with serving_models(dict(folders)) as server:
        pattern = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, server.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", pattern)
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        yield server


def refused(name, kind: type[Exception] = InputError) -> str:
    """The message with which a name is refused, checked to be one Chinese line."""
    with pytest.raises(kind) as caught:
        open_model(name)
    message = str(caught.value)
    assert "\n" not in message
    assert sum("\u4e00" <= character <= "\u9fff" for character in message) >= 10
    return message


@torch.no_grad()
def test_a_chinese_gpt2_of_the_old_format_comes_from_its_name(hub, folders):
    opened = open_model(UER)
    assert isinstance(opened.model, GPT2)
    assert opened.source.name == UER and len(opened.source.revision) == 40
    ids = torch.arange(20)[None]
    vocabulary = bert_vocabulary(TEXT)
    assert torch.equal(opened.model(ids), random_gpt2(len(vocabulary))(ids))
    assert {"pytorch_model.bin", "config.json", "vocab.txt"} <= hub.fetched()


@torch.no_grad()
@pytest.mark.parametrize(("name", "kind"), [(BPE, GPT2), (QWEN, CausalLM)])
def test_models_with_safetensors_come_from_their_names(hub, folders, name, kind):
    from transformers import AutoModelForCausalLM

    opened = open_model(name)
    assert isinstance(opened.model, kind)
    theirs = AutoModelForCausalLM.from_pretrained(folders[name]).eval()
    ids = torch.arange(20)[None]
    assert torch.allclose(opened.model(ids), theirs(ids).logits, atol=1e-5)


def test_only_what_training_needs_is_fetched(hub, tmp_path):
    model = save_llama(tmp_path / "model", TEXT)
    torch.save({}, model / "pytorch_model.bin")
    for name in ("tf_model.h5", "modeling_mine.py", "README.md"):
        (model / name).write_text("print('run')", encoding="utf-8")
    hub.models["someone/model"] = model
    opened = open_model("someone/model")
    names = {path.name for path in opened.source.folder.iterdir()}
    assert names == hub.fetched()
    assert names == {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }


def test_the_second_time_comes_from_the_cache(hub, monkeypatch):
    from huggingface_hub import constants

    first = find_model(UER)
    hub.broken = True
    assert find_model(UER) == first
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert find_model(UER) == first


def test_a_commit_can_be_named(hub):
    commit = find_model(UER).revision
    assert find_model(f"{UER}@{commit}").folder == find_model(UER).folder
    assert "没有 nowhere 这个版本" in refused(f"{UER}@nowhere")


def test_offline_without_a_cache_says_what_to_do(hub, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    message = refused(UER)
    assert "离线" in message and "HF_HUB_OFFLINE" in message and constants.HF_HUB_CACHE in message
    assert hub.requests == []


def test_an_interrupted_download_is_not_taken_for_a_model(hub, monkeypatch):
    from huggingface_hub import constants

    folder = find_model(QWEN).folder
    (folder / "model.safetensors").unlink()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "没有完整" in refused(QWEN) or "缺少" in refused(QWEN)


def test_a_name_that_nobody_has(hub):
    message = refused("uer/gpt2-chinese-nowhere")
    assert "uer/gpt2-chinese-nowhere" in message and hub.url in message


def test_a_model_that_asks_for_an_application(hub):
    hub.gated.add(QWEN)
    assert "HF_TOKEN" in refused(QWEN)


def test_a_server_that_is_down_is_failed_work(hub):
    hub.broken = True
    message = refused(UER, WorkError)
    assert "HF_ENDPOINT" in message and UER in message


def test_a_line_that_is_dead_is_failed_work(hub, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert "网络" in refused(UER, WorkError)


@pytest.mark.parametrize(
    "name", ["./model", "../model", "/no/such/model", "a/b/c", "名字", "", "."]
)
def test_what_is_no_name_is_not_asked_for(hub, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    message = refused(name)
    assert name in message or name == "."
    assert hub.requests == []


def test_a_folder_wins_over_a_name(hub, folders, tmp_path, monkeypatch):
    (tmp_path / "uer").mkdir()
    (tmp_path / UER).symlink_to(folders[UER])
    monkeypatch.chdir(tmp_path)
    opened = open_model(UER)
    assert opened.source.folder == Path(UER) and opened.source.revision == ""
    assert hub.requests == []


def test_the_environment_is_obeyed_and_nothing_is_printed(folders, tmp_path):
    """As a user sets it, before Python starts."""
    code = (
        "import sys\n"
        "from novelkit.model import hub, open_model\n"
        "if sys.argv[2] == 'open':\n"
        "    open_model(sys.argv[1])\n"
        "print(hub.find_model(sys.argv[1]).folder)\n"
    )
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    kept.pop("PYTHONWARNDEFAULTENCODING", None)  # other packages would speak
    environment = {**kept, "HF_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"}

    def start(what: str, **more: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-c", code, QWEN, what],
            capture_output=True,
            text=True,
            encoding="utf-8",
            env={**environment, **more},
        )

    with serving_models(folders) as server:
        online = start("open", HF_ENDPOINT=server.url)
    assert online.returncode == 0, online.stderr
    assert online.stderr == ""
    assert Path(online.stdout.strip()).is_relative_to(tmp_path / "home")
    offline = start("find", HF_HUB_OFFLINE="1")
    assert offline.stdout == online.stdout, offline.stderr


def test_a_bar_shows_what_is_fetched(hub):
    from tqdm import tqdm

    seen = []

    class Bar(tqdm):
        def __init__(self, *arguments, **settings):
            super().__init__(*arguments, **{**settings, "disable": True})
            seen.append(settings.get("desc"))

    open_model(UER, progress_bar=Bar)
    assert seen


class Harmful:
    """What a pickle can do, if one lets it: call any function."""

    def __reduce__(self):
        return (os.mkdir, (f"{os.environ['NOVELKIT_TEST_FOLDER']}/harm",))


@pytest.mark.parametrize("where", ["beside", "inside"])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_program_in_a_bin_is_not_run(folders, tmp_path, monkeypatch, where, zipped):
    monkeypatch.setenv("NOVELKIT_TEST_FOLDER", str(tmp_path))
    vocabulary = bert_vocabulary(TEXT)
    folder = save_uer(tmp_path / "model", random_gpt2(len(vocabulary)), vocabulary)
    path = folder / "pytorch_model.bin"
    state = torch.load(path, weights_only=True)
    harmful = {**state, "more": Harmful()} if where == "inside" else Harmful()
    torch.save(harmful, path, _use_new_zipfile_serialization=zipped)
    assert "程序" in refused(folder)
    assert not (tmp_path / "harm").exists()
    with path.open("wb") as file:
        pickle.dump(harmful, file)
    refused(folder)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("share", [0, 0.3, 0.99])
@pytest.mark.parametrize("old", [True, False])
def test_a_truncated_bin_is_refused(tmp_path, share, old):
    vocabulary = bert_vocabulary(TEXT)
    folder = save_uer(tmp_path, random_gpt2(len(vocabulary)), vocabulary, old_format=old)
    path = folder / "pytorch_model.bin"
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * share)])
    assert "损坏" in refused(folder)


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}, {1: torch.ones(1)}, torch.ones(2)])
def test_a_bin_of_something_else_is_refused(tmp_path, content):
    vocabulary = bert_vocabulary(TEXT)
    folder = save_uer(tmp_path, random_gpt2(len(vocabulary)), vocabulary)
    torch.save(content, folder / "pytorch_model.bin")
    assert "权重" in refused(folder)


def test_weights_in_several_files_are_one_model(folders, tmp_path):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folders[BPE])
    model.save_pretrained(tmp_path, max_shard_size="40KB")
    assert len(weight_files(tmp_path)) > 1
    whole, parts = load_file(folders[BPE] / "model.safetensors"), read_weights(tmp_path)
    assert whole.keys() == parts.keys()
    assert all(torch.equal(tensor, parts[name]) for name, tensor in whole.items())
    weight_files(tmp_path)[1].unlink()
    assert "没有下载完整" in refused(tmp_path)


@pytest.mark.parametrize(
    "index", ["", "[]", "{}", '{"weight_map": {}}', '{"weight_map": {"a": "../model.safetensors"}}']
)
def test_an_index_that_leads_nowhere_is_refused(folders, tmp_path, index):
    folder = tmp_path / "model"
    folder.mkdir()
    config = (folders[BPE] / "config.json").read_text(encoding="utf-8")
    (folder / "config.json").write_text(config, encoding="utf-8")
    save_file(load_file(folders[BPE] / "model.safetensors"), tmp_path / "model.safetensors")
    (folder / "model.safetensors.index.json").write_text(index, encoding="utf-8")
    refused(folder)
