"""Stage 06, whole runs: after any kill a run ends as if nothing had happened, to the bit."""

import hashlib
import json
import math
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from novelkit import checkpoint
from novelkit.cleaning import Chapter, Novel
from novelkit.errors import InputError, WorkError
from novelkit.model import GPT2, load_model, save_model
from novelkit.tokenizing import Blocks, CharTokenizer, load_tokenizer, write_data
from novelkit.training import Budget, TrainConfig, read_history, train, without_clock
from novelkit.training.data import TrainingData, evaluate
from novelkit.training.schedule import Cycle, learning_rate

torch.set_num_threads(1)
STEPS = 40
CONFIG = TrainConfig(
    seed=5,
    batch_size=8,
    accumulation=2,
    learning_rate=3e-3,
    warmup_steps=5,
    evaluate_every=7,
    evaluation_blocks=4,
    patience=0,
    checkpoint_steps=5,
    checkpoint_minutes=99.0,
    # So that a checkpoint holds every kind of file.
    ema_decay=0.9,
)


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    """Only a power cut could tell; the processes that are killed for good do flush."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


class Killed(BaseException):
    """Stands in for a kill in the test's own process: nothing in the library catches it."""


def at_step(step: int, action):
    """An `on_step` that acts once a step is done."""

    def on_step(record, last_step):
        if record["step"] == step:
            action()

    return on_step


def die() -> None:
    raise Killed


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


@pytest.fixture(scope="session")
def go(data_folder, model_size, cpu):
    """`train` with the settings of this file; keywords change them."""

    def run(out: Path, steps: int | None = STEPS, **changes):
        arguments = {
            "data": data_folder,
            "model": model_size,
            "config": CONFIG,
            "budget": Budget(steps),
            "compute": cpu,
        }
        return train(out=out, **(arguments | changes))

    return run


@pytest.fixture(scope="session")
def straight(go, tmp_path_factory) -> Path:
    """A run that nothing disturbed."""
    return go(tmp_path_factory.mktemp("straight") / "run").run


@pytest.fixture(scope="session")
def stopped_at_20(go, tmp_path_factory) -> Path:
    """A run that was interrupted after half of its steps; copy it to go on."""
    out = tmp_path_factory.mktemp("half") / "run"
    result = go(out, on_step=at_step(20, interrupt))
    assert (result.stopped, result.steps) == ("interrupted", 20)
    return out


@pytest.fixture
def half(stopped_at_20, tmp_path) -> Path:
    return Path(shutil.copytree(stopped_at_20, tmp_path / "half"))


def newest(run: Path) -> Path:
    return checkpoint.list_checkpoints(run / "checkpoints")[0]


def outcome(run: Path) -> dict[str, object]:
    """What two runs must share: weights, their average, optimizers, counters, history, model."""
    last = newest(run)
    files = [last / name for name in ("model", "optimizer", "average")]
    raw = {path.name: path.with_suffix(".safetensors").read_bytes() for path in files}
    return raw | {
        "step": last.name,
        "state": json.loads((last / "state.json").read_text(encoding="utf-8")),
        "history": without_clock(read_history(run)),
        "exported": (run / "model" / "model.safetensors").read_bytes(),
    }


def assert_same(run: Path, other: Path) -> None:
    found, expected = outcome(run), outcome(other)
    for name, value in expected.items():
        assert found[name] == value, f"{name} differs"


def differences(run: Path, other: Path) -> set[str]:
    found, expected = outcome(run), outcome(other)
    return {name for name, value in expected.items() if found[name] != value}


# Killed at any moment


def work(arguments: dict, trap: tuple[str, int, str] | None, began=None) -> None:
    """Train with `resume` in a process of its own; `trap` says where it kills itself."""
    torch.set_num_threads(1)
    if trap:
        set_trap(*trap)
    on_step = at_step_one(began) if began else None
    train(**arguments, resume=True, on_step=on_step)


def at_step_one(began):
    def on_step(record, last_step):
        began.set()

    return on_step


def set_trap(where: str, count: int, when: str) -> None:
    """SIGKILL this process before, after or in the middle of the n-th call of a function."""
    owner, name = TRAPS[where]()
    original, calls = getattr(owner, name), [0]

    def trapped(*values, **keywords):
        calls[0] += 1
        if calls[0] == count and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*values, **keywords)
        if calls[0] == count and when == "half":
            path = values[1]
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        if calls[0] == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, trapped)


def _modules():
    from novelkit.training import history, loop, run, state, step

    return history, run, state, step, loop


