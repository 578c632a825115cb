"""Stage 06, the mirror: what a lossy cloud folder may do to copies, and what must survive it."""

import errno
import json
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from helpers_disk import (
    DEAD,
    FULL,
    Disk,
    restore_or_die,
    store_or_die,
    to_store,
    used,
    write_files,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from novelkit import checkpoint, layouts
from novelkit.checkpoint import Mirror, bundles, choose, restore
from novelkit.checkpoint import files as file_steps
from novelkit.errors import InputError, WorkError

RUN = "run-a"
# Thousands of small files: a disk in memory, where there is one.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
CODES = (*FULL, *DEAD, errno.EROFS, errno.EACCES)


@pytest.fixture(autouse=True, scope="module")
def small_chunks():
    """So that the small files of these tests are copied in several steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file_steps, "_CHUNK", 32)
        yield


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    """Only a power cut could tell."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def memory():
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder)


@pytest.fixture
def drive(memory) -> Path:
    """The mirror's folder, mounted and still empty."""
    folder = memory / "drive" / "mirror"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def run(memory) -> Path:
    """A run folder on the local disk of its machine."""
    folder = memory / "machine" / "run"
    folder.mkdir(parents=True)
    return folder


def train(run: Path, step: int, run_id: str = RUN, session: int = 1) -> Path:
    """What training leaves in a run folder when it has saved at `step`."""
    write_files(run / "best", step - step % 4, {"model.safetensors": b"best" * 20})
    weights = bytes((step * 7 + place) % 256 for place in range(90))
    files = {"model.safetensors": weights, "state.json": f'{{"step": {step}}}'.encode()}
    (run / "run.json").write_text(
        json.dumps({"run_id": run_id, "session": session}), encoding="utf-8"
    )
    lines = [f'{{"step": {number}}}\n' for number in range(1, step + 1)]
    (run / "history.jsonl").write_text("".join(lines), encoding="utf-8")
    return write_files(run / "checkpoints", step, files)


def store(drive: Path, run: Path, *steps: int, run_id: str = RUN, keep: int = 3) -> Mirror:
    mirror = Mirror(drive, run_id, keep)
    for step in steps:
        train(run, step, run_id)
        assert mirror.store(step, to_store(run, step)) is None
    return mirror


def contents(folder: Path, leave_out: str = "mirror.json") -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != leave_out
    }


def steps(drive: Path, run_id: str = RUN) -> list[int]:
    return [bundles.place(path)[0] for path in bundles.list_bundles(drive / run_id)]


def newest_step(drive: Path) -> int | None:
    bundle, _ = Mirror(drive, RUN).newest_valid()
    return bundle.step if bundle else None


def age(path: Path, hours: float) -> Path:
    """Rename an incomplete copy as if it had been begun so long ago."""
    begun = (datetime.now(UTC) - timedelta(hours=hours)).strftime("%Y%m%dT%H%M%S%f")
    step, _, token = path.name.removeprefix("step-").split("-")
    return path.rename(path.with_name(f"step-{step}-{begun}-{token}"))


# What a copy is


def test_a_copy_is_a_run_folder_with_a_manifest(drive, run):
    store(drive, run, 6)
    (path,) = bundles.list_bundles(drive / RUN)
    assert contents(path).keys() == {
        "run.json",
        "history.jsonl",
        "checkpoints/step-00000006/model.safetensors",
        "checkpoints/step-00000006/state.json",
        "checkpoints/step-00000006/manifest.json",
        "best/step-00000004/model.safetensors",
        "best/step-00000004/manifest.json",
    }
    assert contents(path) == {name: (run / name).read_bytes() for name in contents(path)}
    manifest = json.loads((path / "mirror.json").read_text(encoding="utf-8"))
    assert (manifest["run_id"], manifest["step"]) == (RUN, 6)
    assert manifest["files"].keys() == contents(path).keys()
    assert checkpoint.damage(path / "checkpoints/step-00000006") is None
    assert path.name.startswith("step-00000006-")


def test_the_manifest_is_as_described(drive, run):
    store(drive, run, 6)
    (path,) = bundles.list_bundles(drive / RUN)
    manifest = json.loads((path / "mirror.json").read_text(encoding="utf-8"))
    _, text = layouts.__doc__.split("    mirror.json ")
    described = text[text.index("{") : text.index("}}}") + 3]
    inner = set().union(*manifest["files"].values())
    assert set(re.findall(r'"(\w+)"', described)) == {*manifest, *inner}
    assert f'"{manifest["format"]}"' in described and f": {manifest['version']}," in described
    name = re.search(r"RUN_ID/(step-\S+)/", layouts.__doc__)[1]
    assert bundles.place(Path(name))[0] == 500
    assert re.sub(r"[0-9a-f]", "0", name) == re.sub(r"[0-9a-f]", "0", path.name)


def test_the_same_step_again_is_a_new_name_and_nothing_is_renamed_or_rewritten(drive, run):
    store(drive, run, 6)
    before = contents(drive, leave_out="")
    with Disk(drive) as disk:
        store(drive, run, 6)
    assert steps(drive) == [6, 6]
    assert before.items() <= contents(drive, leave_out="").items()
    assert not {"rename", "replace"} & set(disk.changes)
    # The manifest comes last: three changes open, write and flush it.
    assert disk.changes[-3:] == ["open", "write", "fsync"]


