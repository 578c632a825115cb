"""Stage 06, torch.compile: taken where it pays, obeyed on resume, and no reason to fail."""

import json
from pathlib import Path

import pytest
import torch

from novelkit.training import Budget, TrainConfig, compiling, read_history, train, without_clock
from novelkit.training.step import Learner

torch.set_num_threads(1)
CONFIG = TrainConfig(seed=2, batch_size=4, evaluate_every=50, patience=0, checkpoint_steps=10)
STEPS = 40


@pytest.fixture(scope="module")
def go(data_folder, model_size, cpu):
    def run(out: Path, **changes):
        arguments = {
            "data": data_folder,
            "out": out,
            "model": model_size,
            "config": CONFIG,
            "budget": Budget(STEPS),
            "compute": cpu,
        }
        return train(**(arguments | changes))

    return run


def decisions(run: Path) -> list[tuple[int, bool]]:
    ledger = json.loads((run / "run.json").read_text(encoding="utf-8"))
    found = [one for one in ledger["decisions"] if one["kind"] == "compile"]
    return [(one["step"], one["value"]) for one in found]


@pytest.fixture
def used(monkeypatch):
    """The steps that were taken compiled, by a stand-in that compiles nothing."""
    monkeypatch.setattr(torch, "compile", lambda module: lambda *values: module(*values))
    steps: list[int] = []
    original = Learner.update

    def update(self, batch, rate, step):
        if self._objective is not self._eager:
            steps.append(step)
        return original(self, batch, rate, step)

    monkeypatch.setattr(Learner, "update", update)
    return steps


def measured(monkeypatch, eager: float, compiled: float) -> None:
    """Let the timing of passes find these seconds."""
    found = iter([eager, compiled])
    monkeypatch.setattr(compiling, "_time_passes", lambda learner, batch: next(found))


def test_a_short_run_is_never_compiled(go, used, tmp_path):
    result = go(tmp_path)
    assert (decisions(result.run), used) == ([], [])


def test_a_long_run_is_compiled_once_it_has_been_timed(go, used, monkeypatch, tmp_path):
    monkeypatch.setattr(compiling, "WORTHWHILE_SECONDS", 0.0)
    measured(monkeypatch, 1.0, 0.5)
    notices: list[str] = []
    result = go(tmp_path, on_notice=notices.append)
    first = compiling.STEPS_BEFORE + 1
    assert decisions(result.run) == [(first - 1, True)]
    assert used == list(range(first, STEPS + 1))
    assert any("2.00 倍" in line for line in notices)


def test_what_is_not_faster_is_left_alone(go, used, monkeypatch, tmp_path):
    monkeypatch.setattr(compiling, "WORTHWHILE_SECONDS", 0.0)
    measured(monkeypatch, 1.0, 0.99)
    result = go(tmp_path)
    assert (decisions(result.run), used) == ([(compiling.STEPS_BEFORE, False)], [])


def test_a_machine_that_cannot_compile_trains_all_the_same(go, monkeypatch, tmp_path):
    def broken(module):
        def call(*values):
            raise RuntimeError("InvalidCxxCompiler: No working C++ compiler found")

        return call

    monkeypatch.setattr(torch, "compile", broken)
    notices: list[str] = []
    result = go(tmp_path / "broken", compiles=True, on_notice=notices.append)
    assert decisions(result.run) == [(0, False)]
    assert any("C++ compiler" in line for line in notices)
    plain = go(tmp_path / "plain")
    assert without_clock(read_history(result.run)) == without_clock(read_history(plain.run))


def test_the_choice_is_obeyed_on_resume(go, used, monkeypatch, tmp_path):
    monkeypatch.setattr(compiling, "WORTHWHILE_SECONDS", 0.0)
    measured(monkeypatch, 1.0, 0.5)

    def stop(record, last_step):
        if record["step"] == 25:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go(tmp_path, on_step=stop)
    result = go(tmp_path, resume=True)
    assert result.resumed_from == 20
    assert decisions(result.run) == [(20, True)]
    assert used == [*range(21, 26), *range(21, STEPS + 1)]


@pytest.mark.slow
def test_a_compiled_run_is_exact_on_resume_and_close_to_the_plain_one(go, tmp_path):
    straight = go(tmp_path / "straight", compiles=True)
    assert decisions(straight.run) == [(0, True)]

    def stop(record, last_step):
        if record["step"] == 17:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go(tmp_path / "half", compiles=True, on_step=stop)
    resumed = go(tmp_path / "half", compiles=True, resume=True)
    histories = [without_clock(read_history(one.run)) for one in (straight, resumed)]
    assert histories[0] == histories[1]
    exported = [(one.model / "model.safetensors").read_bytes() for one in (straight, resumed)]
    assert exported[0] == exported[1]
    plain = read_history(go(tmp_path / "plain", compiles=False).run)
    # Not closer: compiled code rolls other dice for dropout.
    assert plain[0]["loss"] == pytest.approx(histories[0][0]["loss"], rel=2e-3)
