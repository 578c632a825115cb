"""Archives read in memory, within limits: ZIP (also what EPUB and DOCX are) and gzip.

Nothing is ever written to disk, so a member's path can only be a name, which `member_names` makes
safe. Refused in one line that names the archive: passwords, damage (CRC, lengths, truncation),
compression that Python lacks, and bombs: more bytes than the limits, compression beyond any text,
too many members, members that overlap (D. Fifield, "A better zip bomb", WOOT 2019), sizes that lie.
Does not cover: tar, rar, 7z, several disks, passwords that somebody knows.
"""

import gzip
import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO

from novelkit.download.member_names import decode_names, safe_member_name
from novelkit.errors import InputError

MIB = 2**20
CHUNK_BYTES = 1 << 16
# bzip2 and LZMA have no limit on the output of one call in `zipfile`: 4 KiB make 80 MiB at most.
SMALL_CHUNK_BYTES = 1 << 12
# What one entry of the directory may take on average, name and extra fields included.
DIRECTORY_BYTES_A_MEMBER = 1600
UTF8_FLAG, ENCRYPTED_FLAG = 0x800, 0x1
UNICODE_PATH_FIELD = 0x7075
LOCAL_HEADER_BYTES = 30
# Small members compress to nothing without being bombs (Apache POI's ZipSecureFile does the same).
RATIO_GRACE_BYTES = MIB
# Everything that `zipfile`, `gzip` and the decompressors are known to raise on damaged input.
DAMAGE = (
    zipfile.BadZipFile,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    IndexError,
    OverflowError,
    MemoryError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
)


@dataclass(frozen=True)
class Limits:
    """What one book and one archive (with those inside it) may unpack to, in bytes."""

    book_bytes: int = 200 * MIB
    archive_bytes: int = 2048 * MIB
    members: int = 10_000
    # Text compresses to a third, a table of contents to a thirtieth, zeros to a thousandth.
    ratio: int = 100


@dataclass
class Budget:
    """Counts the bytes unpacked from one file of the user's, over all levels of archives."""

    limits: Limits
    used: int = 0

    def take(self, count: int, name: str) -> None:
        """Raises InputError once the archive has unpacked to more than its limit."""
        self.used += count
        if self.used > self.limits.archive_bytes:
            raise _too_large(name, "解压后总共", self.limits.archive_bytes)


@dataclass(frozen=True)
class Member:
    """A member of a ZIP archive: its safe, readable name, and the path as it was written."""

    name: str
    path: str
    info: zipfile.ZipInfo = field(repr=False)

    @property
    def hidden(self) -> bool:
        """Folders, links, what macOS adds, and files that a file manager would not show."""
        mode = stat.S_IFMT(self.info.external_attr >> 16)
        *folders, file = self.path.replace("\\", "/").split("/")
        return (
            not file
            or mode not in (0, stat.S_IFREG)
            or any(
                part == "__MACOSX" or (part.startswith((".", "~$")) and part.strip("."))
                for part in (*folders, file)
            )
        )


class Archive:
    """A ZIP file whose members are read one at a time; `name` is what messages call it."""

    def __init__(self, file: BinaryIO, name: str, budget: Budget):
        self.name, self.budget = name, budget
        directory_bytes = max(MIB, budget.limits.members * DIRECTORY_BYTES_A_MEMBER)
        try:
            # `zipfile` checks no length before it reads the directory in one piece.
            self._zip = zipfile.ZipFile(_LimitedReads(file, directory_bytes, name))
            infos = self._zip.infolist()
            raw_names = [_raw_name(info) for info in infos]
        except InputError:
            raise
        except DAMAGE as error:
            raise _damaged(name, "不是完整的 zip 文件", error) from error
        if len(infos) > budget.limits.members:
            raise InputError(
                f"{name} 里有 {len(infos)} 个文件，超过上限 {budget.limits.members}："
                "不像一套书，请先自己解压再挑选。"
            )
        self._refuse_overlap(infos)
        self.members = tuple(
            Member(safe_member_name(text), text, info)
            for text, info in zip(_member_names(infos, raw_names), infos, strict=True)
        )

    def _refuse_overlap(self, infos: list[zipfile.ZipInfo]) -> None:
        end = 0
        for info in sorted(infos, key=lambda info: info.header_offset):
            if info.header_offset < end:
                raise InputError(
                    f"{self.name} 里的文件互相重叠，是压缩炸弹的做法：不能读，请换一个来源。"
                )
            end = info.header_offset + LOCAL_HEADER_BYTES + info.compress_size

    def check(self, members: list[Member], maximum_bytes: int | None = None) -> None:
        """Refuse by their declared sizes, before any is unpacked, members that are too much."""
        for member in members:
            if member.info.flag_bits & ENCRYPTED_FLAG:
                raise InputError(
                    f"{self.name} 有密码（{member.name}）：请先用密码解压，再给出里面的文件。"
                )
            _refuse_size(
                f"{self.name}/{member.name}",
                member.info.file_size,
                member.info.compress_size,
                self.budget.limits,
            )
        total = sum(member.info.file_size for member in members)
        maximum = min(
            self.budget.limits.archive_bytes - self.budget.used,
            maximum_bytes or self.budget.limits.archive_bytes,
        )
        if total > maximum:
            raise _too_large(self.name, f"解压后总共 {total / MIB:.0f} MiB，", maximum)

    def read(self, member: Member) -> bytes:
        """The bytes of a member, checked against its CRC-32, its declared length and the limits."""
        self.check([member])
        info, name = member.info, f"{self.name}/{member.name}"
        deflated = info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        size = CHUNK_BYTES if deflated else SMALL_CHUNK_BYTES
        try:
            with self._zip.open(info) as file:
                content = _read_limited(file.read, size, name, self.budget)
        except NotImplementedError as error:
            raise InputError(
                f"{name} 的压缩方法（{info.compress_type}）这里解不开：请先解压，再给出里面的文件。"
            ) from error
        except InputError:
            raise
        except DAMAGE as error:
            raise _damaged(name, "解压失败，压缩包坏了", error) from error
        if len(content) != info.file_size:
            raise _damaged(name, "解压后的长度与压缩包里写的不符", None)
        return content

    def close(self) -> None:
        """Let go of the file, which stays open itself."""
        self._zip.close()