def test_nothing_but_the_run_folder_is_made(tmp_path, run):
    drive = tmp_path / "drive" / "mirror"
    for parent in (None, drive.parent):
        if parent:
            parent.mkdir()
        train(run, 1)
        problem = Mirror(drive, RUN).store(1, to_store(run, 1))
        assert str(drive) in problem and "挂载" in problem
        assert not drive.exists()
    # A parent with something in it is no mount point that lacks its disk.
    (drive.parent / "a file").touch()
    assert Mirror(drive, RUN).check() is None
    assert list(drive.iterdir()) == [drive / RUN] and not list((drive / RUN).iterdir())


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "", ".", "a\\b", "c:x", "mirror.json"])
def test_names_that_leave_the_folder_are_refused(drive, run, name):
    train(run, 1)
    with pytest.raises(ValueError, match="relative"):
        Mirror(drive, RUN).store(1, {name: run / "run.json"})
    store(drive, run, 1)
    (path,) = bundles.list_bundles(drive / RUN)
    manifest = json.loads((path / "mirror.json").read_text(encoding="utf-8"))
    manifest["files"][name] = manifest["files"]["run.json"]
    (path / "mirror.json").write_text(json.dumps(manifest), encoding="utf-8")
    bundle, reasons = Mirror(drive, RUN).newest_valid()
    assert bundle is None and "文件名" in reasons[0]


@pytest.mark.parametrize("run_id", ["", "a/b", "..", ".hidden", "a" * 65, "中"])
def test_a_run_id_must_be_a_folder_name(drive, run_id):
    with pytest.raises(ValueError, match="name"):
        Mirror(drive, run_id)


def test_two_runs_in_one_folder_are_two(drive, run, tmp_path):
    store(drive, run, 5)
    store(drive, tmp_path / "other", 9, run_id="run-b", keep=1)
    assert (steps(drive), steps(drive, "run-b")) == ([5], [9])
    assert newest_step(drive) == 5
    assert [(found.run_id, found.step) for found in checkpoint.mirrored_runs(drive)] == [
        ("run-b", 9),
        (RUN, 5),
    ]
    assert checkpoint.broken_runs(drive) == []
    # Moved into the other's folder by hand, a copy is not taken for one of that run.
    (path,) = bundles.list_bundles(drive / "run-b")
    shutil.move(path, drive / RUN)
    bundle, reasons = Mirror(drive, RUN).newest_valid()
    assert bundle.step == 5
    assert len(reasons) == 1 and "run-b" in reasons[0]


def test_a_run_of_which_nothing_is_whole_is_not_passed_over_in_silence(drive, run, tmp_path):
    store(drive, run, 5, 6)
    store(drive, tmp_path / "other", 9, run_id="run-b")
    for path in bundles.list_bundles(drive / RUN):
        (path / "mirror.json").unlink()
    assert [found.run_id for found in checkpoint.mirrored_runs(drive)] == ["run-b"]
    lines = checkpoint.broken_runs(drive)
    assert ["step-00000006" in lines[0], "step-00000005" in lines[1]] == [True, True]
    assert len(lines) == 2
    (drive / "someone else's folder").mkdir()
    (drive / "notes.txt").touch()
    assert checkpoint.broken_runs(drive) == lines
    with pytest.raises(OSError, match="nowhere"):
        checkpoint.mirrored_runs(drive / "nowhere")


# What is kept


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_the_ring_keeps_the_last(drive, run, keep):
    store(drive, run, 1, 2, 3, 4, 5, keep=keep)
    assert steps(drive) == [5, 4, 3, 2, 1][:keep]


def test_copies_that_arrive_late_are_taken_and_do_not_push_new_ones_out(drive, run, memory):
    store(drive, run, 7, 8, 9)
    late = memory / "late"
    (drive / RUN).rename(late)
    mirror = store(drive, run, 4)
    for path in late.iterdir():
        path.rename(drive / RUN / path.name)
    for step in (5, 6):
        train(run, step)
        assert mirror.store(step, to_store(run, step)) is None
    assert steps(drive) == [9, 6, 5, 4]
    assert newest_step(drive) == 9


def test_what_is_cut_does_not_count_in_the_ring(drive, run):
    mirror = store(drive, run, 1, 2, 3)
    (mirror.newest.path / "history.jsonl").write_bytes(b"cut")
    train(run, 4)
    assert mirror.store(4, to_store(run, 4)) is None
    assert steps(drive) == [4, 3, 2, 1]


def test_what_cannot_be_read_now_is_not_deleted_by_the_ring(drive, run, monkeypatch):
    mirror = store(drive, run, 1, 2)
    sick, real = mirror.newest.path, bundles.read_bundle

    def read(path, run_id):
        if path == sick:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(path, run_id)

    monkeypatch.setattr(bundles, "read_bundle", read)
    for step in (3, 4, 5, 6):
        train(run, step)
        assert mirror.store(step, to_store(run, step)) is None
    assert steps(drive) == [6, 5, 4, 2]


def test_a_failed_store_deletes_no_older_copy(drive, run):
    mirror = store(drive, run, 1, 2, 3)
    train(run, 4)
    with Disk(drive, at=8, code=errno.EIO, lasting=False):
        assert "第 4 步" in mirror.store(4, to_store(run, 4))
    assert steps(drive) == [3, 2, 1]


