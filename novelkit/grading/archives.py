"""A student's .zip, read in memory within limits; what is refused is named.

`novelkit.download.archives` opens it: lengths, checksums, overlaps, names in GBK. Nothing is
written to disk, so a member's name can do no harm; it is refused where it tries. Does not cover:
.rar, .7z and .tar, which are refused by `submissions`.
"""

import io
import stat
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field

from novelkit.download.archives import Archive, Limits, Member
from novelkit.download.archives import Budget as Unpacked
from novelkit.errors import InputError
from novelkit.grading.names import shown_path
from novelkit.grading.records import SubmittedFile

MEGABYTE = 1 << 20
LARGEST_NOTEBOOK = 256 * MEGABYTE
LARGEST_PROGRAM = 2 * MEGABYTE
LARGEST_ARCHIVE = 256 * MEGABYTE
MOST_FILES = 1000
MOST_MEMBERS = 20_000
# A loop that printed one line for ever compresses to a thousandth, and is an accident, no bomb:
# what it may unpack to is limited.
LIMITS = Limits(
    book_bytes=LARGEST_NOTEBOOK, archive_bytes=512 * MEGABYTE, members=MOST_MEMBERS, ratio=1000
)
DEEPEST_ARCHIVE = 2  # an archive inside the student's archive, and no further


@dataclass
class Budget:
    """What one submission may still take; shared by its folder and its archives."""

    files: int = MOST_FILES
    unpacked: Unpacked = field(default_factory=lambda: Unpacked(LIMITS))


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
    # Each entry of the directory takes half a kilobyte once zipfile has read it.
    if content.count(b"PK\x01\x02") > MOST_MEMBERS:
        yield f"{where}：压缩包里超过 {MOST_MEMBERS} 项，没有读：请只交要评分的 notebook。"
        return
    try:
        archive = Archive(io.BytesIO(content), where, budget.unpacked)
    except InputError as error:
        yield _unread(error)
        return
    for member in archive.members:
        yield from _read_member(archive, member, where, modified, budget, depth)
        if budget.files <= 0:
            return


def _read_member(
    archive: Archive, member: Member, where: str, modified: float, budget: Budget, depth: int
) -> Iterator[SubmittedFile | str]:
    path = member.path.replace("\\", "/")
    shown = f"{where}/{shown_path(path)}"
    if path.endswith("/") or (is_skipped(path) and not _escapes(path)):
        return
    if problem := _refusal(member.info, path, shown, depth):
        yield problem
        return
    limit = limit_of(path)
    if limit is None:
        return
    if budget.files <= 0:
        yield too_many(where)
        return
    try:
        content = archive.read(member)
    except InputError as error:
        yield _unread(error)
        return
    if len(content) > limit:
        yield too_large(shown, limit)
        return
    budget.files -= 1
    changed = _date(member.info, modified)
    if path.lower().endswith(".zip"):
        yield from read_archive(shown, content, changed, budget, depth + 1)
    else:
        yield SubmittedFile(shown, content, changed)


def _unread(error: InputError) -> str:
    """What was found, without the advice to somebody who has downloaded a book."""
    return f"{str(error).partition('：')[0]}，没有读：请重新打包，或者直接交 .ipynb。"


def _escapes(path: str) -> bool:
    parts = path.split("/")
    return path.startswith("/") or path[1:2] == ":" or ".." in parts or "\0" in path


def _refusal(info: zipfile.ZipInfo, path: str, shown: str, depth: int) -> str | None:
    """Why a member is not unpacked, None for one that may be."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    if _escapes(path):
        return f"{shown}：压缩包里的路径指向包外，没有读：请重新打包。"
    if kind == stat.S_IFLNK:
        return f"{shown} 是符号链接，没有读：请交文件本身。"
    if kind not in (0, stat.S_IFREG):
        return f"{shown} 不是普通文件，没有读：请交文件本身。"
    if path.lower().endswith(".zip") and depth >= DEEPEST_ARCHIVE:
        return f"{shown}：压缩包套了太多层，没有读：请直接交 .ipynb。"
    return None


def _date(member: zipfile.ZipInfo, otherwise: float) -> float:
    try:
        return time.mktime((*member.date_time, 0, 0, -1))
    except (ValueError, OverflowError):
        return otherwise
