"""A file whose parts have different encodings, cut into its parts.

Covers parts of about twelve hanzi and more that another codec reads as good Chinese text, parts
that begin with a byte order mark of their own, and UTF-16/32 that goes on at an odd byte after one
was lost. Conservative: bytes that no codec reads well are damage in the part around them. Borders
lie where the two readings together are the most likely, at a line start where that leaves several.
"""

import codecs
import re
from collections.abc import Iterator

from novelkit.encoding.borders import (
    LEAST_GAIN,
    Part,
    best_part,
    border,
    reading_gain,
    rivals_of,
)
from novelkit.encoding.candidates import UNIT_BYTES
from novelkit.encoding.decoding import Segment, plain_codec
from novelkit.encoding.likelihood import judge
from novelkit.encoding.sources import ByteSource, find, sample_windows
from novelkit.encoding.survey import Survey, survey

_SHORT = 4 * 1024  # bytes; a longer stretch is sampled and only its two ends are read closely
_MARGIN = 128
_MOST_TESTS = 300  # weak stretches that are looked into, the longest first
_MOST_SEGMENTS = 200
_LEAST_SHARE = 0.6  # of the common hanzi among all hanzi of the other reading
_LEAST_MEAN = -8.3  # mean log P; text in a wrong codec has -11, good text -6.5
_LEAST_HANZI = 10
_SCRAP = 64  # bytes
_CRUMB = 8
# What ends a file before the mark of the next: anything in UTF-8, where no damage looks like it.
_MARKS = {
    codecs.BOM_UTF8: codecs.BOM_UTF8,
    codecs.BOM_UTF16_LE: b"\n\0" + codecs.BOM_UTF16_LE,
    codecs.BOM_UTF16_BE: b"\0\n" + codecs.BOM_UTF16_BE,
}
_NEW_PART = 25.0  # nats that a further part must save


# --- the search -------------------------------------------------------------------------------


def split(source: ByteSource, main: Survey) -> list[tuple[Segment, Survey]]:
    """The parts of a file that was read with one codec, each with the survey of its own codec."""
    done: list[Survey] = []
    waiting = [main]
    seen: set[tuple[int, int, str]] = set()
    while waiting:
        current = waiting.pop()
        seen.add((current.start, current.end, current.encoding))
        pieces = _cut(source, current) if len(done) + len(waiting) < _MOST_SEGMENTS else []
        # Two codecs that each find the other better would go round in circles.
        if pieces and not any((p.start, p.end, p.encoding) in seen for p in pieces):
            waiting += pieces
        else:
            done.append(current)
    done.sort(key=lambda part: part.start)
    done = _cut_at_marks(source, _join(source, done))
    return [(Segment(part.start, part.end, part.encoding), part) for part in done]


def _cut(source: ByteSource, current: Survey) -> list[Survey]:
    """The survey cut at the foreign parts that are found in it; empty without one."""
    stretches = sorted(current.weak, key=lambda pair: pair[0] - pair[1])[:_MOST_TESTS]
    borders: list[tuple[int, int, str]] = []
    for stretch in sorted(stretches):
        part = _foreign_part(source, current, stretch)
        if part and not _in_step(part, current) and (not borders or part.start >= borders[-1][1]):
            borders.append((part.start, part.end, part.encoding))
    if not borders:
        return []
    pieces, place = [], current.start
    # The rest of a file with a byte order mark has none.
    rest = _plain(source, current)
    for start, end, encoding in [*borders, (current.end, current.end, "")]:
        if start > place:
            own = current.encoding if place == current.start else rest
            pieces.append(survey(source, place, start, own))
        if end > start:
            pieces.append(survey(source, start, end, encoding))
        place = end
    return pieces


def _in_step(part: Part, current: Survey) -> bool:
    """Whether a part is in the codec of the whole, at the same alignment: no part of its own."""
    unit = UNIT_BYTES.get(part.encoding, 1)
    return part.encoding == current.encoding and (part.start - current.start) % unit == 0


def _plain(source: ByteSource, current: Survey) -> str:
    return plain_codec(current.encoding, source.read(current.start, current.start + 4))[0]


def _foreign_part(source: ByteSource, current: Survey, stretch: tuple[int, int]) -> Part | None:
    low = max(current.start, stretch[0] - _MARGIN)
    high = min(current.end, stretch[1] + _MARGIN)
    main = _plain(source, current)
    low = _own_boundary(source, current, low, main)
    if high - low > _SHORT:
        return _long_part(source, current, (low, high), main)
    data = source.read(low, high)
    part = best_part(data, main, rivals_of(main, data))
    if part is None or part.lead < LEAST_GAIN:
        return None
    start, end = part.start, part.end
    if start:
        start = border(data, start, main, part.encoding, 0)
    start = _from_edge(source, current, low + start, part.encoding) - low
    if end < len(data):
        end = start + border(data[start:], end - start, part.encoding, main, 0)
    rest = source.read(low + end, current.end) if current.end - low - end < _SCRAP else b""
    if rest and not _worth(rest, main, part.encoding):
        end = current.end - low
    if not reads_well(data[start:end], part.encoding):
        return None
    return Part(low + start, low + end, part.encoding, part.lead)


def _from_edge(source: ByteSource, current: Survey, start: int, rival: str) -> int:
    """A part that begins close behind the beginning of the whole begins there, if it can."""
    if not 0 < start - current.start < _SCRAP:
        return start
    near, edge = source.read(start, start + _MARGIN), source.read(current.start, start + _MARGIN)
    scrap = source.read(current.start, start)
    in_step = reading_gain(edge, rival) > reading_gain(near, rival) - _NEW_PART
    own = reading_gain(scrap, _plain(source, current))
    return current.start if in_step and own < reading_gain(scrap, rival) + _NEW_PART else start


