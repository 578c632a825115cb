"""The DATA folder that `prepare` finds: whose it is, and whether it holds these books already."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from novelkit import __version__, layouts
from novelkit.cleaning.novel import novel_files
from novelkit.download import readable_name
from novelkit.errors import InputError


def refuse_foreign(out: Path) -> None:
    """Raise `InputError` for a folder with files that no `prepare` wrote: it would lose them."""
    if not out.is_dir() or (out / layouts.PREPARING_FILE).is_file() or read_any_header(out):
        return
    # Hidden files are those of the desktop (.DS_Store); none that matters has our names.
    found = sorted(path.name for path in out.iterdir() if not path.name.startswith("."))
    if found:
        raise InputError(
            f"{out} 里有别的文件（{readable_name(found[0])} 等 {len(found)} 个），"
            "又没有 prepare 写的 data.json：为了不覆盖它们，请把 --out 换成一个新文件夹。"
        )


def read_any_header(out: Path) -> dict[str, Any]:
    """What `data.json` of a DATA folder of any version says; empty where there is none of ours."""
    try:
        header = json.loads((out / layouts.DATA_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    ours = isinstance(header, dict) and header.get("format") == "novelkit-data"
    return header if ours else {}


def fingerprint(files: Iterable[Path], settings: Sequence[str]) -> str:
    """Names, folders and contents of the inputs, the settings and the version that read them."""
    digest = hashlib.sha256("\n".join((__version__, *settings)).encode("utf-8"))
    for path in files:
        try:
            content = file_sha256(path)
        except OSError as error:
            # Reading it again will tell, and decides whether it may be left out.
            content = type(error).__name__
        # The folder too: a book that lies there chapter by chapter is called after it.
        name = readable_name(f"{path.resolve().parent.name}/{path.name}")
        digest.update(f"\n{name}\n{content}".encode())
    return digest.hexdigest()


def file_sha256(path: Path) -> str:
    """The sha256 of a file of any size."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find_existing(out: Path, wanted: str) -> dict[str, Any] | None:
    """The header of `out` if these very inputs made it and nothing of it is missing."""
    try:
        header = layouts.read_header(out / layouts.DATA_FILE, "novelkit-data")
    except InputError:
        return None
    if header.get("fingerprint") != wanted:
        return None
    names = ["tokenizer.json", "tokenizer_config.json", layouts.TRAIN_JSON_FILE]
    names += [layouts.REPORT_FILE, *(f"{name}.txt" for name in layouts.SPLITS)]
    files = [out / name for name in names]
    files += [out / layouts.NOVELS_FOLDER / name for name in own_novels(header)]
    whole = all(path.is_file() for path in files) and all(
        (out / split["file"]).is_file() and file_sha256(out / split["file"]) == split["sha256"]
        for split in header["splits"].values()
    )
    return header if whole else None


def earlier_novels(out: Path) -> set[str]:
    """The files of novels/ that an earlier `prepare` wrote, also one that was killed."""
    return own_novels(read_any_header(out)) | _marked_novels(out)


def own_novels(header: dict[str, Any]) -> set[str]:
    """The files of novels/ that belong to the novels of a header, which may be of any version."""
    try:
        return {file for novel in header["novels"] for file in novel_files(novel["source"])}
    except (KeyError, TypeError, AttributeError):
        return set()


def _marked_novels(out: Path) -> set[str]:
    """The files of novels/ that an unfinished `prepare` called its own."""
    try:
        mark = json.loads((out / layouts.PREPARING_FILE).read_text(encoding="utf-8"))
        return set(map(str, mark["novels"]))
    except (OSError, ValueError, KeyError, TypeError):
        return set()