def test_what_a_kill_left_is_cleared_when_nobody_can_be_writing_it_any_more(drive, run):
    store(drive, run, 1)
    for step, hours in ((2, 2.0), (3, 0.5)):
        store(drive, run, step, keep=9)
        path = bundles.list_bundles(drive / RUN)[0]
        (path / "mirror.json").unlink()
        age(path, hours)
    store(drive, run, 4)
    assert steps(drive) == [4, 3, 1], "3 may still be on its way from another machine"


def test_strangers_in_the_folder_are_left_alone(drive, run):
    store(drive, run, 1)
    (drive / RUN / "step-00000009 (1)").mkdir()
    (drive / RUN / "notes.txt").write_text("mine", encoding="utf-8")
    (drive / "photo.jpg").write_text("mine", encoding="utf-8")
    (drive / RUN / "step-00000003-99999999T999999999999-00000000").mkdir()
    store(drive, run, 2, 3, 4, 5)
    assert (drive / RUN / "notes.txt").exists() and (drive / "photo.jpg").exists()
    assert (drive / RUN / "step-00000009 (1)").exists()
    assert steps(drive) == [5, 4, 3, 3]


# Disks that refuse


def changes_of_a_store(drive: Path, run: Path, step: int) -> int:
    with Disk(drive) as disk:
        store(drive, run, step, keep=9)
    return len(disk.changes)


@pytest.mark.parametrize("lasting", [True, False], ids=["lasting", "once"])
@pytest.mark.parametrize("code", CODES, ids=errno.errorcode.get)
def test_a_refusal_at_any_change_costs_no_older_copy(drive, run, code, lasting):
    count = changes_of_a_store(drive, run, 1)
    assert count > 30
    mirror = store(drive, run, 2)
    train(run, 3)
    for at in range(count + 1):
        with Disk(drive, at, code, lasting) as disk:
            problem = mirror.store(3, to_store(run, 3))
        if problem is None:
            # A full disk for once: room was made. Or a folder was to be made that is there.
            assert not lasting or at == count
            assert code in FULL or at == count or disk.changes[at] == "mkdir"
            assert newest_step(drive) == 3
            mirror = store(drive, run, 2)
            train(run, 3)
            continue
        assert problem.startswith("第 3 步") and "\n" not in problem
        assert os.strerror(code) in problem and "第 2 步接着练" in problem
        assert (newest_step(drive) or 0) >= 2, f"change {at}"
        if not lasting:
            # At once, or, where the one failure hit the deletion itself, never counted as whole.
            assert all(map(is_whole, bundles.list_bundles(drive / RUN)))
    assert mirror.store(3, to_store(run, 3)) is None
    assert newest_step(drive) == 3


def is_whole(path: Path) -> bool:
    try:
        bundles.verify(bundles.read_bundle(path, RUN))
    except bundles.Damaged:
        return False
    return True


@pytest.mark.parametrize("at", range(0, 60, 3))
def test_a_disk_that_writes_something_else_is_found_out(drive, run, at):
    mirror = store(drive, run, 1, 2, 3)
    train(run, 4)
    with Disk(drive, at, "lie", lasting=False) as disk:
        problem = mirror.store(4, to_store(run, 4))
    wrote = at < len(disk.changes) and disk.changes[at] == "write"
    assert (problem is not None) == wrote
    if wrote:
        assert "读回来" in problem or "mirror.json" in problem or "已经损坏" in problem
        assert steps(drive) == [3, 2, 1]


def test_a_manifest_that_vouches_for_something_else_is_found_out(drive, run, monkeypatch):
    mirror = store(drive, run, 1)
    train(run, 2)
    real = bundles.write_manifest

    def lie(path, run_id, files):
        real(path, run_id, files | {"run.json": files["run.json"] | {"sha256": "0" * 64}})

    monkeypatch.setattr(bundles, "write_manifest", lie)
    assert "mirror.json 读回来" in mirror.store(2, to_store(run, 2))
    assert steps(drive) == [1]


def test_a_damaged_local_checkpoint_is_not_copied(drive, run):
    mirror = store(drive, run, 1)
    path = train(run, 2) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    problem = mirror.store(2, to_store(run, 2))
    assert "checkpoints/step-00000002/model.safetensors 已经损坏" in problem
    assert "本地磁盘" in problem
    shutil.rmtree(path.parent)
    assert "manifest.json" in mirror.store(2, to_store(run, 2))
    assert steps(drive) == [1]


def test_a_disk_that_cannot_flush_is_no_refusal(drive, run, monkeypatch):
    def unsupported(descriptor):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    train(run, 1)
    monkeypatch.setattr(os, "fsync", unsupported)
    assert Mirror(drive, RUN).store(1, to_store(run, 1)) is None
    assert newest_step(drive) == 1


def test_a_mirror_that_vanishes_is_not_made_anew_on_the_local_disk(drive, run):
    mirror = store(drive, run, 1)
    away = drive.parent.with_name("away")
    drive.parent.rename(away)
    drive.parent.mkdir()
    (drive.parent / "something").touch()
    train(run, 2)
    assert "不见了" in mirror.store(2, to_store(run, 2))
    assert not drive.exists()
    assert mirror.newest_valid() == (None, [f"找不到镜像文件夹 {drive}：网盘可能没有挂载"])
    shutil.rmtree(drive.parent)
    away.rename(drive.parent)
    assert mirror.store(2, to_store(run, 2)) is None


