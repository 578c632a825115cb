"""Stage 06, out of memory: the same batch in smaller parts, and the run goes on."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from novelkit.errors import WorkError
from novelkit.model import GPT2
from novelkit.training import Budget, TrainConfig, read_history, train, without_clock
from novelkit.training.memory import available_memory, is_out_of_memory, more_parts
from novelkit.training.opening import decide_parts
from novelkit.training.step import Learner

torch.set_num_threads(1)
CONFIG = TrainConfig(seed=5, batch_size=8, evaluate_every=50, patience=0, checkpoint_steps=5)
SHORTAGES = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
]


@pytest.fixture(scope="module")
def go(data_folder, model_size, cpu):
    def run(out: Path, **changes):
        arguments = {
            "data": data_folder,
            "out": out,
            "model": replace(model_size, dropout=0.0),
            "config": CONFIG,
            "budget": Budget(12),
            "compute": cpu,
        }
        return train(**(arguments | changes))

    return run


def memory_for(rows: int, monkeypatch, from_step: int = 1, error: Exception = SHORTAGES[0]) -> None:
    """From a step on the model fails on more than so many rows at once, after some work."""
    original, now = GPT2.token_losses, [0]
    update = Learner.update

    def count(self, batch, rate, step):
        now[0] = step
        return update(self, batch, rate, step)

    def short(self, ids, targets):
        found = original(self, ids, targets)
        if self.training and now[0] >= from_step and len(ids) > rows:
            raise error
        return found

    monkeypatch.setattr(Learner, "update", count)
    monkeypatch.setattr(GPT2, "token_losses", short)


@pytest.mark.parametrize("error", SHORTAGES, ids=["cuda", "cpu"])
def test_a_step_without_memory_is_done_again_in_smaller_parts(go, tmp_path, monkeypatch, error):
    plain = without_clock(read_history(go(tmp_path / "plain").run))
    notices: list[str] = []
    memory_for(2, monkeypatch, from_step=4, error=error)
    result = go(tmp_path / "short", on_notice=notices.append)
    history = without_clock(read_history(result.run))
    # The same losses: the batch is the same, only cut.
    assert [record["loss"] for record in history] == pytest.approx(
        [record["loss"] for record in plain], rel=1e-5
    )
    assert [len(record.get("micro_batch_losses", [0])) for record in history] == [1] * 3 + [4] * 9
    told = [line for line in notices if "内存不够" in line]
    assert len(told) == 2 and "每次 8 段改成 4 段" in told[0] and "每次 4 段改成 2 段" in told[1]


def test_the_parts_are_written_down_and_obeyed(go, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        memory_for(2, patch, from_step=4)
        straight = without_clock(read_history(go(tmp_path / "straight").run))

    def stop(record, last_step):
        if record["step"] == 8:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        memory_for(2, patch, from_step=4)
        with pytest.raises(KeyboardInterrupt):
            go(tmp_path / "run", on_step=stop)
    # With memory again, from the checkpoint of step 5: the ledger still says four parts.
    result = go(tmp_path / "run", resume=True)
    assert result.resumed_from == 5
    assert without_clock(read_history(result.run)) == straight
    decisions = json.loads((result.run / "run.json").read_text(encoding="utf-8"))["decisions"]
    found = [(one["step"], one["value"]) for one in decisions if one["kind"] == "accumulation"]
    assert found == [(3, 2), (3, 4)]


def test_without_memory_for_a_single_row_the_run_ends_in_one_line(go, tmp_path, monkeypatch):
    memory_for(0, monkeypatch, from_step=7)
    with pytest.raises(WorkError, match="第 7 步内存不够") as caught:
        go(tmp_path / "run")
    assert "\n" not in str(caught.value)
    monkeypatch.undo()
    result = go(tmp_path / "run", resume=True)
    assert (result.resumed_from, result.steps) == (5, 12)


def test_another_error_is_not_taken_for_a_lack_of_memory(go, tmp_path, monkeypatch):
    memory_for(2, monkeypatch, error=RuntimeError("shape mismatch"))
    with pytest.raises(RuntimeError, match="shape mismatch"):
        go(tmp_path / "run")
    assert is_out_of_memory(SHORTAGES[0]) and is_out_of_memory(SHORTAGES[1])
    assert not is_out_of_memory(MemoryError())


@given(rows=st.integers(1, 200), parts=st.integers(1, 200))
def test_more_parts_are_equal_ones_and_at_least_twice_as_many(rows, parts):
    found = more_parts(rows, parts)
    if parts >= rows:
        assert found is None
    else:
        assert found is not None and rows % found == 0
        assert found >= 2 * parts or found == rows


def test_a_new_run_takes_what_the_memory_holds(model_size, cpu, monkeypatch):
    class Ledger:
        sessions: list = []
        made: list = []

        def decide(self, *values):
            self.made.append(values)

    model = GPT2(replace(model_size, n_ctx=512))
    monkeypatch.setattr("novelkit.training.opening.available_memory", lambda device: 40 * 2**20)
    decide_parts(Ledger(), model, CONFIG, cpu, slice(0, 8))
    (step, kind, parts, reason) = Ledger.made[0]
    assert (step, kind) == (0, "accumulation")
    assert parts in (2, 4, 8) and "40.0 MiB" in reason
    monkeypatch.setattr("novelkit.training.opening.available_memory", lambda device: 2**40)
    decide_parts(Ledger(), model, CONFIG, cpu, slice(0, 8))
    assert len(Ledger.made) == 1


def test_the_available_memory_is_read(tmp_path):
    file = tmp_path / "meminfo"
    file.write_text("MemTotal: 9 kB\nMemAvailable:   2048 kB\n", encoding="utf-8")
    assert available_memory("cpu", file) == 2 * 2**20
    assert available_memory("cpu", tmp_path / "none") is None
    assert available_memory("mps", file) is None
