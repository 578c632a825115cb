"""Stage 01: a local path or a URL -> raw bytes on disk, with where they came from.

The bytes are kept exactly as they came: decoding is stage 02. Beside the file `NAME` stands
`NAME.source.json` (source, sha256, bytes, date and what the server said about them). A file is
never overwritten: the same bytes are recognised and reused, different ones get a numbered name.
`fetching` talks to the server, `naming` makes the file name. Does not cover: finding a book by its
title, unpacking archives, pages that need a login.
"""

import hashlib
import json
import re
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from novelkit import __version__, layouts
from novelkit.download.fetching import CHUNK_BYTES, Progress, fetch, write_chunks
from novelkit.download.naming import readable_name, safe_name
from novelkit.errors import InputError, WorkError

__all__ = ["RECORD_SUFFIX", "Download", "Progress", "download", "readable_name", "safe_name"]

RECORD_SUFFIX = ".source.json"


@dataclass(frozen=True)
class Download:
    """A file on disk and its record; `reused` says that the same bytes were there before.

    For a reused file `source` and `date` are those of the record, hence of its first arrival.
    """

    path: Path
    source: str
    sha256: str
    bytes: int
    date: str
    reused: bool


def download(
    what: str | Path,
    out: Path,
    *,
    name: str | None = None,
    maximum_bytes: int = 200 * 2**20,
    timeout: float = 30,
    progress: Progress | None = None,
) -> Download:
    """Put the bytes of a local file or an http(s)/file URL into the folder `out`, with a record.

    `timeout` (s) limits the wait for the server, not the whole transfer; `progress(done, total)`
    gets bytes. Raises InputError for what cannot be used (no such file, 404, a web page in place
    of a book, too large) and WorkError for a network or disk that failed.
    """
    remote = isinstance(what, str) and _scheme(what) in ("http", "https")
    # A local source that does not exist is found before a folder is made for it.
    local = None if remote else _local_path(what)
    out = _usable_folder(Path(out))
    report = progress or (lambda done, total: None)
    with _temporary_file(out) as temporary:
        if local is None:
            facts = fetch(str(what), temporary, maximum_bytes, timeout, report)
        else:
            facts = _copy(local, temporary, maximum_bytes, report)
        suggested = facts.pop("name")
        return _keep(temporary, out, safe_name(name or suggested), facts)


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


def _scheme(text: str) -> str:
    found = re.match(r"([a-zA-Z][a-zA-Z0-9+.-]*)://", text)
    return found.group(1).lower() if found else ""


def _local_path(what: str | Path) -> Path:
    """The existing, non-empty file that `what` names, as a path or a file:// URL."""
    if isinstance(what, str) and not what.strip():
        raise InputError("没有给出要下载的内容：请给一个文件路径或网址。")
    scheme = _scheme(what) if isinstance(what, str) else ""
    if scheme and scheme != "file":
        raise InputError(f"不支持 {scheme}:// 开头的地址：请给 http、https 或 file 地址。")
    path = Path(url2pathname(urlsplit(str(what)).path) if scheme else what)
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError as error:
        raise InputError(
            f"不能用作路径：{str(what)[:80]}（{error.strerror}）。请给一个文件路径或网址。"
        ) from error
    if is_folder:
        raise InputError(f"{path} 是文件夹，这里要一个文件：请指定其中的一个文件。")
    if not is_file:
        hint = "若是网址，请以 https:// 开头" if re.match(r"[\w-]+(\.[\w-]+)+/", str(what)) else ""
        raise InputError(f"没有这个文件：{path}。{hint or '请检查路径和文件名'}。")
    if path.stat().st_size == 0:
        raise InputError(f"{path} 是空文件，没有内容可用：请检查它是否复制完整。")
    return path


def _copy(path: Path, temporary: Path, maximum_bytes: int, progress: Progress) -> dict[str, Any]:
    total = path.stat().st_size
    try:
        with path.open("rb") as source:
            chunks = iter(lambda: source.read(CHUNK_BYTES), b"")
            write_chunks(chunks, temporary, maximum_bytes, total, progress)
    except PermissionError as error:
        raise InputError(f"没有读取 {path} 的权限：请检查文件的权限。") from error
    return {"name": readable_name(path.name), "source": readable_name(str(path.resolve()))}


def _keep(temporary: Path, out: Path, name: str, facts: dict[str, Any]) -> Download:
    """Move the bytes to a free name in `out`, or recognise that they are there already."""
    sha256 = _sha256(temporary)
    for number in count(1):
        stem, suffix = Path(name).stem, Path(name).suffix
        path = out / (name if number == 1 else f"{stem}-{number}{suffix}")
        record_path = path.with_name(path.name + RECORD_SUFFIX)
        if path.is_file() and _sha256(path) == sha256:
            record = _read_record(record_path, sha256)
            reused = True
            break
        if not path.exists():
            temporary.replace(path)
            record, reused = None, False
            break
    if record is None:
        size, date = path.stat().st_size, datetime.now(UTC).isoformat(timespec="seconds")
        record = {"file": path.name, **facts, "sha256": sha256, "bytes": size, "date": date}
        _write_record(record_path, {"novelkit": __version__, **record})
    return Download(path, record["source"], sha256, record["bytes"], record["date"], reused)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_record(path: Path, sha256: str) -> dict[str, Any] | None:
    """The record of a file, or None where it is missing, damaged or of other bytes."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        ours = record["sha256"] == sha256 and {"source", "bytes", "date"} <= record.keys()
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return record if ours else None


def _write_record(path: Path, record: dict[str, Any]) -> None:
    text = json.dumps(record, ensure_ascii=False, indent=1) + "\n"
    try:
        layouts.write_text(path, text)
    except OSError as error:
        raise WorkError(f"来源记录 {path} 写不下（{error.strerror}）：请检查磁盘空间。") from error
