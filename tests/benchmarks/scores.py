"""The reference losses by method, and how copied text is found: time, memory, what is missed.

    python tests/benchmarks/scores.py
    python tests/benchmarks/scores.py --corpus ../shared/corpus
    python tests/benchmarks/scores.py --part copies     # or anchors, filter

Without the corpus, anchors are those of the bundled novel, and the training text of 40 MB is drawn
character by character with that novel's frequencies. Markdown tables on standard output.
"""

import argparse
import lzma
import math
import tempfile
from pathlib import Path

import numpy as np
from scores_books import Book, read_bundled, read_corpus, table, timed
from scores_copies import measure_copies, measure_filter, write_large

from novelkit.scores import (
    ANCHOR_CHARACTERS,
    UNSEEN_CHARACTERS,
    compressor_loss,
    ngram_losses,
    sample_evenly,
)
from novelkit.scores.ngrams import (
    Level,
    count_ngrams,
    estimate_discounts,
    interpolate,
    number_characters,
)

PARTS = ("anchors", "copies", "filter")
ORDERS = {"unigram": 1, "bigram": 2, "trigram": 3, "5-gram": 5}


def witten_bell_losses(training: str, held_out: str, order: int) -> list[float]:
    """Interpolated Witten-Bell over the same counts: P = (c(hw) + T(h) P') / (c(h) + T(h))."""
    kinds, train, held = number_characters(training, held_out)
    best = np.full(len(held), 1 / max(UNSEEN_CHARACTERS, kinds))
    losses = []
    for level in count_ngrams(train, held, order):
        mixed = witten_bell(level, best)
        mixed[: level.length - 1] = best[: level.length - 1]
        losses.append(float(-np.log(mixed).mean()))
        best = mixed
    return losses


def witten_bell(level: Level, lower: np.ndarray) -> np.ndarray:
    total = np.bincount(level.history, level.count, level.histories)
    followers = np.bincount(level.history, minlength=level.histories)
    count = np.append(level.count, 0)[level.held]
    seen = np.append(total, 0)[level.held_history]
    kinds = np.append(followers, 0)[level.held_history]
    return np.where(seen > 0, (count + kinds * lower) / np.maximum(seen + kinds, 1), lower)


def kneser_ney_loss(training: str, held_out: str, order: int) -> float:
    """Modified Kneser-Ney with discounts at the single characters too, where the library has none.

    The first four characters have the counts of lower orders, which changes the mean by little.
    """
    kinds, train, held = number_characters(training, held_out)
    lower = np.full(len(held), 1 / max(UNSEEN_CHARACTERS, kinds))
    for level in count_ngrams(train, held, order):
        counts = level.count if level.before is None else level.before
        taken = np.take(estimate_discounts(counts), np.minimum(counts, 3))
        lower = interpolate(level, counts, taken, lower)
    return float(-np.log(lower).mean())


def xz_of_utf8(training: str, held_out: str) -> float:
    """xz -9e of the files as they are on disk."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}]
    sizes = [
        len(lzma.compress(text.encode("utf-8"), format=lzma.FORMAT_RAW, filters=filters))
        for text in (training, training + held_out)
    ]
    return (sizes[1] - sizes[0]) * 8 * math.log(2) / len(held_out)


def measure_books(books: list[Book]) -> None:
    """Nats per character by Witten-Bell and by what the library does, and seconds."""
    print("\n## Reference losses, nats per character: Witten-Bell → library (Kneser-Ney)")
    print("\n5-gram D: with Kneser-Ney's discounts at the single characters too.")
    columns = ("5-gram D", "s", "xz -9e of UTF-8", "s", "xz, library", "s")
    table("text", "characters", *ORDERS, *columns)
    texts = [(book.title, *book.split()) for book in books]
    if len(books) > 1:
        halves = ("".join(part) for part in zip(*(text[1:] for text in texts), strict=True))
        samples = map(sample_evenly, halves, ANCHOR_CHARACTERS)
        texts.append((f"all {len(books)}, sampled", *samples))
    lower = dict.fromkeys((*ORDERS, "5-gram D"), 0)
    for title, training, held_out in texts:
        old = witten_bell_losses(training, held_out, 5)
        new, seconds = timed(lambda pair=(training, held_out): ngram_losses(*pair, order=5))
        cells = []
        for name, order in ORDERS.items():
            before, after = old[order - 1], new[order - 1]
            lower[name] += after < before
            cells.append(f"{before:.3f} → {after:.3f}")
        discounted = kneser_ney_loss(training, held_out, 5)
        lower["5-gram D"] += new[4] < discounted
        cells += [f"{discounted:.3f}", f"{seconds:.2f}"]
        for compress in (xz_of_utf8, compressor_loss):
            loss, spent = timed(lambda f=compress, pair=(training, held_out): f(*pair))
            cells += [f"{loss:.3f}", f"{spent:.2f}"]
        print(f"| {title} | {len(training) + len(held_out):,} | {' | '.join(cells)} |", flush=True)
    counted = ", ".join(f"{name} {count}" for name, count in lower.items())
    print(f"\nThe library is the lower one, of {len(texts)} texts: {counted}.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, help="a folder with novels.tar.xz")
    parser.add_argument("--part", choices=PARTS)
    options = parser.parse_args()
    books = read_corpus(options.corpus)
    parts = {options.part} if options.part else set(PARTS)
    if "anchors" in parts:
        measure_books([read_bundled(), *books])
    if parts & {"copies", "filter"}:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            training = write_large(folder, books)
            if "copies" in parts:
                measure_copies(folder, training, books)
            if "filter" in parts:
                measure_filter(folder, training, books)


if __name__ == "__main__":
    main()
