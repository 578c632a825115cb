"""A run and its mirror: copies as it trains, and back onto a machine that has lost it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from novelkit import layouts
from novelkit.checkpoint import (
    Bundle,
    Mirror,
    broken_runs,
    cause,
    choose,
    mirrored_runs,
    restore,
    run_files,
)
from novelkit.errors import InputError
from novelkit.training.ledger import Ledger

# How long the end of a session waits for Drive to upload the last copy.
WAIT_SECONDS = 60.0


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
            lines.append(self._mirror.wait(WAIT_SECONDS))
        for line in filter(None, lines):
            self._notice(line)


def restore_run(run: Path, folder: Path, identity: dict[str, Any]) -> list[str]:
    """Bring back the run that `folder` mirrors if its copy is ahead of `run`; Chinese lines.

    `identity` is what a run must share to be this one: its config, model and data. Raises
    `InputError` where going on would silently begin again, or it is not clear which run is meant.
    """
    if run.resolve() in (folder.resolve(), *folder.resolve().parents):
        raise InputError(
            f"镜像 {folder} 在训练文件夹里面，一起丢就都没了：请把 --mirror 放到别处。"
        )
    run_id = _run_id(run, folder, identity)
    if run_id is None:
        return []
    choice = choose(run, Mirror(folder, run_id))
    if choice.bundle is None:
        if choice.local is None and choice.skipped:
            raise InputError(
                f"{run} 和镜像 {folder} 里都没有可用的检查点（{'；'.join(choice.skipped)}）："
                "继续就等于从头开始，所以停在这里。请从备份找回，或换一个文件夹从头训练。"
            )
        # What is wrong with local checkpoints is told by who opens them.
        return [line for line in choice.skipped if not line.startswith("本地")]
    aside = restore(choice.bundle, run)
    lines = [*choice.skipped, str(choice.reason)]
    if aside:
        lines.append(f"{run} 里原来的文件移到了 {aside}，确认没用后可以删掉")
    return lines


def _run_id(run: Path, folder: Path, identity: dict[str, Any]) -> str | None:
    """The run to look for in the mirror; None in the first session of one."""
    if (run / layouts.RUN_FILE).is_file():
        return Ledger.read(run).run_id
    try:
        found = mirrored_runs(folder)
        broken = [] if found else broken_runs(folder)
    except OSError as error:
        if folder.parent.is_dir() and not folder.exists():
            return None  # the first session, which will make the mirror
        raise InputError(
            f"{run} 里没有训练，镜像 {folder} 又打不开（{cause(error)}）：网盘可能没有挂载。"
            "请先挂载，或去掉 --mirror 从头训练。"
        ) from error
    if broken:
        raise InputError(
            f"{run} 里没有训练，镜像 {folder} 里的副本又都不完整（{'；'.join(broken)}）："
            "网盘可能还没传完。请等一会儿再试；真要从头训练，请换一个镜像文件夹。"
        )
    if len(found) > 1:
        found = [bundle for bundle in found if _is_this(bundle, identity)]
    if len(found) > 1:
        names = "、".join(bundle.run_id for bundle in found)
        raise InputError(
            f"镜像 {folder} 里有 {len(found)} 次设置和数据都相同的训练（{names}），"
            f"{run} 又是空的，不知道该恢复哪一次："
            "请把要恢复的那个子文件夹单独放进一个新文件夹，再指给 --mirror。"
        )
    return found[0].run_id if found else None


def _is_this(bundle: Bundle, identity: dict[str, Any]) -> bool:
    """Whether a mirrored run was told the same settings, model and data."""
    try:
        header = layouts.read_header(bundle.path / layouts.RUN_FILE, "novelkit-run")
    except InputError:
        return False
    return all(header[name] == value for name, value in identity.items())
