"""Which lines of a book are headings: their form, judged by what stands around them.

Covers numbers that must follow on, sections under chapters, intruders between two neighbours,
the book's name before every heading, bare numbers (`enumerations`), and titles that stand alone
between empty lines. Headings inside a line are `inline_headings`'.
"""

import re
from collections import Counter
from statistics import median

from novelkit.cleaning.enumerations import find_enumerated
from novelkit.cleaning.headings import (
    ENUMERATED,
    LONGEST_HEADING,
    Heading,
    parse_heading,
    tidy,
)

_SPACES = " \u3000\t\xa0"
_LARGEST_GAP = 3  # chapters that may be missing before one whose form is doubtful
# Prose that begins like a heading: 第一节课后, 第二回书中, 第三部分.
_PROSE_AFTER_UNIT = re.compile(
    r"[中里裡的是书書说說课課分队隊门門合团團话話又也就便还還上下来來至]"
)
_RANK = {
    unit: rank
    for rank, group in enumerate(
        [
            "节節",
            "章回囘囬迴则則折出齣幕场場话話讲講" + ENUMERATED,
            "篇",
            "集辑輯",
            "卷编編册冊",
            "部",
        ]
    )
    for unit in group
}
_CLOSED = tuple("。！？…”」』）)：*-—=~】]>`")
_PREFIXED = re.compile(r"[ \u3000\t]*(\S{2,12})[ \u3000\t]+(第\S{1,9}[回章囘].*)")
_SIGNED_PREFACE = re.compile(r"[ \u3000\t]*([\u4e00-\u9fff]{2,4}[序敘叙跋])[ \u3000\t]*")
_FEWEST_STORIES = 5
_STORY_TITLE = re.compile(r"[\u3400-\u9fff]{1,14}(?:[ \u3000]?[（(〔][\u3400-\u9fff]{1,4}[）)〕])?")
_SHORTEST_STORY = 250  # characters, by the middle one of the stories
_SIGNATURE = 60  # characters before the next title: a date or a name under the last story


def find_headings(lines: list[str]) -> dict[int, Heading]:
    """Line number → heading, for the lines that open a chapter or a volume in their context."""
    found = _follow(lines, {i: h for i, line in enumerate(lines) if (h := parse_heading(line))})
    if sum(_RANK.get(h.unit, 9) <= _RANK["章"] for h in found.values()) < _LARGEST_GAP:
        found = _follow(lines, _prefixed(lines)) or found
    if not any(_RANK.get(heading.unit, 9) <= _RANK["章"] for heading in found.values()):
        volumes = {index for index, heading in found.items() if heading.unit}
        found = dict(sorted((find_enumerated(lines, volumes) | found).items()))
    found = _drop_intruders(_drop_minor_units(found), lines)
    return dict(sorted((found | _volume_names(lines, found)).items()))


def _volume_names(lines: list[str], found: dict[int, Heading]) -> dict[int, Heading]:
    """The names of stories that stand before every first chapter, where the numbers restart."""
    firsts = [i for i, heading in found.items() if heading.number == 1]
    names = {}
    for index in firsts if len(firsts) >= _LARGEST_GAP else ():
        before = index - 1
        while before >= 0 and not lines[before].strip(_SPACES):
            before -= 1
        above = lines[before - 1].strip(_SPACES) if before > 0 else ""
        name = lines[before].strip(_SPACES) if before >= 0 else ""
        if before not in found and not above and _STORY_TITLE.fullmatch(name):
            names[before] = Heading("部", None, tidy(name), "", "", False)
    distinct = len({heading.label for heading in names.values()}) == len(names)
    return names if distinct and len(names) >= 0.8 * max(len(firsts), 1) else {}