TRAPS = {
    "save a file": lambda: (_modules()[2], "save_file"),
    "write json": lambda: (checkpoint.layouts, "write_json"),
    "rename": lambda: (Path, "replace"),
    "delete": lambda: (shutil, "rmtree"),
    "resume": lambda: (_modules()[1], "load_state"),
    "evaluate": lambda: (_modules()[1], "evaluate"),
    "log": lambda: (_modules()[0].HistoryWriter, "append"),
    "update": lambda: (_modules()[3].Learner, "update"),
    "export": lambda: (_modules()[4], "export_model"),
}
# One session each, in this order: in a save (each of its files, half of one, the manifest, the
# rename, the deletion of what it replaces), in an evaluation, between two steps, in a step.
KILLS = [
    ("save a file", 1, "before"),
    ("update", 7, "after"),
    ("save a file", 2, "half"),
    ("evaluate", 1, "before"),
    ("save a file", 5, "after"),
    ("write json", 9, "before"),
    ("resume", 1, "before"),
    ("resume", 1, "after"),
    ("log", 4, "before"),
    ("log", 8, "after"),
    ("rename", 9, "before"),
    ("rename", 6, "after"),
    ("delete", 1, "after"),
    ("evaluate", 1, "after"),
    ("update", 3, "before"),
    ("delete", 5, "before"),
    ("export", 1, "before"),
]
needs_sigkill = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="POSIX only")


