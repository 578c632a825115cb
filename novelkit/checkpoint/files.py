"""Single files on disks that may fail: hashed, flushed, copied, emptied before they are deleted."""

import contextlib
import errno
import hashlib
import os
import shutil
from pathlib import Path

Fingerprint = dict[str, int | str]

# Large enough that the calls cost nothing, small beside the memory of the smallest machine.
_CHUNK = 8 << 20
# What a file system says that does not know how to flush; it has refused nothing else.
_CANNOT_FLUSH = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}


def fingerprint(path: Path, uncached: bool = False) -> Fingerprint:
    """Size in bytes and sha256; `uncached` asks the disk rather than the memory, if it can."""
    with path.open("rb") as file:
        if uncached and hasattr(os, "posix_fadvise"):
            with contextlib.suppress(OSError):
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"bytes": path.stat().st_size, "sha256": digest}


def copy_file(source: Path, target: Path) -> Fingerprint:
    """Copy to a name that is still free; returns the fingerprint of what was read.

    Raises `OSError`. It holds one chunk in memory, whatever the size.
    """
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as reader, target.open("xb") as writer:
        while chunk := reader.read(_CHUNK):
            digest.update(chunk)
            writer.write(chunk)
            size += len(chunk)
        writer.flush()
        flush_open(writer.fileno())
    return {"bytes": size, "sha256": digest.hexdigest()}


def write_new(path: Path, content: bytes) -> None:
    """Write a small file under a name that is still free, and flush it."""
    with path.open("xb") as writer:
        writer.write(content)
        writer.flush()
        flush_open(writer.fileno())


def flush_open(descriptor: int) -> None:
    """Ask the system to put an open file on the disk, where the disk knows how to."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_FLUSH:
            raise


def flush(path: Path) -> None:
    """Ask the system to put a file or folder on the disk before we rely on it."""
    if path.is_dir() and os.name == "nt":
        return  # Windows cannot open a folder
    # Windows flushes only what is open for writing.
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        flush_open(descriptor)
    finally:
        os.close(descriptor)


def discard(folder: Path, manifest: str) -> bool:
    """Delete a folder whose manifest vouches for it; says whether it is gone.

    The manifest goes first, so that no half of it looks whole. Each file is emptied before it is
    deleted: Google Drive moves it to a bin that counts against the quota, by its last revision.
    """
    try:
        (folder / manifest).unlink(missing_ok=True)
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                with contextlib.suppress(OSError):
                    os.truncate(path, 0)
        shutil.rmtree(folder, ignore_errors=True)
        return not folder.exists()
    except OSError:
        return False


def uploading(path: Path) -> bool:
    """Whether Google Drive says that it has yet to upload a file; False where nobody says.

    DriveFS tells it in an attribute that is not documented; ChromiumOS waits for it in its tests.
    """
    try:
        return os.getxattr(path, "user.drive.uncommitted").strip() == b"1"
    except (AttributeError, OSError):  # not Linux, not Drive
        return False
