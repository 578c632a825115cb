"""A run and its mirror: what a new machine needs to go on as if nothing had happened."""

import json
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from novelkit import checkpoint
from novelkit.errors import InputError
from novelkit.training import Budget, TrainConfig, read_history, train, without_clock

torch.set_num_threads(1)
CONFIG = TrainConfig(
    seed=3, batch_size=4, evaluate_every=4, evaluation_blocks=2, patience=0, checkpoint_steps=4
)
STEPS = 20


class Lost(BaseException):
    """The machine is gone: nothing in the library catches it."""


@pytest.fixture(scope="module")
def go(data_folder, model_size, cpu):
    def run(out: Path, mirror: Path | None, stop: int | None = None, **changes):
        def on_step(record, last_step):
            if record["step"] == stop:
                raise Lost

        arguments = {
            "data": data_folder,
            "model": model_size,
            "config": CONFIG,
            "budget": Budget(STEPS),
            "compute": cpu,
            "resume": True,
            "on_step": on_step,
        }
        return train(out=out, mirror=mirror, **(arguments | changes))

    return run


@pytest.fixture
def mirror(tmp_path) -> Path:
    """A folder in a drive that is there: an empty drive may be one that is not mounted."""
    (tmp_path / "a file of the drive").touch()
    return tmp_path / "mirror"


@pytest.fixture
def always_due(monkeypatch):
    """Copies of a real run are minutes apart."""
    monkeypatch.setattr(checkpoint.Mirror, "due", lambda self: True)


@pytest.fixture(scope="module")
def straight(go, tmp_path_factory):
    return outcome(go(tmp_path_factory.mktemp("straight") / "run", None))


def outcome(result) -> dict[str, object]:
    last = checkpoint.list_checkpoints(result.run / "checkpoints")[0]
    return {
        "history": without_clock(read_history(result.run)),
        "exported": (result.model / "model.safetensors").read_bytes(),
        **{path.name: path.read_bytes() for path in last.glob("*.safetensors")},
    }


def test_a_run_goes_on_on_a_machine_that_has_nothing(go, straight, always_due, mirror, tmp_path):
    for session, stop in enumerate((6, 11, 17)):
        with pytest.raises(Lost):
            go(tmp_path / f"machine-{session}", mirror, stop)
    result = go(tmp_path / "last", mirror)
    assert result.resumed_from == 16
    assert any("从镜像恢复" in line for line in result.skipped)
    assert outcome(result) == straight


def test_a_local_run_that_is_ahead_is_not_replaced(go, straight, always_due, mirror, tmp_path):
    with pytest.raises(Lost):
        go(tmp_path / "run", mirror, 10)
    with pytest.raises(Lost):
        go(tmp_path / "run", None, 14)
    result = go(tmp_path / "run", mirror)
    assert (result.resumed_from, result.skipped) == (12, ())
    assert outcome(result) == straight


def test_a_local_run_that_is_behind_is_moved_aside(go, straight, always_due, mirror, tmp_path):
    with pytest.raises(Lost):
        go(tmp_path / "run", mirror, 6)
    old = shutil.copytree(tmp_path / "run", tmp_path / "old")
    with pytest.raises(Lost):
        go(tmp_path / "run", mirror, 14)
    result = go(old, mirror)
    assert result.resumed_from == 12
    assert any("移到了" in line for line in result.skipped)
    assert outcome(result) == straight


def test_a_mirror_that_fails_is_told_and_training_goes_on(
    go, straight, always_due, mirror, tmp_path
):
    notices: list[str] = []
    mirror.write_text("a file is no folder", encoding="utf-8")
    result = go(tmp_path / "run", mirror, resume=False, on_notice=notices.append)
    assert outcome(result) == straight
    assert sum(str(mirror) in line for line in notices) >= 2
    assert all("\n" not in line for line in notices)


def test_the_last_checkpoint_of_a_session_is_mirrored_though_no_copy_is_due(go, mirror, tmp_path):

    def interrupt(record, last_step):
        if record["step"] == 9:
            signal.raise_signal(signal.SIGINT)

    result = go(tmp_path / "run", mirror, on_step=interrupt)
    run_id = json.loads((result.run / "run.json").read_text(encoding="utf-8"))["run_id"]
    bundle, _ = checkpoint.Mirror(mirror, run_id).newest_valid()
    assert bundle is not None and bundle.step == 9


def test_an_unmounted_drive_is_not_a_fresh_start(go, tmp_path):
    with pytest.raises(InputError, match="挂载"):
        go(tmp_path / "run", tmp_path / "not mounted" / "novelkit" / "mirror")


def test_two_runs_in_one_mirror_are_not_guessed_at(go, mirror, tmp_path):
    for seed in (1, 2):
        config = replace(CONFIG, seed=seed)
        go(tmp_path / f"run-{seed}", mirror, config=config, budget=Budget(4), resume=False)
    # Neither has the settings of a third: that is a new run. Of a second like one, which?
    assert go(tmp_path / "new", mirror, budget=Budget(4)).resumed_from is None
    config = replace(CONFIG, seed=2)
    assert go(tmp_path / "two", mirror, config=config).resumed_from == 4
    go(tmp_path / "again", mirror, config=config, budget=Budget(4), resume=False)
    with pytest.raises(InputError, match="2 次"):
        go(tmp_path / "lost", mirror, config=config)


def test_copies_that_have_not_arrived_are_no_fresh_start(go, mirror, tmp_path):
    go(tmp_path / "run", mirror, budget=Budget(4))
    for manifest in mirror.glob("*/*/mirror.json"):
        manifest.unlink()
    with pytest.raises(InputError, match="不完整"):
        go(tmp_path / "new machine", mirror)
    assert not (tmp_path / "new machine").exists()


def test_copies_that_are_all_damaged_are_no_fresh_start(go, mirror, tmp_path):
    go(tmp_path / "run", mirror, budget=Budget(4))
    for weights in mirror.rglob("model.safetensors"):
        content = bytearray(weights.read_bytes())
        content[-1] ^= 1
        weights.write_bytes(content)
    with pytest.raises(InputError, match="从头"):
        go(tmp_path / "new machine", mirror)


def test_a_mirror_inside_of_the_run_is_refused(go, tmp_path):
    with pytest.raises(InputError, match="里面"):
        go(tmp_path / "run", tmp_path / "run" / "mirror")
