"""Hard-wrapped lines rejoined into paragraphs.

A book of which most lines are wrapped is measured as a whole, and each chapter that differs by
itself: chapters of different widths come out right. In a book of whole paragraphs every stretch
between two long lines is measured by itself: one wrapped chapter, or one wrapped letter. Does not
cover two widths inside one chapter. How wrapping is found is in `wrapping`.
"""

from novelkit.cleaning.heading_search import find_headings
from novelkit.cleaning.wrapping import (
    Line,
    Wrapping,
    find_stretch,
    find_wrapping,
    goes_on,
    is_couplet,
    line_width,
    read_lines,
)

__all__ = ["find_wrapping", "line_width", "unwrap"]

_SPACES = " \u3000\t\xa0"
_WIDEST = 60  # hanzi: a longer line is a whole paragraph
_FEW_LONG = 0.08  # share of whole paragraphs among the lines of a wrapped book


def unwrap(text: str) -> tuple[str, list[tuple[str, str]]]:
    """Rejoin wrapped lines; returns the text and the (line, next line) pairs that were joined."""
    lines = text.split("\n")
    long = _long_lines(lines)
    sections = _sections(lines, sorted({*find_headings(lines), *long}))
    measured = [line for section in sections for line in section]
    wrapped = len(long) <= _FEW_LONG * (len(long) + len(measured))
    whole = find_wrapping(measured) if wrapped else None
    joins: list[tuple[Line, Line]] = []
    for section in sections:
        wrapping = _choose(section, whole) if whole else find_stretch(section)
        if wrapping:
            joins += _joins(section, wrapping)
    if not joins:
        return text, []
    pairs = [(lines[line.place], lines[following.place]) for line, following in joins]
    return _apply(lines, joins), pairs


def _long_lines(lines: list[str]) -> list[int]:
    return [
        index
        for index, line in enumerate(lines)
        if len(line) > _WIDEST and line_width(line.strip(_SPACES)) > _WIDEST
    ]


def _sections(lines: list[str], cuts: list[int]) -> list[list[Line]]:
    """The measured lines between headings and lines that are whole paragraphs."""
    ends = [*cuts, len(lines)]
    return [
        read_lines(lines[start + 1 : end], start + 1)
        for start, end in zip([-1, *cuts], ends, strict=True)
        if end - start > 2
    ]


def _choose(section: list[Line], whole: Wrapping) -> Wrapping | None:
    """The wrapping of the whole text, unless the chapter has lines of another length."""
    longer = sum(line.width > whole.width + 1 for line in section)
    full = sum(whole.width - 2 <= line.width <= whole.width for line in section)
    fits = longer <= 0.08 * len(section)
    if fits and full >= 0.3 * len(section):
        return whole
    own = find_wrapping(section)
    return own if own and abs(own.width - whole.width) > 1 else whole if fits else own


def _joins(section: list[Line], wrapping: Wrapping) -> list[tuple[Line, Line]]:
    joins: list[tuple[Line, Line]] = []
    first = True
    followers: list[Line | None] = [*section[2:], None]
    for line, following, after in zip(section, section[1:], followers, strict=False):
        first = not goes_on(line, following, wrapping, first, after)
        first = first or is_couplet(line, following)
        if not first:
            joins.append((line, following))
    return joins


def _apply(lines: list[str], joins: list[tuple[Line, Line]]) -> str:
    """The text with each following line behind its line; empty lines between them go."""
    result: list[str] = []
    done = 0
    for line, following in joins:
        if line.place >= done:
            result += lines[done : line.place + 1]
        result[-1] = _join(result[-1], following.text)
        done = following.place + 1
    return "\n".join(result + lines[done:])


def _join(line: str, right: str) -> str:
    left = line.rstrip(_SPACES)
    if not right[0].isascii() or not left[-1:].isascii():
        return left + right
    return f"{left} {right}" if left[-1:].isalnum() and right[0].isalnum() else left + right