def _worth(scrap: bytes, own: str, neighbour: str) -> bool:
    """Whether a few bytes at an end are a part of their own rather than the neighbour's."""
    return bool(scrap) and reading_gain(scrap, own) > reading_gain(scrap, neighbour) + _NEW_PART


def _own_boundary(source: ByteSource, current: Survey, place: int, main: str) -> int:
    """A character boundary of the current codec at or before `place`."""
    unit = UNIT_BYTES.get(main)
    if place <= current.start:
        return current.start
    if unit:
        return place - (place - current.start) % unit
    before = source.read(max(current.start, place - 512), place)
    newline = before.rfind(b"\n")
    if newline >= 0:
        return place - len(before) + newline + 1
    # Without a line start: where the text up to here reads best.
    shifts = range(min(4, len(before)))
    best = max(shifts, key=lambda shift: reading_gain(before[shift:], main))
    return place - len(before) + best


def reads_well(data: bytes, encoding: str) -> bool:
    """Whether these bytes are good Chinese text in that codec."""
    fit = judge(data.decode(encoding, "replace"))
    return (
        fit.hanzi >= _LEAST_HANZI and fit.common_share >= _LEAST_SHARE and fit.mean >= _LEAST_MEAN
    )


def _long_part(
    source: ByteSource, current: Survey, stretch: tuple[int, int], main: str
) -> Part | None:
    """A long stretch: the codec by samples of it, the borders by its two ends."""
    votes: dict[str, float] = {}
    samples = [source.read(*window) for window in sample_windows(source, *stretch)]
    if len(samples) == 1:
        samples = [samples[0][start : start + 2048] for start in range(0, len(samples[0]), 2048)]
    for sample in samples:
        part = best_part(sample, main, rivals_of(main, sample))
        good = part and reads_well(sample[part.start : part.end], part.encoding)
        if part and good and part.lead >= LEAST_GAIN:
            votes[part.encoding] = votes.get(part.encoding, 0.0) + part.lead
    if not votes:
        return None
    rival = max(votes, key=votes.__getitem__)
    start = _first_border(source, current, stretch, main, rival)
    end = _last_border(source, current, (start, stretch[1]), main, rival)
    return Part(start, end, rival, votes[rival]) if end - start > _LEAST_HANZI else None


def _blocks(stretch: tuple[int, int], size: int) -> Iterator[tuple[int, int]]:
    for start in range(stretch[0], stretch[1], size):
        yield start, min(start + size, stretch[1])


def _first_border(
    source: ByteSource, current: Survey, stretch: tuple[int, int], main: str, rival: str
) -> int:
    """Where the rival's part begins: in the first block in which the rival reads better."""
    for low, high in _blocks(stretch, 2048):
        begin = _own_boundary(source, current, low, main)
        data = source.read(begin, high)
        part = best_part(data, main, [rival])
        if part and part.lead >= LEAST_GAIN and reads_well(data[part.start : part.end], rival):
            start = begin + border(data, part.start, main, rival, 0)
            return _from_edge(source, current, start, rival)
    return stretch[0]


def _last_border(
    source: ByteSource, current: Survey, stretch: tuple[int, int], main: str, rival: str
) -> int:
    """Where the rival's part ends: in the last block in which the rival reads better."""
    for low, high in reversed(list(_blocks(stretch, 2048))):
        begin = low - (low - stretch[0]) % UNIT_BYTES.get(rival, 1)
        data = source.read(begin, high)
        part = best_part(data, main, [rival])
        if part and part.lead >= LEAST_GAIN:
            window = source.read(begin + part.start, min(high + _MARGIN, current.end))
            end = begin + part.start + border(window, part.end - part.start, rival, main, 0)
            rest = source.read(end, min(end + _SCRAP, current.end))
            short = current.end - end < _SCRAP
            return current.end if short and not _worth(rest, main, rival) else end
    return stretch[1]


def _join(source: ByteSource, parts: list[Survey]) -> list[Survey]:
    """Neighbours of one encoding become one part again, unless their units are out of step.

    A few bytes that were left over between two parts go to the one before.
    """
    joined: list[Survey] = []
    for part in parts:
        before = joined[-1] if joined else None
        unit = UNIT_BYTES.get(part.encoding, 1)
        if before and part.end - part.start < _CRUMB:
            joined[-1] = survey(source, before.start, part.end, before.encoding)
        elif (
            before and before.encoding == part.encoding and (part.start - before.start) % unit == 0
        ):
            joined[-1] = survey(source, before.start, part.end, part.encoding)
        else:
            joined.append(part)
    return joined


def _cut_at_marks(source: ByteSource, parts: list[Survey]) -> list[Survey]:
    """A file that begins with a mark and holds a second one is two files, put together."""
    head = source.read(parts[0].start, parts[0].start + 3)
    mark = next((mark for mark in _MARKS if head.startswith(mark)), None)
    if mark is None or parts[0].encoding not in ("utf-8-sig", "utf-16"):
        return parts
    cut: list[Survey] = []
    for part in parts:
        place = part.start
        while part.encoding == parts[0].encoding and len(cut) < _MOST_SEGMENTS:
            found = find(source, re.escape(_MARKS[mark]), place + len(mark))
            found += len(_MARKS[mark]) - len(mark) if found >= 0 else 0
            if not 0 <= found < part.end or (found - part.start) % (1 if len(mark) == 3 else 2):
                break
            cut.append(survey(source, place, found, part.encoding))
            place = found
        cut.append(part if place == part.start else survey(source, place, part.end, part.encoding))
    return cut
