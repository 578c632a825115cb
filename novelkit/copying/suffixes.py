"""A suffix array of a text: where any passage of it stands, and what follows there.

All places of the text in the order of what stands there (Manber and Myers 1993), by doubling:
places ordered by d characters are ordered by 2 d when pairs of ranks are sorted. It stops at
`depth` characters, which is all that is asked of it; then 13 million characters take seconds.
"""

import bisect
from dataclasses import dataclass

import numpy as np

from novelkit.copying.reading import code_points

# Passages are looked up by at most so many characters.
DEPTH = 48
# A code point has 21 bits, so three of them and the end of the text fit into 64.
_FIRST, _BITS = 3, 21


@dataclass(frozen=True, eq=False)
class SuffixArray:
    """The places of `text`, int32, ordered by the `depth` characters that stand there."""

    text: str
    places: np.ndarray
    depth: int = DEPTH

    @classmethod
    def build(cls, text: str, depth: int = DEPTH) -> "SuffixArray":
        points = code_points(text).astype(np.uint64) + np.uint64(1)  # 0 stands past the end
        keys = np.zeros(len(points), dtype=np.uint64)
        for offset in range(min(_FIRST, depth)):
            keys |= _from(points, offset) << np.uint64(_BITS * (_FIRST - 1 - offset))
        known = _FIRST
        order, ranks, kinds = _ranked(keys)
        while known < depth and kinds < len(points):
            # As many characters again: the rank of what stands `known` places further.
            following = _from(ranks + np.uint64(1), known)
            order, ranks, kinds = _ranked(ranks << np.uint64(32) | following)
            known *= 2
        return cls(text, order.astype(np.int32), depth)

    def find(self, passage: str) -> range:
        """Which entries of `places` are those of a passage; longer than `depth` is refused."""
        if len(passage) > self.depth:
            raise ValueError(f"{len(passage)} characters, the array is ordered by {self.depth}")

        def standing(place: int) -> str:
            return self.text[place : place + len(passage)]

        start = bisect.bisect_left(self.places, passage, key=standing)
        # Most passages that are asked for stand nowhere, or few times.
        if start == len(self.places) or standing(self.places[start]) != passage:
            return range(start, start)
        return range(start, bisect.bisect_right(self.places, passage, lo=start, key=standing))

    def following(self, found: range, skip: int, length: int) -> set[str]:
        """The `length` characters that come after `skip` ones at the places of `find`."""
        begins = (self.places[found.start : found.stop] + skip).tolist()
        texts = {self.text[begin : begin + length] for begin in begins}
        return {text for text in texts if len(text) == length}

    def __contains__(self, passage: str) -> bool:
        return len(self.find(passage)) > 0


def _from(values: np.ndarray, offset: int) -> np.ndarray:
    """The values from an offset on, with zeros past the end."""
    shifted = np.zeros_like(values)
    shifted[: max(0, len(values) - offset)] = values[offset:]
    return shifted


def _ranked(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """The order of the keys, the rank of each (equal for equal ones), and how many differ."""
    order = np.argsort(keys)
    ordered = keys[order]
    differs = np.zeros(len(keys), dtype=np.uint64)
    differs[1:] = ordered[1:] != ordered[:-1]
    ranks = np.empty_like(differs)
    ranks[order] = np.cumsum(differs)
    return order, ranks, int(differs.sum()) + 1 if len(keys) else 0
