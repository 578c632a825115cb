"""The catalogue: which Chinese novels Project Gutenberg has, found by title, author or number.

It stands in `assets/catalogue/` beside the package (its README tells the source) and is read from
there: simplified, traditional and mixed spellings are one, since a table folds every variant of a
character to one form. Does not cover: fetching a book, books outside of Project Gutenberg except
the bundled novel, full text search.
"""

import csv
import difflib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from novelkit.bundled import ASSETS
from novelkit.errors import InputError

BOOKS_FILE = "gutenberg.tsv"
VARIANTS_FILE = "variants.tsv"
# Official mirrors that hold the generated files, before the main site: its terms ask programs to
# stay with the mirrors (gutenberg.org/policy/robot_access.html, MIRRORS.ALL).
MIRRORS = (
    "https://gutenberg.pglaf.org/cache/epub/{id}/pg{id}.txt",
    "https://aleph.pglaf.org/cache/epub/{id}/pg{id}.txt",
)
MAIN_SITE = "https://www.gutenberg.org/cache/epub/{id}/pg{id}.txt"
# How much alike a title must be to be offered for one that was not found (difflib's ratio).
SIMILAR = 0.5


@dataclass(frozen=True)
class Book:
    """A book of Project Gutenberg, or (`id` 0) the bundled novel; unknown facts are empty.

    `script` is traditional, simplified or mixed; `author_death` a year, also "about 1400".
    """

    id: int
    title: str
    title_simplified: str = ""
    title_traditional: str = ""
    other_titles: tuple[str, ...] = ()
    author: str = ""
    author_simplified: str = ""
    author_traditional: str = ""
    author_latin: str = ""
    author_note: str = ""
    author_death: str = ""
    author_death_source: str = ""
    script: str = ""
    note: str = ""

    @property
    def page(self) -> str:
        """The page about the book, for people."""
        return f"https://www.gutenberg.org/ebooks/{self.id}" if self.id else ""

    @property
    def url(self) -> str:
        """The plain text at Project Gutenberg's main site; empty for the bundled novel."""
        return MAIN_SITE.format(id=self.id) if self.id else ""

    @property
    def mirrors(self) -> tuple[str, ...]:
        """The same file elsewhere, to be tried before `url`."""
        return tuple(mirror.format(id=self.id) for mirror in MIRRORS) if self.id else ()

    @property
    def file(self) -> Path | None:
        """Where the bundled novel stands, as raw as from a download site; None for the others."""
        return None if self.id else ASSETS / "novel" / "raw.txt"

    @property
    def part(self) -> str:
        """The chapters that this file holds ("1-10") where it is only a part of its book."""
        found = re.search(r"(\d+-\d+)回$", self.title)
        return found[1] if found else ""

    @property
    def licence(self) -> str:
        """What is known of the rights, in a sentence for the reader."""
        if not self.id:
            return "CC0（随 novelkit 提供的原创小说，作者放弃一切权利）"
        who = f"作者卒年：{self.author_death}" if self.author_death else "作者卒年不详"
        return (
            f"Project Gutenberg 认为它在美国属于公有领域（{who}）；"
            "别的国家请按当地法律判断。转发文件前请看其首尾的 Project Gutenberg 许可。"
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Every title under which it is found."""
        return (self.title, self.title_simplified, self.title_traditional, *self.other_titles)

    @property
    def authors(self) -> tuple[str, ...]:
        """Every spelling of the author; the Latin name also with the given name first."""
        swapped = " ".join(reversed(self.author_latin.split(", ")))
        chinese = (self.author, self.author_simplified, self.author_traditional)
        return (*chinese, self.author_latin, swapped)


BUNDLED = Book(0, "缺字", author="novelkit", script="simplified", note="bundled, a raw file")


def load_catalogue() -> tuple[Book, ...]:
    """All books of the catalogue by id; raises InputError where its file is not there."""
    return _load(ASSETS / "catalogue")


@cache
def _load(folder: Path) -> tuple[Book, ...]:
    books = []
    for row in _rows(folder / BOOKS_FILE):
        number, others = int(row.pop("id")), row.pop("other_titles")
        titles = tuple(filter(None, others.split("、")))
        books.append(Book(number, other_titles=titles, **row))
    return tuple(books)


def _rows(file: Path) -> list[dict[str, str]]:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"没有书目文件 {file}：书目在仓库的 assets 里，单装的包不带它。"
            "请克隆仓库来用，或写 pg 加编号（如 pg24264），或直接给网址、文件。"
        ) from error
    # No quoting: a title may begin with a quotation mark.
    lines = csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    return list(lines)


@cache
def _variants(folder: Path) -> dict[int, str]:
    """A table for `str.translate`: each variant of a character -> the one that stands for all."""
    return {
        ord(variant): row["character"]
        for row in _rows(folder / VARIANTS_FILE)
        for variant in row["variants"]
    }


def fold(text: str) -> str:
    """`text` as searches compare it: no case, accents, width, punctuation, spaces or variants."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(filter(str.isalnum, plain)).translate(_variants(ASSETS / "catalogue"))


def search(query: str) -> list[Book]:
    """The books whose id, title or author holds each word of `query`, the best match first.

    Exact before prefix before containing, titles before authors, whole books before parts.
    """
    words = [folded for word in query.split() if (folded := fold(word))]
    whole = fold(query)
    ranked = []
    for book in (*load_catalogue(), BUNDLED):
        # Also as one word: "Luo Guanzhong", "紅樓 夢".
        ranks = [_rank(book, [whole]), _rank(book, words)]
        if whole and (found := [rank for rank in ranks if rank is not None]):
            ranked.append((min(found), bool(book.part), book.id, book))
    return [book for *_, book in sorted(ranked, key=lambda entry: entry[:3])]


def _rank(book: Book, words: Iterable[str]) -> int | None:
    """The place of a book's worst word, 0 best; None where some word is not in it."""
    ranks = []
    titles, authors = _folded(book)
    for word in words:
        if book.id and word in (str(book.id), f"pg{book.id}"):
            ranks.append(0)
        elif word in titles:
            ranks.append(1)
        elif word in authors:
            ranks.append(2)
        elif any(title.startswith(word) for title in titles):
            ranks.append(3)
        elif any(word in title for title in titles):
            ranks.append(4)
        elif any(author.startswith(word) for author in authors):
            ranks.append(5)
        elif any(word in author for author in authors):
            ranks.append(6)
        else:
            return None
    return max(ranks, default=None)


@cache
def _folded(book: Book) -> tuple[frozenset[str], frozenset[str]]:
    titles, authors = frozenset(map(fold, book.names)), frozenset(map(fold, book.authors))
    return titles - {""}, authors - {""}


def with_title(title: str) -> list[Book]:
    """The books of exactly this title, in any spelling."""
    return [book for book in search(title) if fold(title) in _folded(book)[0]]


def by_author(author: str) -> list[Book]:
    """The books of exactly this author, in any spelling."""
    return [book for book in search(author) if fold(author) in _folded(book)[1]]


def similar(query: str, limit: int = 5) -> list[Book]:
    """The books whose titles look most like a `query` that finds nothing; may be empty."""
    by_title: dict[str, Book] = {}
    for book in (*load_catalogue(), BUNDLED):
        for title in sorted(_folded(book)[0]):
            by_title.setdefault(title, book)
    close = difflib.get_close_matches(fold(query), by_title, n=limit, cutoff=SIMILAR)
    return list(dict.fromkeys(by_title[title] for title in close))


def by_id(number: int) -> Book:
    """The book of this number; one that is not in the catalogue has no title."""
    try:
        found = [book for book in load_catalogue() if book.id == number]
    except InputError:
        # The address follows from the number alone.
        found = []
    return found[0] if found else Book(number, "")
