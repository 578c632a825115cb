"""A student's .zip, read in memory within limits; what is refused is named.

Nothing is written to disk, so a member's name can do no harm; it is refused where it tries. Does
not cover: .rar, .7z and .tar, which are refused by `submissions`.
"""

import contextlib
import io
import lzma
import stat
import struct
import time
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from novelkit.grading.names import shown_path
from novelkit.grading.records import SubmittedFile

MEGABYTE = 1 << 20
LARGEST_NOTEBOOK = 256 * MEGABYTE
LARGEST_PROGRAM = 2 * MEGABYTE
LARGEST_ARCHIVE = 256 * MEGABYTE
MOST_FILES = 1000
MOST_MEMBERS = 20_000
# All members of one archive together, unpacked.
MOST_UNPACKED = 512 * MEGABYTE
# Pictures in base64 shrink by a third, text by ten; above this it is made to fill a memory.
STEEPEST_RATIO = 200
RATIO_MATTERS_ABOVE = 16 * MEGABYTE
DEEPEST_ARCHIVE = 2  # an archive inside the student's archive, and no further
_UTF8_NAME = 0x800
_ENCRYPTED = 0x1
_NO_ARCHIVE = (
    zipfile.BadZipFile,
    RuntimeError,
    NotImplementedError,
    ValueError,
    OverflowError,
    EOFError,
    OSError,
    MemoryError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
)


@dataclass
class Budget:
    """What one submission may still take; shared by its folder and its archives."""

    files: int = MOST_FILES
    unpacked: int = MOST_UNPACKED


def limit_of(name: str) -> int | None:
    """The most bytes of a file of this name; None for a kind of file that is not read."""
    lower = name.lower()
    if lower.endswith(".ipynb"):
        return LARGEST_NOTEBOOK
    if lower.endswith(".py"):
        return LARGEST_PROGRAM
    return LARGEST_ARCHIVE if lower.endswith(".zip") else None


def is_skipped(path: str) -> bool:
    """Hidden, a copy that Jupyter or macOS keeps, or compiled; "." and ".." are not."""
    return any(
        (part.startswith(".") and part.strip(".") != "") or part in ("__pycache__", "__MACOSX")
        for part in path.split("/")
    )


def too_large(where: str, limit: int) -> str:
    """The line on a file above its limit in bytes."""
    return f"{where} 超过 {limit // MEGABYTE} MB，没有读：请清除输出后再交。"


def too_many(where: str) -> str:
    """The line on a submission with more files than are read."""
    return f"{where}：一份作业超过 {MOST_FILES} 个文件，后面的没有读：请只交要评分的 notebook。"


def read_archive(
    where: str, content: bytes, modified: float, budget: Budget, depth: int = 1
) -> Iterator[SubmittedFile | str]:
    """The notebooks and programs in a .zip, and a Chinese line for all that is refused.

    `where` is the archive's path in the submission; `modified` counts for members without a date.
    """
    try:
        # Each entry of the directory takes half a kilobyte once zipfile has read it.
        if content.count(b"PK\x01\x02") > MOST_MEMBERS:
            yield f"{where}：压缩包里超过 {MOST_MEMBERS} 项，没有读：请只交要评分的 notebook。"
            return
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.infolist():
                yield from _read_member(archive, member, where, modified, budget, depth)
                if budget.files <= 0 or budget.unpacked <= 0:
                    return
    except _NO_ARCHIVE:
        yield f"{where} 不是完整的 zip 压缩包，没有读：请重新打包，或者直接交 .ipynb。"


def _read_member(
    archive: zipfile.ZipFile,
    member: zipfile.ZipInfo,
    where: str,
    modified: float,
    budget: Budget,
    depth: int,
) -> Iterator[SubmittedFile | str]:
    path = _member_path(member)
    shown = f"{where}/{shown_path(path)}"
    if path.endswith("/") or (is_skipped(path) and not _escapes(path)):
        return
    if problem := _refusal(member, path, shown, depth):
        yield problem
        return
    limit = limit_of(path)
    if limit is None:
        return
    if budget.files <= 0:
        yield too_many(where)
        return
    content = _unpack(archive, member, min(limit, budget.unpacked))
    if content is None:
        yield f"{shown} 读不出来（压缩包损坏）：请重新打包。"
    elif len(content) > limit:
        yield too_large(shown, limit)
    elif len(content) > budget.unpacked:
        budget.unpacked = 0
        yield f"{where} 解压后超过 {MOST_UNPACKED // MEGABYTE} MB，后面的没有读：请清除输出。"
    else:
        budget.files -= 1
        budget.unpacked -= len(content)
        changed = _date(member, modified)
        if path.lower().endswith(".zip"):
            yield from read_archive(shown, content, changed, budget, depth + 1)
        else:
            yield SubmittedFile(shown, content, changed)


def _member_path(member: zipfile.ZipInfo) -> str:
    """The member's name; Windows in Chinese writes GBK where zipfile expects code page 437."""
    name = member.orig_filename
    if not member.flag_bits & _UTF8_NAME:
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("gb18030")
    return name.replace("\\", "/")


def _escapes(path: str) -> bool:
    parts = path.split("/")
    return path.startswith("/") or path[1:2] == ":" or ".." in parts or "\0" in path


def _refusal(member: zipfile.ZipInfo, path: str, shown: str, depth: int) -> str | None:
    """Why a member is not unpacked, None for one that may be."""
    kind = stat.S_IFMT(member.external_attr >> 16)
    if _escapes(path):
        return f"{shown}：压缩包里的路径指向包外，没有读：请重新打包。"
    if kind == stat.S_IFLNK:
        return f"{shown} 是符号链接，没有读：请交文件本身。"
    if kind not in (0, stat.S_IFREG):
        return f"{shown} 不是普通文件，没有读：请交文件本身。"
    if limit_of(path) is None:
        return None
    if member.flag_bits & _ENCRYPTED:
        return f"{shown} 加了密码，没有读：请去掉密码重新打包。"
    if path.lower().endswith(".zip") and depth >= DEEPEST_ARCHIVE:
        return f"{shown}：压缩包套了太多层，没有读：请直接交 .ipynb。"
    packed = max(1, member.compress_size)
    if member.file_size > RATIO_MATTERS_ABOVE and member.file_size > STEEPEST_RATIO * packed:
        return f"{shown} 压缩比高得不正常，没有解压：请直接交 .ipynb。"
    return None


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, limit: int) -> bytes | None:
    """At most `limit` + 1 bytes, whatever the directory says of the size; None where damaged."""
    try:
        with archive.open(member) as stream:
            return stream.read(limit + 1)
    except _NO_ARCHIVE:
        return None


def _date(member: zipfile.ZipInfo, otherwise: float) -> float:
    try:
        return time.mktime((*member.date_time, 0, 0, -1))
    except (ValueError, OverflowError):
        return otherwise