@pytest.mark.parametrize("code", [*DEAD, errno.EROFS])
def test_a_dead_mount_is_reported_before_training_and_by_the_reader(drive, run, code):
    mirror = store(drive, run, 1)
    with Disk(drive, 0, code):
        assert os.strerror(code) in mirror.check()
        bundle, reasons = mirror.newest_valid()
    assert mirror.check() is None
    if code == errno.EROFS:
        assert bundle.step == 1, "what can be read can be restored"
    else:
        assert bundle is None and os.strerror(code) in reasons[0]


# Quota


def size_of_a_copy(drive: Path, run: Path) -> int:
    store(drive, run, 1)
    size = used(drive)
    shutil.rmtree(drive / RUN)
    return size


def test_where_the_quota_ends_the_oldest_goes_first(drive, run):
    size = size_of_a_copy(drive, run)
    mirror = Mirror(drive, RUN, keep=3)
    with Disk(drive, quota=int(size * 2.6)):
        for step in (1, 2, 3, 5):
            train(run, step)
            assert mirror.store(step, to_store(run, step)) is None
            assert used(drive) <= size * 2.6
    assert steps(drive) == [5, 3]


def test_the_last_verified_copy_is_never_given_up_for_room(drive, run):
    size = size_of_a_copy(drive, run)
    mirror = Mirror(drive, RUN)
    with Disk(drive, quota=int(size * 1.6)):
        train(run, 1)
        assert mirror.store(1, to_store(run, 1)) is None
        for step in (2, 3):
            train(run, step)
            problem = mirror.store(step, to_store(run, step))
            assert "配额" in problem and "回收站" in problem and "第 1 步接着练" in problem
            assert steps(drive) == [1] and newest_step(drive) == 1


@pytest.mark.parametrize("harm", ["not its hashes", "not all there"])
def test_a_newer_damaged_copy_does_not_count_as_the_last_one(drive, run, monkeypatch, harm):
    """What looks whole by its sizes must be read before the older one goes in its favour."""
    size = size_of_a_copy(drive, run)
    mirror = store(drive, run, 1, 2)
    path = mirror.newest.path / "history.jsonl"
    path.write_bytes(b"?" * (path.stat().st_size - (harm == "not all there")))
    train(run, 3)
    quota = int(size * 2.6)
    with Disk(drive, quota=quota):
        assert Mirror(drive, RUN).store(3, to_store(run, 3)) is not None
    assert steps(drive) == [2, 1], "another machine may still be writing 2"
    monkeypatch.setattr(bundles, "_STALE", timedelta(0))
    with Disk(drive, quota=quota):
        assert Mirror(drive, RUN).store(3, to_store(run, 3)) is None
    assert steps(drive) == [3, 1]


def test_what_is_not_whole_is_deleted_for_room_before_what_is(drive, run):
    size = size_of_a_copy(drive, run)
    store(drive, run, 1, 2, 3)
    quota = used(drive) + size // 9
    (bundles.list_bundles(drive / RUN)[1] / "mirror.json").unlink()
    train(run, 4)
    with Disk(drive, quota=quota):
        assert Mirror(drive, RUN).store(4, to_store(run, 4)) is None
    assert steps(drive) == [4, 3, 1]


def test_what_cannot_be_read_is_not_deleted_for_room(drive, run, monkeypatch):
    size = size_of_a_copy(drive, run)
    store(drive, run, 1, 2)

    def unreadable(path, run_id):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    train(run, 3)
    with monkeypatch.context() as patch, Disk(drive, quota=int(size * 2.6)):
        patch.setattr(bundles, "read_bundle", unreadable)
        patch.setattr(bundles, "_STALE", timedelta(0))
        assert Mirror(drive, RUN).store(3, to_store(run, 3)) is not None
    assert steps(drive) == [2, 1] and newest_step(drive) == 2


def test_what_is_deleted_is_emptied_first(drive, run):
    """Drive's bin counts against the quota: what lies in it should weigh nothing."""
    mirror = store(drive, run, 1, keep=1)
    train(run, 2)
    with Disk(drive) as disk:
        assert mirror.store(2, to_store(run, 2)) is None
    at = disk.changes.index("truncate")
    assert disk.changes[at - 1] == "unlink", "the manifest goes first"
    assert disk.changes[at:] == ["truncate"] * 7 + ["rmtree"]


@pytest.mark.parametrize("broken", ["unlink", "rmtree"])
def test_a_disk_on_which_nothing_can_be_deleted_does_not_hold_training_up(
    drive, run, monkeypatch, broken
):
    store(drive, run, 1, 2, 3)
    train(run, 4)

    def forbidden(path, **_):
        if broken == "unlink":
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    with Disk(drive, quota=used(drive) + 200), monkeypatch.context() as patch:
        patch.setattr(os if broken == "unlink" else shutil, broken, forbidden)
        assert "配额" in Mirror(drive, RUN).store(4, to_store(run, 4))
    assert steps(drive) == [4, 3, 2, 1], "one attempt, and no more"
    whole = [path for path in bundles.list_bundles(drive / RUN) if is_whole(path)]
    assert len(whole) == (3 if broken == "unlink" else 2)


# Damage on the way


