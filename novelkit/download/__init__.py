"""Stage 01: a title, number, URL or path -> raw bytes on disk, with where they came from.

The bytes are kept exactly as they came: decoding is stage 02. Does not cover: pages that need a
login, many books at once. The modules, in the order of the lesson:

- what is meant: `sources`, with `catalogue` (titles, authors, addresses)
- from a server: `fetching`, with `session` (who asks, how patiently), `resume` (going on after a
  break), `watching` (lines that hardly move), `content_coding`, `web_pages` (no book), `writing`
- onto the disk: `naming` (safe file names), `provenance` (never overwritten, with a record)
- out of files: `books`, with `archives` and `member_names`, and `documents` with `epub`, `xhtml`,
  `word`, `word_numbers`
"""

import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from novelkit.download.books import RawBook, list_books, read_books
from novelkit.download.catalogue import Book, load_catalogue, search
from novelkit.download.fetching import Limits, fetch
from novelkit.download.naming import readable_name, safe_name, without_credentials
from novelkit.download.provenance import RECORD_SUFFIX, Download, find_book, keep
from novelkit.download.resume import partial_file
from novelkit.download.sources import Source, file_name, local_file, resolve
from novelkit.download.writing import CHUNK_BYTES, Progress, write_chunks
from novelkit.errors import InputError

__all__ = [
    "RECORD_SUFFIX",
    "Book",
    "Download",
    "Progress",
    "RawBook",
    "download",
    "download_folder",
    "list_books",
    "load_catalogue",
    "read_books",
    "readable_name",
    "safe_name",
    "search",
]

MAXIMUM_BYTES = 200 * 2**20


def download(
    what: str | int | Path,
    out: Path,
    *,
    name: str | None = None,
    mirrors: Sequence[str] = (),
    licence: str = "",
    maximum_bytes: int = MAXIMUM_BYTES,
    timeout: float = 30,
    progress: Progress | None = None,
) -> Download:
    """Put the bytes of a book into the folder `out`, with a record of where they came from.

    `what` is a local file, an http(s)/file URL, a number of Project Gutenberg (24264, "pg24264") or
    a title of the catalogue; `mirrors` are further addresses of the same file. `timeout` (s) limits
    the wait for the server, not the whole transfer; `progress(done, total)` gets bytes. A broken
    transfer goes on in the next call. Raises InputError for what cannot be used (no such file or
    title, 404, a web page in place of a book, too large) and WorkError for a network or disk that
    failed.
    """
    # A source that does not exist is found before a folder is made for it.
    source = resolve(what, mirrors)
    out = _usable_folder(Path(out))
    limits = Limits(maximum_bytes, timeout, progress or (lambda done, total: None))
    known = _known_facts(source, licence)
    if source.book and source.book.id:
        wanted = safe_name(name) if name else None
        if found := find_book(out, source.book.id, wanted):
            return found
    name = name or (file_name(source.book) if source.book else None)
    if source.file:
        return _copy(source.file, out, name, known, limits)
    with partial_file(out, source.url) as partial:
        facts = fetch(source.addresses, partial, limits)
        if facts["source"] != known["source"]:
            facts["mirror"] = facts["source"]
        suggested = facts.pop("name")
        kept = keep(partial.path, out, safe_name(name or suggested), {**facts, **known})
        partial.discard()
        return kept


def download_folder(
    folder: Path,
    out: Path,
    *,
    licence: str = "",
    maximum_bytes: int = MAXIMUM_BYTES,
    progress: Progress | None = None,
) -> list[Download]:
    """Copy every book file of a folder and its sub-folders, each with its record.

    Sub-folders are kept; `progress(done, total)` gets files. Raises InputError where there is none.
    """
    folder, out = Path(folder), Path(out)
    inside = out.resolve() != folder.resolve()
    files = list_books([folder], exclude=out if inside else None)
    if not files:
        raise InputError(f"文件夹 {folder} 里没有能读的书：请放入 txt、md、html、epub、docx、zip。")
    for file in files:
        local_file(file)
    found = []
    for number, file in enumerate(files, start=1):
        place = out / file.relative_to(folder).parent
        found.append(download(file, place, licence=licence, maximum_bytes=maximum_bytes))
        if progress:
            progress(number, len(files))
    return found


def _known_facts(source: Source, licence: str) -> dict[str, Any]:
    """What is known before the first byte; empty facts are left out of the record."""
    book = source.book
    facts: dict[str, Any] = {"source": without_credentials(source.url)} if source.url else {}
    if book:
        facts |= {"title": book.title, "author": book.author or book.author_latin}
        facts |= {"id": book.id, "licence": book.licence}
    if licence:
        facts["licence"] = licence
    return {key: value for key, value in facts.items() if value}


def _usable_folder(out: Path) -> Path:
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            return out
    except OSError as error:
        raise InputError(
            f"不能写入文件夹 {out}：请检查路径和权限，或换一个可以写的文件夹。"
        ) from error


@contextmanager
def _temporary_file(out: Path) -> Iterator[Path]:
    # Not tempfile.mkstemp: its files are closed to other users, and would stay so when renamed.
    temporary = out / f".download-{uuid.uuid4().hex}.part"
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _copy(
    path: Path, out: Path, name: str | None, known: dict[str, Any], limits: Limits
) -> Download:
    """Copy a local file, with its absolute path as its source."""
    total = path.stat().st_size
    with _temporary_file(out) as temporary:
        try:
            with path.open("rb") as file:
                chunks = iter(lambda: file.read(CHUNK_BYTES), b"")
                write_chunks(chunks, temporary, limits.maximum_bytes, total, limits.progress)
        except PermissionError as error:
            raise InputError(f"没有读取 {path} 的权限：请检查文件的权限。") from error
        facts = {"source": readable_name(str(path.resolve())), **known}
        return keep(temporary, out, safe_name(name or readable_name(path.name)), facts)