def gunzip(file: BinaryIO, name: str, budget: Budget) -> tuple[str, bytes]:
    """The original name that a gzip file gives ("" if none) and its bytes, all members joined."""
    try:
        start = file.tell()
        original = _gzip_name(file)
        compressed = file.seek(0, 2) - start
        file.seek(start)
        with gzip.GzipFile(fileobj=file, mode="rb") as unpacked:
            content = _read_limited(unpacked.read, CHUNK_BYTES, name, budget, compressed)
    except InputError:
        raise
    except DAMAGE as error:
        raise _damaged(name, "不是完整的 gzip 文件", error) from error
    return original, content


def _read_limited(
    read: Callable[[int], bytes],
    size: int,
    name: str,
    budget: Budget,
    compressed: int | None = None,
) -> bytes:
    """Read to the end in pieces of about `size` bytes, counting each before the next."""
    content = bytearray()
    while chunk := read(size):
        budget.take(len(chunk), name)
        content += chunk
        _refuse_size(name, len(content), compressed, budget.limits)
    return bytes(content)


def _refuse_size(name: str, size: int, compressed: int | None, limits: Limits) -> None:
    if size > limits.book_bytes:
        raise _too_large(name, "解压后", limits.book_bytes)
    if compressed is not None and size > max(RATIO_GRACE_BYTES, compressed * limits.ratio):
        raise InputError(
            f"{name} 解压后是原来的 {limits.ratio} 倍以上，不像文字，可能是压缩炸弹："
            "若确实是书，请先自己解压。"
        )


def _too_large(name: str, what: str, limit: int) -> InputError:
    return InputError(f"{name} {what}超过上限 {limit / MIB:.0f} MiB：请确认它是书，或拆小再给。")


def _damaged(name: str, what: str, error: BaseException | None) -> InputError:
    detail = f"（{type(error).__name__}）" if error else ""
    return InputError(f"{name} {what}{detail}：里面的文字不可信，请重新下载。")


class _LimitedReads:
    """A file that refuses a single read beyond a limit, and is never closed by its reader."""

    def __init__(self, file: BinaryIO, limit: int, name: str):
        self._file, self._limit, self._name = file, limit, name
        self.seek, self.tell = file.seek, file.tell

    def read(self, count: int = -1) -> bytes:
        if count > self._limit:
            raise InputError(f"{self._name} 的目录有 {count / MIB:.0f} MiB，不像一套书：不能读。")
        # Without a count it only ever reads the end of the file, 64 KiB of comment at most.
        return self._file.read(count if count >= 0 else 2 * CHUNK_BYTES)

    def seekable(self) -> bool:
        return True


def _raw_name(info: zipfile.ZipInfo) -> bytes:
    codec = "utf-8" if info.flag_bits & UTF8_FLAG else "cp437"
    return info.orig_filename.encode(codec)


def _member_names(infos: list[zipfile.ZipInfo], raw_names: list[bytes]) -> list[str]:
    """Declared UTF-8 and Unicode Path fields are believed; the rest is guessed together."""
    declared = [
        info.orig_filename if info.flag_bits & UTF8_FLAG else _unicode_path(info.extra, raw)
        for info, raw in zip(infos, raw_names, strict=True)
    ]
    undeclared = [raw for raw, text in zip(raw_names, declared, strict=True) if text is None]
    guessed = iter(decode_names(undeclared))
    return [next(guessed) if text is None else text for text in declared]


def _unicode_path(extra: bytes, raw_name: bytes) -> str | None:
    """The Info-ZIP Unicode Path extra field, if it belongs to this name (APPNOTE.TXT 4.6.9)."""
    while len(extra) >= 4:
        kind, length = struct.unpack("<HH", extra[:4])
        data, extra = extra[4 : 4 + length], extra[4 + length :]
        if kind == UNICODE_PATH_FIELD and len(data) > 5 and data[0] == 1:
            if struct.unpack("<I", data[1:5])[0] != zlib.crc32(raw_name):
                return None
            try:
                return data[5:].decode("utf-8")
            except UnicodeDecodeError:
                return None
    return None


def _gzip_name(file: BinaryIO) -> str:
    """The FNAME field of a gzip header (RFC 1952, 2.3), guessed like a name in a ZIP file."""
    header = file.read(12 + CHUNK_BYTES)
    if len(header) < 12 or not header[3] & 8:
        return ""
    start = 10
    if header[3] & 4:
        start += 2 + struct.unpack("<H", header[10:12])[0]
    raw, end, _ = header[start:].partition(b"\0")
    return safe_member_name(decode_names([raw])[0]).rpartition("/")[2] if raw and end else ""
