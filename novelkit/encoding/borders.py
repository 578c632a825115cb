"""Where a stretch of bytes stops being text in one codec and becomes text in another.

Covers the best part of a short stretch for each other codec, and the exact border between two.
Whether that part is kept is decided in `segments`; `mojibake` asks the same of a text's old bytes.
"""

import re
from dataclasses import dataclass

import numpy as np

from novelkit.encoding.candidates import MULTIBYTE, OLD_MARKS, UNIT_BYTES
from novelkit.encoding.decoding import CountingDecoder
from novelkit.encoding.likelihood import code_points, family_of, gain, gain_table, width_table

LEAST_GAIN = 45.0  # nats that the other reading saves, and that it saves more than this one
_LINE_START = 10.0  # nats: most borders lie between two lines, one place in some sixty bytes
_FAMILIES = {"cp950": "big5hkscs", "utf-8-sig": "utf-8"}


def same_family(first: str, second: str) -> bool:
    """Whether two codecs read nearly the same: the variants of Big5, UTF-8 with a mark."""
    return _FAMILIES.get(first, first) == _FAMILIES.get(second, second)


# --- gains of single bytes --------------------------------------------------------------------


def byte_gains(data: bytes, encoding: str) -> np.ndarray:
    """The gain of each byte: that of its character, spread evenly over the character's bytes."""
    if encoding == "utf-8":
        data = data.replace(*OLD_MARKS)  # tell old U+FFFD from new ones
    decoder = CountingDecoder(encoding, keep_mark=True, most=len(data))
    text = decoder.decode(data) + decoder.decode(b"", final=True)
    points = code_points(text)
    family = family_of(encoding)
    widths = width_table(family)[points].astype(int)
    gains = np.zeros(len(data))
    clean = np.ones(len(data), dtype=bool)
    for start, end in decoder.positions:
        clean[start:end] = False
    # What is undecodable saves nothing and costs little: noise explains it as well.
    gains[~clean] = -0.5
    good = points != 0xFFFD
    values = np.repeat((gain_table(family)[points] / widths)[good], widths[good])
    places = np.flatnonzero(clean)
    count = min(len(values), len(places))
    gains[places[:count]] = np.maximum(values[:count], -3.0)
    return gains


@dataclass(frozen=True)
class Part:
    """Bytes [start, end) of a stretch that `encoding` reads better, by `lead` nats."""

    start: int
    end: int
    encoding: str
    lead: float


def _best_stretch(difference: np.ndarray) -> tuple[int, int, float]:
    """The stretch with the largest sum (Kadane)."""
    sums = np.concatenate(([0.0], np.cumsum(difference)))
    lowest = np.minimum.accumulate(sums)
    end = int(np.argmax(sums - lowest))
    start = int(np.argmin(sums[: end + 1]))
    return start, end, float(sums[end] - sums[start])


def _beginnings(data: bytes, encoding: str) -> list[int]:
    """Where a part of another encoding may begin: at every alignment, at lines, after damage."""
    decoder = CountingDecoder(encoding)
    decoder.decode(data)
    lines = [found.end() for found in re.finditer(rb"[\r\n]\n?", data)]
    damage = [start for start, _ in decoder.positions]
    return sorted({0, 1, 2, 3, *lines[:8], *damage[:8]})


def _worth_a_look(data: bytes, rival: str) -> bool:
    """Whether the rival reads any block of the bytes well, at some alignment."""
    family = family_of(rival)
    shifts = range(UNIT_BYTES.get(rival, 1 if family == "utf-8" else 2))
    return any(gain(data[k:].decode(rival, "replace"), family) > LEAST_GAIN / 2 for k in shifts)


def rivals_of(main: str, data: bytes) -> list[str]:
    names = [name for name in MULTIBYTE if name != "cp950"]
    if b"~{" in data:
        names.append("hz")
    return [name for name in names if not same_family(name, main) or name in UNIT_BYTES]


def best_part(data: bytes, main: str, rivals: list[str]) -> Part | None:
    """The part of a short stretch that some other codec reads best."""
    own = byte_gains(data, main)
    best: Part | None = None
    beginnings = _beginnings(data, main)
    for rival in rivals:
        if not _worth_a_look(data, rival):
            continue
        for shift in beginnings:
            if shift >= len(data) or (rival == main and shift % UNIT_BYTES[main] == 0):
                continue
            other = byte_gains(data[shift:], rival)
            if other.sum() < 0 and np.maximum(other, 0).sum() < LEAST_GAIN:
                continue
            start, end, lead = _best_stretch(other - own[shift:])
            start -= start % UNIT_BYTES.get(rival, 1)  # where a character of the rival begins
            if lead > (best.lead if best else 0.0):
                best = Part(shift + start, shift + end, rival, lead)
    return best


# --- borders ----------------------------------------------------------------------------------


def border(data: bytes, place: int, left: str, right: str, left_start: int) -> int:
    """Move a border to where both readings together save the most; line starts come first."""
    place = min(max(place, left_start), len(data))
    near = range(max(left_start, place - 8), min(len(data), place + 8) + 1)
    lines = [
        found.end()
        for found in re.finditer(rb"\n", data[place - 64 if place > 64 else 0 : place + 64])
    ]
    offset = max(0, place - 64)
    places = sorted({*near, *(offset + x for x in lines if offset + x >= left_start)})
    low, high = max(left_start, place - 160), place + 160
    unit = UNIT_BYTES.get(left)
    if unit:
        low = left_start + max(0, low - left_start) // unit * unit
    elif low > left_start:
        newline = data.rfind(b"\n", left_start, low)
        low = newline + 1 if newline >= 0 else left_start
    values = []
    for x in places:
        bonus = _LINE_START if data[x - 1 : x] == b"\n" else 0.0
        values.append(reading_gain(data[low:x], left) + reading_gain(data[x:high], right) + bonus)
    best = max(values)
    tied = [x for x, value in zip(places, values, strict=True) if value > best - 0.5]
    if left in UNIT_BYTES or right in UNIT_BYTES:
        return tied[0]
    return _line_start(data, tied[0])


def reading_gain(data: bytes, encoding: str) -> float:
    text = data.decode(encoding, "replace")
    return float(gain_table(family_of(encoding))[code_points(text)].sum())


def _line_start(data: bytes, place: int) -> int:
    """The last line start within the run of ASCII around a border, else the border itself."""
    low = place
    while low > 0 and data[low - 1] < 0x80 and place - low < 200:
        low -= 1
    high = place
    while high < len(data) and data[high] < 0x80 and high - place < 200:
        high += 1
    found = data.rfind(b"\n", low, high)
    return found + 1 if found >= 0 else place