def _follow(lines: list[str], candidates: dict[int, Heading]) -> dict[int, Heading]:
    """The candidates that fit behind the line before them and the headings before them."""
    found: dict[int, Heading] = {}
    last: dict[str, int] = {}
    for index, heading in candidates.items():
        before = index - 1
        while before >= 0 and not lines[before].strip(_SPACES):
            before -= 1
        previous = lines[before] if before >= 0 else ""
        if _fits(heading, previous, before < index - 1 or before < 0, last):
            found[index] = heading
            if heading.number is not None:
                last[heading.unit] = heading.number
    return found


def _fits(heading: Heading, previous: str, blank_before: bool, last: dict[str, int]) -> bool:
    """A line that could be prose must continue the numbering and not a broken sentence."""
    ahead = (heading.number or 0) - last.get(heading.unit, 0)
    follows = heading.number in (None, 1) or 1 <= ahead <= _LARGEST_GAP
    if heading.loose:
        prose = _PROSE_AFTER_UNIT.match(heading.title) and (len(heading.title) < 8 or ahead != 1)
        if prose or not follows:
            return False
    ended = blank_before or parse_heading(previous) or len(previous.strip()) < 20
    if ended or previous.rstrip(_SPACES).endswith(_CLOSED):
        return True
    return follows and not heading.loose and heading.number is not None


def _prefixed(lines: list[str]) -> dict[int, Heading]:
    """Headings behind the name of the book, where several have the same: 缺字 第一章　雪夜"""
    matches = {
        index: match
        for index, line in enumerate(lines)
        if len(line) <= 2 * LONGEST_HEADING
        and "第" in line
        and (match := _PREFIXED.fullmatch(line))
    }
    names = Counter(match[1] for match in matches.values())
    return {
        index: heading
        for index, match in matches.items()
        if names[match[1]] >= _LARGEST_GAP and (heading := parse_heading(match[2]))
    }


def _drop_minor_units(found: dict[int, Heading]) -> dict[int, Heading]:
    """Sections under chapters (节 under 章) stay in the text: they open no chapter."""
    counts = Counter(heading.unit for heading in found.values() if heading.unit)
    sections = {"节", "節"}
    above = set(counts) - sections
    if not sections & set(counts) or not above:
        return found
    if min(_RANK[unit] for unit in above) != _RANK["章"]:
        return found
    return {index: heading for index, heading in found.items() if heading.unit not in sections}


def _drop_intruders(found: dict[int, Heading], lines: list[str]) -> dict[int, Heading]:
    """A weaker line between 第三回 and 第四回 with another number is part of their text.

    One between 第三回 and 第五回 is the fourth, whatever its number: a misprint.
    """
    intruders = set()
    numbers = {i: heading.number for i, heading in found.items() if heading.number is not None}
    order = list(numbers)
    for a, b, c in zip(order, order[1:], order[2:], strict=False):
        first, middle, third = found[a], found[b], found[c]
        if first.unit != middle.unit or third.unit != first.unit:
            continue
        if numbers[c] != numbers[a] + 1 or numbers[b] in (1, numbers[a], numbers[c]):
            continue
        strong = min(_strength(first, a, lines), _strength(third, c, lines))
        if _strength(middle, b, lines) < strong:
            intruders.add(b)
    return {index: heading for index, heading in found.items() if index not in intruders}


def _strength(heading: Heading, index: int, lines: list[str]) -> int:
    """How much a line looks like a heading: its gap, its title, empty lines around it."""
    blank = sum(
        not (0 <= beside < len(lines) and lines[beside].strip(_SPACES))
        for beside in (index - 1, index + 1)
    )
    return 2 * (not heading.loose) + bool(heading.title) + blank


