"""The passages of at least N characters that a text shares with a training text.

Windows of N characters are compared by hashes (Karp and Rabin 1987), and what they find character
by character, so that a hash collision cannot invent a match. The training text, a string or a
file, is read in pieces that overlap by the length of the examined text, which no passage exceeds:
memory depends on the examined text alone, and 40 MB take a second or two.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from novelkit.copying.reading import PIECE, code_points, read_pieces, window_hashes
from novelkit.copying.spans import count_covered, outermost

# Below about a dozen characters, Chinese novels share set phrases with books they never saw.
AT_LEAST = 13

# Entries of a table that is compared at a time.
_CELLS = 1 << 18


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


def find_copies(text: str, training: str | Path, at_least: int = AT_LEAST) -> CopyReport:
    """The maximal passages of `at_least` or more characters that `text` shares with `training`.

    Maximal: one character more on either side does not stand in the training text. A passage is
    reported once, at its first place there; two passages may overlap in `text`. A `Path` is a
    UTF-8 file, read in pieces.
    """
    if at_least < 1:
        raise ValueError(f"at_least must be positive, got {at_least}")
    found: list[tuple[int, int, int]] = []
    if len(text) >= at_least:
        search = _Search(code_points(text), at_least)
        for offset, piece in read_pieces(training, max(PIECE, len(text)), len(text)):
            found += [(start, end, source + offset) for start, end, source in search.shared(piece)]
    kept = outermost(found)
    passages = [Passage(start, end, source, text[start:end]) for start, end, source in kept]
    passages.sort(key=lambda passage: passage.start - passage.end)
    return CopyReport(len(text), count_covered(kept), at_least, tuple(passages))


class _Search:
    """A text whose windows are looked for in pieces of a training text."""

    def __init__(self, points: np.ndarray, at_least: int) -> None:
        self._points, self._at_least = points, at_least
        # The different hashes, sorted, and which of them each window has.
        self._known, self._kinds = np.unique(window_hashes(points, at_least), return_inverse=True)
        # Nearly all windows of a training text fail at a table of the leading bits already.
        bits = min(24, 4 + len(self._known).bit_length())
        self._shift = np.uint64(64 - bits)
        self._leading = np.zeros(1 << bits, dtype=bool)
        self._leading[self._known >> self._shift] = True

    def shared(self, piece: np.ndarray) -> Iterator[tuple[int, int, int]]:
        """Start, end and source of the maximal passages that the text shares with a piece.

        Windows are taken in order, and of each the passage that begins earliest: every passage
        that ends later contains a window that is not covered yet, so none is missed.
        """
        places, counts = self._find(piece)
        ends, covered_until = np.cumsum(counts), 0
        for window in np.flatnonzero(counts[self._kinds]).tolist():
            if window + self._at_least <= covered_until:
                continue
            kind = self._kinds[window]
            sources = places[ends[kind] - counts[kind] : ends[kind]]
            passage = self._extend(piece, window, sources)
            if passage:
                covered_until = passage[1]
                yield passage

    def _find(self, piece: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the piece has hashes of the text, by kind and then by place, and how often each."""
        hashes = window_hashes(piece, self._at_least)
        places = np.flatnonzero(self._leading[hashes >> self._shift])
        found = hashes[places]
        kinds = np.minimum(np.searchsorted(self._known, found), len(self._known) - 1)
        known = self._known[kinds] == found
        places, kinds = places[known], kinds[known]
        counts = np.bincount(kinds, minlength=len(self._known))
        return places[np.argsort(kinds, kind="stable")], counts

    def _extend(
        self, piece: np.ndarray, window: int, sources: np.ndarray
    ) -> tuple[int, int, int] | None:
        """The passage around a window that begins earliest, and of those the one that ends last;
        None where only the hashes are equal."""
        text, at_least = self._points, self._at_least
        after = _common_lengths(text, piece, window, sources, at_least)
        sources = sources[after == at_least]
        if not len(sources):
            return None
        # Backwards is forwards in both texts reversed.
        before = _common_lengths(
            text[::-1], piece[::-1], len(text) - window, len(piece) - sources, len(text)
        )
        sources, earliest = sources[before == before.max()], int(before.max())
        after = _common_lengths(text, piece, window, sources, len(text))
        best = int(after.argmax())  # the first place of several
        return window - earliest, window + int(after[best]), int(sources[best]) - earliest


def _common_lengths(
    text: np.ndarray, training: np.ndarray, start: int, sources: np.ndarray, limit: int
) -> np.ndarray:
    """How far `text[start:]` agrees with `training[source:]`, for each source, up to `limit`.

    By blocks that double, as long as there are sources that agree until there.
    """
    lengths = np.zeros(len(sources), dtype=np.int64)
    agreeing, done, width = np.arange(len(sources)), 0, 16
    limit = min(limit, len(text) - start)
    while len(agreeing) and done < limit:
        width = max(1, min(width, _CELLS // len(agreeing), limit - done))
        part = text[start + done : start + done + width]
        columns = sources[agreeing][:, None] + (done + np.arange(width))
        same = training[np.minimum(columns, len(training) - 1)] == part
        same &= columns < len(training)
        runs = np.where(same.all(axis=1), width, same.argmin(axis=1))
        lengths[agreeing] += runs
        agreeing, done, width = agreeing[runs == width], done + width, width * 2
    return lengths
