"""The table of books: who wrote them, in which style, what they are for, and how much they count.

A UTF-8 file of tab-separated values with a head line. Only `title` must be there; columns with
other names are for the reader: they go into data.json and the model card as they are.

    title   as the book is called, or as its file is without the suffix
    author, style
            for its header (see `novelkit.tokenizing.headers`)
    names   its characters, with 、 between them; without them, those who speak in it are found
    use     train, or test: kept out of training whole, to be measured on
    repeat  how many times the training text has it; 1 unless it is told
"""

import csv
import io
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from novelkit.cleaning import Novel
from novelkit.cleaning.splits import HELD_OUT_SHARE, HoldOut
from novelkit.errors import InputError
from novelkit.tokenizing.headers import split_names
from novelkit.tokenizing.parts import BookParts, book_header, cut_book

COLUMNS = ("title", "author", "style", "names", "use", "repeat")
USES = ("train", "test")
MOST_REPEATS = 100


@dataclass(frozen=True)
class Entry:
    """A line of the table."""

    title: str
    author: str = ""
    style: str = ""
    names: tuple[str, ...] = ()
    use: str = "train"
    repeat: int = 1
    remarks: dict[str, str] = field(default_factory=dict)  # the other columns, where not empty

    def __post_init__(self) -> None:
        if self.use not in USES:
            raise InputError(f"《{self.title}》的 use 是“{self.use}”：只能是 {' 或 '.join(USES)}。")
        if not 1 <= self.repeat <= MOST_REPEATS:
            raise InputError(
                f"《{self.title}》的 repeat 是 {self.repeat}：请用 1 到 {MOST_REPEATS} 的整数。"
            )


@dataclass(frozen=True)
class Shelf:
    """What is known of the books, and how all of them are split."""

    entries: dict[str, Entry] = field(default_factory=dict)
    held_out: float = HELD_OUT_SHARE
    headers: bool = False

    def __post_init__(self) -> None:
        HoldOut(self.held_out)  # raises for a share that cannot be used

    @property
    def keeps_books_out(self) -> bool:
        return any(entry.use == "test" for entry in self.entries.values())

    def find(self, novel: Novel) -> Entry:
        """The line of a book, by its title or its file's name; a plain one where there is none."""
        for key in (novel.title, Path(novel.source.get("file", "")).stem):
            if key in self.entries:
                return self.entries[key]
        return Entry(novel.title)

    def hold_out(self, entry: Entry) -> HoldOut:
        """What of this book is kept out of training."""
        return HoldOut(self.held_out, not self.keeps_books_out, entry.use == "test")

    def cut(self, novel: Novel) -> BookParts:
        """A book in its shares of the splits, with what stands before its passages."""
        entry = self.find(novel)
        told = entry.author, entry.style, entry.names
        header = book_header(novel, *told) if self.headers else None
        return cut_book(novel, self.hold_out(entry), repeat=entry.repeat, header=header)

    def describe(self, novel: Novel) -> dict[str, Any]:
        """What the table adds to a book's description in data.json: only what is not usual."""
        entry = self.find(novel)
        told: dict[str, Any] = {
            key: value for key in ("author", "style") if (value := getattr(entry, key))
        }
        if entry.names:
            told["names"] = list(entry.names)
        if entry.repeat > 1:
            told["repeat"] = entry.repeat
        if entry.remarks:
            told["remarks"] = entry.remarks
        if (hold_out := self.hold_out(entry)) != HoldOut():
            told["held_out"] = asdict(hold_out)
        return told

    def missing(self, novels: list[tuple[str, str]]) -> list[str]:
        """The titles of the table that none of the books has, given as (title, file)."""
        known = {title for title, _ in novels} | {Path(file).stem for _, file in novels}
        return [title for title in self.entries if title not in known]


def read_entries(path: Path) -> dict[str, Entry]:
    """The lines of a table by title; raises `InputError` that names the line it cannot use."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"读不了 {path}（{error}）：书单是 UTF-8 的 TSV 文件。") from error
    rows = csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE)
    if "title" not in (rows.fieldnames or ()):
        raise InputError(f"{path} 的第一行要有 title 这一列，各列之间用制表符隔开。")
    entries: dict[str, Entry] = {}
    for row in rows:
        try:
            entry = _entry({key: (value or "").strip() for key, value in row.items() if key})
        except (InputError, ValueError) as error:
            raise InputError(f"{path} 第 {rows.line_num} 行不能用：{error}") from error
        if entry.title in entries:
            raise InputError(f"{path} 里《{entry.title}》有两行：请只留一行。")
        entries[entry.title] = entry
    return entries


def _entry(row: dict[str, str]) -> Entry:
    if not row["title"]:
        raise InputError("没有书名。")
    try:
        repeat = int(row.get("repeat") or 1)
    except ValueError as error:
        raise InputError(f"repeat 是“{row['repeat']}”，不是整数。") from error
    return Entry(
        row["title"],
        row.get("author", ""),
        row.get("style", ""),
        split_names(row.get("names", "")),
        row.get("use") or "train",
        repeat,
        {name: value for name, value in row.items() if value and name not in COLUMNS},
    )
