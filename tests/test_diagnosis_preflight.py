"""Stage 07: what is known before the first step, the pieces of a real run, the pictures."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from novelkit.diagnosis import (
    RunSetup,
    TrainingSetup,
    diagnose,
    diagnose_history,
    preflight,
    probe,
    read_log,
)
from novelkit.diagnosis.curve import Curve
from novelkit.errors import InputError
from novelkit.model import ModelConfig
from novelkit.plots.diagnosis import PANELS, plot_diagnosis
from novelkit.tokenizing import CharTokenizer
from novelkit.training import Budget, TrainConfig, train

NOVEL = Path(__file__).resolve().parents[1] / "assets" / "novel" / "novel.txt"


@pytest.fixture(scope="module")
def setup():
    text = NOVEL.read_text(encoding="utf-8")
    texts = {"train": text[:20_000], "validation": text[20_000:25_000]}
    tokenizer = CharTokenizer.train(texts["train"])
    model = ModelConfig(len(tokenizer), n_ctx=32, n_layer=1, n_head=2, n_embd=16)
    return TrainingSetup(model, TrainConfig(batch_size=8), tokenizer, texts, steps=400)


def replaced(text: str, share: float) -> str:
    """Some of the characters are others of the text."""
    random = np.random.default_rng(0)
    characters, kinds = np.array(list(text)), np.array(sorted(set(text)))
    places = random.random(len(characters)) < share
    characters[places] = random.choice(kinds, int(places.sum()))
    return "".join(characters)


def failed(setup: TrainingSetup) -> set[str]:
    return {check.name for check in preflight(setup) if not check.passed}


def test_a_training_that_may_begin(setup):
    checks = {check.name: check for check in preflight(setup)}
    assert not failed(setup)
    assert checks["passes"].value == pytest.approx(400 * 8 * 32 / len(setup.tokens("train")))
    assert checks["warmup_share"].value == 20 / 400
    parameters = setup.new_model().count_parameters()
    tokens = len(setup.tokens("train"))
    assert checks["tokens_per_parameter"].value == pytest.approx(tokens / parameters)
    assert all(len(check.text) == 2 and all(check.text) for check in checks.values())


def test_texts_that_may_not(setup):
    train, validation = setup.texts["train"], setup.texts["validation"]
    assert failed(setup.with_texts(train=train + validation)) == {"leaked_validation"}
    assert failed(setup.with_texts(train=train + train[:9000])) == {"repeated_paragraphs"}
    # The marks of a keyboard are no damage.
    keyboard = train.translate(str.maketrans("，。！；：（）“”", ',.!;:()""'))
    assert not failed(setup.with_texts(train=keyboard))
    damaged = train.encode("gb18030").decode("latin-1")
    assert "strange_characters" in failed(setup.with_texts(train=damaged))
    wrong = replaced(train, 0.1)
    assert failed(setup.with_texts(train=wrong)) == {"substituted_characters"}


def test_a_short_text_is_not_checked_for_replaced_characters(setup):
    names = {check.name for check in preflight(setup.with_texts(train=setup.texts["train"][:2000]))}
    assert "substituted_characters" not in names and "strange_characters" in names


class Losing(CharTokenizer):
    def decode(self, ids):
        return super().decode(ids).replace("…", "")


def test_a_tokenizer_that_loses_characters(setup):
    characters = sorted(set(setup.texts["train"]))
    losing = dataclasses.replace(setup, tokenizer=Losing(characters))
    assert "round_trip" in failed(losing)


def test_settings_that_may_not(setup):
    short = dataclasses.replace(setup, steps=30)
    assert failed(short) == {"steps", "warmup_share"}
    long = dataclasses.replace(setup, steps=20_000)
    assert failed(long) == {"passes"}
    wide = ModelConfig(len(setup.tokenizer), n_ctx=32, n_layer=2, n_head=2, n_embd=256)
    assert failed(dataclasses.replace(long, model_config=wide)) == {
        "passes",
        "tokens_per_parameter",
    }


@pytest.fixture(scope="module")
def run(data_folder, model_size, cpu, tmp_path_factory):
    """A run with a resume in it."""
    out = tmp_path_factory.mktemp("runs") / "run"
    config = TrainConfig(batch_size=4, evaluate_every=5, checkpoint_steps=10)
    train(data_folder, out, model_size, config, Budget(max_steps=20), compute=cpu)
    train(data_folder, out, model_size, config, Budget(max_steps=40), resume=True, compute=cpu)
    return out


def test_the_pieces_of_a_run(run, data_folder, model_size):
    setup = RunSetup(run, data_folder)
    assert setup.steps == 40 and setup.resumes == (20,)
    assert setup.model_config == model_size and setup.config.batch_size == 4
    history, _ = read_log(run)
    # The run's own batches come back, of both sessions.
    for step in (3, 25):
        batch = setup.batch(step, session=1 + (step > 20))
        assert batch.position == history[step - 1]["position"]
        assert batch.epoch == history[step - 1]["epoch"]
    found = probe(setup)
    assert not found.failed
    assert found.signs["probe_offset"] == 1 and abs(found.signs["probe_sampler"]) < 1e-5
    assert found.signs["probe_resume_state"] < 1e-6 and found.signs["probe_leaked"] >= 0


def test_probes_of_a_run_are_asked_of_its_own_data(run, shelf_data, tmp_path):
    with pytest.raises(InputError, match="不是用"):
        RunSetup(run, shelf_data)
    with pytest.raises(InputError):
        RunSetup(tmp_path, shelf_data)


def test_a_diagnosis_with_probes_says_less_is_unchecked(run, data_folder):
    bare, probed = diagnose(run), diagnose(run, RunSetup(run, data_folder))
    assert any("探针" in line for line in bare.unchecked)
    assert not any("探针" in line for line in probed.unchecked)
    assert "probe_offset" in probed.signs and "probe_offset" not in bare.signs


@pytest.mark.parametrize(
    "cause", [*{panel: cause for cause, panel in PANELS.items()}.values(), "healthy"]
)
def test_a_picture_of_every_kind(run, cause, font, tmp_path, monkeypatch):
    history, data = read_log(run)
    found = diagnose_history(history, data)
    first = dataclasses.replace(found.findings[0], cause=cause)
    found = dataclasses.replace(found, findings=(first,))
    figure = plot_diagnosis(Curve.of(history, data), found, "训练")
    assert len(figure.axes) == 2 and figure.axes[1].has_data()
    figure.savefig(tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 10_000


@pytest.mark.parametrize("columns", [(), ("gradient_norm",), ("update_ratio", "learning_rate")])
def test_a_picture_of_what_there_is(run, columns, tmp_path):
    """A log with a loss and little else, also with steps that have no number."""
    history, data = read_log(run)
    bare = [{k: r[k] for k in ("step", "loss", *columns)} for r in history]
    for record in bare[5:9]:
        record["loss"] = None
    for about in (data, {}):
        curve = Curve.of(bare, about)
        figure = plot_diagnosis(curve, diagnose_history(bare, about))
        figure.savefig(tmp_path / "a.png")
        assert figure.axes[0].lines and figure.axes[1].has_data()
