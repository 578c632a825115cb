"""Chapters and paragraphs that stand in the text twice; of two copies the first stays.

A chapter is a copy where its heading or its text is that of another and nine tenths of the shorter
text stand in the longer one: the shorter one goes, which is the one that broke off. Paragraphs go
where a stretch of at least 100 characters comes back word for word, or a longer line twice in a
row. Refrains (且听下回分解), verses and formulas are shorter and stay. Does not find copies with
changed words: see `near_duplicates`.
"""

from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations

from novelkit.cleaning.chapters import Heading, find_headings_by_layout, volume_units
from novelkit.cleaning.edits import Edits, drop_lines
from novelkit.cleaning.near_duplicates import containment

_BLANKS = " \u3000\t\xa0"
_SHORTEST_CHAPTER = 100  # characters below which two chapters are not compared
_SAME_CHAPTER = 0.9  # share of the shorter text that stands in the longer one
_PROBES, _PROBE = 16, 12  # passages, and their characters, that are looked for first
_LARGEST_GROUP = 20
_AS_LONG = 0.97  # of two copies about as long as each other the first stays
_SHORTEST_STRETCH = 100  # characters of a stretch that comes back
_LONGEST_LINE = 40  # one of its paragraphs is at least so long: it is no poem or list
_SHORTEST_IN_A_ROW = 20


@dataclass(frozen=True)
class _Section:
    """A heading with the lines up to the next one; `text` is without blanks."""

    start: int
    end: int
    heading: Heading
    volume: str
    text: str


def drop_duplicate_chapters(text: str, edits: Edits) -> str:
    """Chapters that stand there twice; a change is a chapter, or a heading without text."""
    lines = text.split("\n")
    sections = _sections(lines)
    dropped: set[int] = set()
    for first, second in _alike(sections):
        one, other = sections[first], sections[second]
        if first in dropped or second in dropped:
            continue
        if not one.text and second == first + 1:
            dropped.add(first)
        elif _same_text(one.text, other.text):
            dropped.add(first if len(one.text) < _AS_LONG * len(other.text) else second)
    if not dropped:
        return text
    gone: set[int] = set()
    for order in sorted(dropped):
        section = sections[order]
        edits.add(f"{section.heading.full}（{len(section.text)} 字）")
        gone |= set(range(section.start, section.end))
    return "\n".join(line for index, line in enumerate(lines) if index not in gone)


def _sections(lines: list[str]) -> list[_Section]:
    headings = find_headings_by_layout(lines)
    volumes = volume_units(headings)
    starts = sorted(headings)
    sections, volume = [], ""
    for start, end in zip(starts, [*starts, len(lines)][1:], strict=True):
        heading = headings[start]
        if heading.unit in volumes:
            volume = heading.full
            continue
        body = "\n".join(filter(None, (line.strip(_BLANKS) for line in lines[start + 1 : end])))
        sections.append(_Section(start, end, heading, heading.volume or volume, body))
    return sections


def _alike(sections: list[_Section]) -> list[tuple[int, int]]:
    """Pairs with the same number in one volume, the same title, or the same text."""
    groups: dict[tuple, list[int]] = defaultdict(list)
    for order, section in enumerate(sections):
        heading = section.heading
        if heading.number is not None:
            groups["number", section.volume, heading.unit, heading.number].append(order)
        groups["title", heading.title or heading.full].append(order)
        if len(section.text) >= _SHORTEST_CHAPTER:
            groups["text", section.text].append(order)
    return sorted({pair for group in groups.values() for pair in _pairs(group)})


def _pairs(group: list[int]) -> set[tuple[int, int]]:
    """All pairs of a group; of a large one those with its first and those of neighbours."""
    if len(group) <= _LARGEST_GROUP:
        return set(combinations(group, 2))
    neighbours = set(zip(group, group[1:], strict=False))
    return neighbours | {(group[0], other) for other in group[1:]}


def _same_text(one: str, other: str) -> bool:
    if min(len(one), len(other)) < _SHORTEST_CHAPTER:
        return False
    if one == other:
        return True
    # Most pairs share nothing but the number: 第一回 of one story and of the next.
    shorter, longer = sorted((one, other), key=len)
    step = max(_PROBE, len(shorter) // _PROBES)
    probes = [shorter[at : at + _PROBE] for at in range(0, len(shorter) - _PROBE, step)]
    if sum(probe in longer for probe in probes) < len(probes) / 4:
        return False
    return containment(one, other) >= _SAME_CHAPTER


def drop_duplicate_paragraphs(text: str, edits: Edits) -> str:
    """Paragraphs repeated word for word: a long stretch anywhere, a long line twice in a row."""
    lines = text.split("\n")
    filled = [(i, stripped) for i, line in enumerate(lines) if (stripped := line.strip(_BLANKS))]
    texts = [stripped for _, stripped in filled]
    if len(set(texts)) == len(texts):
        return text
    first: dict[str, int] = {}
    dropped: set[int] = set()
    order = 0
    while order < len(texts):
        before = first.setdefault(texts[order], order)
        length = _repeated(texts, before, order)
        if length and _is_copy(texts[order : order + length], beside=before == order - 1):
            dropped |= set(range(order, order + length))
        # No part of a stretch that is too short is long enough.
        order += max(1, length)
    return drop_lines(lines, {filled[order][0] for order in dropped}, edits) if dropped else text


def _repeated(texts: list[str], before: int, order: int) -> int:
    """How many paragraphs from `order` on are those from `before` on; 0 where they are the same."""
    length = 0
    while (
        before + length < order
        and order + length < len(texts)
        and texts[before + length] == texts[order + length]
    ):
        length += 1
    return length


def _is_copy(stretch: list[str], beside: bool) -> bool:
    """Whether a stretch that came before is no refrain; `beside`: right before."""
    if sum(map(len, stretch)) >= _SHORTEST_STRETCH and max(map(len, stretch)) >= _LONGEST_LINE:
        return True
    return beside and len(stretch) == 1 and len(stretch[0]) >= _SHORTEST_IN_A_ROW
