"""Stage 06, checkpoint folders: whole or not there, whatever breaks while they are written."""

import errno
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import pytest
from helpers_disk import DEAD, FULL, Disk, write_files, write_or_die
from hypothesis import given, settings
from hypothesis import strategies as st

from novelkit import checkpoint
from novelkit.checkpoint import files as file_steps

FILES = {"weights.bin": bytes(range(256)) * 8, "state.json": b'{"step": 1}'}


def write(parent: Path, step: int, files: dict[str, bytes] | None = None) -> Path:
    return write_files(parent, step, files or FILES)


def steps(parent: Path) -> list[int]:
    return [checkpoint.checkpoint_step(folder) for folder in checkpoint.list_checkpoints(parent)]


def test_a_checkpoint_holds_its_files_and_a_manifest(tmp_path):
    folder = write(tmp_path / "new" / "place", 40)
    assert folder == checkpoint.checkpoint_path(tmp_path / "new" / "place", 40)
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted([*FILES, "manifest.json"])
    assert (folder / "weights.bin").read_bytes() == FILES["weights.bin"]
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["files"]["weights.bin"]["bytes"] == 2048
    assert checkpoint.damage(folder) is None


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
@pytest.mark.parametrize("change", ["deleted", "emptied", "cut", "longer"])
def test_a_file_of_another_length_is_damage(tmp_path, name, change):
    path = write(tmp_path, 1) / name
    raw = path.read_bytes()
    if change == "deleted":
        path.unlink()
    else:
        path.write_bytes({"emptied": b"", "cut": raw[:-2], "longer": raw + b"0"}[change])
    problem = checkpoint.damage(path.parent)
    assert name in problem
    assert "step-00000001" in problem and "\n" not in problem


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(FILES)), st.integers(0, 10**6), st.integers(0, 7))
def test_any_flipped_bit_is_damage(tmp_path_factory, name, place, bit):
    folder = write(tmp_path_factory.mktemp("flip"), 1)
    raw = bytearray((folder / name).read_bytes())
    raw[place % len(raw)] ^= 1 << bit
    (folder / name).write_bytes(raw)
    assert name in checkpoint.damage(folder)


def test_any_flipped_bit_of_the_manifest_is_damage(tmp_path):
    folder = write(tmp_path, 1)
    path = folder / "manifest.json"
    raw = path.read_bytes()
    for place in range(len(raw)):
        for bit in (0, 2, 5):
            flipped = bytearray(raw)
            flipped[place] ^= 1 << bit
            path.write_bytes(flipped)
            assert checkpoint.damage(folder), f"byte {place}, bit {bit}"


@pytest.mark.parametrize("text", ["[]", "null", "{}", '{"files": {}}', '{"step": 1, "files": 3}'])
def test_a_manifest_of_another_form_is_damage(tmp_path, text):
    folder = write(tmp_path, 1)
    (folder / "manifest.json").write_text(text, encoding="utf-8")
    assert "manifest.json" in checkpoint.damage(folder)


def test_a_renamed_checkpoint_is_damage(tmp_path):
    write(tmp_path, 1).rename(checkpoint.checkpoint_path(tmp_path, 7))
    folder, skipped = checkpoint.newest_valid(tmp_path)
    assert folder is None and len(skipped) == 1


def test_the_newest_whole_one_is_found_and_the_others_reported(tmp_path):
    for step in (5, 10, 15, 20):
        write(tmp_path, step)
    (checkpoint.checkpoint_path(tmp_path, 20) / "weights.bin").unlink()
    (checkpoint.checkpoint_path(tmp_path, 15) / "manifest.json").unlink()
    folder, skipped = checkpoint.newest_valid(tmp_path)
    assert checkpoint.checkpoint_step(folder) == 10
    assert ["step-00000020" in skipped[0], "step-00000015" in skipped[1]] == [True, True]
    assert checkpoint.newest_valid(tmp_path / "nowhere") == (None, [])


def test_steps_sort_as_numbers(tmp_path):
    for step in (9, 10, 100, 99_999_999):
        write(tmp_path, step)
    assert steps(tmp_path) == [99_999_999, 100, 10, 9]


def test_strangers_in_the_folder_are_passed_over(tmp_path):
    write(tmp_path, 3)
    (tmp_path / "step-00000004 (1)").mkdir()
    (tmp_path / "step-abcdefgh").mkdir()
    (tmp_path / "step-00000009").write_text("a file", encoding="utf-8")
    (tmp_path / ".step-00000008.tmp").mkdir()
    assert steps(tmp_path) == [3]


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_a_failing_writer_leaves_the_older_checkpoints_and_nothing_else(tmp_path, failing):
    write(tmp_path, 1)

    def full_disk(path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    writers = [(f"{at}.bin", lambda path: path.write_bytes(b"whole")) for at in range(3)]
    writers[failing] = (f"{failing}.bin", full_disk)
    with pytest.raises(OSError, match="No space"):
        checkpoint.write_checkpoint(tmp_path, 2, dict(writers))
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]
    assert checkpoint.damage(checkpoint.checkpoint_path(tmp_path, 1)) is None