def find_headings_by_layout(lines: list[str]) -> dict[int, Heading]:
    """As `find_headings`, and short lines between empty lines where only headings stand so.

    Such are story titles and misprinted numbers, in a text with one paragraph a line and empty
    lines around headings alone; and story titles of at most a few hanzi in any text.
    """
    found = find_headings(lines)
    filled = [index for index, line in enumerate(lines) if line and not line.isspace()]
    if len(filled) == len(lines):
        return found
    alone = _standing_alone(lines, filled)
    found = dict(sorted((_signed_prefaces(lines, alone, found) | found).items()))
    if len(lines) - len(filled) > 0.25 * len(filled):
        numbered = any(heading.number is not None for heading in found.values())
        return found if numbered else _story_titles(lines, alone, found)
    first = min((i for i, heading in found.items() if heading.number is not None), default=0)
    plain = {index: _plain_heading(lines[index], index < first) for index in alone}
    titles = {index: heading for index, heading in plain.items() if heading is not None}
    known = sum(index in found for index in alone)
    if len(alone) < 2 or len(titles) < sum(index >= first for index in alone):
        return found
    if known >= 0.8 * len(alone):
        return dict(sorted((titles | found).items()))
    # Stories: each title has text under it, and numbered sections inside a story are text.
    follow_on = any(a in titles and b in titles for a, b in zip(filled, filled[1:], strict=False))
    stories = known <= 0.2 * len(alone) and len(found) <= len(alone) and not follow_on
    return titles if stories else found


def _standing_alone(lines: list[str], filled: list[int]) -> list[int]:
    """The lines with an empty line, or an end of the text, on both sides."""
    alone = []
    before = -2
    for index in filled:
        if before < index - 1 and index + 1 < len(lines) and not lines[index + 1].strip(_SPACES):
            alone.append(index)
        before = index
    return alone


def _plain_heading(line: str, in_front: bool) -> Heading | None:
    """A title without a number; in front of the first chapter the book's own is none."""
    line = tidy(line)
    if not line or len(line) > LONGEST_HEADING or re.search("[。，；：…”」]$", line):
        return None
    if in_front and re.search("[《》︽︾〈〉]|[著撰编編]$", line):
        return None
    return Heading("", None, line, "", "", False)


def _signed_prefaces(
    lines: list[str], alone: list[int], found: dict[int, Heading]
) -> dict[int, Heading]:
    """A friend's preface before the first chapter: 馮夢龍序"""
    first = min((i for i, heading in found.items() if heading.number is not None), default=0)
    return {
        index: Heading("", None, match[1], "", "", False)
        for index in alone
        if index < first and (match := _SIGNED_PREFACE.fullmatch(lines[index]))
    }


def _story_titles(
    lines: list[str], alone: list[int], found: dict[int, Heading]
) -> dict[int, Heading]:
    """Lines of a few hanzi without a mark, where empty lines stand between all paragraphs.

    Only where they divide the book into stories: no two close together, but for the signature
    under a story, and none of them with a large part of the book.
    """
    titles = [i for i in alone if i in found or _STORY_TITLE.fullmatch(lines[i].strip(_SPACES))]
    ends = [*titles, len(lines)]
    texts = {a: sum(map(len, lines[a + 1 : b])) for a, b in zip(ends, ends[1:], strict=False)}
    stories = [i for i in titles if i in found or texts[i] >= _SIGNATURE]
    lengths = [texts[index] for index in stories]
    if len(stories) < max(_FEWEST_STORIES, 0.5 * len(titles)):
        return found
    # The same short line again and again is a cry or a sign, not a title.
    if len({lines[index].strip(_SPACES) for index in stories}) < 0.9 * len(stories):
        return found
    if median(lengths) < _SHORTEST_STORY or max(lengths) > 0.4 * sum(lengths):
        return found
    return {
        index: found.get(index) or Heading("", None, tidy(lines[index]), "", "", False)
        for index in stories
    }


def volume_units(found: dict[int, Heading]) -> set[str]:
    """The units that group chapters: those above the lowest unit, where they are fewer."""
    counts = Counter(heading.unit for heading in found.values() if heading.unit)
    if len(counts) < 2:
        return set()
    lowest = min(_RANK[unit] for unit in counts)
    chapters = sum(count for unit, count in counts.items() if _RANK[unit] == lowest)
    return {u for u, count in counts.items() if _RANK[u] > lowest and count < chapters}