@pytest.mark.parametrize("harm", ["deleted", "emptied", "cut", "longer", "flipped"])
@pytest.mark.parametrize("name", ["history.jsonl", "best/step-00000004/model.safetensors"])
def test_a_damaged_copy_falls_back_to_the_one_before(drive, run, name, harm):
    store(drive, run, 5, 6)
    path = bundles.list_bundles(drive / RUN)[0] / name
    raw = path.read_bytes()
    if harm == "deleted":
        path.unlink()
    else:
        flipped = raw[:9] + bytes([raw[9] ^ 2]) + raw[10:]
        choices = {"emptied": b"", "cut": raw[:-1], "longer": raw + b"0", "flipped": flipped}
        path.write_bytes(choices[harm])
    bundle, reasons = Mirror(drive, RUN).newest_valid()
    assert bundle.step == 5
    assert len(reasons) == 1 and name in reasons[0] and "step-00000006" in reasons[0]


def test_any_flipped_bit_of_the_manifest_is_damage(drive, run):
    store(drive, run, 5)
    (folder,) = bundles.list_bundles(drive / RUN)
    path = folder / "mirror.json"
    raw = path.read_bytes()
    for place in range(len(raw)):
        path.write_bytes(raw[:place] + bytes([raw[place] ^ 1 << place % 7]) + raw[place + 1 :])
        bundle, reasons = Mirror(drive, RUN).newest_valid()
        if bundle:  # white space may become another white space
            assert json.loads(path.read_bytes()) == json.loads(raw), place
        else:
            assert len(reasons) == 1 and "镜像" in reasons[0], place


@pytest.mark.parametrize("length", [0, 1, 40, -1, -2])
def test_a_manifest_that_is_not_all_there_is_damage(drive, run, length):
    store(drive, run, 5)
    (folder,) = bundles.list_bundles(drive / RUN)
    path = folder / "mirror.json"
    path.write_bytes(path.read_bytes()[:-1][:length])
    bundle, reasons = Mirror(drive, RUN).newest_valid()
    assert (bundle is None) == (length != -1) or bundle is None
    assert "mirror.json" in reasons[0]


# A cloud, its machines, and what gets lost between them


class Cloud:
    """Drive and the machine that mounts it: `view` is what the machine sees and believes."""

    def __init__(self, folder: Path) -> None:
        self.view, self.kept = folder / "view", folder / "kept"
        self.late: list[tuple[str, bytes]] = []
        for path in (self.view, self.kept):
            path.mkdir()

    def lose_machine(self, fates) -> None:
        """The machine dies: each change since the last time meets the fate that `fates` draws."""
        before, now = contents(self.kept, ""), contents(self.view, "")
        for name, content in sorted(now.items()):
            if before.get(name) != content:
                self._arrive(name, content, fates())
        for name in sorted(before.keys() - now.keys()):
            if fates() != "never":
                (self.kept / name).unlink()
        self.remount()

    def _arrive(self, name: str, content: bytes, fate: str) -> None:
        half = len(content) // 2
        flipped = content[:half] + bytes([content[half] ^ 8]) + content[half + 1 :] if half else b""
        choices = {"whole": content, "cut": content[:half], "empty": b"", "flipped": flipped}
        if fate in choices:
            put(self.kept / name, choices[fate])
        elif fate == "late":
            self.late.append((name, content))

    def deliver(self) -> None:
        """What was late arrives while another machine is at work."""
        for name, content in self.late:
            put(self.kept / name, content)
            put(self.view / name, content)
        self.late.clear()

    def remount(self) -> None:
        shutil.rmtree(self.view)
        shutil.copytree(self.kept, self.view)


def put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


class Witness:
    """What was stored, and what therefore may be, and must be, found."""

    def __init__(self, cloud: Cloud, machine: Path) -> None:
        self.cloud, self.machine = cloud, machine
        self.ever: dict[int, list[dict[str, bytes]]] = {}
        self.good: dict[str, dict[str, bytes]] = {}  # reported as stored, by folder

    def store(self, mirror: Mirror, run: Path, step: int, disk: Disk, session: int) -> None:
        train(run, step, session=session)
        files = to_store(run, step)
        self.ever.setdefault(step, []).append(
            {name: path.read_bytes() for name, path in files.items()}
        )
        had_one = newest_step(self.cloud.view) is not None
        with disk:
            problem = mirror.store(step, files)
        if problem is None:
            path = mirror.newest.path
            self.good[path.name] = contents(path, leave_out="")
            assert newest_step(self.cloud.view) >= step
        else:
            assert "\n" not in problem and f"第 {step} 步" in problem
        # Whatever happened, nobody who had a good copy is left without one.
        assert not had_one or newest_step(self.cloud.view) is not None

    def check(self) -> None:
        """After any history the newest copy is some step to the bit, or there are reasons."""
        mirror = Mirror(self.cloud.view, RUN)
        bundle, reasons = mirror.newest_valid()
        folders = bundles.list_bundles(mirror.home)
        whole = [
            path
            for path in folders
            if path.name in self.good and contents(path, "") == self.good[path.name]
        ]
        if bundle is None:
            assert len(reasons) == len(folders) and not whole
            return
        assert all(bundles.place(path) <= bundle.order for path in whole)
        out = self.machine / "restored"
        restore(bundle, out)
        assert contents(out) in self.ever[bundle.step]
        shutil.rmtree(out)


FATES = ["whole"] * 12 + ["cut", "empty", "flipped", "late", "late", "never"]
FAULTS = st.one_of(
    st.just((None, errno.EIO, True)),
    st.tuples(st.integers(0, 60), st.sampled_from([*CODES, "lie"]), st.booleans()),
)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_after_any_history_what_is_found_is_what_was_stored(data):
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        live(Path(folder), data)