@pytest.mark.parametrize("stage", ["mkdir", "write", "manifest", "rename"])
def test_a_stop_at_any_moment_leaves_a_valid_checkpoint(tmp_path, monkeypatch, stage):
    """`BaseException` stands in for a kill: cleaning up is switched off as well."""
    write(tmp_path, 1)

    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        if stage == "mkdir":
            patch.setattr(Path, "mkdir", die)
        if stage == "manifest":
            patch.setattr(checkpoint.layouts, "write_json", die)
        if stage == "rename":
            patch.setattr(Path, "replace", die)
        with pytest.raises(Killed):
            checkpoint.write_checkpoint(tmp_path, 2, {"a": die if stage == "write" else Path.touch})
    folder, skipped = checkpoint.newest_valid(tmp_path)
    assert checkpoint.checkpoint_step(folder) == 1 and skipped == []
    # What was left half written, under a step that never comes again, goes with the next one.
    write(tmp_path, 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000001", "step-00000003"]


def test_the_same_step_again_replaces_the_older_one(tmp_path):
    write(tmp_path, 1, {"old": b"1"})
    folder = write(tmp_path, 1, {"new": b"2"})
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", "new"]
    assert checkpoint.damage(folder) is None


def test_the_ring_keeps_the_newest(tmp_path):
    for step in (1, 2, 3, 4):
        write(tmp_path, step)
    checkpoint.keep_newest(tmp_path, 2, newest=4)
    assert steps(tmp_path) == [4, 3]


@pytest.mark.parametrize("count", [1, 2])
def test_a_lost_future_does_not_push_whole_checkpoints_out(tmp_path, count):
    for step in (10, 20):
        write(tmp_path, step)
    (checkpoint.checkpoint_path(tmp_path, 20) / "weights.bin").unlink()
    write(tmp_path, 12)  # resumed from 10
    checkpoint.keep_newest(tmp_path, count, newest=12)
    assert steps(tmp_path) == [12, 10][:count]
    assert checkpoint.newest_valid(tmp_path) == (checkpoint.checkpoint_path(tmp_path, 12), [])


def test_a_deletion_cut_short_leaves_no_valid_looking_checkpoint(tmp_path, monkeypatch):
    folder = write(tmp_path, 1)
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
    checkpoint.delete(folder)
    assert checkpoint.damage(folder) is not None


# Disks that refuse


def test_all_of_it_is_on_the_disk_before_the_rename_and_the_rename_after(tmp_path):
    with Disk(tmp_path) as disk:
        write(tmp_path, 2)
    at = disk.changes.index("rmtree")
    assert disk.changes[at:] == ["rmtree", "replace", "fsync", "rmtree"]
    assert disk.changes[:at].count("fsync") == len(FILES) + 1


def older_is_whole(parent: Path) -> None:
    folder = checkpoint.checkpoint_path(parent, 1)
    assert checkpoint.damage(folder) is None
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES


@pytest.mark.parametrize("lasting", [True, False], ids=["lasting", "once"])
@pytest.mark.parametrize("code", [*FULL, *DEAD, errno.EROFS], ids=errno.errorcode.get)
def test_a_refusal_at_any_change_costs_no_older_checkpoint(tmp_path, code, lasting):
    write(tmp_path, 1)
    with Disk(tmp_path) as disk:
        write(tmp_path, 2)
    count = len(disk.changes)
    assert count > 15 and {"mkdir", "open", "write", "fsync", "replace"} <= set(disk.changes)
    for at in range(count):
        shutil.rmtree(checkpoint.checkpoint_path(tmp_path, 2), ignore_errors=True)
        with Disk(tmp_path, at, code, lasting) as disk:
            try:
                write(tmp_path, 2)
            except OSError as error:
                assert error.errno == code
                assert os.strerror(code) in checkpoint.cause(error)
            else:  # a folder to be made is there, what is to be deleted is not
                assert disk.changes[at] in ("mkdir", "rmtree", "unlink")
        older_is_whole(tmp_path)
        folder, skipped = checkpoint.newest_valid(tmp_path)
        assert skipped == [] and folder is not None
        # A disk that takes nothing any more does not take a deletion either.
        if not lasting or code in FULL:
            assert not list(tmp_path.glob(".*"))
        write(tmp_path, 2)
        assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("size", [0, 1, 100, 2047])
@pytest.mark.skipif(os.name == "nt", reason="POSIX only")
def test_a_real_limit_of_the_system_leaves_the_older_checkpoint(tmp_path, size):
    write(tmp_path, 1)
    code = f"""
import sys
import tracemalloc
sys.path[:0] = {sys.path!r}
import resource
from pathlib import Path
from helpers_disk import write_files
from novelkit import checkpoint
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
try:
    write_files(Path({str(tmp_path)!r}), 2, {{"weights.bin": bytes(2048)}})
except OSError as error:
    print(ascii(checkpoint.cause(error)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True
    )
    assert ascii("文件超过了允许的大小")[1:-1] in done.stdout, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]
    older_is_whole(tmp_path)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="POSIX only")
def test_a_process_killed_at_any_change_leaves_the_older_checkpoint(tmp_path):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["helpers_disk"])
    write(tmp_path, 1)
    for at in range(99):
        process = context.Process(target=write_or_die, args=(tmp_path, 2, FILES, at))
        process.start()
        process.join(60)
        older_is_whole(tmp_path)
        folder, skipped = checkpoint.newest_valid(tmp_path)
        assert skipped == [] and checkpoint.checkpoint_step(folder) in (1, 2)
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        shutil.rmtree(checkpoint.checkpoint_path(tmp_path, 2), ignore_errors=True)
    assert at > 15
    assert steps(tmp_path) == [2, 1] and not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.EIO])
def test_a_checkpoint_that_cannot_be_deleted_stays_whole(tmp_path, code):
    for step in (1, 2, 3):
        write(tmp_path, step)
    with Disk(tmp_path, 0, code, lasting=False):
        checkpoint.keep_newest(tmp_path, 1, newest=3)
    assert steps(tmp_path) == [3, 2]
    assert checkpoint.damage(checkpoint.checkpoint_path(tmp_path, 2)) is None


def test_a_file_that_cannot_be_read_is_reported_and_passed_over(tmp_path, monkeypatch):
    for step in (1, 2):
        write(tmp_path, step)
    real = file_steps.fingerprint

    def read(path, **keywords):
        if "step-00000002" in str(path):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(path, **keywords)

    monkeypatch.setattr("novelkit.checkpoint.folders.fingerprint", read)
    folder, skipped = checkpoint.newest_valid(tmp_path)
    assert checkpoint.checkpoint_step(folder) == 1
    assert len(skipped) == 1 and "读不了" in skipped[0] and "读写出错" in skipped[0]


def test_a_disk_that_cannot_flush_is_no_refusal(tmp_path, monkeypatch):
    def unsupported(descriptor):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    with monkeypatch.context() as patch:
        patch.setattr(file_steps.os, "fsync", unsupported)
        patch.setattr(checkpoint.layouts, "write_json", write_plain_json)
        write(tmp_path, 1)
    older_is_whole(tmp_path)


def write_plain_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


def test_windows_is_not_asked_to_open_a_folder(tmp_path, monkeypatch):
    def open_file(path, flags):
        assert not Path(path).is_dir()
        return os.open(path, flags)

    windows = SimpleNamespace(**vars(os) | {"name": "nt", "open": open_file})
    monkeypatch.setattr(file_steps, "os", windows)
    write(tmp_path, 1)
    older_is_whole(tmp_path)


# Their reasons


@pytest.mark.parametrize(
    ("code", "reason", "advice"),
    [
        ("ENOSPC", "磁盘满了", "腾出空间"),
        ("EDQUOT", "配额", "回收站"),
        ("EROFS", "能读，但不能写", "重新挂载"),
        ("EACCES", "权限", "权限"),
        ("ENOTCONN", "连接断了", "重新挂载网盘"),
        ("EIO", "读写出错", "检查磁盘"),
        ("EFBIG", "文件超过", "磁盘"),
        ("ENOENT", "不见了", "路径"),
        ("EINTR", "Interrupted", "检查磁盘"),
    ],
)
def test_a_refusal_has_a_reason_and_an_advice(code, reason, advice):
    number = getattr(errno, code)
    error = OSError(number, os.strerror(number))
    assert reason in checkpoint.cause(error) and os.strerror(number) in checkpoint.cause(error)
    assert advice in checkpoint.remedy(error)
    assert not checkpoint.remedy(error).endswith("。")


def test_the_reason_is_found_in_what_rust_reports():
    error = RuntimeError("Error while serializing: I/O error:\nNo space left (os error 28)")
    assert checkpoint.cause(error).startswith("磁盘满了，Error")
    assert "\n" not in checkpoint.cause(error)
    assert checkpoint.cause(RuntimeError("something else")) == "something else"


# Single files


def test_a_copy_never_replaces_a_file(tmp_path):
    (tmp_path / "source").write_bytes(b"new")
    (tmp_path / "target").write_bytes(b"old")
    with pytest.raises(FileExistsError):
        file_steps.copy_file(tmp_path / "source", tmp_path / "target")
    with pytest.raises(FileExistsError):
        file_steps.write_new(tmp_path / "target", b"new")
    assert (tmp_path / "target").read_bytes() == b"old"


def test_a_large_file_is_never_held_in_memory(tmp_path):
    with (tmp_path / "source").open("wb") as file:
        file.truncate(64 << 20)
        file.seek(40 << 20)
        file.write(b"somewhere in the middle")
    tracemalloc.start()
    copied = file_steps.copy_file(tmp_path / "source", tmp_path / "target")
    found = file_steps.fingerprint(tmp_path / "target", uncached=True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert copied == found and copied["bytes"] == 64 << 20
    assert peak < 32 << 20
