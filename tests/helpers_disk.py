"""A disk that fails at a chosen operation, in Python's own calls; and processes that die there.

Within `with Disk(folder, ...)` every call that touches `folder` is counted, and the chosen one
raises, lies or kills the process. What a cleanup does afterwards meets the same disk.
"""

import contextlib
import errno
import io
import os
import shutil
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from unittest import mock

from novelkit import checkpoint
from novelkit.checkpoint import files

FULL = (errno.ENOSPC, errno.EDQUOT)
# After these nothing at all answers any more; after EROFS reading does.
DEAD = (errno.ENOTCONN, errno.EIO)
# The calls that change something, in the order of their arguments: how many of them are paths.
CHANGES = {"mkdir": 1, "unlink": 1, "rmdir": 1, "truncate": 1, "rename": 2, "replace": 2}
READS = ("stat", "lstat", "listdir", "scandir")


class Disk:
    """Breaks the `at`-th change under `folder` (from 0), and, if `lasting`, all after it.

    `code` is the error; None kills the process, "lie" changes what is written without a word.
    `quota` is the number of bytes that fit. Half of a failing write reaches the disk.
    """

    def __init__(
        self,
        folder: Path,
        at: int | None = None,
        code: int | str | None = errno.EIO,
        lasting: bool = True,
        quota: int | None = None,
    ) -> None:
        self.folder, self.at, self.code = str(folder), at, code
        self.lasting, self.quota = lasting, quota
        self.changes: list[str] = []
        self._open_files: dict[int, object] = {}
        self._inside = False
        self._patches = contextlib.ExitStack()

    def __enter__(self) -> "Disk":
        replaced = {name: self._wrap(name, count) for name, count in CHANGES.items()}
        replaced |= {name: self._wrap_read(name) for name in READS}
        replaced |= {"fsync": self._fsync(), "open": self._open_descriptor()}
        for name, function in replaced.items():
            self._patches.enter_context(mock.patch.object(os, name, function))
        self._patches.enter_context(mock.patch.object(io, "open", self._open_file()))
        self._patches.enter_context(mock.patch.object(shutil, "rmtree", self._rmtree()))
        return self

    def __exit__(self, *_: object) -> None:
        self._patches.close()

    def _covers(self, path: object) -> bool:
        if self._inside or not isinstance(path, (str, os.PathLike)):
            return False
        return os.fspath(path) == self.folder or os.fspath(path).startswith(self.folder + os.sep)

    def _is_dead(self) -> bool:
        reached = self.at is not None and len(self.changes) > self.at
        return reached and self.lasting and self.code in DEAD

    def _change(self, kind: str) -> bool:
        """Count a change; raises, kills, or says whether this one is a lie."""
        number = len(self.changes)
        self.changes.append(kind)
        due = self.at is not None and (
            number == self.at or (self.lasting and number > self.at and self.code != "lie")
        )
        if not due:
            return False
        if self.code is None:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.code == "lie":
            return True
        # A full disk still lets go of what it has.
        if self.code in FULL and kind in ("unlink", "rmdir", "truncate", "rmtree"):
            return False
        raise OSError(self.code, os.strerror(self.code))

    def _wrap(self, name: str, count: int) -> Callable:
        real = getattr(os, name)

        def call(*values, **keywords):
            if any(self._covers(value) for value in values[:count]):
                self._change(name)
            return real(*values, **keywords)

        return call

    def _wrap_read(self, name: str) -> Callable:
        real = getattr(os, name)

        def call(path=".", *values, **keywords):
            if self._covers(path) and self._is_dead():
                raise OSError(self.code, os.strerror(self.code))
            return real(path, *values, **keywords)

        return call

    def _fsync(self) -> Callable:
        def call(descriptor):
            if self._covers(self._open_files.get(descriptor)):
                self._change("fsync")

        return call

    def _open_descriptor(self) -> Callable:
        real = os.open

        def call(path, flags, *values, **keywords):
            if self._covers(path) and self._is_dead():
                raise OSError(self.code, os.strerror(self.code))
            descriptor = real(path, flags, *values, **keywords)
            self._open_files[descriptor] = path
            return descriptor

        return call

    def _open_file(self) -> Callable:
        real = io.open

        def call(path, mode="r", *values, **keywords):
            covered, writes = self._covers(path), bool(set(mode) & set("wxa+"))
            if covered and self._is_dead():
                raise OSError(self.code, os.strerror(self.code))
            if covered and writes:
                self._change("open")
            file = real(path, mode, *values, **keywords)
            self._open_files[file.fileno()] = path
            return _File(file, self) if covered and set(mode) & set("wxa") else file

        return call

    def _rmtree(self) -> Callable:
        real = shutil.rmtree

        def call(path, ignore_errors=False, **keywords):
            try:
                if self._covers(path):
                    self._change("rmtree")
            except OSError:
                if ignore_errors:
                    return
                raise
            self._inside, before = True, self._inside
            try:
                real(path, ignore_errors=ignore_errors, **keywords)
            finally:
                self._inside = before

        return call

    def write(self, file, data) -> int:
        """What `_File` does with data: all of it, half of it, or other data."""
        half = data[: len(data) // 2]
        if self.code is None and self.at == len(self.changes):
            file.write(half)
            file.flush()
        try:
            if self._change("write"):
                data = half + data[:1] * (len(data) - len(half))
            if self.quota is not None and len(data) > self.quota - self._used():
                raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))
        except OSError:
            file.write(half)
            file.flush()
            raise
        written = file.write(data)
        file.flush()
        return written

    def _used(self) -> int:
        self._inside, before = True, self._inside
        try:
            return used(Path(self.folder))
        finally:
            self._inside = before


class _File:
    """An open file whose writes pass through the disk."""

    def __init__(self, file, disk: Disk) -> None:
        self._file, self._disk = file, disk

    def write(self, data) -> int:
        return self._disk.write(self._file, data)

    def __getattr__(self, name: str):
        return getattr(self._file, name)

    def __enter__(self) -> "_File":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def used(folder: Path) -> int:
    """Bytes in all files under a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def to_store(run: Path, step: int) -> dict[str, Path]:
    """What a mirror is given; the best weights of the tests are those of each fourth step."""
    return checkpoint.run_files(run, step, step - step % 4)


# What runs in processes of its own, which may import nothing heavy.


def store_or_die(mirror: Path, run: Path, step: int, at: int) -> None:
    """Store a step of a run, killed at the `at`-th change of the mirror."""
    files._CHUNK = 32
    with Disk(mirror, at, None):
        checkpoint.Mirror(mirror, "run-a").store(step, to_store(run, step))


def restore_or_die(mirror: Path, run: Path, at: int) -> None:
    """Restore the newest copy, killed at the `at`-th change beside or in the run folder."""
    files._CHUNK = 32
    bundle, _ = checkpoint.Mirror(mirror, "run-a").newest_valid()
    assert bundle is not None
    with Disk(run.parent, at, None):
        checkpoint.restore(bundle, run)


def write_or_die(parent: Path, step: int, files: Mapping[str, bytes], at: int) -> None:
    """Write a local checkpoint, killed at the `at`-th change."""
    with Disk(parent, at, None):
        write_files(parent, step, files)


def write_files(parent: Path, step: int, files: Mapping[str, bytes]) -> Path:
    """A checkpoint of files with given contents."""
    return checkpoint.write_checkpoint(
        parent,
        step,
        {
            name: (lambda path, content=content: path.write_bytes(content))
            for name, content in files.items()
        },
    )
