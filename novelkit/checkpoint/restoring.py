"""Taking up a run on a machine that has lost it, or never had it, from its mirror."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from novelkit import layouts
from novelkit.checkpoint import folders
from novelkit.checkpoint.bundles import Bundle
from novelkit.checkpoint.files import copy_file, flush
from novelkit.checkpoint.mirror import Mirror
from novelkit.checkpoint.reasons import cause, remedy
from novelkit.errors import InputError, WorkError


@dataclass(frozen=True)
class Choice:
    """Where a run goes on: from a checkpoint of its folder, a copy to restore first, or neither."""

    local: Path | None
    bundle: Bundle | None
    skipped: tuple[str, ...]  # what was passed over, each a Chinese line
    reason: str | None  # a Chinese line if the copy is taken


def choose(run: Path, mirror: Mirror) -> Choice:
    """The greater step of local disk and mirror; on a tie the local one, which costs no copy."""
    local, skipped = folders.newest_valid(run / layouts.CHECKPOINTS_FOLDER)
    step = folders.checkpoint_step(local) if local else -1
    # Copies behind the local checkpoint are not even read: hashing them takes its time.
    bundle, more = mirror.newest_valid(above=step)
    lines = (*(f"本地检查点 {problem}" for problem in skipped), *more)
    if bundle is None:
        return Choice(local, None, lines, None)
    have = f"本地只到第 {step} 步" if local else "本地没有可用的检查点"
    return Choice(None, bundle, lines, f"{have}，镜像里有第 {bundle.step} 步：从镜像恢复")


def run_files(run: Path, step: int, best_step: int | None = None) -> dict[str, Path]:
    """All that a run needs to go on from `step`: for `Mirror.store`, by path in the run folder."""
    folder = folders.checkpoint_path(run / layouts.CHECKPOINTS_FOLDER, step)
    # Its manifest even if it is gone, so that the copy is refused and not thought whole.
    found = [run / layouts.RUN_FILE, run / layouts.HISTORY_FILE, folder / folders.MANIFEST]
    found += folder.glob("*")
    if best_step is not None:
        found += folders.checkpoint_path(run / layouts.BEST_FOLDER, best_step).glob("*")
    return {path.relative_to(run).as_posix(): path for path in found}


def restore(bundle: Bundle, run: Path) -> Path | None:
    """Put a copy into a run folder that is missing or empty, or holds an older state of the run.

    The older state is moved aside whole, and its new place returned. A kill leaves either the old
    folder or the restored one, or none at all, and calling again does the rest. Raises
    `InputError` for a folder with something else in it, `WorkError` if a disk fails.
    """
    run = Path(os.path.realpath(run))
    _refuse_other(run, bundle)
    staging = run.with_name(f".{run.name}.restoring")
    try:
        shutil.rmtree(staging, ignore_errors=True)
        for name, known in bundle.files.items():
            target = staging / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if copy_file(bundle.path / name, target) != known:
                raise WorkError(f"镜像 {bundle.path.name} 里的 {name} 读出来已经变了：请再试一次。")
        for folder in [*staging.rglob("*/"), staging]:
            flush(folder)
        aside = _make_way(run)
        staging.replace(run)
        flush(run.parent)
    except OSError as error:
        raise WorkError(
            f"没能把镜像 {bundle.path} 恢复到 {run}（{cause(error)}）：镜像没有改动。"
            f"{remedy(error)}，再来一次。"
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return aside


def _refuse_other(run: Path, bundle: Bundle) -> None:
    """Raise `InputError` unless `run` is missing, empty, or a folder of the same run."""
    if not run.exists():
        return
    if not run.is_dir():
        raise InputError(f"{run} 是一个文件，不是文件夹：请换一个 --out。")
    # A file browser leaves hidden folders behind wherever it looked.
    found = [path.name for path in run.iterdir() if not path.name.startswith(".")]
    if found and _run_id(run) != bundle.run_id:
        raise InputError(
            f"{run} 里已有 {'、'.join(sorted(found)[:3])}，不是镜像里的训练 {bundle.run_id}："
            "恢复会占掉它们的位置，所以停在这里。请换一个 --out 文件夹。"
        )


def _run_id(run: Path) -> str | None:
    try:
        return json.loads((run / layouts.RUN_FILE).read_text(encoding="utf-8"))["run_id"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _make_way(run: Path) -> Path | None:
    """Remove an empty folder, move a filled one aside; returns where to."""
    if not run.exists():
        return None
    if not any(run.iterdir()):
        run.rmdir()  # Windows renames onto no folder, not even an empty one
        return None
    number = 1
    while (aside := run.with_name(f"{run.name}.before-{number}")).exists():
        number += 1
    return run.replace(aside)
