"""What is known of a file on disk: beside `NAME` stands `NAME.source.json`.

A file is never overwritten: the same bytes are recognised and reused, different ones get a
numbered name. Does not cover: how the bytes came.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from novelkit import __version__, layouts
from novelkit.errors import WorkError

RECORD_SUFFIX = ".source.json"


@dataclass(frozen=True)
class Download:
    """A file on disk and its record; `reused` says that the same bytes were there before.

    For a reused file all else is that of the record, hence of its first arrival. `licence`,
    `mirror` (the address that served in place of `source`), `resumed_from` (the byte where its
    last connection began) and the book's facts are empty where there is nothing to tell.
    """

    path: Path
    source: str
    sha256: str
    bytes: int
    date: str
    reused: bool
    licence: str = ""
    mirror: str = ""
    resumed_from: int = 0
    title: str = ""
    author: str = ""
    id: int | None = None


def keep(temporary: Path, out: Path, name: str, facts: dict[str, Any]) -> Download:
    """Move the bytes to a free name in `out`, or recognise that they are there already."""
    sha256 = file_sha256(temporary)
    if name.casefold().endswith(RECORD_SUFFIX):
        # Nobody's file may pass for the record of another.
        name = name[: -len(".json")] + "_.json"
    for path in _numbered(out, name):
        if _claim(path):
            _move(temporary, path)
            record = _new_record(path, facts, sha256)
            return _download(path, record, reused=False)
        if path.is_file() and file_sha256(path) == sha256:
            found = read_record(path)
            fits = found is not None and found["sha256"] == sha256
            record = found if found and fits else _new_record(path, facts, sha256)
            return _download(path, record, reused=True)
    raise AssertionError("the numbers do not end")


def find_book(out: Path, number: int, name: str | None) -> Download | None:
    """The file of this book that an earlier call brought into `out`, if it is still as it was."""
    for record_path in sorted(out.glob("*" + RECORD_SUFFIX)):
        path = record_path.with_name(record_path.name.removesuffix(RECORD_SUFFIX))
        record = read_record(path)
        if record is None or record.get("id") != number or name not in (None, path.name):
            continue
        if path.is_file() and file_sha256(path) == record["sha256"]:
            return _download(path, record, reused=True)
    return None


def file_sha256(path: Path) -> str:
    """The fingerprint of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_record(path: Path) -> dict[str, Any] | None:
    """The record of the file `path`, or None where it is missing or damaged."""
    try:
        text = path.with_name(path.name + RECORD_SUFFIX).read_text(encoding="utf-8")
        record = json.loads(text)
    except (OSError, ValueError):
        return None
    kinds = {"source": str, "sha256": str, "bytes": int, "date": str}
    whole = isinstance(record, dict) and all(
        isinstance(record.get(key), kind) for key, kind in kinds.items()
    )
    return record if whole else None


def _numbered(out: Path, name: str) -> Iterator[Path]:
    stem, suffix = Path(name).stem, Path(name).suffix
    return (out / (name if number == 1 else f"{stem}-{number}{suffix}") for number in count(1))


def _move(temporary: Path, claimed: Path) -> None:
    """Put the bytes in the place of the empty file; where that fails, none stays."""
    try:
        temporary.replace(claimed)
    except OSError:
        claimed.unlink(missing_ok=True)
        raise


def _claim(path: Path) -> bool:
    """Take a free name by an empty file; of two processes that try, only one gets it.

    A name is not free either where its record would overwrite a file that is no record.
    """
    record_path = path.with_name(path.name + RECORD_SUFFIX)
    if path.exists() or (record_path.exists() and read_record(path) is None):
        return False
    try:
        path.open("xb").close()
    except FileExistsError:
        return False
    return True


def _new_record(path: Path, facts: dict[str, Any], sha256: str) -> dict[str, Any]:
    size, date = path.stat().st_size, datetime.now(UTC).isoformat(timespec="seconds")
    record = {"file": path.name, **facts, "sha256": sha256, "bytes": size, "date": date}
    record_path = path.with_name(path.name + RECORD_SUFFIX)
    text = json.dumps({"novelkit": __version__, **record}, ensure_ascii=False, indent=1) + "\n"
    try:
        layouts.write_text(record_path, text)
    except OSError as error:
        raise WorkError(
            f"来源记录 {record_path} 写不下（{error.strerror}）：请检查磁盘空间。"
        ) from error
    return record


def _download(path: Path, record: dict[str, Any], reused: bool) -> Download:
    optional = ("licence", "mirror", "resumed_from", "title", "author", "id")
    return Download(
        path,
        record["source"],
        record["sha256"],
        record["bytes"],
        record["date"],
        reused,
        **{key: record[key] for key in optional if key in record},
    )
