"""A run and its mirror: copies as it trains, and back onto a machine that has lost it."""

from collections.abc import Callable
from pathlib import Path

from novelkit import layouts
from novelkit.checkpoint import Mirror, cause, choose, mirrored_runs, restore, run_files
from novelkit.errors import InputError
from novelkit.training.ledger import Ledger


class MirroredRun:
    """Copies what a run saves, when a copy is due; failures are told and training goes on."""

    def __init__(
        self, run: Path, folder: Path | None, run_id: str, notice: Callable[[str], None]
    ) -> None:
        self._run, self._notice = run, notice
        self._mirror = Mirror(folder, run_id) if folder else None
        problem = self._mirror.check() if self._mirror else None
        if problem:
            notice(f"{problem}训练照常，检查点只在 {run}。")

    def store(self, step: int, best_step: int | None, last: bool = False) -> None:
        """Copy the checkpoint of `step`; the last one of a session whether it is due or not."""
        if self._mirror is None or not (last or self._mirror.due()):
            return
        lines = [self._mirror.store(step, run_files(self._run, step, best_step))]
        if last:
            lines.append(self._mirror.wait())
        for line in filter(None, lines):
            self._notice(line)


def restore_run(run: Path, folder: Path) -> list[str]:
    """Bring back the run that `folder` mirrors if its copy is ahead of `run`; Chinese lines.

    Raises `InputError` where it is not clear which run is meant.
    """
    run_id = _run_id(run, folder)
    if run_id is None:
        return []
    choice = choose(run, Mirror(folder, run_id))
    if choice.bundle is None:
        # What is wrong with local checkpoints is told by who opens them.
        return [line for line in choice.skipped if not line.startswith("本地")]
    aside = restore(choice.bundle, run)
    lines = [*choice.skipped, str(choice.reason)]
    if aside:
        lines.append(f"{run} 里原来的文件移到了 {aside}，确认没用后可以删掉")
    return lines


def _run_id(run: Path, folder: Path) -> str | None:
    if (run / layouts.RUN_FILE).is_file():
        return Ledger.read(run).run_id
    try:
        found = [bundle.run_id for bundle in mirrored_runs(folder)]
    except OSError as error:
        if folder.parent.is_dir() and not folder.exists():
            return None  # the first session of a run, which will make the mirror
        raise InputError(
            f"{run} 里没有训练，镜像 {folder} 又打不开（{cause(error)}）：网盘可能没有挂载。"
            "请先挂载，或去掉 --mirror 从头训练。"
        ) from error
    if len(found) > 1:
        raise InputError(
            f"镜像 {folder} 里有 {len(found)} 次不同的训练（{'、'.join(found)}），"
            f"{run} 又是空的，不知道该恢复哪一次：请给每次训练一个自己的镜像文件夹，"
            "把要恢复的那个子文件夹单独放进一个新文件夹，再指给 --mirror。"
        )
    return found[0] if found else None
