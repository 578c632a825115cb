"""How much of a text stands word for word in another: is it a continuation or a recitation?

Finds the passages of at least N characters that a text shares with a training text, by hashes of
its windows (Karp and Rabin 1987) that are then compared character by character, so that a hash
collision cannot invent a match. The hashed n-gram filter of a model folder is not here yet.
"""

from dataclasses import dataclass

import numpy as np

# Below about a dozen characters, Chinese novels share set phrases with books they never saw.
AT_LEAST = 13

# An odd multiplier, so that it has an inverse modulo 2**64; from Knuth's linear congruential MMIX.
_MULTIPLIER = 6364136223846793005
_INVERSE = pow(_MULTIPLIER, -1, 2**64)


@dataclass(frozen=True)
class Passage:
    """`text[start:end]` of the examined text, which stands at `source` in the training text."""

    start: int
    end: int
    source: int
    text: str


@dataclass(frozen=True)
class CopyReport:
    """Copied share (0 to 1) of the characters inside passages, and the passages, longest first."""

    characters: int
    copied_characters: int
    at_least: int
    passages: tuple[Passage, ...]

    @property
    def share(self) -> float:
        return self.copied_characters / self.characters if self.characters else 0.0

    @property
    def longest(self) -> Passage | None:
        return self.passages[0] if self.passages else None


def find_copies(text: str, training: str, at_least: int = AT_LEAST) -> CopyReport:
    """The maximal passages of `at_least` or more characters that `text` shares with `training`.

    Maximal: one character more on either side does not stand in the training text. A passage is
    reported once, at its first place there; two passages may overlap in `text`.
    """
    if at_least < 1:
        raise ValueError(f"at_least must be positive, got {at_least}")
    windows = _shared_window_starts(text, training, at_least)
    passages: list[Passage] = []
    covered_until = 0
    copied = 0
    for window, sources in windows:
        if window + at_least <= covered_until:
            continue
        start, end, source = _extend(text, training, window, sources, at_least)
        if start == end:
            continue
        passages.append(Passage(start, end, source, text[start:end]))
        copied += end - max(start, covered_until)
        covered_until = end
    passages.sort(key=lambda passage: passage.start - passage.end)
    return CopyReport(len(text), copied, at_least, tuple(passages))


def _shared_window_starts(text: str, training: str, length: int) -> list[tuple[int, np.ndarray]]:
    """Positions of `text` whose window's hash occurs in `training`, each with its places there."""
    wanted, held = _window_hashes(text, length), _window_hashes(training, length)
    if not len(wanted) or not len(held):
        return []
    # Sorting the short text's hashes and scanning the long one costs no sort of the training text.
    candidates = np.flatnonzero(np.isin(held, wanted))
    order = candidates[np.argsort(held[candidates], kind="stable")]
    sorted_hashes = held[order]
    low = np.searchsorted(sorted_hashes, wanted, side="left")
    high = np.searchsorted(sorted_hashes, wanted, side="right")
    return [(int(at), order[low[at] : high[at]]) for at in np.flatnonzero(high > low)]


def _extend(
    text: str, training: str, window: int, sources: np.ndarray, at_least: int
) -> tuple[int, int, int]:
    """Start, end and source of the passage around a window; start = end for a hash collision.

    The passage that begins earliest, and of those the one that ends last: every passage that
    ends later contains a window that is not covered yet, so taking them in order misses none.
    """
    best = (0, 0, 0)
    for source in sources.tolist():
        after = _common_length(text, training, window, source)
        if after >= at_least:
            before = _common_length_before(text, training, window, source)
            best = max(best, (before, after, -source))
    before, after, negative_source = best
    return window - before, window + after, -negative_source - before


def _common_length_before(text: str, training: str, end: int, source: int) -> int:
    """Length of the common suffix of `text[:end]` and `training[:source]`."""
    length, longest = 0, min(end, source)
    while length < longest and text[end - length - 1] == training[source - length - 1]:
        length += 1
    return length


def _common_length(text: str, training: str, start: int, source: int) -> int:
    """Length of the common prefix of `text[start:]` and `training[source:]`, by doubling."""
    length, step = 0, 16
    while True:
        left = text[start + length : start + length + step]
        right = training[source + length : source + length + step]
        if left == right and len(left) == step:
            length, step = length + step, step * 2
            continue
        if step == 1:
            return length
        step = max(1, step // 4)


def _window_hashes(text: str, length: int) -> np.ndarray:
    """Polynomial hashes modulo 2**64 of all windows, uint64 of shape (len(text) - length + 1,).

    With prefix sums S of c[i] * inverse**i, a window's hash is (S[i+length] - S[i]) * M**i:
    one pass for any length, instead of one pass a character of the window.
    """
    if len(text) < length:
        return np.empty(0, dtype=np.uint64)
    codes = np.frombuffer(text.encode("utf-32-le", errors="surrogatepass"), dtype="<u4")
    inverse = _powers(_INVERSE, len(codes))
    sums = np.zeros(len(codes) + 1, dtype=np.uint64)
    np.cumsum((codes.astype(np.uint64) + np.uint64(1)) * inverse, out=sums[1:])
    windows = len(codes) - length + 1
    return (sums[length:] - sums[:windows]) * _powers(_MULTIPLIER, windows)


def _powers(base: int, count: int) -> np.ndarray:
    """base**0 ... base**(count-1) modulo 2**64."""
    powers = np.full(count, base, dtype=np.uint64)
    powers[:1] = 1
    return np.cumprod(powers, dtype=np.uint64)
