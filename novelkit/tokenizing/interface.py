"""What every tokenizer of the kit can do, and how all of ours number their tokens.

Ids come in this order: three special tokens, the 256 bytes, the characters, then what is longer
(words or merged pieces). A character outside of the vocabulary is spelled in its UTF-8 bytes
(`byte_fallback`, as in Llama's tokenizer), so there is no [UNK] and nothing is ever lost.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import numpy as np

KINDS = ("char", "word", "bpe")

BOOK = "<|book|>"
CHAPTER = "<|chapter|>"
END_OF_TEXT = "<|endoftext|>"
SPECIAL_TOKENS = (END_OF_TEXT, BOOK, CHAPTER)
BYTE_TOKENS = tuple(f"<0x{value:02X}>" for value in range(256))
FIRST_BYTE_ID = len(SPECIAL_TOKENS)
FIRST_CHARACTER_ID = FIRST_BYTE_ID + len(BYTE_TOKENS)


class Stream(Protocol):
    """Ids to text one at a time; a character is held back until it is complete."""

    def push(self, token: int) -> str:
        """The text that is certain after `token`."""

    @property
    def complete(self) -> int:
        """How many characters are held back although they are spelled in full."""

    def finish(self) -> str:
        """The rest of the text; one U+FFFD for each byte that is no UTF-8."""


class Tokenizer(Protocol):
    """Text to ids and back: `decode(encode(text)) == text`.

    `encode` raises `InputError` for a lone surrogate, which is no text. No text encodes to a
    special token, however much it looks like one.
    """

    vocabulary: dict[str, int]
    end_of_text: int
    # A tokenizer of another model may have no such tokens: then they are its end of text.
    book: int
    chapter: int

    @property
    def kind(self) -> str:
        """One of `KINDS`, or "foreign": a model's own that the kit did not train."""

    @property
    def byte_ids(self) -> range:
        """The ids that spell single bytes; empty for a foreign tokenizer."""

    def __len__(self) -> int:
        """How many ids there are."""

    def __hash__(self) -> int:
        """By identity: what is known of a tokenizer can be kept."""

    def encode(self, text: str) -> np.ndarray:
        """Ids, int32 of shape (tokens,)."""

    def decode(self, ids: Iterable[int]) -> str:
        """Text; special tokens are silent."""

    def count_fallback(self, text: str) -> int:
        """How many characters of `text` are spelled in bytes."""

    def identity(self) -> Iterable[str]:
        """All that decides the ids, in order: what `tokenizer_sha256` hashes."""

    def stream(self) -> Stream:
        """A decoder for ids that arrive one at a time."""

    def save(self, folder: Path) -> None:
        """Write `tokenizer.json` and `tokenizer_config.json` as `AutoTokenizer` loads them."""
