"""Mojibake undone: the bytes of one codec that were read with another, where that can be reversed.

Covers UTF-8, GB18030 and Big5 read with one another or as Western text, UTF-8 up to twice over, in
a whole text and in stretches of an otherwise good one. Does not guess: what does not lead back to
good Chinese is left alone, and characters that were lost on the way stay lost.
"""

import bisect
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from novelkit.encoding.borders import LEAST_GAIN, Part, best_part, byte_gains
from novelkit.encoding.decoding import plain_codec
from novelkit.encoding.likelihood import code_points, family_of, gain, judge
from novelkit.encoding.misreadings import (
    CP1252_BYTES,
    FEWEST_HANZI,
    MISREADINGS,
    NAMES,
    PIECE,
    PIECES,
    SINGLE_BYTE,
    bytes_of,
    lossy_misreading,
    misreading_of,
    undo,
)
from novelkit.encoding.segments import reads_well
from novelkit.encoding.sources import ByteSource
from novelkit.encoding.survey import Survey, weak_blocks

_LINE_BONUS = 10.0  # nats: stretches are mostly whole lines
_MARGIN = 40  # characters around a weak stretch
_LONGEST = 20_000  # characters of a weak stretch that are looked through at a time
_MOST_STRETCHES = 200
_WESTERN = "".join(chr(point) for point in sorted(CP1252_BYTES) if point >= 0x80)
_WESTERN_RUN = re.compile(f"[\x20-\x7e\r\n\t{re.escape(_WESTERN)}\x80-\x9f\ufffd]+")


@dataclass(frozen=True)
class Stretch:
    """[start, end) of a text (characters) or a file (bytes) that is mojibake, and how it came."""

    start: int
    end: int
    how: str
    reversible: bool = True


@dataclass(frozen=True)
class Repair:
    """Text after the reversal of mojibake; `how` (UTF-8 被当成 cp1252 读) is None without one.

    `stretches` are the character ranges of the text before the repair that were mojibake; none
    where the whole text was.
    """

    text: str
    how: str | None
    stretches: tuple[Stretch, ...] = ()


def repair(text: str) -> Repair:
    """Undo mojibake in a whole text, or in the stretches of a good one that are mojibake.

    Only where the way back loses nothing more and the result reads clearly better.
    """
    if text.isascii():
        return Repair(text, None)
    points = code_points(text)
    weak = weak_blocks(points, "utf-8")
    telling = int((points >= 0x80).sum())
    spoilt = sum(int((points[start:end] >= 0x80).sum()) for start, end in weak)
    if 2 * spoilt >= telling:
        undone, how = undo(text)
        if how:
            return Repair(undone, how)
    return _repair_stretches(text, weak)


def repair_stream(texts: Iterable[str], characters: int = 1 << 20) -> Iterator[Repair]:
    """`repair` for a text that comes in pieces: its lines, about so many characters at a time."""
    waiting = ""
    for text in texts:
        waiting += text
        end = waiting.rfind("\n") + 1
        if len(waiting) >= characters and end:
            yield repair(waiting[:end])
            waiting = waiting[end:]
    if waiting:
        yield repair(waiting)


# --- stretches --------------------------------------------------------------------------------


def _repair_stretches(text: str, weak: Sequence[tuple[int, int]]) -> Repair:
    """Put what the stretches were in their places; the rest of the text stays as it is."""
    found = find_stretches(text, weak)
    if not found:
        return Repair(text, None)
    parts, place = [], 0
    for stretch, undone in found:
        parts += [text[place : stretch.start], undone]
        place = stretch.end
    ways = "、".join(dict.fromkeys(stretch.how for stretch, _ in found))
    how = f"其中 {len(found)} 段{ways}"
    stretches = tuple(stretch for stretch, _ in found)
    return Repair("".join([*parts, text[place:]]), how, stretches)


def find_stretches(text: str, weak: Sequence[tuple[int, int]]) -> list[tuple[Stretch, str]]:
    """The stretches of mojibake around the weak character ranges, with what they were."""
    found: list[tuple[Stretch, str]] = []
    place = 0
    for first, last in _regions(weak, len(text)):
        for stretch, undone in _in_region(text, max(first, place), last):
            if stretch.start >= place:
                found.append((stretch, undone))
                place = stretch.end
    return found


def _regions(weak: Sequence[tuple[int, int]], size: int) -> Iterator[tuple[int, int]]:
    for first, last in weak[:_MOST_STRETCHES]:
        for start in range(max(0, first - _MARGIN), last, _LONGEST):
            yield start, min(start + _LONGEST, last + _MARGIN, size)


def _in_region(text: str, first: int, last: int) -> list[tuple[Stretch, str]]:
    found = _western(text, first, last)
    return found or _chinese(text, first, last)


def _western(text: str, first: int, last: int) -> list[tuple[Stretch, str]]:
    """Runs of Western letters and marks that are the bytes of Chinese."""
    found = []
    for run in _WESTERN_RUN.finditer(text, first, last):
        for low, high in _bodies(text, *run.span()):
            undone, how = undo(text[low:high])
            if how and judge(undone).hanzi >= FEWEST_HANZI:
                found.append((Stretch(low, high, how), undone))
                break
    return found


def _bodies(text: str, low: int, high: int) -> Iterator[tuple[int, int]]:
    """What of a run of Western characters to try: its whole lines, then all that is not ASCII."""
    body = text[low:high]
    inner = re.search(r"[^\x00-\x7f](?s:.*[^\x00-\x7f])?", body)
    if not inner:
        return
    # A line that goes on beyond the run has only lent it a quotation mark or a few spaces.
    starts = low == 0 or text[low - 1] == "\n"
    ends = high == len(text) or text[high] == "\n"
    first = low if starts else text.find("\n", low, high) + 1 or low
    last = high if ends else text.rfind("\n", low, high)
    last = last if last > first else high
    yield from dict.fromkeys(
        ((first, last), (low, last), (first, high), (low + inner.start(), low + inner.end()))
    )


