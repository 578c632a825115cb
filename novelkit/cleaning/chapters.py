"""Chapters: a cleaned text cut at its headings, titles taken from the next line where they stand.

Which lines are headings is found by `heading_search`, what a heading looks like is in `headings`.
Does not cover titles over more than two lines.
"""

import re
from statistics import median

from novelkit.cleaning.heading_search import (
    find_headings,
    find_headings_by_layout,
    volume_units,
)
from novelkit.cleaning.headings import LONGEST_HEADING, Heading, parse_heading, tidy
from novelkit.cleaning.novel import Chapter

__all__ = [
    "LONGEST_HEADING",
    "Heading",
    "find_headings",
    "find_headings_by_layout",
    "parse_heading",
    "split_chapters",
    "volume_units",
]

_SPACES = " \u3000\t\xa0"
_LONGEST_TITLE_LINE = 40
_SHORTEST_HALF = 4  # hanzi in one half of a title of two
_MARKS = re.compile(r"[。，！？；：、…—“”「」『』（）()*]")
_PART = re.compile(r"[（(][上中下一二三四五六七八九十]{1,2}[）)]$")


def split_chapters(text: str) -> tuple[Chapter, ...]:
    """Cut a cleaned text (one paragraph a line) at its headings; no text is left out.

    Text before the first heading becomes a chapter with the title "".
    """
    lines = text.split("\n")
    found = find_headings_by_layout(lines)
    volumes = volume_units(found)
    usual = _usual_length(found)
    chapters: list[Chapter] = []
    volume = ""
    starts = sorted(found)
    if not starts or starts[0] > 0:
        starts.insert(0, -1)
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        body = [stripped for line in lines[start + 1 : end] if (stripped := line.strip(_SPACES))]
        heading = found.get(start)
        title = ""
        if heading is not None and heading.unit in volumes:
            volume = heading.full
        elif heading is not None:
            volume = heading.volume or volume
            title, used = _with_next_lines(heading, body, usual)
            body = body[used:]
        if title or body:
            chapters.append(Chapter(title, tuple(body), volume))
    return tuple(chapters)


def _usual_length(found: dict[int, Heading]) -> float:
    """Hanzi in the middle one of the titles, 0 without any."""
    lengths = [len(h.title.replace("　", "")) for h in found.values() if h.number and h.title]
    return median(lengths) if lengths else 0


def _with_next_lines(heading: Heading, body: list[str], usual: float) -> tuple[str, int]:
    """The full title, and how many lines of the text were needed for it."""
    if heading.number is None:
        return heading.full, 0
    lines = [*body[:3], "", "", ""]
    if not _is_title_line(lines[0]) or not lines[1]:
        return heading.full, 0
    first = tidy(lines[0])
    if heading.title:
        return _completed(heading, first, usual)
    both = _is_title_line(lines[1]) and not _is_title_line(lines[2]) and len(body) > 2
    if both and len(lines[1]) == len(lines[0]) >= _SHORTEST_HALF:
        return f"{heading.full}　{first}　{tidy(lines[1])}", 2
    return f"{heading.full}　{first}", 1


def _completed(heading: Heading, rest: str, usual: float) -> tuple[str, int]:
    """A title that a page break cut in two, where both parts make one of the usual length."""
    halves = heading.title.split("　")
    if len(halves) == 2 and len(halves[0]) == len(halves[1]) + len(rest):
        return heading.full + rest, 1
    title, more = heading.title.replace("　", ""), rest.replace("　", "")
    whole = len(title) + len(more)
    if len(title) > 0.6 * usual or abs(whole - usual) > 2 or usual < 2 * _SHORTEST_HALF:
        return heading.full, 0
    gap = "　" if len(title) == len(more) else ""
    return f"{heading.full}{gap}{rest}", 1


def _is_title_line(line: str) -> bool:
    """A short line without punctuation, as titles are, and no heading itself."""
    if not line or len(line) > _LONGEST_TITLE_LINE or parse_heading(line):
        return False
    return not _MARKS.search(_PART.sub("", line))
