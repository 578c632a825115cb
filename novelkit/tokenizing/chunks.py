"""The text of a split to one stream of ids, chunk by chunk, so that memory does not grow with it.

A book opens with its start token and its title, a chapter with its own start token, and a book
whose end is in the split closes with the end-of-text token. In a text with headers a header follows
every book token, and more of them stand before passages of the chapters (see `headers`). Chunks are
whole pieces (a title line or a chapter), so the ids do not depend on where chunks are cut or who
encodes them.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from novelkit.cleaning.novel import Chapter
from novelkit.tokenizing.headers import Header, cut_passages, encode_header
from novelkit.tokenizing.loading import load_tokenizer
from novelkit.tokenizing.parts import BookParts, chapter_text

# Enough work for a message between two processes to cost nothing, little enough for memory.
CHUNK_BYTES = 2**20

BOOK, CHAPTER, END = "book", "chapter", "end_of_text"


@dataclass(frozen=True, slots=True)  # a shelf has a hundred thousand of them
class Piece:
    """A title line, a chapter or the end of a book, in a split's text file."""

    mark: str  # the token in front
    start: int = 0  # bytes
    length: int = 0
    header: Header | None = None  # what is known of it, for a text with headers
    copy: int = 0  # which copy this is of a share that is repeated


@dataclass(frozen=True)
class Chunk:
    """Some pieces of a split's text file."""

    file: Path
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class EncodedChunk:
    """The ids of a chunk, and what the preflight wants to know of it."""

    ids: np.ndarray  # (tokens,), uint16 or uint32
    characters: int  # that the ids spell, headers left out
    lost: int  # characters that do not come back
    fallback: int  # characters spelled in bytes, in the first copies
    header_tokens: int  # ids that are headers and no targets


@dataclass(frozen=True, slots=True)
class Placed:
    """A book's share in a split's text file: a few numbers a chapter, from which its pieces follow.

    All books of a shelf are kept so, where a `Piece` a chapter would take a hundred bytes and more.
    """

    start: int  # bytes
    lengths: tuple[int, ...]  # as in `Share`
    ends: bool
    copies: int
    header: Header | None  # with all names of the book
    headings: tuple[str, ...]  # only where there is a header

    def pieces(self) -> Iterator[Piece]:
        """The title line, the chapters and the end, as often as the share is repeated."""
        for copy in range(self.copies if self.lengths else 0):
            start = self.start
            for number, length in enumerate(self.lengths):
                mark = CHAPTER if number else BOOK
                yield Piece(mark, start, length, self._header_of(number), copy)
                start += length
            if self.ends:
                yield Piece(END, copy=copy)

    def _header_of(self, number: int) -> Header | None:
        if self.header is None:
            return None
        if not number:
            # The names are those of the passages: those of the whole book would say too much.
            return replace(self.header, names=())
        return replace(self.header, chapter=self.headings[number - 1])


def place_share(book: BookParts, split: str, start: int) -> Placed:
    """A book's share, whose text begins at the byte `start` of the split's file."""
    share, copies = book.shares[split], book.repeat if split == "train" else 1
    headings = share.headings if book.header is not None else ()
    return Placed(start, share.lengths, share.ends, copies, book.header, headings)


def list_chunks(file: Path, pieces: Iterable[Piece]) -> Iterator[Chunk]:
    """The pieces of a split's file in chunks of about `CHUNK_BYTES`."""
    size, some = 0, []
    for piece in pieces:
        some.append(piece)
        size += piece.length
        if size >= CHUNK_BYTES:
            yield Chunk(file, tuple(some))
            size, some = 0, []
    if some:
        yield Chunk(file, tuple(some))


def read_pieces(chunk: Chunk) -> Iterator[tuple[Piece, str]]:
    """The pieces of a chunk with their texts."""
    with chunk.file.open("rb") as file:
        for piece in chunk.pieces:
            file.seek(piece.start)
            yield piece, file.read(piece.length).decode("utf-8")


def encode_chunk(tokenizer: Any, passages: bool, chunk: Chunk) -> EncodedChunk:
    """Encode a chunk and prove that it comes back as it was.

    With `passages`, headers stand before passages of the text, else only where a book begins.
    """
    ids: list[np.ndarray] = []
    characters = lost = fallback = header_tokens = 0
    for piece, text in read_pieces(chunk):
        for part in _parts(tokenizer, piece, text, passages):
            ids += [part.front, part.ids]
            header_tokens += part.header_tokens
            characters += len(part.text)
            lost += count_lost(part.text, tokenizer.decode(part.ids))
            fallback += 0 if piece.copy else tokenizer.count_fallback(part.text)
    joined = np.concatenate(ids).astype(id_type(tokenizer))
    return EncodedChunk(joined, characters, lost, fallback, header_tokens)


@dataclass(frozen=True)
class _Part:
    """A stretch of text with what stands before it."""

    front: np.ndarray
    header_tokens: int  # of `front`
    text: str
    ids: np.ndarray


def _parts(tokenizer: Any, piece: Piece, text: str, passages: bool) -> Iterator[_Part]:
    """A piece as one part, or a part a passage, those with headers that the dice gave one."""
    mark = np.array([getattr(tokenizer, piece.mark)])
    if piece.header is None or piece.mark == END:
        yield _Part(mark, 0, text, tokenizer.encode(text))
    elif piece.mark == BOOK:
        shown = encode_header(tokenizer, piece.header)
        yield _Part(shown, len(shown), text, tokenizer.encode(text))
    elif not passages:
        yield _Part(mark, 0, text, tokenizer.encode(text))
    else:
        for number, passage in enumerate(cut_passages(text)):
            header = piece.header.of_passage(passage).thinned(_dice(passage, piece.copy))
            shown = encode_header(tokenizer, header) if header else mark[:0]
            front = np.append(shown, mark[: 0 if number else 1])
            yield _Part(front, len(shown), passage, tokenizer.encode(passage))


def _dice(passage: str, copy: int) -> np.random.Generator:
    """By the text itself, so that neither the order of the books nor the processes matter."""
    digest = blake2b(passage.encode("utf-8"), digest_size=8, salt=copy.to_bytes(2, "big")).digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))


def encode_chunk_with(folder: Path, identity: str, passages: bool, chunk: Chunk) -> EncodedChunk:
    """`encode_chunk` for another process, which reads the tokenizer from its folder, once."""
    return encode_chunk(_tokenizer(folder, identity), passages, chunk)


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