@pytest.mark.slow
@settings(max_examples=1000, deadline=None)
@given(st.data())
def test_after_a_thousand_histories_what_is_found_is_what_was_stored(data):
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        live(Path(folder), data)


def live(folder: Path, data: st.DataObject) -> None:
    """Some sessions of some machines with one mirror, as hypothesis draws them."""
    cloud, run = Cloud(folder), folder / "machine" / "run"
    witness, step = Witness(cloud, folder / "machine"), 0
    for session in range(1, data.draw(st.integers(1, 4), "sessions") + 1):
        shutil.rmtree(run.parent, ignore_errors=True)
        mirror = Mirror(cloud.view, RUN, keep=data.draw(st.integers(1, 3), "keep"))
        found, _ = mirror.newest_valid()
        step = found.step if found else 0
        for _ in range(data.draw(st.integers(0, 5), "stores")):
            step += data.draw(st.integers(1, 3), "steps")
            fault = data.draw(FAULTS, "fault")
            witness.store(mirror, run, step, Disk(cloud.view, *fault), session)
            if data.draw(st.booleans(), "deliver"):
                cloud.deliver()
                witness.check()
        cloud.lose_machine(lambda: data.draw(st.sampled_from(FATES), "fate"))
        witness.check()
    cloud.deliver()
    witness.check()


# Killed for good

needs_sigkill = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="POSIX only")


