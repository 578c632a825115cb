"""The blind game: what is read, how it is scored, and the form without a browser."""

import gzip
import json
import sys

import pytest
from matplotlib.figure import Figure

from novelkit.diagnosis import CAUSES, HEALTHY
from novelkit.diagnosis.game import (
    BLIND_RUNS,
    BlindForm,
    Game,
    blind_form,
    read_blind_runs,
)
from novelkit.errors import InputError

ANCHORS = {"uniform": 7.0, "unigram": 6.0, "bigram": 5.0, "trigram": 4.8, "xz": 5.2}
DATA = {"anchors": ANCHORS, "tokens_per_character": {"train": 1.0, "validation": 1.0}}


def history(jump):
    """A falling loss with a resume in the middle, at which it jumps, or goes on."""
    records = []
    for step in range(1, 121):
        since = step - 60 if jump and step > 60 else step
        loss = 5.0 + 2.0 * 0.96**since + 0.05 * ((step * 7919) % 13 - 6) / 6
        records.append({"step": step, "loss": loss, "session": 1 + (step > 60)})
    return records


@pytest.fixture
def folder(tmp_path):
    index = {}
    for name, cause in (("a", "restarted"), ("b", HEALTHY), ("c", "vocabulary_mismatch")):
        lines = "".join(json.dumps(record) + "\n" for record in history(cause == "restarted"))
        (tmp_path / f"{name}.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
        probes = {"probe_resume_weights": 0.3 if cause == "restarted" else 0.0, "probe_noise": None}
        index[name] = {"cause": cause, "part": "report", "data": DATA, "probes": probes}
    (tmp_path / "index.json").write_text(json.dumps(index), encoding="utf-8")
    return tmp_path


def draw(curve, title):
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot(curve.steps, curve.loss)
    return figure


def test_runs_are_read_and_what_no_curve_shows_is_left_out(folder):
    runs = read_blind_runs(folder)
    assert [(run.name, run.cause, run.part) for run in runs] == [
        ("a", "restarted", "report"),
        ("b", HEALTHY, "report"),
    ]
    assert len(runs[0].curve) == 120
    assert "probe_noise" not in runs[0].probes
    assert [run.name for run in read_blind_runs(folder, leave_out=())] == ["a", "b", "c"]
    assert runs[0].diagnose(probes=True).verdict == "restarted"


def test_a_folder_without_runs_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"index\.json"):
        read_blind_runs(tmp_path)
    with pytest.raises(InputError, match="没有盲诊用的曲线"):
        Game([])


def test_answers_are_scored_and_the_runs_begin_again(folder):
    game = Game(read_blind_runs(folder), seed=1)
    assert {cause for _, cause in game.choices} == {"restarted", HEALTHY}
    for _ in range(2):
        truth = game.run.cause
        answer = game.answer(truth)
        assert answer.right and answer.truth == truth
        assert answer.as_lines()[0].startswith("✓")
        assert any(CAUSES[truth].experiment[0] in line for line in answer.as_lines())
    wrong = "restarted" if game.run.cause == HEALTHY else HEALTHY
    assert "✗" in game.answer(wrong).as_lines()[0]
    assert "3 条曲线" in game.score() and "你对 2 条" in game.score()
    with pytest.raises(InputError, match="可选的是"):
        game.answer("nothing")
    assert len(game.answers) == 3


def test_the_seed_decides_the_order(folder):
    runs = read_blind_runs(folder, leave_out=()) * 4
    names = [[run.name for run in Game(runs, seed)._runs] for seed in (1, 1, 2)]
    assert names[0] == names[1] != names[2]


def test_the_form_asks_tells_and_goes_on(folder):
    pytest.importorskip("ipywidgets")
    game = Game(read_blind_runs(folder))
    form = BlindForm(game, draw)
    assert bytes(form.picture.value).startswith(b"\x89PNG")
    assert not form.button.disabled and form.following.disabled
    form.choice.value = game.run.cause
    form.button.click()
    assert "✓" in form.told.value and "1 条曲线" in form.told.value
    assert form.button.disabled and not form.following.disabled
    before = bytes(form.picture.value)
    form.following.click()
    assert form.told.value == "" and bytes(form.picture.value) != before


def test_without_widgets_a_text_says_how_to_play(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    assert "game.answer" in blind_form(Game(read_blind_runs(folder)), draw)


@pytest.mark.skipif(not (BLIND_RUNS / "index.json").exists(), reason="no recorded runs here")
def test_the_recorded_runs_can_be_played():
    from novelkit.plots.diagnosis_lesson import plot_blind

    runs = read_blind_runs()
    assert {run.cause for run in runs} <= CAUSES.keys()
    assert HEALTHY in {run.cause for run in runs}
    for run in runs:
        assert len(run.curve) == len(run.history) > 100
        plot_blind(run.curve)
    game = Game(runs)
    assert game.answer(game.run.cause).as_lines()
