"""One raw book to a cleaned novel, its files in novels/ and its shares of the splits.

It runs in any process: what goes in and comes out is plain and small. Which files there are, and
what becomes of a book that is refused, is decided in `preparing`.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from novelkit import encoding, layouts
from novelkit.cleaning import CleaningReport, Novel, clean, write_jsonl
from novelkit.cleaning.novel import novel_files
from novelkit.download.books import RawBook
from novelkit.errors import InputError, WorkError
from novelkit.pipeline.shelf import Shelf
from novelkit.tokenizing.data import describe
from novelkit.tokenizing.parts import BookParts

_MOST_LOST = 0.5  # of the characters of a book
# A book is decoded, then cleaned.
STEPS_A_BOOK = 2


@dataclass(frozen=True)
class Origin:
    """What the files were that a book was joined from, whose own bytes are UTF-8."""

    files: int
    sha256: str  # of their bytes, one after the other
    encoding: str  # that most of them had
    damage: int


@dataclass(frozen=True)
class Task:
    """A book to read: `path` is what a command would call it, `required` ends all if it fails."""

    raw: RawBook
    path: str
    required: bool
    origin: Origin | None = None


@dataclass(frozen=True)
class Cleaned:
    """A novel with the two reports of how it was read and cleaned."""

    novel: Novel
    detection: encoding.Detection
    report: CleaningReport


@dataclass(frozen=True)
class Prepared:
    """A book that was read, less its text of which only the shares are left."""

    description: dict[str, Any]  # as in data.json
    parts: BookParts
    chapters: tuple[int, ...]  # characters of each
    characters_before: int
    rules: tuple[tuple[str, str, int, int], ...]  # name, title, changes, removed characters
    files: tuple[str, str]  # in novels/

    @property
    def dropped(self) -> dict[str, int]:
        """Characters that each cleaning rule removed."""
        return {name: removed for name, _, _, removed in self.rules}


@dataclass(frozen=True)
class Refused:
    """A book that cannot be used, and why."""

    file: str
    reason: str


def read_novel(
    task: Task, rules: Sequence[str] | None = None, step: Callable[[], object] = lambda: None
) -> Cleaned:
    """Bytes to a cleaned novel; raises `InputError`.

    `step` is called `STEPS_A_BOOK` times on the way.
    """
    raw = task.raw
    detection = encoding.detect(raw.content)
    _refuse_mojibake(detection, task.path)
    origin = task.origin or Origin(
        1, hashlib.sha256(raw.content).hexdigest(), detection.encoding, detection.damage
    )
    source = {
        "file": raw.name,
        "sha256": origin.sha256,
        "encoding": origin.encoding,
        "damage": origin.damage,
        **({"files": origin.files} if task.origin else {}),
        # What only some books have is said of these alone.
        **{key: value for key in ("container", "author") if (value := getattr(raw, key))},
        **({"omitted": dict(raw.omitted)} if raw.omitted else {}),
    }
    text = encoding.decode(raw.content, detection)
    step()
    novel, report = clean(text, title=raw.title, source=source, rules=rules)
    step()
    return Cleaned(novel, detection, report)


def _refuse_mojibake(detection: encoding.Detection, path: str) -> None:
    """Raise `InputError` for mojibake, and for a text most of which was lost.

    Scars in an otherwise good text stay, counted in the report.
    """
    if detection.reversible:
        command = f"novelkit inspect {path} --repair --text 新文件"
        raise InputError(
            f"内容是乱码（{detection.mojibake}），可以还原：请先 {command}，再 prepare 新文件。"
        )
    if detection.mojibake:
        raise InputError(
            f"内容是乱码（{detection.mojibake}）：原来的字在转码时丢了，修复也找不回来，请换一份文件。"
        )
    if detection.lost_share > _MOST_LOST:
        marks = "、".join(f"“{mark}”{count:,} 处" for mark, count in detection.lost.items())
        raise InputError(
            f"{detection.lost_share:.0%} 的字在转码时已经丢失（{marks}），无法还原，请换一份文件。"
        )


def prepare_book(
    folder: Path,
    rules: Sequence[str] | None,
    shelf: Shelf,
    task: Task,
    step: Callable[[], object] = lambda: None,
) -> Prepared | Refused:
    """Read a book and write its chapters and its report into `folder`.

    What is refused comes back as a value, so that other books can go on.
    """
    name = task.raw.name
    try:
        cleaned = read_novel(task, rules, step)
        parts = shelf.cut(cleaned.novel)
        files = _write(folder, cleaned)
    except InputError as error:
        return Refused(name, str(error))
    except (OSError, MemoryError):
        raise
    except Exception as error:
        raise WorkError(
            f"{name}：处理时程序出错（{type(error).__name__}：{error}），"
            "请先移开这个文件再试，并报告这个错误。"
        ) from error
    novel, report = cleaned.novel, cleaned.report
    return Prepared(
        describe(novel) | shelf.describe(novel),
        parts,
        tuple(chapter.characters for chapter in novel.chapters),
        report.characters_before,
        tuple((r.name, r.title, r.changes, r.removed_characters) for r in report.rules),
        files,
    )


def book_reader(
    folder: Path, rules: Sequence[str] | None, shelf: Shelf | None = None
) -> Callable[..., Prepared | Refused]:
    """`prepare_book` with its first arguments, as another process can take it."""
    return partial(prepare_book, folder, rules, shelf or Shelf())


def _write(folder: Path, cleaned: Cleaned) -> tuple[str, str]:
    chapters, report = files = novel_files(cleaned.novel.source)
    write_jsonl(cleaned.novel, folder / chapters)
    content = {"detection": asdict(cleaned.detection), "cleaning": cleaned.report.as_dict()}
    layouts.write_json(folder / report, content)
    return files
