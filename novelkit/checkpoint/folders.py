"""Folders that are either whole or not there: how a training run survives a kill.

A checkpoint is written into a hidden folder beside its place, every file flushed to the disk, a
manifest with sizes and sha256 last, and then renamed. Whoever reads takes the newest folder whose
manifest holds, and is told what was skipped and why. Nothing here knows what the files mean.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from novelkit import layouts
from novelkit.checkpoint.files import fingerprint, flush
from novelkit.checkpoint.reasons import cause

MANIFEST = "manifest.json"
_PREFIX = "step-"


def checkpoint_path(parent: Path, step: int) -> Path:
    """The folder of the checkpoint after `step` steps; names sort by step."""
    return parent / f"{_PREFIX}{step:08d}"


def checkpoint_step(folder: Path) -> int:
    """The step in a checkpoint folder's name."""
    return int(folder.name.removeprefix(_PREFIX))


def write_checkpoint(
    parent: Path, step: int, writers: Mapping[str, Callable[[Path], None]]
) -> Path:
    """Write a checkpoint: `writers` maps a file name to a function that writes that file.

    Raises `OSError` (disk full, read-only) with nothing left behind but the older checkpoints.
    """
    target = checkpoint_path(parent, step)
    temporary = parent / f".{target.name}.tmp"
    parent.mkdir(parents=True, exist_ok=True)
    # What a kill left half written, under whatever step, would fill the disk in time.
    for leftover in parent.glob(f".{_PREFIX}*.tmp"):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        temporary.mkdir()
        for name, write in writers.items():
            write(temporary / name)
            flush(temporary / name)
        manifest = {name: fingerprint(temporary / name) for name in writers}
        layouts.write_json(temporary / MANIFEST, {"step": step, "files": manifest})
        # A folder cannot be replaced in one call: the same step written again after a resume is
        # the same content, so losing the older one first costs at most one checkpoint.
        shutil.rmtree(target, ignore_errors=True)
        temporary.replace(target)
        flush(parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def damage(folder: Path) -> str | None:
    """Why this folder is no valid checkpoint, in one Chinese line; None if it is whole."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        expected, step = dict(manifest["files"]), manifest["step"]
    except (OSError, ValueError, KeyError, TypeError):
        return f"{folder.name} 没有完整的 {MANIFEST}：写到一半就中断了，或文件损坏"
    if step != checkpoint_step(folder):
        return f"{folder.name} 的 {MANIFEST} 写的是第 {step} 步：文件夹被改过名，或文件损坏"
    for name, known in expected.items():
        if not (folder / name).is_file():
            return f"{folder.name} 缺少 {name}"
        try:
            found = fingerprint(folder / name)
        except OSError as error:
            return f"{folder.name} 里的 {name} 读不了（{cause(error)}）"
        if found != known:
            return f"{folder.name} 里的 {name} 与记录的大小或 sha256 不符：文件损坏"
    return None


def list_checkpoints(parent: Path) -> list[Path]:
    """All checkpoint folders, valid or not, newest first."""
    found = parent.glob(f"{_PREFIX}{'[0-9]' * 8}")
    return sorted((folder for folder in found if folder.is_dir()), reverse=True)


def newest_valid(parent: Path) -> tuple[Path | None, list[str]]:
    """The newest whole checkpoint, and why newer ones were skipped."""
    skipped: list[str] = []
    for folder in list_checkpoints(parent):
        problem = damage(folder)
        if problem is None:
            return folder, skipped
        skipped.append(problem)
    return None, skipped


def keep_newest(parent: Path, count: int, newest: int) -> None:
    """Delete all but the `count` newest checkpoints up to step `newest`, the one just written.

    Later ones belong to a future that was lost: they were damaged, or `newest` would lie behind
    them, and counted among the newest they would push whole ones out.
    """
    folders = list_checkpoints(parent)
    current = [folder for folder in folders if checkpoint_step(folder) <= newest]
    for folder in folders:
        if folder not in current[:count]:
            delete(folder)


def delete(folder: Path) -> None:
    """Delete a checkpoint; its manifest goes first, so that a kill leaves no half of one.

    One that cannot be deleted stays whole: a run that has written its checkpoint may go on.
    """
    try:
        (folder / MANIFEST).unlink(missing_ok=True)
    except OSError:
        return
    shutil.rmtree(folder, ignore_errors=True)