def _chinese(text: str, first: int, last: int) -> list[tuple[Stretch, str]]:
    """The best stretch of hanzi that are the bytes of other hanzi: as a foreign part of a file."""
    best: tuple[float, Stretch, str] | None = None
    body = text[first:last]
    for true, wrong in MISREADINGS:
        if wrong in SINGLE_BYTE:
            continue
        raw = [bytes_of(character, wrong) for character in body]
        data = b"".join(raw)
        part = best_part(data, wrong, [true])
        if part is None or part.lead < LEAST_GAIN or (best and part.lead <= best[0]):
            continue
        borders = [0]
        for piece in raw:
            borders.append(borders[-1] + len(piece))
        snapped = _snap(data, borders, part, wrong)
        if snapped and reads_well(data[borders[snapped[0]] : borders[snapped[1]]], true):
            low, high = snapped
            undone = data[borders[low] : borders[high]].decode(true, "replace")
            how = f"{NAMES[true]} 被当成 {NAMES[wrong]} 读"
            best = (part.lead, Stretch(first + low, first + high, how), undone)
    return [best[1:]] if best else []


def _snap(data: bytes, borders: list[int], part: Part, wrong: str) -> tuple[int, int] | None:
    """Character indices between which the true codec reads everything and gains the most.

    They lie near the byte borders that were found; the ends of lines come first.
    """
    own = np.concatenate(([0.0], np.cumsum(byte_gains(data, wrong))))
    family = family_of(part.encoding)
    best: tuple[float, int, int] | None = None
    for low in _near(data, borders, part.start):
        for high in _near(data, borders, part.end):
            start, end = borders[low], borders[high]
            piece = data[start:end]
            if not piece or _damage(piece, part.encoding) > piece.count(b"\xff"):
                continue
            lines = (data[start - 1 : start] in (b"", b"\n")) + (
                data[end : end + 1] in (b"", b"\n")
            )
            text = piece.decode(part.encoding, "replace")
            value = gain(text, family) - (own[end] - own[start]) + _LINE_BONUS * lines
            if best is None or value > best[0]:
                best = (value, low, high)
    return best[1:] if best else None


def _near(data: bytes, borders: list[int], place: int) -> set[int]:
    """Indices of the character borders next to a byte, and of the ends of the line around it."""
    index = bisect.bisect_left(borders, place)
    found = set(range(max(0, index - 2), min(len(borders), index + 3)))
    before, after = data.rfind(b"\n", 0, place + 1), data.find(b"\n", place)
    for byte in (before, before + 1, after if after >= 0 else len(data), after + 1):
        if 0 <= byte <= len(data) and abs(byte - place) <= 40:
            found.add(bisect.bisect_left(borders, byte))
    return found


def _damage(data: bytes, encoding: str) -> int:
    return data.decode(encoding, "replace").count("\ufffd")


# --- mojibake of a file -----------------------------------------------------------------------


def find_mojibake(
    source: ByteSource, surveys: Sequence[Survey]
) -> tuple[str | None, tuple[Stretch, ...]]:
    """(how the whole text came to be mojibake, the byte ranges of stretches of it)."""
    telling = sum(part.telling for part in surveys)
    weak = sum(part.weak_telling for part in surveys)
    if not weak:
        return None, ()
    if 2 * weak >= telling:
        beginning = _beginning(source, surveys)
        how = misreading_of(beginning) or lossy_misreading(beginning[: PIECES * PIECE])
        if how:
            return how, ()
    found: list[Stretch] = []
    for part in surveys:
        for low, high in part.weak[: _MOST_STRETCHES - len(found)]:
            found += _in_file(source, part, low, high)
    return None, tuple(found)


def _beginning(source: ByteSource, surveys: Sequence[Survey]) -> str:
    """The text of the first weak stretches: where the mojibake begins, if the file is mojibake."""
    texts = []
    room = 64 * 1024
    for part in surveys:
        codec, _ = plain_codec(part.encoding, source.read(part.start, part.start + 4))
        for low, high in part.weak[:20]:
            texts.append(source.read(low, min(high, low + room)).decode(codec, "replace"))
            room -= high - low
            if room <= 0:
                return "\n".join(texts)
    return "\n".join(texts)


def _in_file(source: ByteSource, part: Survey, low: int, high: int) -> list[Stretch]:
    """Stretches of mojibake near the bytes [low, high), as byte ranges."""
    codec, _ = plain_codec(part.encoding, source.read(part.start, part.start + 4))
    if not codec.startswith("utf-") or high - low < 2 * FEWEST_HANZI:
        return []  # the Chinese codecs cannot write what a misreading yields
    unit = {"utf-16": 2, "utf-32": 4}.get(codec[:6], 1)
    low = max(part.start, low - (low - part.start) % unit - 4 * _MARGIN)
    high = min(part.end, high + 4 * _MARGIN, low + 4 * _LONGEST)
    text = source.read(low, high).decode(codec, "replace")
    weak = weak_blocks(code_points(text), "utf-8")
    lost = text.startswith("\ufffd")  # a character cut by the margin: three bytes, one to two marks
    found = []
    for stretch, _ in find_stretches(text, weak):
        start, end = (
            low + len(text[:place].encode(codec, "surrogatepass")) - 2 * lost
            for place in (stretch.start, stretch.end)
        )
        found.append(Stretch(start, end, stretch.how, stretch.reversible))
    return found
