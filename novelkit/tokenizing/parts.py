"""A book as its shares of the splits: text, where its pieces end, and what is counted of it.

A share is small and plain (bytes, numbers, arrays), so that one process can cut a book and another
write it down. Nothing here knows a vocabulary or touches the disk.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b, sha256

import numpy as np

from novelkit import layouts
from novelkit.cleaning.novel import Chapter, Novel
from novelkit.cleaning.speakers import find_speakers
from novelkit.cleaning.splits import HoldOut, split_novel
from novelkit.errors import InputError
from novelkit.tokenizing.headers import Header

# Exactly repeated paragraphs of at least this length are no coincidence of short dialogue.
DUPLICATE_CHARACTERS = 20


@dataclass(frozen=True)
class Share:
    """What one book gives to one split; nothing at all where it is not in it."""

    text: bytes  # UTF-8
    lengths: tuple[int, ...]  # bytes of the title line, then of each chapter; their sum is all
    headings: tuple[str, ...]  # of the chapters
    ends: bool  # whether the book ends here
    characters: int
    code_points: np.ndarray  # (kinds,), uint32, rising
    counts: np.ndarray  # (kinds,), int64: how often each of them occurs
    paragraphs: np.ndarray  # (paragraphs,), uint64: hashes of those that are long enough


@dataclass(frozen=True)
class BookParts:
    """A book cut into its splits; `gap_characters` counts what lies between them."""

    title: str
    shares: dict[str, Share]
    by_chapters: bool
    gap_characters: int
    sha256: str  # of the chapters of all splits, in order
    repeat: int = 1  # how often the training text has its share
    header: Header | None = None  # the book, with all of its names; None for texts without headers


def cut_book(
    novel: Novel,
    hold_out: HoldOut | None = None,
    *,
    repeat: int = 1,
    header: Header | None = None,
) -> BookParts:
    """Split a novel; raises `InputError` where it is too short, or no text (lone surrogates)."""
    splits = split_novel(novel, hold_out)
    used = [name for name in layouts.SPLITS if getattr(splits, name)]
    shares = {
        name: _share(novel.title, getattr(splits, name), name == used[-1])
        for name in layouts.SPLITS
    }
    digest = sha256()
    for name in used:
        digest.update(shares[name].text[shares[name].lengths[0] :])
    return BookParts(
        novel.title,
        shares,
        splits.by_chapters,
        splits.gap_characters,
        digest.hexdigest(),
        repeat,
        header,
    )


def book_header(
    novel: Novel, author: str = "", style: str = "", names: Sequence[str] = ()
) -> Header:
    """What the headers of a book say of it; what is not told comes from the book itself."""
    author = author or str(novel.source.get("author", ""))
    return Header(novel.title, author, style, names=tuple(names) or tuple(find_speakers(novel)))


def chapter_text(chapter: Chapter) -> str:
    """A chapter as training reads it: heading and paragraphs, a line each."""
    heading = f"{chapter.title}\n" if chapter.title else ""
    return heading + "\n".join(chapter.paragraphs) + "\n"


def _share(title: str, chapters: Sequence[Chapter], ends: bool) -> Share:
    pieces = [f"{title}\n", *map(chapter_text, chapters)] if chapters else []
    whole = "".join(pieces)
    try:
        encoded = [piece.encode("utf-8") for piece in pieces]
        code_points, counts = count_characters(whole)
    except UnicodeEncodeError as error:
        raise InputError(
            f"《{title!a}》里有孤立的代理项（surrogate），不是合法的文字："
            "这段文本在别处被错误地解码过，请从原始文件重新读取。"
        ) from error
    return Share(
        text=b"".join(encoded),
        lengths=tuple(map(len, encoded)),
        headings=tuple(chapter.title for chapter in chapters),
        ends=ends,
        characters=len(whole),
        code_points=code_points,
        counts=counts,
        paragraphs=hash_paragraphs(whole),
    )


def count_characters(text: str) -> tuple[np.ndarray, np.ndarray]:
    """The code points of `text`, rising, uint32, and how often each occurs, int64."""
    counts = np.bincount(np.frombuffer(text.encode("utf-32-le"), dtype="<u4"))
    found = np.flatnonzero(counts)
    return found.astype(np.uint32), counts[found].astype(np.int64)


def hash_paragraphs(text: str) -> np.ndarray:
    """64-bit hashes of the lines of at least `DUPLICATE_CHARACTERS`, uint64.

    Among ten million paragraphs two different ones agree with a probability of 1 in 400,000. Not
    `hash()`: Python salts it anew in every process.
    """
    digests = [
        blake2b(line.encode("utf-8"), digest_size=8).digest()
        for line in text.split("\n")
        if len(line) >= DUPLICATE_CHARACTERS
    ]
    return np.frombuffer(b"".join(digests), dtype="<u8")