@pytest.fixture(scope="session")
def processes():
    """Processes that start with the library imported and share nothing else."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["helpers_disk"])
    return context


def die(processes, target, *arguments) -> bool:
    """Run a function in a process of its own; whether it was killed rather than done."""
    process = processes.Process(target=target, args=arguments)
    process.start()
    process.join(60)
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


@needs_sigkill
def test_a_store_killed_at_any_change_leaves_what_was_there(drive, run, processes):
    store(drive, run, 1)
    count = changes_of_a_store(drive, run, 2)
    shutil.rmtree(bundles.list_bundles(drive / RUN)[0])
    for at in [*range(0, count - 6, 5), *range(count - 6, count - 1)]:
        assert die(processes, store_or_die, drive, run, 2, at), f"change {at}"
        assert newest_step(drive) == 1, f"change {at}"
    # Only before its last change, a flush, is a copy as good as stored.
    assert die(processes, store_or_die, drive, run, 2, count - 1)
    assert newest_step(drive) == 2
    partial = [path for path in bundles.list_bundles(drive / RUN) if not is_whole(path)]
    assert len(partial) > 10
    for path in partial:
        age(path, 2)
    store(drive, run, 3)
    assert steps(drive) == [3, 2, 1]


@needs_sigkill
def test_a_deletion_killed_at_any_change_leaves_the_new_copy(drive, run, processes):
    store(drive, run, 1, 2, 3)
    before = shutil.copytree(drive, drive.with_name("before"))
    train(run, 4)
    with Disk(drive) as disk:
        assert Mirror(drive, RUN).store(4, to_store(run, 4)) is None
    assert disk.changes[-9:] == ["unlink"] + ["truncate"] * 7 + ["rmtree"]
    for at in range(len(disk.changes) - 9, len(disk.changes)):
        shutil.rmtree(drive)
        shutil.copytree(before, drive)
        assert die(processes, store_or_die, drive, run, 4, at), f"change {at}"
        assert newest_step(drive) == 4
        whole = [path for path in bundles.list_bundles(drive / RUN) if is_whole(path)]
        first = at == len(disk.changes) - 9
        assert [bundles.place(path)[0] for path in whole] == [4, 3, 2] + [1] * first


@needs_sigkill
@pytest.mark.parametrize("had", ["nothing", "an empty folder", "an older state"])
def test_a_restore_killed_at_any_change_is_done_again(drive, run, processes, had):
    mirror = store(drive, run, 8)
    expected = contents(run)
    prepare(run, had)
    with Disk(run.parent) as disk:
        restore(mirror.newest, run)
    count = len(disk.changes)
    assert count > 30 and contents(run) == expected
    # All of the last ones, in which the folders change places.
    for at in [*range(0, count - 8, 7), *range(count - 8, count)]:
        older = prepare(run, had)
        assert die(processes, restore_or_die, drive, run, at), f"change {at}"
        # The old state, the new one, or none at all, but never a mixture.
        state = contents(run) if run.exists() else {}
        assert state in ({}, older, expected), f"change {at}"
        asides = [contents(aside) for aside in run.parent.glob("run.before-*")]
        assert not older or older in [state, *asides]
        choice = choose(run, mirror)
        assert (choice.bundle is None) == (state == expected)
        if choice.bundle:
            assert (choice.bundle.step, choice.local) == (8, None)
            restore(choice.bundle, run)
        assert contents(run) == expected, f"change {at}"


def prepare(run: Path, had: str) -> dict[str, bytes]:
    """A machine on which nothing else lies; returns what is in its run folder."""
    shutil.rmtree(run.parent)
    run.parent.mkdir()
    if had == "an empty folder":
        run.mkdir()
    if had == "an older state":
        train(run, 3)
        return contents(run)
    return {}


# Restoring


def test_a_run_is_restored_to_the_bit(drive, run, tmp_path):
    store(drive, run, 8)
    bundle, _ = Mirror(drive, RUN).newest_valid()
    new = tmp_path / "new" / "machine" / "run"
    assert restore(bundle, new) is None
    assert contents(new) == contents(run)
    assert checkpoint.newest_valid(new / "checkpoints")[0].name == "step-00000008"


def test_an_older_state_is_moved_aside_whole_each_time(drive, run):
    store(drive, run, 8)
    bundle, _ = Mirror(drive, RUN).newest_valid()
    for number in (1, 2):
        shutil.rmtree(run)
        train(run, number)
        older = contents(run)
        aside = restore(bundle, run)
        assert aside == run.with_name(f"run.before-{number}")
        assert contents(aside) == older


def test_an_empty_folder_makes_way_before_the_rename(drive, run):
    """Windows renames onto no folder; and all is on the disk before, and the rename after."""
    mirror = store(drive, run, 8)
    shutil.rmtree(run)
    run.mkdir()
    with Disk(run.parent) as disk:
        restore(mirror.newest, run)
    assert disk.changes[-5:] == ["fsync", "rmdir", "replace", "fsync", "rmtree"]
    # Seven files, their five folders, and the folder in which the run lies.
    assert disk.changes.count("fsync") == 7 + 5 + 1


def test_a_hidden_folder_is_no_content(drive, run):
    store(drive, run, 8)
    bundle, _ = Mirror(drive, RUN).newest_valid()
    shutil.rmtree(run)
    (run / ".ipynb_checkpoints").mkdir(parents=True)
    restore(bundle, run)
    assert checkpoint.newest_valid(run / "checkpoints")[0] is not None


@pytest.mark.parametrize("content", ["another run", "no run", "a broken ledger", "a file"])
def test_what_is_not_this_run_is_not_replaced(drive, run, content):
    store(drive, run, 8)
    bundle, _ = Mirror(drive, RUN).newest_valid()
    shutil.rmtree(run)
    if content == "another run":
        train(run, 3, run_id="run-b")
    elif content == "a file":
        run.write_text("mine", encoding="utf-8")
    else:
        run.mkdir()
        name = "thesis.docx" if content == "no run" else "run.json"
        (run / name).write_text("{", encoding="utf-8")
    before = contents(run.parent)
    with pytest.raises(InputError, match="--out"):
        restore(bundle, run)
    assert contents(run.parent) == before


@pytest.mark.parametrize("code", [*FULL, errno.EROFS, errno.EIO], ids=errno.errorcode.get)
def test_a_local_disk_that_refuses_at_any_change_leaves_the_old_state(drive, run, code):
    store(drive, run, 8)
    bundle, _ = Mirror(drive, RUN).newest_valid()
    shutil.rmtree(run)
    train(run, 3)
    older = contents(run)
    with Disk(run.parent) as disk:
        aside = restore(bundle, run)
    shutil.rmtree(run)
    aside.rename(run)
    count = len(disk.changes)
    assert disk.changes.count("write") > 10
    for at in range(count - 4):
        with Disk(run.parent, at, code, lasting=False) as disk:
            try:
                restore(bundle, run)
            except WorkError as error:
                message = str(error)
                assert os.strerror(code) in message and str(run) in message
                assert "\n" not in message
            else:  # it hit a deletion that may fail, or a folder that is there
                assert disk.changes[at] in ("rmtree", "mkdir")
                assert contents(run) == contents(bundle.path)
                shutil.rmtree(run)
                (run.parent / "run.before-1").rename(run)
        assert contents(run) == older, f"change {at}"
    restore(bundle, run)
    assert contents(run) == contents(bundle.path)


def test_a_copy_that_changes_between_the_check_and_the_copy_is_not_restored(drive, run, tmp_path):
    store(drive, run, 8)
    bundle, _ = Mirror(drive, RUN).newest_valid()
    path = bundle.path / "run.json"
    path.write_bytes(path.read_bytes().replace(b"1", b"2"))
    with pytest.raises(WorkError, match=r"run\.json"):
        restore(bundle, tmp_path / "new")
    assert not (tmp_path / "new").exists() and not (tmp_path / ".new.restoring").exists()


# Local or mirror


def test_the_greater_step_is_chosen_and_the_local_one_on_a_tie(drive, run):
    mirror = store(drive, run, 4, 8)
    choice = choose(run, mirror)
    assert (choice.local.name, choice.bundle, choice.reason) == ("step-00000008", None, None)
    train(run, 9)
    assert choose(run, mirror).local.name == "step-00000009"
    for step, problem in ((9, "本地只到第 4 步"), (8, "本地只到第 4 步"), (4, "没有可用")):
        folder = checkpoint.checkpoint_path(run / "checkpoints", step)
        (folder / "model.safetensors").unlink()
        choice = choose(run, mirror)
        if step == 9:
            assert choice.local.name == "step-00000008" and len(choice.skipped) == 1
            continue
        assert (choice.local, choice.bundle.step) == (None, 8)
        assert problem in choice.reason and "第 8 步" in choice.reason
        assert all(line.startswith("本地检查点") for line in choice.skipped)


def test_copies_behind_the_local_checkpoint_are_not_read(drive, run, monkeypatch):
    mirror = store(drive, run, 4, 8)

    def read(*_):
        raise AssertionError("hashes are slow")

    monkeypatch.setattr(bundles, "verify", read)
    assert choose(run, mirror).local.name == "step-00000008"


def test_a_mirror_that_cannot_be_read_does_not_stop_the_local_run(drive, run):
    mirror = store(drive, run, 8)
    with Disk(drive, 0, errno.ENOTCONN):
        assert mirror.check()
        choice = choose(run, mirror)
    assert choice.local.name == "step-00000008"
    assert len(choice.skipped) == 1 and os.strerror(errno.ENOTCONN) in choice.skipped[0]


# When to copy, and what Drive says of it


def test_copies_are_due_by_the_clock_and_by_what_they_cost(drive, run, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    mirror = Mirror(drive, RUN, minutes=10)
    assert mirror.due()
    train(run, 1)
    files = to_store(run, 1)
    real = bundles.write_manifest

    def slow(*arguments):
        now[0] += 60
        real(*arguments)

    monkeypatch.setattr(bundles, "write_manifest", slow)
    assert mirror.store(1, files) is None
    assert not mirror.due()
    now[0] += 1199
    assert not mirror.due(), "a minute of copying is a twentieth of twenty minutes"
    now[0] += 1
    assert mirror.due()
    # A failing one counts as well: a dead mount is not tried at every checkpoint.
    with Disk(drive, 0, errno.ENOTCONN):
        assert mirror.store(1, files) is not None
    assert not mirror.due()
    now[0] += 600
    assert mirror.due()


@pytest.fixture
def uploads(monkeypatch) -> set[int]:
    """The steps whose copies Drive says it has not uploaded."""
    pending: set[int] = set()

    def getxattr(path, name):
        assert name == "user.drive.uncommitted"
        (folder,) = [part for part in Path(path).parents if part.parent.name == RUN]
        return b"1" if bundles.place(folder)[0] in pending else b"0"

    monkeypatch.setattr(os, "getxattr", getxattr, raising=False)
    return pending


def test_a_drive_that_falls_behind_is_not_given_more(drive, run, uploads, monkeypatch):
    mirror = store(drive, run, 1)
    now = [time.monotonic() + 601]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    assert mirror.due() and mirror.wait() is None
    uploads.add(1)
    assert not mirror.due()
    assert "第 1 步" in mirror.wait() and "flush_and_unmount" in mirror.wait()
    now[0] += 1200
    assert mirror.due(), "not for ever: it may be stuck"


def test_waiting_ends_when_the_upload_does(drive, run, uploads, monkeypatch):
    mirror = store(drive, run, 1)
    uploads.add(1)
    slept: list[float] = []

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 3:
            uploads.clear()

    monkeypatch.setattr(time, "sleep", sleep)
    assert mirror.wait(30) is None
    assert slept == [1.0] * 3


def test_the_last_copy_that_drive_has_for_certain_stays(drive, run, uploads):
    uploads.update(range(2, 9))
    mirror = store(drive, run, 1, keep=2)
    for step in (2, 3, 4, 5):
        train(run, step)
        assert mirror.store(step, to_store(run, step)) is None
    assert steps(drive) == [5, 4, 1]
    uploads.remove(4)
    train(run, 6)
    assert mirror.store(6, to_store(run, 6)) is None
    assert steps(drive) == [6, 5, 4]


def test_a_system_without_such_attributes_says_nothing(drive, run, monkeypatch):
    monkeypatch.delattr(os, "getxattr", raising=False)
    mirror = store(drive, run, 1)
    assert not mirror.newest.uploading and mirror.wait() is None


# Real refusals


def test_a_real_tiny_disk(tmp_path):
    """A file system of 64 KiB in a namespace of our own, where the system allows one."""
    code = f"""