@pytest.fixture(scope="session")
def processes():
    """Processes that start from one with torch imported already, and share nothing else."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "torch._dynamo", "numpy"])
    return context


@pytest.fixture(scope="session")
def arguments(data_folder, model_size, cpu):
    return {
        "data": data_folder,
        "model": model_size,
        "config": CONFIG,
        "budget": Budget(STEPS),
        "compute": cpu,
    }


@needs_sigkill
@pytest.mark.timeout(900)
def test_a_run_killed_at_chosen_moments_ends_as_if_undisturbed(
    arguments, processes, straight, tmp_path
):
    out, died = tmp_path / "run", 0
    for trap in [*KILLS, None]:
        process = processes.Process(target=work, args=(arguments | {"out": out}, trap))
        process.start()
        process.join(60)
        died += process.exitcode == -signal.SIGKILL
        assert process.exitcode == (0 if trap is None else -signal.SIGKILL), trap
        assert checkpoint.newest_valid(out / "checkpoints")[1] == [], trap
    assert died == len(KILLS) >= 8
    assert_same(out, straight)
    ledger = json.loads((out / "run.json").read_text(encoding="utf-8"))
    # Whoever was killed in the export had no step left to do, and whoever was killed while it
    # resumed had not come to one: they opened no session.
    opened = [where for where, _, _ in KILLS if where not in ("export", "resume")]
    assert [session["ended"] for session in ledger["sessions"]] == [None] * len(opened)
    leftovers = [path.name for path in out.rglob("*") if ".tmp" in path.name]
    assert not [name for name in leftovers if name.startswith(".step-")]


@needs_sigkill
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_run_killed_25_times_at_random_moments_ends_as_if_undisturbed(
    arguments, processes, straight, tmp_path
):
    rng, kills, runs = random.Random(25), 0, 0
    while kills < 25:
        out, runs = tmp_path / f"run-{runs}", runs + 1
        longest, before = 0.15, None
        while True:
            began = processes.Event()
            process = processes.Process(target=work, args=(arguments | {"out": out}, None, began))
            process.start()
            assert began.wait(60) or not process.is_alive()
            process.join(rng.uniform(0, longest))
            process.kill()
            process.join(60)
            if process.exitcode == 0:
                break
            kills += process.exitcode == -signal.SIGKILL
            print(f"kill {kills}: run {runs}, {what_is_left(out)}", flush=True)
            # On a busy machine a save takes longer, and a run that never saves never ends.
            saved = {path.name for path in (out / "checkpoints").glob("step-*")}
            longest, before = (0.15 if saved != before else longest * 1.3), saved
        assert_same(out, straight)
        print(
            f"run {runs} has ended: the same to the bit as the one that nobody killed", flush=True
        )


def what_is_left(out) -> str:
    """One line for the log of kills (pytest -s): how far the run had come, what was cut short."""
    history = out / "history.jsonl"
    records = history.read_bytes().count(b"\n") if history.exists() else 0
    saved = sorted(path.name for path in (out / "checkpoints").glob("step-*"))
    cut = sorted(path.name for path in out.rglob(".*.tmp"))
    last = saved[-1] if saved else "none"
    return f"{records} lines of history, last checkpoint {last}" + "".join(
        f", cut: {c}" for c in cut
    )


def test_a_resumed_run_is_the_run(go, half, straight):
    result = go(half, resume=True)
    assert (result.stopped, result.resumed_from, result.skipped) == ("finished", 20, ())
    assert_same(half, straight)


def test_another_seed_is_another_run(go, straight, tmp_path):
    """So that the comparisons of this file can fail."""
    go(tmp_path, config=replace(CONFIG, seed=6))
    assert {"model.safetensors"[:5], "history", "exported"} <= differences(tmp_path, straight)


def test_a_resume_that_loses_every_step_since_the_checkpoint_does_them_again(go, half, straight):
    for _ in range(2):
        with pytest.raises(Killed):
            go(half, resume=True, on_step=at_step(24, die))
    go(half, resume=True)
    assert_same(half, straight)
    lines = (half / "history.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == STEPS + 8, "nothing of what was done is deleted"


def test_a_run_that_died_before_its_first_checkpoint_begins_again_and_says_so(
    go, straight, tmp_path
):
    with pytest.raises(Killed):
        go(tmp_path, on_step=at_step(3, die))
    result = go(tmp_path, resume=True)
    assert result.resumed_from is None
    assert len(result.skipped) == 1 and "第 3 步" in result.skipped[0]
    assert_same(tmp_path, straight)


# Each part of a checkpoint is needed


def alter(folder: Path, name: str, change) -> None:
    """Change one file of a checkpoint so that its manifest still vouches for it."""
    change(folder / name)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    raw = (folder / name).read_bytes()
    digest = hashlib.sha256(raw).hexdigest()
    manifest["files"][name] = {"bytes": len(raw), "sha256": digest}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def zero_tensors(part: str):
    def change(path: Path) -> None:
        tensors = load_file(path)
        chosen = [name for name in tensors if part in name]
        assert chosen
        save_file(tensors | {name: torch.zeros_like(tensors[name]) for name in chosen}, path)

    return change


def other_counter(**values):
    def change(path: Path) -> None:
        header = json.loads(path.read_text(encoding="utf-8"))
        header["state"] |= values
        path.write_text(json.dumps(header), encoding="utf-8")

    return change


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("optimizer.safetensors", zero_tensors("exp_avg")),
        ("optimizer.safetensors", zero_tensors("exp_avg_sq")),
        ("optimizer.safetensors", zero_tensors("momentum_buffer")),
        ("optimizer.safetensors", zero_tensors("/step")),
        ("model.safetensors", zero_tensors("norm.bias")),
        ("average.safetensors", zero_tensors("norm.bias")),
        ("state.json", other_counter(step=19)),
    ],
)
def test_a_resume_without_one_part_would_differ(go, half, straight, name, change):
    alter(newest(half), name, change)
    assert go(half, resume=True).skipped == ()
    # The average follows the weights, and nothing follows the average.
    needs = {"exported", "history"} | ({"model"} if "average" not in name else set())
    assert needs <= differences(half, straight)


def test_a_resume_with_other_dice_would_differ(go, half, straight, monkeypatch):
    monkeypatch.setattr("novelkit.training.step.Learner._roll_the_dice", lambda self, step: None)
    go(half, resume=True)
    assert {"model", "exported", "history"} <= differences(half, straight)


def test_what_draws_random_numbers_between_two_steps_changes_nothing(go, half, straight):
    go(half, resume=True, on_step=lambda record, last: torch.rand(3))
    assert_same(half, straight)


def test_a_resume_without_the_token_count_would_differ(go, half, straight):
    alter(newest(half), "state.json", other_counter(tokens=0))
    go(half, resume=True)
    assert {"state", "history"} <= differences(half, straight)


# Damage

PARTS = [
    "model.safetensors",
    "optimizer.safetensors",
    "average.safetensors",
    "state.json",
    "manifest.json",
]


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 4
    path.write_bytes(raw)


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("harm", [truncate, flip, Path.unlink])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(go, half, straight, name, harm):
    harm(newest(half) / name)
    result = go(half, resume=True)
    assert result.resumed_from == 15
    assert len(result.skipped) == 1
    assert "step-00000020" in result.skipped[0]
    # A flipped manifest may accuse the file whose hash it no longer knows.
    assert name in result.skipped[0] or (name, harm) == ("manifest.json", flip)
    assert_same(half, straight)


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_whose_checkpoints_are_all_damaged_does_not_quietly_begin_again(go, half):
    for folder in checkpoint.list_checkpoints(half / "checkpoints"):
        flip(folder / "model.safetensors")
    before = snapshot(half)
    with pytest.raises(InputError, match="从头开始") as caught:
        go(half, resume=True)
    assert "step-00000020" in str(caught.value) and "step-00000015" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert snapshot(half) == before


def test_a_run_whose_checkpoints_are_gone_does_not_quietly_begin_again(go, half):
    shutil.rmtree(half / "checkpoints")
    with pytest.raises(InputError, match="第 20 步"):
        go(half, resume=True)


def test_an_older_checkpoint_finds_its_own_best_weights(go, tmp_path):
    """The validation loss falls at 5, 10, 15, 20: each checkpoint has another best step."""
    config = replace(CONFIG, evaluate_every=5)
    go(tmp_path, config=config, on_step=at_step(20, interrupt))
    best = [record for record in read_history(tmp_path) if "validation_loss" in record]
    assert min(best, key=lambda record: record["validation_loss"])["step"] == 20
    flip(newest(tmp_path) / "model.safetensors")
    result = go(tmp_path, steps=15, config=config, resume=True)
    assert (result.stopped, result.steps, result.best_step) == ("nothing to do", 15, 15)
    assert len(result.skipped) == 1


def test_damaged_best_weights_are_reported_and_chosen_anew(go, half):
    flip(checkpoint.list_checkpoints(half / "best")[0] / "model.safetensors")
    result = go(half, resume=True)
    assert len(result.skipped) == 1 and "最好的权重" in result.skipped[0]
    assert result.best_step > 20
    assert math.isfinite(result.scores.validation_loss)


def test_a_lost_ledger_is_refused(go, half):
    (half / "run.json").unlink()
    for resume in (True, False):
        with pytest.raises(InputError, match="run.json"):
            go(half, resume=resume)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": "novelkit-run", "version": 99}'])
def test_a_damaged_ledger_is_refused(go, half, text):
    (half / "run.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="run.json"):
        go(half, resume=True)


# What is refused


def test_an_existing_run_is_not_overwritten(go, half):
    before = snapshot(half)
    with pytest.raises(InputError, match="--resume"):
        go(half)
    assert snapshot(half) == before


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"config": replace(CONFIG, learning_rate=1e-3)}, "config.learning_rate：原来 0.003，现在"),
        ({"config": replace(CONFIG, seed=6)}, "config.seed"),
        ({"config": replace(CONFIG, batch_size=16)}, "config.batch_size"),
    ],
)
def test_other_settings_are_refused_by_name(go, half, changes, named):
    before = snapshot(half)
    with pytest.raises(InputError, match=named):
        go(half, resume=True, **changes)
    assert snapshot(half) == before


def test_another_model_is_refused_by_name(go, half, model_size):
    with pytest.raises(InputError, match="model.n_layer：原来 2，现在 1"):
        go(half, resume=True, model=replace(model_size, n_layer=1))


def test_other_data_is_refused_by_name(go, half, novel, data_folder, tmp_path):
    shorter = replace(novel, chapters=novel.chapters[1:])
    write_data([shorter], tmp_path / "other", load_tokenizer(data_folder))
    with pytest.raises(InputError, match="data.train"):
        go(half, resume=True, data=tmp_path / "other")


def test_a_changed_array_is_refused(go, data_folder, tmp_path):
    data = shutil.copytree(data_folder, tmp_path / "data")
    for harm in (flip, truncate, Path.unlink):
        shutil.copy(data_folder / "train.npy", data)
        harm(data / "train.npy")
        with pytest.raises(InputError, match="train.npy"):
            go(tmp_path / "run", data=data)
    assert not (tmp_path / "run").exists(), "what cannot be trained leaves no run behind"


def test_a_model_of_another_vocabulary_is_refused(go, model_size, tmp_path):
    wrong = replace(model_size, vocab_size=model_size.vocab_size + 1)
    with pytest.raises(InputError, match="词表"):
        go(tmp_path / "run", model=wrong)


def test_a_context_longer_than_a_split_is_refused(go, model_size, tmp_path):
    with pytest.raises(InputError, match="n_ctx"):
        go(tmp_path / "run", model=replace(model_size, n_ctx=4096))


def test_a_start_model_whose_vocabulary_has_another_order_is_carried_over(
    go, straight, data_folder, tmp_path
):
    """As numbers its tokens would be other characters: its first loss would be that of noise."""
    own = load_tokenizer(data_folder)
    model = load_model(straight / "model")
    start = tmp_path / "start"
    special = len(own) - len(own.characters)
    order = [*range(special), *reversed(range(special, len(own)))]
    with torch.no_grad():
        model.token_embedding.weight.copy_(model.token_embedding.weight[order].clone())
    save_model(model, start)
    CharTokenizer(own.characters[::-1]).save(start)
    notices: list[str] = []
    go(tmp_path / "run", 2, model=start, on_notice=notices.append)
    go(tmp_path / "same", 2, model=straight / "model")
    assert notices and "词表" in notices[0]
    losses = [read_history(tmp_path / name)[0]["loss"] for name in ("run", "same")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    ledger = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert ledger["decisions"][0]["kind"] == "start"


def test_a_file_in_place_of_the_folder_is_refused(go, tmp_path):
    (tmp_path / "run").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="--out"):
        go(tmp_path / "run")


# More steps, fewer steps, no steps


def test_a_finished_run_has_nothing_to_do(go, straight, tmp_path):
    run = shutil.copytree(straight, tmp_path / "run")
    for steps in (STEPS, 20, None):
        result = go(run, steps=steps, resume=True)
        assert (result.stopped, result.steps) == ("nothing to do", STEPS)
        assert_same(run, straight)
    ledger = json.loads((run / "run.json").read_text(encoding="utf-8"))
    assert [session["ended"] for session in ledger["sessions"]] == ["finished"]


def test_a_finished_run_goes_on_to_more_steps_in_a_cycle_of_its_own(go, straight, tmp_path):
    run = shutil.copytree(straight, tmp_path / "run")
    result = go(run, steps=60, resume=True)
    assert (result.stopped, result.steps, result.resumed_from) == ("finished", 60, STEPS)
    found = [record["learning_rate"] for record in read_history(run)]
    share = CONFIG.cooldown_share
    first, second = Cycle(0).with_end(40, share), Cycle(40).with_end(60, share)
    expected = [learning_rate(step, first, CONFIG) for step in range(1, 41)]
    expected += [learning_rate(step, second, CONFIG) for step in range(41, 61)]
    assert found == expected
    # And that is repeatable too.
    again = shutil.copytree(straight, tmp_path / "again")
    with pytest.raises(Killed):
        go(again, steps=60, resume=True, on_step=at_step(53, die))
    go(again, steps=60, resume=True)
    assert_same(again, run)


def test_an_unfinished_run_takes_a_later_end_before_its_cooldown(go, half):
    result = go(half, steps=60, resume=True)
    assert (result.stopped, result.steps) == ("finished", 60)
    cycle = Cycle(0).with_end(60, CONFIG.cooldown_share)
    later = read_history(half)[20:]
    assert [record["learning_rate"] for record in later] == [
        learning_rate(step, cycle, CONFIG) for step in range(21, 61)
    ]


def test_a_run_that_has_the_steps_it_is_asked_for_does_no_more(go, half):
    result = go(half, steps=12, resume=True)
    assert (result.stopped, result.steps) == ("nothing to do", 20)


def test_a_checkpoint_from_before_the_present_cycle_goes_on(go, straight, tmp_path):
    """Two cycles in the ledger, and the checkpoint at their seam is damaged."""
    run = shutil.copytree(straight, tmp_path / "run")
    with pytest.raises(Killed):
        go(run, steps=60, resume=True, on_step=at_step(43, die))
    flip(newest(run) / "model.safetensors")
    result = go(run, steps=60, resume=True)
    assert (result.resumed_from, result.stopped, result.steps) == (35, "finished", 60)
    assert all(record["learning_rate"] > 0 for record in read_history(run))


# Interrupted


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_with_the_last_complete_step(go, straight, tmp_path, number):
    before = signal.getsignal(number)
    result = go(tmp_path, on_step=at_step(13, lambda: signal.raise_signal(number)))
    assert (result.stopped, result.steps) == ("interrupted", 13)
    assert checkpoint.checkpoint_step(newest(tmp_path)) == 13
    assert (result.model / "model.safetensors").is_file()
    assert signal.getsignal(number) == before
    assert go(tmp_path, resume=True).resumed_from == 13
    assert_same(tmp_path, straight)


def test_an_interrupt_in_the_last_step_is_a_finish(go, tmp_path):
    assert go(tmp_path, on_step=at_step(STEPS, interrupt)).stopped == "finished"


def test_a_second_interrupt_does_not_wait(go, straight, tmp_path):
    def twice() -> None:
        interrupt()
        interrupt()

    with pytest.raises(KeyboardInterrupt):
        go(tmp_path, on_step=at_step(13, twice))
    assert go(tmp_path, resume=True).resumed_from == 10
    assert_same(tmp_path, straight)


# Failed


def one_line(error: BaseException) -> str:
    assert "\n" not in str(error)
    return str(error)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_ends_the_run_and_spoils_nothing(
    go, half, straight, monkeypatch, value
):
    original, calls = GPT2.token_losses, [0]

    def broken(self, ids, targets):
        calls[0] += self.training
        losses = original(self, ids, targets)
        # The second part of step 23.
        return losses * 0 + value if calls[0] == 6 else losses

    before = snapshot(half / "checkpoints")
    with monkeypatch.context() as patch:
        patch.setattr(GPT2, "token_losses", broken)
        with pytest.raises(WorkError, match="第 23 步") as caught:
            go(half, resume=True)
    assert str(value) in one_line(caught.value)
    assert snapshot(half / "checkpoints") == before
    ledger = json.loads((half / "run.json").read_text(encoding="utf-8"))
    assert ledger["sessions"][-1]["ended"] == "failed"
    assert read_history(half)[-1]["step"] == 22
    go(half, resume=True)
    assert_same(half, straight)


def test_a_gradient_that_is_no_number_ends_the_run_before_it_moves_a_weight(
    go, half, straight, monkeypatch
):
    original, calls = torch.nn.utils.clip_grad_norm_, [0]

    def broken(parameters, maximum):
        calls[0] += 1
        return original(parameters, maximum) * (math.inf if calls[0] == 3 else 1)

    with monkeypatch.context() as patch:
        patch.setattr(torch.nn.utils, "clip_grad_norm_", broken)
        with pytest.raises(WorkError, match="第 23 步的梯度") as caught:
            go(half, resume=True)
    one_line(caught.value)
    go(half, resume=True)
    assert_same(half, straight)


def test_a_validation_loss_that_is_no_number_ends_the_run(go, half, monkeypatch):
    monkeypatch.setattr("novelkit.training.run.evaluate", lambda *_, **__: math.nan)
    with pytest.raises(WorkError, match="第 21 步的验证损失") as caught:
        go(half, resume=True)
    one_line(caught.value)
    assert checkpoint.checkpoint_step(newest(half)) == 20


def fill_the_disk(arguments: dict, step: int, limit: int, report: Path) -> None:
    """Train in a process that after `step` may write no file above `limit` bytes."""
    import resource

    def shrink() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    torch.set_num_threads(1)
    try:
        train(**arguments, resume=True, on_step=at_step(step, shrink))
        message = "no error"
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    report.write_text(message, encoding="utf-8")


@needs_sigkill
@pytest.mark.parametrize(
    ("step", "limit"),
    [(23, 50_000), (26, 50_000), (22, 100), (40, 50_000)],
    ids=["checkpoint", "best weights", "history", "last checkpoint"],
)
def test_a_full_disk_ends_the_run_in_one_line_and_spoils_nothing(
    arguments, processes, go, stopped_at_20, straight, tmp_path, step, limit
):
    half = Path(shutil.copytree(stopped_at_20, tmp_path / "half"))
    report = tmp_path / "report.txt"
    process = processes.Process(
        target=fill_the_disk, args=(arguments | {"out": half}, step, limit, report)
    )
    process.start()
    process.join(60)
    message = report.read_text(encoding="utf-8")
    assert message.startswith("WorkError: ") and "写不下" in message
    assert "\n" not in message
    assert checkpoint.newest_valid(half / "checkpoints")[1] == []
    assert not list(half.rglob(".*tmp"))
    go(half, resume=True)
    assert_same(half, straight)


# Early stopping and the best weights


def script_losses(monkeypatch, losses: list[float]) -> None:
    """Let the evaluations on the way find these losses, and then the last one for ever."""
    remaining = list(losses)
    monkeypatch.setattr(
        "novelkit.training.run.evaluate",
        lambda *_, **__: remaining.pop(0) if len(remaining) > 1 else remaining[0],
    )


PATIENT = replace(CONFIG, patience=2, evaluate_every=5)


def test_a_run_without_improvement_stops_after_its_patience(go, tmp_path, monkeypatch):
    script_losses(monkeypatch, [3.0, 3.1, 2.0, 2.5, 2.0])
    result = go(tmp_path, config=PATIENT)
    # 3.1 is one without a gain, 2.0 starts the count anew, and an equal loss is no gain.
    assert (result.stopped, result.steps, result.best_step) == ("no improvement", 25, 15)
    best = checkpoint.checkpoint_path(tmp_path / "best", 15)
    exported, kept = load_model(result.model), load_file(best / "model.safetensors")
    assert all(torch.equal(exported.state_dict()[name], kept[name]) for name in kept)
    assert go(tmp_path, config=PATIENT, resume=True).stopped == "nothing to do"


@pytest.mark.parametrize("budget", [Budget(80), Budget(minutes=0.02)], ids=["steps", "minutes"])
def test_more_budget_after_an_early_stop_brings_a_whole_patience(go, tmp_path, monkeypatch, budget):
    script_losses(monkeypatch, [2.0])
    assert go(tmp_path, config=PATIENT).steps == 15
    # Killed before a checkpoint could hold the new count: the ledger remembers it.
    with pytest.raises(Killed):
        go(tmp_path, config=PATIENT, resume=True, budget=budget, on_step=at_step(18, die))
    result = go(tmp_path, config=PATIENT, resume=True, budget=budget)
    assert (result.stopped, result.resumed_from, result.steps) == ("no improvement", 15, 25)


def test_the_patience_is_counted_across_a_resume(go, tmp_path, monkeypatch):
    script_losses(monkeypatch, [2.0])
    go(tmp_path, config=PATIENT, on_step=at_step(12, interrupt))
    assert go(tmp_path, config=PATIENT, resume=True).steps == 15


def test_the_exported_model_is_the_best_of_the_history(go, model_size, tmp_path):
    """Noise of 16 characters: all there is to learn beyond their counts is to recite."""
    rng = random.Random(3)
    chapters = tuple(
        Chapter(
            "",
            tuple("".join(rng.choices("天地玄黄宇宙洪荒日月盈昃辰宿列张", k=60)) for _ in range(3)),
        )
        for _ in range(12)
    )
    header = write_data([Novel("乱", chapters)], tmp_path / "data")
    size = replace(model_size, vocab_size=header["vocabulary"], dropout=0.0)
    config = replace(CONFIG, learning_rate=1e-2, evaluation_blocks=10**6, evaluate_every=20)
    result = go(tmp_path / "run", 160, data=tmp_path / "data", model=size, config=config)
    history = {
        record["step"]: record["validation_loss"]
        for record in read_history(result.run)
        if "validation_loss" in record
    }
    best = min(history, key=history.__getitem__)
    assert result.best_step == best < 160
    assert history[best] < history[160] - 1e-3
    tokens = TrainingData.read(tmp_path / "data").tokens("validation")
    assert evaluate(load_model(result.model), tokens) == pytest.approx(history[best], rel=1e-6)
    assert result.scores.validation_loss == pytest.approx(history[best], rel=1e-6)


# By the clock


def decided_cycles(run: Path) -> list[dict]:
    ledger = json.loads((run / "run.json").read_text(encoding="utf-8"))
    return [item["value"] for item in ledger["decisions"] if item["kind"] == "cycle"]


def test_a_run_by_the_clock_ends_near_its_time(go, tmp_path):
    began = time.monotonic()
    result = go(tmp_path, budget=Budget(minutes=0.03))
    assert 1.2 < time.monotonic() - began < 6.0
    assert result.stopped == "finished"
    opened, closed = decided_cycles(tmp_path)
    assert opened["end"] is None
    assert closed["end"] == result.steps
    assert 0 < closed["cooldown_start"] < closed["end"]
    cycle = Cycle(**closed)
    last = [record for record in read_history(tmp_path) if record["step"] > 20]
    assert [record["learning_rate"] for record in last] == [
        learning_rate(record["step"], cycle, CONFIG) for record in last
    ]


def test_the_decision_of_the_clock_is_obeyed_by_whoever_resumes(go, tmp_path):
    def die_in_the_cooldown(record, last_step):
        if last_step is not None:
            raise Killed

    with pytest.raises(Killed):
        go(tmp_path, budget=Budget(minutes=0.02), on_step=die_in_the_cooldown)
    opened, closed = decided_cycles(tmp_path)
    # By the same words, by other minutes, or by none.
    for number, budget in enumerate([Budget(minutes=0.02), Budget(minutes=9), Budget()]):
        copy = shutil.copytree(tmp_path, tmp_path.with_name(f"{tmp_path.name}-{number}"))
        result = go(copy, budget=budget, resume=True)
        assert (result.stopped, result.steps) == ("finished", closed["end"])
        assert decided_cycles(copy) == [opened, closed]
        found = {record["step"]: record["learning_rate"] for record in read_history(copy)}
        assert found[closed["end"]] == learning_rate(closed["end"], Cycle(**closed), CONFIG)


def test_a_clock_run_killed_before_its_decision_keeps_its_minutes(go, tmp_path):
    # Long enough that a busy machine does eight steps before the clock decides.
    with pytest.raises(Killed):
        go(tmp_path, budget=Budget(minutes=0.06), on_step=at_step(8, die))
    assert len(decided_cycles(tmp_path)) == 1
    result = go(tmp_path, budget=Budget(), resume=True)
    assert result.resumed_from == 5
    assert (result.stopped, len(decided_cycles(tmp_path))) == ("finished", 2)
    assert result.seconds < 30


def test_of_steps_and_minutes_the_first_to_come_ends_the_run(go, tmp_path):
    result = go(tmp_path / "steps", budget=Budget(12, 60.0))
    assert (result.stopped, result.steps) == ("finished", 12)
    result = go(tmp_path / "minutes", budget=Budget(10**6, 0.02))
    assert result.stopped == "finished"
    assert 10 < result.steps < 10**5 and result.seconds < 6

    def die_in_the_cooldown(record, last_step):
        if last_step < 10**6:
            raise Killed

    run, budget = tmp_path / "killed", Budget(10**6, 0.02)
    with pytest.raises(Killed):
        go(run, budget=budget, on_step=die_in_the_cooldown)
    assert go(run, budget=budget, resume=True).steps == decided_cycles(run)[-1]["end"]


def test_a_later_session_by_the_clock_cools_down_in_its_own_time(go, tmp_path):
    with pytest.raises(Killed):
        go(tmp_path, budget=Budget(minutes=5), on_step=at_step(83, die))
    result = go(tmp_path, budget=Budget(minutes=0.01), resume=True)
    cycle = decided_cycles(tmp_path)[-1]
    assert result.resumed_from == 80
    seen = cycle["cooldown_start"] - 80
    share = CONFIG.cooldown_share
    assert cycle["end"] - cycle["cooldown_start"] == max(1, round(seen * share / (1 - share)))
    assert result.seconds < 5


# What comes out


def test_the_exported_folder_works_in_transformers(straight, data_folder, novel):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = straight / "model"
    theirs = AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = novel.chapters[-1].text + "\n龘<|book|>"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert ids == load_tokenizer(folder).encode(text).tolist()
    assert tokenizer.decode(ids) == text
    tokens = TrainingData.read(data_folder).tokens("validation")
    inputs, targets = Blocks(tokens, 32).batch(range(len(Blocks(tokens, 32))))
    with torch.no_grad():
        logits = theirs(torch.from_numpy(inputs)).logits
    loss = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), torch.from_numpy(targets).flatten()
    )
    header = json.loads((folder / "novelkit.json").read_text(encoding="utf-8"))
    assert loss.item() == pytest.approx(header["scores"]["validation_loss"], rel=1e-5)


def test_the_history_says_what_a_reader_needs(straight, data_folder):
    history = read_history(straight)
    assert [record["step"] for record in history] == list(range(1, STEPS + 1))
    assert [r["step"] for r in history if "validation_loss" in r] == [7, 14, 21, 28, 35, 40]
    seen = np.cumsum([record["tokens"] for record in history])
    assert [record["tokens_seen"] for record in history] == seen.tolist()
    assert history[-1]["loss"] < history[0]["loss"] - 1
    assert all({"gradient_norm", "learning_rate", "epoch", "session"} <= set(r) for r in history)
    assert TrainingData.read(data_folder).header["anchors"]["uniform"] > 0


def test_fine_tuning_starts_from_the_given_weights(go, straight, tmp_path):
    fresh = read_history(straight)[0]["loss"]
    result = go(tmp_path / "tuned", steps=10, model=straight / "model")
    assert read_history(result.run)[0]["loss"] < fresh - 1
    with pytest.raises(Killed):
        go(tmp_path / "again", steps=10, model=straight / "model", on_step=at_step(7, die))
    go(tmp_path / "again", steps=10, model=straight / "model", resume=True)
    assert_same(tmp_path / "again", tmp_path / "tuned")


SCRIPT = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from novelkit.environment import Compute
from novelkit.model import preset
from novelkit.training import Budget, TrainConfig, train
cpu = Compute("cpu", "float32", False, "")
size = preset("tiny", int(sys.argv[3]), n_ctx=32, n_layer=1, n_head=2, n_embd=32)
train(Path(sys.argv[1]), Path(sys.argv[2]), size, TrainConfig(), Budget(3), compute=cpu)
heavy = {"datasets", "jieba", "transformers", "matplotlib", "pandas"}
print(sorted(heavy & {name.partition(".")[0] for name in sys.modules}))
"""


def test_training_from_a_prepared_folder_needs_torch_and_little_else(
    data_folder, model_size, tmp_path
):
    command = [sys.executable, "-c", SCRIPT, data_folder, tmp_path, str(model_size.vocab_size)]
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", cwd=root)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
