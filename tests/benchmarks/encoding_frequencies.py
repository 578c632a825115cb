"""Counts the hanzi of novels and of jieba's word list: makes `novelkit/encoding/frequencies.py`.

    python tests/benchmarks/encoding_frequencies.py ../shared/corpus
    python tests/benchmarks/encoding_frequencies.py ../shared/corpus --check

Uses the books of the half `tune` alone (see `encoding_texts`), so that the half `report` measures
the detector on books that nothing of it was made from. Needs jieba (whose `dict.txt`, MIT licence,
holds a count for each word) and opencc, whose profile s2tw writes both in traditional characters.
How often a hanzi occurs is a fact; no text goes into the result. `--check` writes nothing and
ends with 1 where the file in the repository is not what is counted.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from encoding_texts import HERE, half_of, read_corpus

TARGET = HERE.parents[1] / "novelkit" / "encoding" / "frequencies.py"
_KEPT = 4000
_LINE = 94
_SHIFTS = range(0, 400, 10)  # of the rank, in the law that is fitted
_FITTED = 4500  # ranks
_FILE = '''"""The {kept:,} most frequent hanzi of Chinese prose in both scripts, how likely each is.

The order is a fact that was counted: the mean of the shares of a hanzi in {number} classical and
early modern novels, in the word counts of jieba's dictionary (modern news and novels), and in both
of these written in traditional characters by OpenCC. Made by
`tests/benchmarks/encoding_frequencies.py`, which see for sources and rights, from
{books}.
"""

import numpy as np

# Most frequent first.
HANZI_BY_FREQUENCY = (
{lines}
)
# They cover about {common:.0f} % of the hanzi of those texts, and under 15 % of a misread one.
COMMON_HANZI = HANZI_BY_FREQUENCY[:1000]


def log_probabilities() -> np.ndarray:
    """Natural logarithm of the share of each hanzi of `HANZI_BY_FREQUENCY`, float32 ({kept},).

    The law of Zipf and Mandelbrot, fitted to the counts that gave the order.
    """
    ranks = np.arange(1, len(HANZI_BY_FREQUENCY) + 1)
    return ({height:.2f} - {slope:.2f} * np.log(ranks + {shift})).astype(np.float32)
'''


def _is_hanzi(character: str) -> bool:
    return "\u3400" <= character <= "\u9fff" or "\U00020000" <= character <= "\U0003ffff"


def _shares(counted: Iterable[tuple[str, int]]) -> dict[str, float]:
    """The share of each hanzi in texts that each occur so many times."""
    counts: Counter[str] = Counter()
    for text, times in counted:
        for character, count in Counter(text).items():
            if _is_hanzi(character):
                counts[character] += count * times
    return {character: count / counts.total() for character, count in counts.items()}


def _mean(shares: Iterable[dict[str, float]]) -> dict[str, float]:
    shares = list(shares)
    characters = sorted({character for part in shares for character in part})
    return {c: sum(part.get(c, 0.0) for part in shares) / len(shares) for c in characters}


def _jieba_words() -> list[tuple[str, int]]:
    import jieba

    path = Path(jieba.__file__).parent / "dict.txt"
    rows = (line.split() for line in path.read_text(encoding="utf-8").splitlines())
    return [(row[0], int(row[1])) for row in rows]


def _traditional() -> Callable[[str], str]:
    import opencc

    return opencc.OpenCC("s2tw").convert


def _law(shares: np.ndarray) -> tuple[float, float, int]:
    """(height, slope, shift) of log P = height - slope log(rank + shift): weighted squares."""
    ranks, logs, root = np.arange(1, len(shares) + 1), np.log(shares), np.sqrt(shares)
    best: tuple[float, float, float, int] | None = None
    for shift in _SHIFTS:
        terms = np.stack([np.ones(len(shares)), np.log(ranks + shift)], axis=1)
        found, *_ = np.linalg.lstsq(terms * root[:, None], logs * root, rcond=None)
        error = float(((terms @ found - logs) ** 2 * shares).sum())
        if best is None or error < best[0]:
            best = (error, float(found[0]), -float(found[1]), shift)
    assert best is not None
    return best[1:]


def make(corpus: Path) -> str:
    """The text of `frequencies.py`."""
    books = [(name, text) for _, name, text in read_corpus(corpus) if half_of(name) == "tune"]
    prose, words = [(text, 1) for _, text in books], _jieba_words()
    convert = _traditional()
    sources = [prose, words, *([(convert(t), n) for t, n in part] for part in (prose, words))]
    shares = _mean(map(_shares, sources))
    order = sorted(shares, key=lambda character: (-shares[character], character))
    values = np.array([shares[character] for character in order])
    height, slope, shift = _law(values[:_FITTED])
    ranked = "".join(order[:_KEPT])
    return _FILE.format(
        kept=_KEPT,
        number=len(books),
        books=_wrapped([f"《{name}》" for name, _ in books]),
        lines="\n".join(f'    "{ranked[i : i + _LINE]}"' for i in range(0, _KEPT, _LINE)),
        common=100 * values[:1000].sum(),
        height=height,
        slope=slope,
        shift=shift,
    )


def _wrapped(titles: list[str], width: int = 60) -> str:
    lines = [""]
    for title in titles:
        if len(lines[-1]) + len(title) > width:
            lines.append("")
        lines[-1] += title
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("corpus", type=Path, help="folder with novels.tar.xz")
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    options = parser.parse_args(arguments)
    text = make(options.corpus)
    if options.check:
        same = TARGET.read_text(encoding="utf-8") == text
        print("the same" if same else f"{TARGET} is not what was counted")
        return int(not same)
    TARGET.write_text(text, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
