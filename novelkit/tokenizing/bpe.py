"""The BPE tokenizer: pieces of several characters that the training text itself suggests.

Byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909) over characters, trained and encoded
by the `tokenizers` library. Runs of letters (hanzi are letters), of `…` and of `—` are merged
inside themselves; anything else, line ends and punctuation, stands alone. What the vocabulary
lacks is spelled in bytes.
"""

import functools
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from novelkit.tokenizing.files import BYTE_LEVEL_BPE, describe_tokenizer, split_before
from novelkit.tokenizing.interface import FIRST_CHARACTER_ID
from novelkit.tokenizing.spelling import (
    CharacterCounter,
    SpelledTokenizer,
    code_points,
    text_of,
)

# A piece must occur so often in the training text, or a model has too few examples to learn it.
# With rarer ones a small model gets worse at equal training time, on a long and on a short book
# (`tests/benchmarks/tokenizer_comparison.py --words 5 20 --pieces 5 20`).
MINIMUM_PIECE_COUNT = 20
# Characters of the training text that merges are learned from; all its characters are counted.
SAMPLE = 32_000_000
# Characters that are encoded at a time; a line is not divided.
PIECE = 1 << 14
BATCH = 256  # pieces
_PATTERN = r"…+|—+|[^\p{L}\p{M}]"

Merge = tuple[str, str]


class BpeTokenizer(SpelledTokenizer):
    """One token a merged piece; characters, and UTF-8 bytes, where none fits."""

    kind = "bpe"

    def __init__(self, characters: Sequence[str], merges: Sequence[Merge]) -> None:
        # Two merges may lead to the same piece.
        super().__init__(characters, list(dict.fromkeys(a + b for a, b in merges)))
        self.merges = tuple(merges)

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        vocabulary_size: int | None = None,
        minimum_count: int = 2,
        minimum_piece_count: int = MINIMUM_PIECE_COUNT,
    ) -> "BpeTokenizer":
        """Characters as for `char`, then merges up to `vocabulary_size` ids."""
        counter, sample, room = CharacterCounter(), [], SAMPLE
        for text in texts:
            counter.add(text)
            if room:
                sample.append(text[:room])
                room -= len(sample[-1])
        characters = counter.most_common(minimum_count)
        return cls(characters, _learn(sample, characters, vocabulary_size, minimum_piece_count))

    def encode(self, text: str) -> np.ndarray:
        """Text to ids, int32 of shape (tokens,); raises `InputError` for a lone surrogate."""
        code_points(text)
        pieces, ids = _pieces(text), [np.empty(0, dtype=np.int32)]
        # On all cores, and never more at a time than fits into memory.
        while batch := list(itertools.islice(pieces, BATCH)):
            encodings = self._fast.encode_batch_fast(batch, add_special_tokens=False)
            ids += [np.array(encoding.ids, dtype=np.int32) for encoding in encodings]
        return np.concatenate(ids)

    def identity(self) -> Iterable[str]:
        """All that decides the ids, in order."""
        return (self.kind, *self.vocabulary, *(part for merge in self.merges for part in merge))

    def model(self) -> dict[str, Any]:
        """A BPE with its merges and the pattern that bounds them."""
        merges = [list(merge) for merge in self.merges]
        return {
            "pre_tokenizer": split_before(_PATTERN),
            "model": {**BYTE_LEVEL_BPE, "vocab": self.vocabulary, "merges": merges},
        }

    @functools.cached_property
    def _fast(self) -> Any:
        from tokenizers import Tokenizer as FastTokenizer

        # Without its special tokens, no text can turn into one.
        content = describe_tokenizer(self.model()) | {"added_tokens": []}
        return FastTokenizer.from_str(json.dumps(content, ensure_ascii=False))


def _learn(
    sample: list[str], characters: list[str], vocabulary_size: int | None, minimum_count: int
) -> list[Merge]:
    """Merges of the most frequent pairs, first the most frequent."""
    from tokenizers import Tokenizer as FastTokenizer
    from tokenizers import trainers

    content = {"pre_tokenizer": split_before(_PATTERN), "added_tokens": []}
    content["model"] = {**BYTE_LEVEL_BPE, "byte_fallback": False, "vocab": {}, "merges": []}
    fast = FastTokenizer.from_str(json.dumps(describe_tokenizer(content)))
    limit = 1 << 16 if vocabulary_size is None else vocabulary_size - FIRST_CHARACTER_ID
    trainer = trainers.BpeTrainer(
        vocab_size=max(limit, len(characters)),
        min_frequency=minimum_count,
        initial_alphabet=characters,
        limit_alphabet=len(characters),
        show_progress=False,
    )
    fast.train_from_iterator(_without_rare(sample, characters), trainer)
    return [tuple(merge) for merge in json.loads(fast.to_str())["model"]["merges"]]


def _without_rare(sample: list[str], characters: list[str]) -> Iterator[str]:
    """The sample with line feeds for rare characters: the trainer would join what is around."""
    table = np.full(0x110000, ord("\n"), dtype=np.uint32)
    known = code_points("".join(characters))
    table[known] = known
    for text in sample:
        yield text_of(table[code_points(text)])


def _pieces(text: str) -> Iterator[str]:
    """`text` cut after line feeds, which no piece crosses: so the ids stay the same."""
    start = 0
    while start < len(text):
        end = text.find("\n", start + PIECE) + 1 or len(text)
        yield text[start:end]
        start = end
