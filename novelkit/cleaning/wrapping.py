"""How a text was hard-wrapped: its width, its marks of a paragraph, and whether a line goes on.

A text is taken as wrapped where a large share of its lines have nearly the same, greatest length
and many of those stop in the middle of a clause. Verse has lines of one length too, but its
lines stop at punctuation. Where nothing marks a paragraph, the text itself tells how probable
one is behind a full line: from what its short lines end with (Bayes' rule over ten classes).
A stretch of wrapped lines in a book of whole paragraphs (a letter, a memorial) must show more, and
unless its paragraphs are marked or it is long, only lines that stop inside a sentence go on.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from math import ceil
from typing import NamedTuple

_SPACES = " \u3000\t\xa0"
_CLOSERS = "”’」』）)】》〉\"'"
_OPENERS = "“‘「『（(【《〈"
_NOT_FIRST = "，。、；：！？…—" + _CLOSERS  # no line begins with these where kinsoku is kept
_ENDS = "。！？!?…；：:—～~"
_KINDS = ("。.", "！？!?…", _CLOSERS, "：:；—～~")
_KIND = {mark: kind for kind, marks in reversed([*enumerate(_KINDS)]) for mark in marks}
_MARKS = re.compile("[，、。；：？！]")
_CLAUSE_ENDS = frozenset("，、。；？！")
_LONGEST_CLAUSE = 7  # hanzi; longer ones of one length are parallel prose
_FEWEST_LINES = 20
_NEAR = 4  # columns that a full line may lack in a carelessly wrapped text
_INDENTATION = 2  # columns of space, a full-width space counting two
_UNFINISHED = 0.2  # share of the full lines that stop in the middle of a clause
# What a stretch must show where the book around it has whole paragraphs.
_STRETCH_UNFINISHED = 0.5
_CERTAIN_LINES, _CERTAIN_FULL = 40, 0.7


class Line(NamedTuple):
    """A filled line: its index, text, indentation in columns, width in hanzi, blanks before it."""

    place: int
    text: str
    indent: int
    width: float
    blanks: int
    ended: bool  # a sentence ends with the line


@dataclass(frozen=True)
class Wrapping:
    """Width in hanzi, the usual indentation, and what marks the end of a paragraph."""

    width: float
    baseline: int  # columns
    indents: bool  # paragraphs begin with an indentation
    blanks: bool  # paragraphs end with an empty line
    spacing: int  # empty lines between all lines
    slack: int  # hanzi that a full line may lack
    first_short: int  # hanzi that a first line lacks, whose indentation was removed
    endings: frozenset  # classes of full lines behind which a paragraph more often ends
    certain: bool = True  # otherwise no line goes on that ends a sentence


def line_width(text: str) -> float:
    """Width in hanzi: ASCII counts one half, the way a fixed-width page shows it."""
    narrow = len(text.encode("ascii", "ignore"))
    return len(text) - narrow / 2 if narrow else len(text)


def read_lines(lines: Iterable[str], start: int = 0) -> list[Line]:
    """The filled lines, measured; `start` is the index of the first one."""
    result: list[Line] = []
    blanks = 0
    for index, line in enumerate(lines, start):
        text = line.strip(_SPACES)
        if not text:
            blanks += 1
            continue
        width, indent = line_width(text), 0
        if line[0] in _SPACES:
            indent = _indent(line)
            width += indent / 2
        last = text[-1] if text[-1] not in _CLOSERS else text.rstrip(_CLOSERS)[-1:]
        # Nothing but a closer that found no room: the line before tells what ends here.
        ended = last in _ENDS if last else bool(result) and result[-1].ended
        result.append(Line(index, text, indent, width, blanks, ended))
        blanks = 0
    return result


def _indent(line: str) -> int:
    """Columns of leading space, a full-width space counting two, a tabulator four."""
    head = line[: len(line) - len(line.lstrip(_SPACES))]
    return len(head) + head.count("\u3000") + 3 * head.count("\t")


def find_wrapping(lines: list[Line]) -> Wrapping | None:
    """The wrapping of a text, None where its lines are whole paragraphs."""
    return _find_wrapping(lines, _UNFINISHED)


def find_stretch(lines: list[Line]) -> Wrapping | None:
    """The wrapping of a stretch in a book of whole paragraphs, None where it may be none."""
    wrapping = _find_wrapping(lines, _STRETCH_UNFINISHED)
    if wrapping is None:
        return None
    full = sum(wrapping.width - 2 <= round(line.width) <= wrapping.width for line in lines)
    long = len(lines) >= _CERTAIN_LINES and full >= _CERTAIN_FULL * len(lines)
    return replace(wrapping, certain=wrapping.indents or wrapping.blanks or long)


def _find_wrapping(lines: list[Line], least_unfinished: float) -> Wrapping | None:
    if len(lines) < _FEWEST_LINES:
        return None
    widths = Counter(round(line.width) for line in lines)
    width = _common_width(widths)
    near = [line for line in lines if width - 2 <= round(line.width) <= width]
    longer = sum(count for own, count in widths.items() if own > width + 1)
    if len(near) < 0.3 * len(lines) or longer > 0.08 * len(lines):
        return None
    unfinished = (line for line in near if not line.ended and line.text[-1] not in "，、,")
    # Verse without punctuation ends every line in a word too, but has nothing inside its lines.
    punctuated = (line for line in near if _MARKS.search(line.text, 0, len(line.text) - 1))
    if not _holds(unfinished, least_unfinished * len(near)):
        return None
    if not _holds(punctuated, 0.3 * len(near)):
        return None
    # Not the most common indentation: where paragraphs are short most lines are first lines.
    indents = Counter(line.indent for line in lines)
    baseline = min(indent for indent, count in indents.items() if count >= 0.1 * len(lines))
    deeper = sum(count for own, count in indents.items() if own >= baseline + _INDENTATION)
    spaced = sum(line.blanks > 0 for line in lines)
    spacing = int(spaced >= 0.9 * len(lines))
    blanks = spaced > 0 and _blanks_mark(lines, width, spacing)
    indented = deeper > 0.02 * len(lines)
    slack, first_short = 0, 0
    endings: frozenset = frozenset()
    if not indented and not blanks:
        slack, first_short = _carelessness(lines, width)
        endings = _endings(lines, width, slack + first_short)
    return Wrapping(width, baseline, indented, blanks, spacing, slack, first_short, endings)


def _holds(lines: Iterator[Line], least: float) -> bool:
    """Whether there are at least so many lines; those behind are not looked at."""
    return least <= 0 or sum(1 for _ in islice(lines, ceil(least))) >= least


def _common_width(counts: Counter[int]) -> int:
    """The greatest width that many lines have."""
    sums = {w: sum(counts[w - lack] for lack in range(3)) for w in counts if w >= 12}
    width = max(sums, key=lambda w: sums[w], default=0)
    most = max(counts[width - lack] for lack in range(3))
    while counts[width] < 0.15 * most:
        width -= 1
    return width


def _blanks_mark(lines: list[Line], width: int, spacing: int) -> bool:
    """Whether empty lines stand between paragraphs: most short lines that end have one behind."""
    short = after = 0
    for line, following in zip(lines, lines[1:], strict=False):
        if line.width < width - _NEAR and line.ended:
            short += 1
            after += following.blanks > spacing
    return after >= 0.6 * max(short, 1)


def _lack(line: Line, following: Line, width: float) -> int:
    """Hanzi by which a line is short of the width without the kinsoku that would explain it."""
    lack = int(width - line.width)
    if 1 <= lack <= 3:
        head = following.text
        if head[lack : lack + 1] in _NOT_FIRST or head[lack - 1] in _OPENERS:
            return 0
    return max(0, lack)


def _carelessness(lines: list[Line], width: int) -> tuple[int, int]:
    """(hanzi that full lines lack, hanzi that first lines lack since they lost their indentation).

    From lines in the middle of a sentence, which surely go on.
    """
    lacks: Counter[int] = Counter()
    nearly, blanks = width - _NEAR, lines[1].blanks
    for line, following in zip(lines, lines[1:], strict=False):
        if not line.ended and line.width >= nearly and following.blanks == blanks:
            lacks[0 if line.width >= width else _lack(line, following, width)] += 1
    first_short = 2 if lacks[2] >= max(3 * lacks[1] + 5, 0.03 * lacks.total()) else 0
    if first_short:
        lacks[2] = 0
    slack = 0
    while slack < _NEAR and sum(lacks[n] for n in range(slack + 1)) < 0.97 * lacks.total():
        slack += 1
    return slack, first_short


def _class(line: Line, following: Line) -> tuple[int, bool]:
    """What the line ends with and whether the next one opens a speech."""
    return _KIND.get(line.text[-1], len(_KINDS)), following.text[0] in _OPENERS


def _endings(lines: list[Line], width: int, lacking: int) -> frozenset:
    """The classes of full lines that end a paragraph with more than one half probability.

    The last line of a paragraph is full in one case of `width`, so a class with `n` short last
    lines has n / width full ones among all its full lines.
    """
    short: Counter[tuple] = Counter()
    full: Counter[tuple] = Counter()
    for line, following in zip(lines, lines[1:], strict=False):
        if line.width < width - lacking - 1:
            short[_class(line, following)] += 1
        elif line.width >= width:
            full[_class(line, following)] += 1
    return frozenset(kind for kind in short if short[kind] / width > 0.5 * full[kind])


def goes_on(
    line: Line, following: Line, wrapping: Wrapping, first: bool = False, after: Line | None = None
) -> bool:
    """Whether `following` continues the paragraph of `line`, which may be its first line.

    `after` is the line behind `following`.
    """
    near = line.width >= wrapping.width - _NEAR
    if not wrapping.certain and (line.ended or not near):
        return False
    if following.indent >= wrapping.baseline + _INDENTATION:
        # A letter set deeper than the text is wrapped too.
        return near and not line.ended and line.indent == following.indent
    # A short line inside a sentence, with a full one before it, was cut by the end of a page.
    # No paragraph begins with a comma.
    broken = not line.ended and (near or not first or following.text[0] in _CLAUSE_ENDS)
    if following.blanks > wrapping.spacing:
        return broken and (near or not wrapping.blanks)
    if wrapping.indents:
        return near or not line.ended
    if wrapping.blanks:
        return near or broken
    if not line.ended:
        return broken
    lacking = wrapping.slack + (wrapping.first_short if first else 0)
    if _lack(line, following, wrapping.width) > lacking:
        return False
    if wrapping.first_short and after is not None:
        opens = _opens_paragraph(following, after, wrapping)
        if opens is not None:
            return not opens
    return _class(line, following) not in wrapping.endings


def _opens_paragraph(line: Line, following: Line, wrapping: Wrapping) -> bool | None:
    """Whether a line that goes on lacks the width of a lost indentation; None where untold."""
    lack = wrapping.width - line.width
    if lack < wrapping.first_short:
        return False
    if lack == wrapping.first_short == _lack(line, following, wrapping.width) and not line.ended:
        return True
    return None


def is_couplet(line: Line, following: Line) -> bool:
    """Whether two lines are verse: as long as each other, both of clauses of one length."""
    one, other = line.text, following.text
    if one[-1] not in _CLAUSE_ENDS or len(one) != len(other) or other[-1] not in _CLAUSE_ENDS:
        return False
    clauses = {len(clause) for text in (one, other) for clause in _MARKS.split(text[:-1])}
    return len(clauses) == 1 and max(clauses) <= min(_LONGEST_CLAUSE, len(one) - 2)
