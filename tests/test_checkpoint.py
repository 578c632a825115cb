"""Stage 06, checkpoint folders: whole or not there, whatever breaks while they are written."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novelkit import checkpoint

FILES = {"weights.bin": bytes(range(256)) * 8, "state.json": b'{"step": 1}'}


def write(parent: Path, step: int, files: dict[str, bytes] | None = None) -> Path:
    writers = {
        name: (lambda path, content=content: path.write_bytes(content))
        for name, content in (files or FILES).items()
    }
    return checkpoint.write_checkpoint(parent, step, writers)


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
