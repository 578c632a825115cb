"""The word tokenizer: jieba's words where the vocabulary has them, then characters, then bytes.

Encoding here segments with jieba first; a word outside of the vocabulary is spelled in its
characters. `AutoTokenizer` alone has no jieba: the saved `tokenizer.json` is a Unigram model that
takes the most probable path of words and characters by their counts in the training text. It is
lossless and decodes alike, but its ids differ from ours where words of the vocabulary lie inside
or across jieba's: for one token in a hundred to one in twenty, the more the larger the vocabulary
(`tests/benchmarks/tokenizer_comparison.py` measures it).
"""

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from novelkit.tokenizing.files import split_before
from novelkit.tokenizing.interface import FIRST_CHARACTER_ID
from novelkit.tokenizing.segmentation import FIRST_HANZI, LAST_HANZI, segment
from novelkit.tokenizing.spelling import (
    CharacterCounter,
    SpelledTokenizer,
    code_points,
    spell,
)

# A word must occur so often in the training text, or a model has too few examples to learn it.
# With rarer ones a small model gets worse at equal training time, on a long and on a short book
# (`tests/benchmarks/tokenizer_comparison.py --words 5 20 --pieces 5 20`).
MINIMUM_WORD_COUNT = 20
# Characters of the training text that are segmented; the characters of all of it are counted.
SAMPLE = 32_000_000
# Two paths of jieba's model for new words are as probable here to six digits, and rjieba, whose
# table is rounded, takes the other one. Spelled in characters, the word has the same ids in both.
_TIED = frozenset({"常在"})


class WordTokenizer(SpelledTokenizer):
    """One token a word of jieba's that the vocabulary has; else characters, else UTF-8 bytes.

    `scores` are the logarithms of the probabilities of characters and words, in their order:
    what `AutoTokenizer` goes by.
    """

    kind = "word"

    def __init__(
        self, characters: Sequence[str], words: Sequence[str], scores: Sequence[float]
    ) -> None:
        super().__init__(characters, words)
        self.scores = tuple(scores)
        first = FIRST_CHARACTER_ID + len(self.characters)
        self._words = {word: first + index for index, word in enumerate(self.longer)}

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        vocabulary_size: int | None = None,
        minimum_count: int = 2,
        minimum_word_count: int = MINIMUM_WORD_COUNT,
    ) -> "WordTokenizer":
        """Characters as for `char`, then the most frequent words up to `vocabulary_size` ids."""
        counter, counts = CharacterCounter(), Counter[str]()
        room = SAMPLE
        for text in texts:
            counter.add(text)
            for words in segment(code_points(text[:room])):
                counts.update(words)
            room -= min(room, len(text))
        characters = counter.most_common(minimum_count)
        kept = [word for word, count in counts.items() if count >= minimum_word_count]
        kept = [word for word in kept if len(word) > 1 and word not in _TIED]
        kept.sort(key=lambda word: (-counts[word], word))
        if vocabulary_size is not None:
            kept = kept[: max(0, vocabulary_size - FIRST_CHARACTER_ID - len(characters))]
        return cls(characters, kept, _scores(counts, characters, kept))

    def encode(self, text: str) -> np.ndarray:
        """Text to ids, int32 of shape (tokens,); raises `InputError` for a lone surrogate and
        where jieba is not installed."""
        points, start, pieces = code_points(text), 0, [np.empty(0, dtype=np.int32)]
        for words in segment(points):
            lengths = np.fromiter(map(len, words), dtype=np.int64, count=len(words))
            end = start + int(lengths.sum())
            pieces.append(self._encode(points[start:end], words, lengths))
            start = end
        if start != len(points):
            raise RuntimeError(f"jieba returned {start} of {len(points)} characters")
        return np.concatenate(pieces)

    def identity(self) -> Iterable[str]:
        """All that decides the ids, in order; scores do not, with jieba in front."""
        return (self.kind, *self.vocabulary)

    def model(self) -> dict[str, Any]:
        """A Unigram model; each character that is no hanzi of jieba's stands alone."""
        # A text that looks like a special or byte token is cut at its `<`, so these never match.
        unused = min(self.scores, default=0.0)
        scores = [unused] * FIRST_CHARACTER_ID + list(self.scores)
        vocabulary = [list(pair) for pair in zip(self.vocabulary, scores, strict=True)]
        return {
            "pre_tokenizer": split_before(f"[^{chr(FIRST_HANZI)}-{chr(LAST_HANZI)}]"),
            # `tokenizers` asks for an unknown token, and with byte_fallback never uses it.
            "model": {
                "type": "Unigram",
                "unk_id": self.end_of_text,
                "vocab": vocabulary,
                "byte_fallback": True,
            },
        }

    def _encode(self, points: np.ndarray, words: list[str], lengths: np.ndarray) -> np.ndarray:
        """The ids of one piece; `lengths` are the characters of each word."""
        found = np.fromiter(
            map(self._words.get, words, itertools.repeat(-1)), dtype=np.int32, count=len(words)
        )
        known = found >= 0
        first = (np.cumsum(lengths) - lengths)[known]
        ids = self._table.take(points)
        ids[first] = found[known]
        # All of a word but its first character goes.
        is_token = ~np.repeat(known, lengths)
        is_token[first] = True
        return spell(points[is_token], ids[is_token])


def _scores(counts: Counter[str], characters: list[str], words: list[str]) -> list[float]:
    """Log probabilities of tokens, where words that are not kept are spelled in characters."""
    kept, tokens = set(words), Counter[str]()
    for word, count in counts.items():
        for token in [word] if word in kept else word:
            tokens[token] += count
    total = tokens.total() + len(characters)
    # One more of each: a character may not occur in the sample, or only inside of words.
    return [math.log((tokens[token] + 1) / total) for token in (*characters, *words)]
