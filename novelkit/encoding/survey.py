"""One pass over a stretch of a file with one codec: characters, damage, and where it reads badly.

Covers files of any size with flat memory. Finds blocks of text that are too unlikely for the codec
(its weak stretches); what they are is decided in `segments` and `mojibake`.
"""

import functools
from dataclasses import dataclass, field

import numpy as np

from novelkit.encoding.decoding import CountingDecoder, plain_codec
from novelkit.encoding.likelihood import code_points, family_of, gain_table, width_table
from novelkit.encoding.sources import ByteSource

_SLICE = 4096  # bytes decoded at a time, so that characters can be led back to bytes
_CHUNK = 256 * 1024
_BLOCK = 32  # characters
# Bits a byte that a block of text saves at least, else it is weak; good text saves 5.0 in UTF-8
# and UTF-32, 3.5 in the others, text in a wrong codec 0, saved mojibake about 2 in UTF-8.
_LEAST_BITS = {"utf-8": 3.0, "pair": 1.7, "utf-16": 1.7, "utf-32": 3.0, "single": 1.2}
_LEAST_BITS |= {"foreign pair": 0.0, "foreign single": 0.0}
_MOST_STRETCHES = 5000


@dataclass
class Survey:
    """What a codec makes of the bytes [start, end); `weak` are byte ranges."""

    encoding: str
    start: int
    end: int
    characters: int = 0
    damage: int = 0
    positions: list[tuple[int, int]] = field(default_factory=list)
    weak: list[tuple[int, int]] = field(default_factory=list)
    scars: dict[str, int] = field(default_factory=dict)
    telling: int = 0  # characters beyond ASCII, and those among them in weak stretches
    weak_telling: int = 0


@functools.cache
def excess_table(family: str) -> np.ndarray:
    """The gain of each code point above the least that good text has for its bytes.

    ASCII is neutral where every codec reads it alike.
    """
    least = _LEAST_BITS[family] * np.log(2)
    table = (gain_table(family) - least * width_table(family)).astype(np.float32)
    if family in ("utf-8", "pair", "single"):
        table[0x20:0x7F] = table[[0x09, 0x0A, 0x0D]] = 0.0
    return table


def weak_blocks(points: np.ndarray, family: str) -> list[tuple[int, int]]:
    """Stretches of code points that read badly, in blocks of 32: character ranges."""
    if not len(points):
        return []
    excess = excess_table(family)[points]
    weak = np.flatnonzero(np.add.reduceat(excess, np.arange(0, len(points), _BLOCK)) < 0)
    # Weak blocks with at most one better block between them are one stretch.
    groups = np.split(weak, np.flatnonzero(np.diff(weak) > 2) + 1) if len(weak) else []
    return [
        (int(group[0]) * _BLOCK, min((int(group[-1]) + 1) * _BLOCK, len(points)))
        for group in groups
    ]


def survey(source: ByteSource, start: int, end: int, encoding: str) -> Survey:
    """Read [start, end) with a codec."""
    codec, mark = plain_codec(encoding, source.read(start, min(start + 4, end)))
    decoder = CountingDecoder(codec, start + mark)
    result = Survey(encoding, start, end)
    finder = _WeakFinder(family_of(codec), result)
    for position, data in source.chunks(start + mark, end, _CHUNK):
        last = position + len(data) >= end
        texts = [
            decoder.decode(data[offset : offset + _SLICE]) for offset in range(0, len(data), _SLICE)
        ]
        if last:
            texts[-1] += decoder.decode(b"", final=True)
        text = "".join(texts)
        points = code_points(text)
        finder.add(points, texts, position, position + len(data))
        _count_scars(text, points, result.scars)
    result.characters, result.damage = decoder.characters, decoder.damage
    result.positions = decoder.positions
    if "\ufffd" in result.scars:
        result.scars["\ufffd"] -= decoder.replaced
    result.scars = {mark: count for mark, count in result.scars.items() if count > 0}
    return result


# What text looks like whose characters were lost before it was saved.
SCARS = ("\ufffd", "锟斤拷", "烫烫烫", "屯屯屯", "????", "ï¿½")


@functools.cache
def _scar_table() -> np.ndarray:
    table = np.zeros(0x10001, dtype=bool)
    table[[ord(scar[0]) for scar in SCARS if scar != "????"]] = True
    return table


def _count_scars(text: str, points: np.ndarray, counts: dict[str, int]) -> None:
    """Add what is found; looking for the first characters first is much faster."""
    suspicious = bool(_scar_table()[points].any())
    for scar in SCARS:
        found = text.count(scar) if suspicious or scar == "????" and scar in text else 0
        if found:
            counts[scar] = counts.get(scar, 0) + found


class _WeakFinder:
    """Joins weak blocks to stretches and leads them back to bytes."""

    def __init__(self, family: str, result: Survey) -> None:
        self._family = family
        self._result = result
        self._found = result.weak

    def add(self, points: np.ndarray, texts: list[str], start: int, end: int) -> None:
        """Texts of successive slices of `_SLICE` bytes of [start, end), and their code points."""
        result = self._result
        result.telling += int((points >= 0x80).sum())
        stretches = weak_blocks(points, self._family)
        if not stretches:
            return
        lengths = np.cumsum([0, *map(len, texts)])
        for first, last in stretches:
            result.weak_telling += int((points[first:last] >= 0x80).sum())
            low, high = (self._byte(points, lengths, place, start, end) for place in (first, last))
            self._append(low, high)

    def _byte(
        self, points: np.ndarray, lengths: np.ndarray, place: int, start: int, end: int
    ) -> int:
        """About which byte the character at `place` begins with: exact where nothing is damaged."""
        if place >= lengths[-1]:
            return end
        number = int(np.searchsorted(lengths, place, "right")) - 1
        before = points[lengths[number] : place]
        offset = int(width_table(self._family)[before].sum())
        return min(start + number * _SLICE + min(offset, _SLICE), end)

    def _append(self, low: int, high: int) -> None:
        if self._found and (low <= self._found[-1][1] + 64 or len(self._found) >= _MOST_STRETCHES):
            self._found[-1] = (self._found[-1][0], max(high, self._found[-1][1]))
        else:
            self._found.append((low, high))
