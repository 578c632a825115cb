"""The character tokenizer: one token a character, everything else in UTF-8 bytes.

Its `tokenizer.json` is a BPE model of the `tokenizers` library whose vocabulary holds single
characters and the 256 bytes, without any merge. Encoding here is one look-up in a table instead;
a test shows that both give the same ids.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from novelkit.tokenizing.files import BYTE_LEVEL_BPE
from novelkit.tokenizing.spelling import (
    CHUNK,
    CharacterCounter,
    SpelledTokenizer,
    code_points,
    spell,
)


class CharTokenizer(SpelledTokenizer):
    """One token a character; characters outside of the vocabulary become their UTF-8 bytes.

    Special tokens (start of a book, of a chapter, end of text) have ids that no text encodes to:
    the text `<|book|>` is eight characters like any others.
    """

    kind = "char"

    def __init__(self, characters: Sequence[str]) -> None:
        super().__init__(characters)

    @classmethod
    def train(cls, text: str, minimum_count: int = 1) -> "CharTokenizer":
        """Take every character that occurs at least `minimum_count` times, most frequent first."""
        counter = CharacterCounter()
        counter.add(text)
        return cls(counter.most_common(minimum_count))

    def encode(self, text: str) -> np.ndarray:
        """Text to ids, int32 of shape (tokens,); raises `InputError` for a lone surrogate."""
        points = code_points(text)
        chunks = [points[start : start + CHUNK] for start in range(0, len(points), CHUNK)]
        ids = [spell(chunk, self._table.take(chunk)) for chunk in chunks]
        return np.concatenate(ids) if ids else np.empty(0, dtype=np.int32)

    def model(self) -> dict[str, Any]:
        """A BPE without merges: each character alone, or its bytes."""
        return {"model": {**BYTE_LEVEL_BPE, "vocab": self.vocabulary, "merges": []}}
