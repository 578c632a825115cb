"""Books out of local files: text files as they are, documents as their text, archives member by
member.

`read_books` yields one book after the other and holds only one in memory. Plain text, Markdown
and HTML are passed on as raw bytes (decoding is stage 02, tags are stage 03); EPUB and DOCX become
UTF-8 text; ZIP and gzip are opened, inside one another at most once, and nothing is written to
disk. Every file is a book of its own, also where a folder holds a chapter a file: such files may
be in different encodings, so they can only be joined once decoded. Does not cover: .pdf .mobi
.azw3 .doc .rar .7z .tar, which are refused by name (in a folder: skipped and reported).
"""

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from novelkit.download.archives import MIB, Archive, Budget, Limits, Member, gunzip
from novelkit.download.documents import Document
from novelkit.download.epub import read_epub
from novelkit.download.member_names import local_name, natural_key
from novelkit.download.word import read_docx
from novelkit.errors import InputError

TEXT_SUFFIXES = (".txt", ".text", ".md", ".markdown", ".html", ".htm", ".xhtml")
DOCUMENT_READERS = {".epub": read_epub, ".docx": read_docx}
ARCHIVE_SUFFIXES = (".zip", ".gz")
READABLE_SUFFIXES = (*TEXT_SUFFIXES, *DOCUMENT_READERS, *ARCHIVE_SUFFIXES)
# What people have instead, and what to do about it.
UNREADABLE = {
    ".pdf": "PDF 里只有版面，没有段落：请找文本版或 EPUB",
    ".doc": "旧版 Word 文件：请用 Word 或 WPS 另存为 .docx",
    ".wps": "WPS 文件：请另存为 .docx",
    ".odt": "ODT 文件：请另存为 .docx",
    ".rtf": "RTF 文件：请另存为 .docx",
    **dict.fromkeys((".mobi", ".azw", ".azw3", ".prc"), "Kindle 文件：请用 Calibre 转成 EPUB"),
    **dict.fromkeys(
        (".rar", ".7z", ".tar", ".tgz", ".bz2", ".xz"), "这种压缩包：请先解压，或改成 zip"
    ),
    ".umd": "UMD 文件：请转成 .txt",
    ".chm": "CHM 文件：请转成 .txt",
}
# For a file whose suffix says nothing.
MAGIC = (
    (b"PK\x03\x04", ".zip"),
    (b"\x1f\x8b", ".gz"),
    (b"%PDF-", ".pdf"),
    (b"Rar!\x1a\x07", ".rar"),
    (b"7z\xbc\xaf\x27\x1c", ".7z"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", ".doc"),
)
NO_BOOK = "不是书的格式"
# An archive inside an archive is opened, one inside that is not.
DEEPEST_LEVEL = 2
# For a member or file that is left out: its name and, in Chinese, why.
Skipped = Callable[[str, str], None]


@dataclass(frozen=True)
class RawBook:
    """One book as bytes that stage 02 decodes.

    `name` is its readable path ("合集.zip/红楼梦.txt"), `container` the format its bytes were taken
    from ("" for a plain file, "zip", "gz", "epub", "docx", "zip/epub" ...). `title` and `author`
    are what an EPUB or DOCX says of itself, `omitted` counts what of it is not in the text
    (`documents.OMITTED` names the kinds).
    """

    name: str
    content: bytes = field(repr=False)
    container: str = ""
    title: str = ""
    author: str = ""
    omitted: Mapping[str, int] = field(default_factory=dict)


def read_books(
    path: Path,
    *,
    maximum_bytes: int = 200 * MIB,
    maximum_archive_bytes: int = 2048 * MIB,
    maximum_members: int = 10_000,
    skipped: Skipped | None = None,
) -> Iterator[RawBook]:
    """The books in a file or folder, one at a time, in the order a reader expects.

    The limits are for one book and for all that one archive unpacks to (bytes), and for the members
    of an archive. `skipped(name, reason)` is told of what is left out; where it is given, a damaged
    book among others is left out too. Raises InputError for what else cannot be read, and for a
    path without any book.
    """
    path = Path(path)
    left_out: list[str] = []

    def note(name: str, reason: str) -> None:
        left_out.append(f"{name}（{reason}）")
        if skipped:
            skipped(name, reason)

    limits = Limits(maximum_bytes, maximum_archive_bytes, maximum_members)
    reader = _Reader(limits, note, lenient=skipped is not None)
    found = False
    for file in _files_of(path, None, reader.skipped):
        name = _display_name(file, path)
        for book in reader.each(name, reader.read_file(file, name), among_others=file != path):
            found = True
            yield book
    if not found:
        # What is known to be a book says more than a picture.
        left_out.sort(key=lambda text: NO_BOOK in text)
        inside = f"，只有 {'、'.join(left_out[:3])}" if left_out else ""
        more = f" 等 {len(left_out)} 个文件" if len(left_out) > 3 else ""
        raise InputError(
            f"{local_name(str(path))} 里没有能读的书{inside}{more}：请给出 "
            f"{' '.join(READABLE_SUFFIXES)} 文件。"
        )


def list_books(paths: Iterable[Path], exclude: Path | None = None) -> list[Path]:
    """The files that `read_books` can read: those named, in order, and those in folders, sorted.

    A file that is reached twice (named and in a folder, through a link) is listed once; `exclude`
    is a folder left out with all that is in it. Raises InputError for a path that does not exist.
    """
    listed: dict[Path, Path] = {}
    for path in map(Path, paths):
        for file in _files_of(path, exclude, lambda name, reason: None):
            listed.setdefault(file.resolve(), file)
    return list(listed.values())


def _files_of(path: Path, exclude: Path | None, skipped: Skipped) -> list[Path]:
    """A named file itself, whatever its suffix; of a folder the visible, readable files."""
    try:
        if not path.exists():
            raise InputError(f"没有找到 {local_name(str(path))}：请检查路径和文件名。")
        if path.is_file():
            return [path]
        if not path.is_dir():
            raise InputError(f"{local_name(str(path))} 不是普通文件：请给出文件或文件夹。")
        files = list(_walk(path, exclude.resolve() if exclude else None))
    except OSError as error:
        raise _unreadable(error.filename or path, error) from error
    kept = []
    for file in files:
        if file.suffix.lower() in READABLE_SUFFIXES:
            kept.append(file)
        else:
            skipped(_display_name(file, path), _reason(file.suffix.lower()))
    return sorted(kept, key=lambda file: natural_key(_display_name(file, path)))


def _walk(folder: Path, exclude: Path | None) -> Iterator[Path]:
    """Visible files under `folder`; linked folders are followed, each folder entered once."""
    waiting, entered = [folder], set()
    while waiting:
        current = waiting.pop()
        resolved = current.resolve()
        if resolved in entered or resolved == exclude:
            continue
        entered.add(resolved)
        for entry in sorted(current.iterdir()):
            # Also what Word keeps beside an open document, and what macOS puts into archives.
            if entry.name.startswith((".", "~$")) or entry.name == "__MACOSX":
                continue
            if entry.is_dir():
                waiting.append(entry)
            elif entry.is_file():
                yield entry


def _display_name(file: Path, root: Path) -> str:
    """The file's readable name, with the folders between it and the folder it was found in."""
    if file == root:
        return local_name(file.name)
    parts = (root.resolve().name, *file.relative_to(root).parts)
    return "/".join(local_name(part) for part in parts if part)


@dataclass(frozen=True)
class _Reader:
    limits: Limits
    skipped: Skipped
    # Whether one bad book in a folder or archive is left out, or ends the reading.
    lenient: bool

    def each(self, name: str, books: Iterator[RawBook], among_others: bool) -> Iterator[RawBook]:
        """`books` up to an error, which is reported if there are others beside them."""
        try:
            yield from books
        except InputError as error:
            if not (self.lenient and among_others):
                raise
            self.skipped(name, str(error))

    def read_file(self, path: Path, name: str) -> Iterator[RawBook]:
        """The books in one file of the disk."""
        try:
            with path.open("rb") as file:
                suffix = _kind(name, file)
                size = path.stat().st_size
                limit = self.limits.archive_bytes if suffix == ".zip" else self.limits.book_bytes
                if size > limit:
                    raise InputError(
                        f"{name} 有 {size / MIB:.0f} MiB，超过上限 {limit / MIB:.0f} MiB："
                        "请确认它是书，或拆小再给。"
                    )
                yield from self._read(file, name, suffix, Budget(self.limits), ())
        except OSError as error:
            raise _unreadable(path, error) from error

    def _read(
        self, file: BinaryIO, name: str, suffix: str, budget: Budget, outer: tuple[str, ...]
    ) -> Iterator[RawBook]:
        """The books in an open file; `outer` are the formats that it lies in."""
        if suffix in UNREADABLE:
            raise InputError(f"{name} 读不了：{UNREADABLE[suffix]}。")
        inside = (*outer, suffix.removeprefix("."))
        if suffix == ".zip":
            yield from self._read_zip(file, name, budget, inside)
        elif suffix == ".gz":
            yield from self._read_gzip(file, name, budget, inside)
        elif suffix in DOCUMENT_READERS:
            document = DOCUMENT_READERS[suffix](file, name, budget)
            yield _book_of(document, name, "/".join(inside))
        else:
            content = file.read()
            if content:
                yield RawBook(name, content, "/".join(outer))
            elif outer:
                self.skipped(name, "空文件")
            else:
                raise InputError(f"{name} 是空文件（0 字节）：下载可能没有完成，请重新下载。")

    def _read_zip(
        self, file: BinaryIO, name: str, budget: Budget, inside: tuple[str, ...]
    ) -> Iterator[RawBook]:
        with closing(Archive(file, name, budget)) as archive:
            members = [member for member in archive.members if self._wanted(member, name, inside)]
            archive.check(members)
            for member in sorted(members, key=lambda member: natural_key(member.name)):
                books = self._read_member(archive, member, budget, inside)
                yield from self.each(f"{name}/{member.name}", books, len(members) > 1)

    def _read_member(
        self, archive: Archive, member: Member, budget: Budget, inside: tuple[str, ...]
    ) -> Iterator[RawBook]:
        content = io.BytesIO(archive.read(member))
        suffix = PurePosixPath(member.name).suffix.lower()
        yield from self._read(content, f"{archive.name}/{member.name}", suffix, budget, inside)

    def _wanted(self, member: Member, name: str, inside: tuple[str, ...]) -> bool:
        if member.hidden:
            return False
        suffix = PurePosixPath(member.name).suffix.lower()
        if suffix in ARCHIVE_SUFFIXES and len(inside) >= DEEPEST_LEVEL:
            self.skipped(f"{name}/{member.name}", "压缩包套得太深，没有打开")
        elif suffix not in READABLE_SUFFIXES:
            self.skipped(f"{name}/{member.name}", _reason(suffix))
        else:
            return True
        return False

    def _read_gzip(
        self, file: BinaryIO, name: str, budget: Budget, inside: tuple[str, ...]
    ) -> Iterator[RawBook]:
        original, content = gunzip(file, name, budget)
        own = PurePosixPath(name).name
        stem = own[:-3] if own.lower().endswith(".gz") else own
        # The header's name is the older one; it counts where it says more than the file's own.
        inner = original if PurePosixPath(original).suffix.lower() in READABLE_SUFFIXES else stem
        suffix = _kind(inner, io.BytesIO(content))
        if suffix in ARCHIVE_SUFFIXES and len(inside) >= DEEPEST_LEVEL:
            self.skipped(f"{name}/{inner}", "压缩包套得太深，没有打开")
            return
        yield from self._read(io.BytesIO(content), f"{name}/{inner}", suffix, budget, inside)


def _book_of(document: Document, name: str, container: str) -> RawBook:
    content = document.text.encode("utf-8", errors="replace")
    return RawBook(name, content, container, document.title, document.author, document.omitted)


def _kind(name: str, file: BinaryIO) -> str:
    """The suffix that decides how to read: the file's own, or that of its first bytes."""
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in READABLE_SUFFIXES or suffix in UNREADABLE:
        return suffix
    head = file.read(8)
    file.seek(0)
    return next((kind for magic, kind in MAGIC if head.startswith(magic)), ".txt")


def _reason(suffix: str) -> str:
    return UNREADABLE.get(suffix, f"{NO_BOOK}（{suffix or '没有后缀'}）")


def _unreadable(path: object, error: OSError) -> InputError:
    return InputError(
        f"读不了 {local_name(str(path))}（{error.strerror or type(error).__name__}）："
        "请检查文件是否还在、有没有读取的权限。"
    )
