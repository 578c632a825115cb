"""The books that `scores.py` measures, and what its tables are made with."""

import sys
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HELD_OUT = 0.1  # the end of each book


@dataclass(frozen=True)
class Book:
    title: str
    text: str

    def split(self) -> tuple[str, str]:
        """The training and the held-out text, as the anchors take them."""
        cut = round(len(self.text) * (1 - HELD_OUT))
        return self.text[:cut], self.text[cut:]


def read_bundled() -> Book:
    path = ROOT / "assets" / "novel" / "novel.txt"
    return Book("bundled novel", path.read_text(encoding="utf-8"))


def read_corpus(corpus: Path | None) -> list[Book]:
    """The books of `novels.tar.xz`, by title; none without a corpus."""
    if corpus is None:
        return []
    with tarfile.open(corpus / "novels.tar.xz") as tar:
        files = [(member.name, tar.extractfile(member)) for member in tar if member.isfile()]
        books = [Book(Path(name).stem, file.read().decode("utf-8")) for name, file in files if file]
    return sorted(books, key=lambda book: book.title)


def table(*columns: str) -> None:
    """The head of a Markdown table; the first column is text, the others are numbers."""
    print(f"\n| {' | '.join(columns)} |")
    print(f"|---|{'---:|' * (len(columns) - 1)}", flush=True)


def timed(action: Callable[[], Any]) -> tuple[Any, float]:
    """The result and the CPU seconds of all threads: what else the machine does is not in them."""
    start = time.process_time()
    result = action()
    return result, time.process_time() - start


def note(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
