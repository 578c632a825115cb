"""Reference losses on a held-out text, learned from the training text, in nats per character.

Covers a uniform guess, counted n-grams and xz. A PPM compressor would add little: the 5-gram is of
its kind.
"""

import lzma
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from novelkit.scores.ngrams import ngram_losses, refuse_empty

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
    "fivegram": ("看前四字", "5-gram"),
    "xz": ("xz 压缩", "xz"),
}

# A dictionary larger than the text finds nothing more and takes ten times its size in memory.
_XZ_DICTIONARY = (1 << 12, 1 << 26)


@dataclass(frozen=True)
class Anchors:
    """Reference losses on the held-out text, in nats per character."""

    uniform: float  # ln of the number of different characters in the training text
    unigram: float
    bigram: float
    trigram: float
    fivegram: float
    xz: float

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def measure_anchors(training: str, held_out: str) -> Anchors:
    """All anchors of `held_out` given `training`; raises `InputError` if either is empty.

    Of longer texts than `ANCHOR_CHARACTERS` only as many characters are taken, evenly spaced.
    """
    refuse_empty(training, held_out)
    training, held_out = map(sample_evenly, (training, held_out), ANCHOR_CHARACTERS)
    with ThreadPoolExecutor(1) as pool:  # xz works beside the counting
        xz = pool.submit(compressor_loss, training, held_out)
        unigram, bigram, trigram, _, fivegram = ngram_losses(training, held_out, order=5)
    return Anchors(
        uniform=math.log(len(set(training))),
        unigram=unigram,
        bigram=bigram,
        trigram=trigram,
        fivegram=fivegram,
        xz=xz.result(),
    )


def compressor_loss(training: str, held_out: str) -> float:
    """Nats per character that xz needs for `held_out` after `training`.

    Of UTF-16, in which nearly every character is two bytes: from UTF-8, with three of them to
    predict, xz makes 9 to 13 % more of Chinese, in twice the time (`tests/benchmarks/scores.py`).
    Presets from 6 to 9 "extreme" differ by less than 0.2 %: all of them see the whole text.
    """
    refuse_empty(training, held_out)
    with ThreadPoolExecutor(2) as pool:  # xz lets go of Python's lock
        both, alone = pool.map(_compressed_size, (training + held_out, training))
    return (both - alone) * 8 * math.log(2) / len(held_out)


def _compressed_size(text: str) -> int:
    raw = text.encode("utf-16-le", errors="surrogatepass")
    smallest, largest = _XZ_DICTIONARY
    # lp and pb: every second byte is the first of a character.
    settings = {"preset": 6, "dict_size": min(max(len(raw), smallest), largest), "lp": 1, "pb": 1}
    filters = [{"id": lzma.FILTER_LZMA2, **settings}]
    return len(lzma.compress(raw, format=lzma.FORMAT_RAW, filters=filters))


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
