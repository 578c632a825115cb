"""Loss in nats and bits per character, and the anchors that make a loss readable.

"The loss is 3" means nothing alone. Against the loss of a uniform guess, of character, bigram and
trigram counts and of a compressor on the same held-out text it does. All anchors are learned from
the training text and measured on the held-out text, in nats per character.

Covers whole-text n-gram models with Witten-Bell smoothing, and xz. Modified Kneser-Ney, PPM and
sliding-window scores of a model are not here yet.
"""

import lzma
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from novelkit.errors import InputError

# Below the unigram counts stands a uniform guess over this many characters: what an n-gram model
# pays for a character that it has never seen. CJK Unified Ideographs alone are 20,992.
UNSEEN_CHARACTERS = 2**15

# Anchors take at most so many characters of the training and the held-out text: counts of several
# novels no longer change much with another, while memory and time would grow with all of them.
ANCHOR_CHARACTERS = (2_000_000, 200_000)
PASSAGES = 100

# How figures and tables call the anchors, in Chinese and in English.
ANCHOR_NAMES = {
    "uniform": ("随机猜", "uniform"),
    "unigram": ("单字频率", "unigram"),
    "bigram": ("看前一字", "bigram"),
    "trigram": ("看前两字", "trigram"),
    "xz": ("xz 压缩", "xz"),
}


def bits_per_character(nats_per_token: float, tokens: int, characters: int) -> float:
    """Mean loss over `tokens` tokens that spell `characters` characters, in bits per character.

    Unlike perplexity per token, it can be compared between tokenizers.
    """
    if characters <= 0 or tokens < 0:
        raise ValueError(f"need characters > 0 and tokens >= 0, got {characters} and {tokens}")
    return nats_per_token * tokens / characters / math.log(2)


@dataclass(frozen=True)
class Anchors:
    """Reference losses on the held-out text, in nats per character."""

    uniform: float  # ln of the number of different characters in the training text
    unigram: float
    bigram: float
    trigram: float
    xz: float

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def measure_anchors(training: str, held_out: str) -> Anchors:
    """All anchors of `held_out` given `training`; raises `InputError` if either is empty.

    Of longer texts than `ANCHOR_CHARACTERS` only as many characters are taken, evenly spaced.
    """
    _refuse_empty(training, held_out)
    training, held_out = map(sample_evenly, (training, held_out), ANCHOR_CHARACTERS)
    unigram, bigram, trigram = ngram_losses(training, held_out, order=3)
    return Anchors(
        uniform=math.log(len(set(training))),
        unigram=unigram,
        bigram=bigram,
        trigram=trigram,
        xz=compressor_loss(training, held_out),
    )


