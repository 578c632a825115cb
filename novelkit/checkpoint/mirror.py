"""Writing a mirror: finished checkpoints copied to a folder that may be Google Drive.

Training writes to the local disk, which keeps its word, and copies what is finished: always under
a new name, the manifest last, everything read back. The oldest copy goes only after the newest was
verified, or where the quota leaves no room, and then never the newest verified one.

It copies in the training's own thread: a checkpoint cannot be rotated away under it, a kill ends
both at once, and `due` keeps the cost under a twentieth of the time. What reading back cannot
prove is that Drive has uploaded what it took; `wait` asks it where it answers.
"""

import contextlib
import json
import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

from novelkit.checkpoint import bundles, folders
from novelkit.checkpoint.bundles import MIRROR_MANIFEST, Bundle, Damaged
from novelkit.checkpoint.files import Fingerprint, copy_file, discard, fingerprint, write_new
from novelkit.checkpoint.reasons import NO_SPACE, cause, remedy

# At most this share of the time goes into copies.
_SHARE = 0.05
# A copy that Drive has not uploaded holds the next one back so many intervals, no longer.
_PATIENCE = 3


class Mirror:
    """A folder that receives copies of one run, the last `keep` of them good.

    `run_id` names the run among those that share the folder. Copies at most every `minutes`.
    """

    def __init__(self, folder: Path, run_id: str, keep: int = 3, minutes: float = 10.0) -> None:
        if not re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}", run_id):
            raise ValueError(f"not usable as a folder's name: {run_id!r}")
        if keep < 1:
            raise ValueError(f"keep must be at least 1, not {keep}")
        self.folder, self.run_id, self.keep, self.minutes = Path(folder), run_id, keep, minutes
        self.home = self.folder / run_id
        self.newest: Bundle | None = None  # the last copy that this object stored
        self._seen = False
        self._ended, self._cost = -float("inf"), 0.0

    def due(self) -> bool:
        """Whether the next copy is worth its time now; always before the first one."""
        since = time.monotonic() - self._ended
        if since < max(60 * self.minutes, self._cost / _SHARE):
            return False
        # Drive that falls behind would delete each copy before it has uploaded it.
        behind = self.newest is not None and self.newest.uploading
        return not behind or since >= _PATIENCE * 60 * self.minutes

    def check(self) -> str | None:
        """Why copies cannot be stored here, as one Chinese line; None if a small file can."""
        try:
            self._open()
            probe = self.home / f".{bundles.new_name(0)}"
            write_new(probe, b"novelkit")
            probe.unlink()
        except (Damaged, OSError) as error:
            return f"镜像文件夹 {self.folder} 不能用（{_cause(error)}）：{_remedy(error)}。"
        return None

    def store(self, step: int, files: Mapping[str, Path]) -> str | None:
        """Copy the files of a run, named by their paths in it; None if they are there for good.

        Else one Chinese line: a failed copy is no reason to stop training, so no `OSError` leaves.
        """
        if not files or not all(bundles.is_inside(name) for name in files):
            raise ValueError(f"not relative paths: {list(files)}")
        began = time.monotonic()
        try:
            self._open()
            self.newest = self._write_making_room(step, files)
        except (Damaged, OSError) as error:
            return self._failure(step, error)
        finally:
            self._ended = time.monotonic()
            self._cost = self._ended - began
        with contextlib.suppress(OSError):
            self._drop_old(self.newest)
        return None

    def newest_valid(self, above: int = -1) -> tuple[Bundle | None, list[str]]:
        """The whole copy with the most training beyond step `above`; why others were skipped."""
        with contextlib.suppress(OSError):  # which `bundles` will meet and report
            if not self.folder.is_dir():
                return None, [f"找不到镜像文件夹 {self.folder}：网盘可能没有挂载"]
        return bundles.newest_valid(self.home, self.run_id, above)

    def wait(self, seconds: float = 0.0) -> str | None:
        """Wait for Drive to upload the newest copy; a Chinese line if it says that it has not."""
        end = time.monotonic() + seconds
        while self.newest is not None and self.newest.uploading:
            if time.monotonic() >= end:
                return (
                    f"镜像里第 {self.newest.step} 步的副本还没有全部上传到网盘："
                    "现在关掉这台机器会丢失它。请等上传完，或运行 drive.flush_and_unmount()；"
                    "一直传不完，多半是网盘满了。"
                )
            time.sleep(min(1.0, seconds))
        return None

    def _open(self) -> None:
        """Find the folder or make it; raises `Damaged` where it may not be the right place."""
        if not self.folder.is_dir():
            if self._seen:
                raise Damaged(f"{self.folder} 不见了", "网盘的连接可能断了，请重新挂载")
            parent = self.folder.absolute().parent
            # A mount point without its disk looks just like this, and would take the copies.
            if not parent.is_dir() or not (os.path.ismount(parent) or any(parent.iterdir())):
                raise Damaged(
                    f"{self.folder} 不存在，{parent} 里什么也没有",
                    "请先挂载网盘；本来就该是空的，就自己先建好这个文件夹",
                )
            self.folder.mkdir(exist_ok=True)
        self._seen = True
        self.home.mkdir(exist_ok=True)

    def _write_making_room(self, step: int, files: Mapping[str, Path]) -> Bundle:
        # Each turn deletes a folder; a disk that brings them back must not keep us here for ever.
        for _ in range(len(bundles.list_bundles(self.home))):
            try:
                return self._write(step, files)
            except OSError as error:
                if error.errno not in NO_SPACE or not self._make_room():
                    raise
        return self._write(step, files)

    def _write(self, step: int, files: Mapping[str, Path]) -> Bundle:
        """One attempt, under a name of its own; leaves nothing behind if it fails."""
        path = self.home / bundles.new_name(step)
        try:
            path.mkdir()
            copied = {}
            for name, source in sorted(files.items()):
                target = path / name
                target.parent.mkdir(parents=True, exist_ok=True)
                copied[name] = copy_file(source, target)
            _refuse_damaged(path, copied)
            for name, known in copied.items():
                if fingerprint(path / name, uncached=True) != known:
                    raise Damaged(f"{name} 读回来与写进去的不同")
            bundles.write_manifest(path, self.run_id, copied)
            bundle = bundles.read_bundle(path, self.run_id)
            if bundle.files != copied:
                raise Damaged(f"{MIRROR_MANIFEST} 读回来与写进去的不同")
        except BaseException:
            discard(path, MIRROR_MANIFEST)
            raise
        return bundle

    def _make_room(self) -> bool:
        """Delete the copy that is missed least; False if none may go, or none will.

        What can be proved whole stays. What cannot be read now may be whole, and stays as well.
        """
        spare, _ = self.newest_valid()
        rubbish, older = [], []
        for path in reversed(bundles.list_bundles(self.home)):
            if spare and bundles.place(path) < spare.order:
                older.append(path)
            elif bundles.is_stale(path) and self._is_damaged(path, bundles.verify):
                rubbish.append(path)
        older.sort(key=lambda path: not self._is_damaged(path))
        candidates = rubbish + older
        return bool(candidates) and discard(candidates[0], MIRROR_MANIFEST)

    def _is_damaged(self, path: Path, prove: Callable[[Bundle], None] | None = None) -> bool:
        """Whether it is certain that a copy is not whole: by its sizes, or as `prove` finds."""
        try:
            bundle = bundles.read_bundle(path, self.run_id)
            if prove:
                prove(bundle)
        except Damaged:
            return True
        except OSError:
            return False
        return False

    def _drop_old(self, new: Bundle) -> None:
        """Keep the ring: the copies stored last, and two that may outlive them."""
        others = []
        for path in bundles.list_bundles(self.home):
            try:
                others += [bundles.read_bundle(path, self.run_id)] if path != new.path else []
            except Damaged:
                if bundles.is_stale(path):
                    discard(path, MIRROR_MANIFEST)
            except OSError:
                continue  # it may be whole
        others.sort(key=lambda bundle: bundle.stored, reverse=True)
        ring = [new, *others[: self.keep - 1]]
        # The most training: it may have arrived after a resume that had to go back behind it.
        ring.append(max([new, *others], key=lambda bundle: bundle.order))
        # The last one that Drive has for certain, while those of the ring are on their way.
        ring += [bundle for bundle in [new, *others] if not bundle.uploading][:1]
        kept = {bundle.path for bundle in ring}
        for bundle in others:
            if bundle.path not in kept:
                discard(bundle.path, MIRROR_MANIFEST)

    def _failure(self, step: int, error: Exception) -> str:
        left = f"第 {self.newest.step} 步" if self.newest else "更早的副本（如果有的话）"
        return (
            f"第 {step} 步没能存进镜像 {self.folder}（{_cause(error)}）："
            f"训练照常继续，但这台机器若丢失，只能从镜像里的{left}接着练。{_remedy(error)}。"
        )


def _refuse_damaged(path: Path, copied: Mapping[str, Fingerprint]) -> None:
    """Raise `Damaged` if a checkpoint's own manifest says that it was damaged before the copy."""
    for name in copied:
        inner = PurePosixPath(name)
        if inner.name != folders.MANIFEST:
            continue
        try:
            known = json.loads((path / name).read_text(encoding="utf-8"))["files"]
            wrong = [name for name in known if copied.get(f"{inner.parent}/{name}") != known[name]]
        except (ValueError, KeyError, TypeError):
            wrong = [folders.MANIFEST]
        if wrong:
            problem = f"本地的 {inner.parent}/{wrong[0]} 已经损坏，没有复制"
            raise Damaged(problem, "请检查本地磁盘")


def _cause(error: Exception) -> str:
    return str(error) if isinstance(error, Damaged) else cause(error)


def _remedy(error: Exception) -> str:
    return error.remedy if isinstance(error, Damaged) else remedy(error)