import sys
sys.path[:0] = {sys.path!r}
from pathlib import Path
from helpers_disk import write_files
from novelkit import checkpoint, layouts
disk, machine = Path({str(tmp_path / "disk")!r}), Path({str(tmp_path / "machine")!r})
(disk / "mirror").mkdir()
mirror = checkpoint.Mirror(disk / "mirror", "run-a")
machine.mkdir()
(machine / "run.json").write_text("{{}}", encoding="utf-8")
(machine / "history.jsonl").write_text("{{}}", encoding="utf-8")
problems = []
for step, size in ((1, 9000), (2, 9000), (3, 9000), (4, 60000)):
    write_files(machine / "checkpoints", step, {{"model": bytes([step]) * size}})
    problems.append(mirror.store(step, checkpoint.run_files(machine, step)))
assert problems[:3] == [None] * 3, problems
assert "磁盘满了" in problems[3] and "No space" in problems[3], problems
assert mirror.newest_valid()[0].step == 3
try:
    write_files(disk / "checkpoints", 5, {{"model": bytes(60000)}})
except OSError as error:
    assert "磁盘满了" in checkpoint.cause(error)
else:
    raise AssertionError("it cannot fit")
assert list((disk / "checkpoints").iterdir()) == []
print("ran")
"""
    (tmp_path / "disk").mkdir()
    (tmp_path / "tiny.py").write_text(code, encoding="utf-8")
    if not shutil.which("unshare"):
        pytest.skip("no unshare here")
    mount = f"mount -t tmpfs -o size=65536 none '{tmp_path / 'disk'}'"
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", f"{mount} && exec \"$0\" \"$@\"",
         sys.executable, str(tmp_path / "tiny.py")],
        capture_output=True,
        text=True,
        encoding="utf-8",
    )  # fmt: skip
    if "Traceback" not in done.stderr and done.returncode:
        pytest.skip(f"no mount here: {done.stderr.strip()}")
    assert done.stdout.split() == ["ran"], done.stderr