def sample_evenly(text: str, characters: int) -> str:
    """`text`, or so many characters of it in evenly spaced passages if it is longer."""
    if len(text) <= characters:
        return text
    starts = (len(text) * number // PASSAGES for number in range(PASSAGES))
    return "".join(text[start : start + characters // PASSAGES] for start in starts)


def read_evenly(path: Path, characters: int) -> str:
    """`sample_evenly` of a UTF-8 file; of a large one only the passages are read."""
    size = path.stat().st_size
    if size <= 4 * characters:  # no character takes more bytes
        return sample_evenly(path.read_text(encoding="utf-8"), characters)
    length, passages = characters // PASSAGES, []
    with path.open("rb") as file:
        for number in range(PASSAGES):
            file.seek(size * number // PASSAGES)
            # A character that is cut at either end of the passage is left out.
            passages.append(file.read(4 * length).decode("utf-8", errors="ignore")[:length])
    return "".join(passages)


def running_median(values: np.ndarray, window: int | None = None) -> np.ndarray:
    """Median of each value's neighbours, same shape; a spike moves it less than it would a mean."""
    window = window or max(5, len(values) // 20)
    half = window // 2
    return np.array(
        [np.median(values[max(0, i - half) : i + half + 1]) for i in range(len(values))]
    )


def ngram_losses(training: str, held_out: str, order: int = 3) -> list[float]:
    """Mean nats per character of n-gram models of orders 1 to `order` on `held_out`.

    Interpolated Witten-Bell smoothing (Witten and Bell 1991; Chen and Goodman 1998, section 2.5):
    P(w|h) = (c(hw) + T(h) P(w|h')) / (c(h) + T(h)), where T(h) counts the kinds that follow h.
    Raises `InputError` if a text is empty.
    """
    _refuse_empty(training, held_out)
    train, held = _code_points(training), _code_points(held_out)
    known = np.unique(train)
    # Dense numbers keep an n-gram inside of 64 bits: 21 bits each would hold three at most.
    train = np.searchsorted(known, train).astype(np.int64)
    held = _dense(known, held)
    probability = np.full(len(held), 1 / UNSEEN_CHARACTERS)
    losses = []
    base = len(known) + 1
    if base**order >= 2**63:
        raise ValueError(f"order {order} over {base} characters does not fit into 64 bits")
    for length in range(1, order + 1):
        probability = _interpolate(train, held, length, base, probability)
        losses.append(float(-np.log(probability).mean()))
    return losses


def compressor_loss(training: str, held_out: str) -> float:
    """Nats per character that xz needs for `held_out` after `training` (preset 9, extreme)."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}]

    def size(text: str) -> int:
        raw = text.encode("utf-8", errors="surrogatepass")
        return len(lzma.compress(raw, format=lzma.FORMAT_RAW, filters=filters))

    with ThreadPoolExecutor(2) as pool:  # xz lets go of Python's lock
        both, alone = pool.map(size, (training + held_out, training))
    return (both - alone) * 8 * math.log(2) / len(held_out)


def _interpolate(
    train: np.ndarray, held: np.ndarray, length: int, base: int, lower: np.ndarray
) -> np.ndarray:
    """Mix the counts of n-grams of `length` with the `lower` order, at every held-out position."""
    grams, counts = np.unique(_keys(train, length, base), return_counts=True)
    if not len(grams):
        return lower  # the training text is shorter than the n-gram: nothing was counted
    histories, first = np.unique(grams // base, return_index=True)
    # Grams are sorted, so those of one history stand together.
    totals = np.add.reduceat(counts, first)
    kinds = np.diff(np.append(first, len(grams)))
    keys = _keys(held, length, base)
    gram_count = _look_up(grams, counts, keys)
    history_count = _look_up(histories, totals, keys // base)
    history_kinds = _look_up(histories, kinds, keys // base)
    mixed = lower.copy()
    # The first characters of the text have too short a history: they keep the lower order.
    inside = slice(length - 1, None)
    seen = history_count > 0
    estimate = (gram_count + history_kinds * lower[inside]) / np.maximum(
        history_count + history_kinds, 1
    )
    mixed[inside] = np.where(seen, estimate, lower[inside])
    return mixed


def _refuse_empty(training: str, held_out: str) -> None:
    if not training or not held_out:
        raise InputError("训练文本或留出的文本是空的，算不出参考线：请检查数据的划分。")


def _keys(ids: np.ndarray, length: int, base: int) -> np.ndarray:
    """Every window of `length` ids as one integer; the last id is the lowest digit."""
    count = max(0, len(ids) - length + 1)
    keys = np.zeros(count, dtype=np.int64)
    for offset in range(length):
        keys = keys * base + ids[offset : offset + count]
    return keys


def _look_up(sorted_keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """`values` at `wanted` keys, 0 where there is none."""
    positions = np.minimum(np.searchsorted(sorted_keys, wanted), len(sorted_keys) - 1)
    return np.where(sorted_keys[positions] == wanted, values[positions], 0)


def _dense(known: np.ndarray, code_points: np.ndarray) -> np.ndarray:
    """Numbers of code points in `known`; all that are unknown share the number after the last."""
    positions = np.minimum(np.searchsorted(known, code_points), len(known) - 1)
    return np.where(known[positions] == code_points, positions, len(known)).astype(np.int64)


def _code_points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", errors="surrogatepass"), dtype="<u4")
