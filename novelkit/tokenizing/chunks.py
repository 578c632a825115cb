"""The text of a split to one stream of ids, chunk by chunk, so that memory does not grow with it.

A book opens with its start token and its title, a chapter with its own start token, and a book
whose end is in the split closes with the end-of-text token. Chunks are whole pieces (a title line
or a chapter), so the ids do not depend on where chunks are cut or who encodes them.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from novelkit.cleaning.novel import Chapter
from novelkit.tokenizing.loading import load_tokenizer
from novelkit.tokenizing.parts import chapter_text

# Enough work for a message between two processes to cost nothing, little enough for memory.
CHUNK_BYTES = 2**20

BOOK, CHAPTER, END = "book", "chapter", "end_of_text"


@dataclass(frozen=True)
class Chunk:
    """Some pieces of a split's text file: (the token in front, bytes of text)."""

    file: Path
    start: int
    pieces: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class EncodedChunk:
    """The ids of a chunk, and what the preflight wants to know of it."""

    ids: np.ndarray  # (tokens,), uint16 or uint32
    lost: int  # characters that do not come back
    fallback: int  # characters spelled in bytes


def list_chunks(file: Path, books: Iterable[Sequence[int]], ends: bool) -> Iterator[Chunk]:
    """The chunks of a split's file, from the piece lengths of each book (title line, chapters).

    `ends` tells whether the books end in this split.
    """
    start = size = 0
    pieces: list[tuple[str, int]] = []
    for lengths in books:
        marks = [BOOK] + [CHAPTER] * (len(lengths) - 1)
        for mark, length in [*zip(marks, lengths, strict=True), *([(END, 0)] if ends else [])]:
            pieces.append((mark, length))
            size += length
            if size >= CHUNK_BYTES:
                yield Chunk(file, start, tuple(pieces))
                start, size, pieces = start + size, 0, []
    if pieces:
        yield Chunk(file, start, tuple(pieces))


def read_pieces(chunk: Chunk) -> Iterator[tuple[str, str]]:
    """The pieces of a chunk as (the token in front, text)."""
    with chunk.file.open("rb") as file:
        file.seek(chunk.start)
        for mark, length in chunk.pieces:
            yield mark, file.read(length).decode("utf-8")


def encode_chunk(tokenizer: Any, chunk: Chunk) -> EncodedChunk:
    """Encode a chunk and prove that it comes back as it was."""
    ids, lost, fallback = [], 0, 0
    for mark, text in read_pieces(chunk):
        encoded = tokenizer.encode(text)
        ids += [np.array([getattr(tokenizer, mark)]), encoded]
        lost += count_lost(text, tokenizer.decode(encoded))
        fallback += tokenizer.count_fallback(text)
    return EncodedChunk(np.concatenate(ids).astype(id_type(tokenizer)), lost, fallback)


def encode_chunk_with(folder: Path, identity: str, chunk: Chunk) -> EncodedChunk:
    """`encode_chunk` for another process, which reads the tokenizer from its folder, once."""
    return encode_chunk(_tokenizer(folder, identity), chunk)


@lru_cache(maxsize=1)
def _tokenizer(folder: Path, identity: str) -> Any:
    return load_tokenizer(folder)


def encode_chapters(
    tokenizer: Any, part: list[tuple[str, tuple[Chapter, ...], bool]]
) -> np.ndarray:
    """The stream of some books, each (title, chapters, does it end here?), (tokens,)."""
    pieces: list[np.ndarray] = []
    for title, chapters, ends in part:
        pieces += [np.array([tokenizer.book]), tokenizer.encode(title + "\n")]
        for chapter in chapters:
            pieces += [np.array([tokenizer.chapter]), tokenizer.encode(chapter_text(chapter))]
        if ends:
            pieces.append(np.array([tokenizer.end_of_text]))
    return np.concatenate(pieces).astype(id_type(tokenizer))


def id_type(tokenizer: Any) -> type[np.unsignedinteger]:
    """The narrowest type that holds every id."""
    return np.uint16 if len(tokenizer) <= 2**16 else np.uint32


def count_lost(text: str, back: str) -> int:
    """Characters of `text` that are not in `back`; 0 only where both are the same."""
    # The same characters in another order are no loss of any one, and yet not the same text.
    return 0 if back == text else max(1, (Counter(text) - Counter(back)).total())
