"""Tokenizers side by side on one text: how long it gets, how fast, how much is spelled in bytes.

What a model makes of each is not here, since that takes a model: see
`tests/benchmarks/tokenizer_comparison.py`, which adds bits per character at equal training time.
"""

import json
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from novelkit.tokenizing.choice import train_tokenizer
from novelkit.tokenizing.files import describe_tokenizer
from novelkit.tokenizing.interface import KINDS, Tokenizer
from novelkit.tokenizing.spelling import SpelledTokenizer


@dataclass(frozen=True)
class TokenizerMeasure:
    """One tokenizer on one text; speeds in million bytes of UTF-8 a second."""

    kind: str
    vocabulary: int
    characters: int
    tokens: int
    fallback_characters: int
    encode_speed: float
    decode_speed: float
    lossless: bool

    @property
    def characters_per_token(self) -> float:
        return self.characters / self.tokens if self.tokens else 0.0

    @property
    def fallback_share(self) -> float:
        return self.fallback_characters / self.characters if self.characters else 0.0


def measure_tokenizer(tokenizer: Tokenizer, text: str, repeats: int = 3) -> TokenizerMeasure:
    """Encode and decode `text`; speeds are medians of `repeats`, after one to warm up."""
    ids = tokenizer.encode(text)
    size = len(text.encode("utf-8"))
    return TokenizerMeasure(
        kind=tokenizer.kind,
        vocabulary=len(tokenizer),
        characters=len(text),
        tokens=len(ids),
        fallback_characters=tokenizer.count_fallback(text),
        encode_speed=size / 1e6 / median_seconds(lambda: tokenizer.encode(text), repeats),
        decode_speed=size / 1e6 / median_seconds(lambda: tokenizer.decode(ids), repeats),
        lossless=tokenizer.decode(ids) == text,
    )


def compare_tokenizers(
    training: str, held_out: str, kinds: Iterable[str] = KINDS, repeats: int = 3
) -> list[TokenizerMeasure]:
    """Tokenizers of these kinds trained on one text and measured on another."""
    trained = (train_tokenizer(kind, [training]) for kind in kinds)
    return [measure_tokenizer(tokenizer, held_out, repeats) for tokenizer in trained]


def share_cut_otherwise(tokenizer: SpelledTokenizer, text: str) -> float:
    """The share of our tokens that the saved `tokenizer.json` alone cuts otherwise.

    0 for `char` and `bpe`; for `word` the file knows no jieba. Both give `text` back.
    """
    ours = _spans(tokenizer, tokenizer.encode(text).tolist())
    alone = _spans(tokenizer, encode_alone(tokenizer, text))
    return len(ours - alone) / len(ours) if ours else 0.0


def encode_alone(tokenizer: SpelledTokenizer, text: str) -> list[int]:
    """The ids of the saved file, read by the `tokenizers` library."""
    from tokenizers import Tokenizer as FastTokenizer

    fast = FastTokenizer.from_str(json.dumps(describe_tokenizer(tokenizer.model())))
    # As `split_special_tokens` has `transformers` do it.
    fast.encode_special_tokens = True
    return fast.encode(text, add_special_tokens=False).ids


def median_seconds(action: Callable[[], object], repeats: int) -> float:
    """The median wall time of `action`, never 0."""
    times = []
    for _ in range(max(1, repeats)):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return max(statistics.median(times), 1e-9)


def _spans(tokenizer: SpelledTokenizer, ids: list[int]) -> set[tuple[int, int, int]]:
    """Each token with where it begins and ends in the UTF-8 bytes of the text."""
    texts = list(tokenizer.vocabulary)
    lengths = [1 if i in tokenizer.byte_ids else len(texts[i].encode("utf-8")) for i in ids]
    ends = np.cumsum(lengths).tolist()
    return {(i, end - size, end) for i, end, size in zip(ids, ends, lengths, strict=True)}
