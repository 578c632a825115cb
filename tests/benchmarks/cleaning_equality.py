"""How equal a cleaned book is to the same book in the corpus, chapter by chapter.

The similarity of two texts is 2 M / (|a| + |b|) as in `difflib`, where M counts the characters of
an alignment: 8-character shingles that are unique in both texts anchor it (the longest increasing
chain of them), `difflib` fills the gaps between. Newlines and spaces do not count: where an edition
breaks its paragraphs is no dirt; nor does the kind of quotation mark (「」 and “” are all one), nor
著 for 着, which OpenCC leaves. `hanzi` is the same for hanzi alone, so that one sees how much of a
difference is punctuation. Chapters are paired by their number, else by their content; a file in
which no chapter was found is compared as a whole.
"""

import difflib
import re
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass

from novelkit.cleaning import Chapter, parse_heading
from novelkit.cleaning.near_duplicates import containment

ANCHOR = 8
_LARGEST_GAP = 400_000  # cells of a difflib comparison; above, the common characters are counted
_ALIKE = str.maketrans("著“”‘’「」『』'", "着" + '"' * 9)
_SPACE = re.compile(r"\s+")
_NO_HANZI = re.compile("[^\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")


@dataclass(frozen=True)
class Pair:
    """A chapter of the corpus and what was cleaned into it, with both similarities (0 to 1)."""

    title: str
    similarity: float
    hanzi: float
    truth: str
    found: str


def similarity(one: str, other: str) -> float:
    """2 M / (|a| + |b|) over an alignment of both texts; 1.0 for equal ones."""
    if one == other:
        return 1.0
    matched = sum(size for _, _, size in _blocks(one, other))
    return 2 * matched / (len(one) + len(other))


def differences(one: str, other: str) -> list[tuple[str, str]]:
    """What stands in `one` and in `other` between the aligned stretches."""
    result, i, j = [], 0, 0
    for a, b, size in [*_blocks(one, other), (len(one), len(other), 0)]:
        if one[i:a] or other[j:b]:
            result.append((one[i:a], other[j:b]))
        i, j = a + size, b + size
    return result


def _blocks(one: str, other: str) -> list[tuple[int, int, int]]:
    blocks, i, j = [], 0, 0
    for a, b in [*_anchors(one, other), (len(one), len(other))]:
        if a < i or b < j:
            continue
        blocks += _fill(one, other, (i, a), (j, b))
        size = 0
        while a + size < len(one) and b + size < len(other) and one[a + size] == other[b + size]:
            size += 1
        if size:
            blocks.append((a, b, size))
        i, j = a + size, b + size
    return blocks


def _fill(one: str, other: str, left: tuple[int, int], right: tuple[int, int]) -> list:
    (i, a), (j, b) = left, right
    if i == a or j == b:
        return []
    if (a - i) * (b - j) > _LARGEST_GAP:
        common = sum((Counter(one[i:a]) & Counter(other[j:b])).values())
        return [(i, j, common)]
    matcher = difflib.SequenceMatcher(None, one[i:a], other[j:b], autojunk=False)
    return [(i + x, j + y, size) for x, y, size in matcher.get_matching_blocks() if size]


def _anchors(one: str, other: str) -> list[tuple[int, int]]:
    """The longest chain of shingles that are unique in both texts and in the same order."""
    places = [_unique_shingles(one), _unique_shingles(other)]
    pairs = sorted((a, places[1][key]) for key, a in places[0].items() if key in places[1])
    tails: list[int] = []
    last: list[int] = []
    before = [-1] * len(pairs)
    for order, (_, b) in enumerate(pairs):
        at = bisect_left(tails, b)
        before[order] = last[at - 1] if at else -1
        if at == len(tails):
            tails.append(b)
            last.append(order)
        else:
            tails[at], last[at] = b, order
    chain = []
    order = last[-1] if last else -1
    while order >= 0:
        chain.append(pairs[order])
        order = before[order]
    return chain[::-1]


def _unique_shingles(text: str) -> dict[str, int]:
    places: dict[str, int] = {}
    for i in range(len(text) - ANCHOR + 1):
        key = text[i : i + ANCHOR]
        places[key] = -1 if key in places else i
    return {key: i for key, i in places.items() if i >= 0}


def pair_chapters(truth: tuple[Chapter, ...], found: tuple[Chapter, ...]) -> list[Pair]:
    """The chapters of the corpus that the file holds, each with what was cleaned into it."""
    if len(found) == 1 and found[0].characters > 2 * max(item.characters for item in truth):
        return [_pair(Chapter("整本", tuple(p for c in truth for p in c.paragraphs)), list(found))]
    numbered = _by_number(truth), _by_number(found)
    if len(numbered[0]) >= 0.9 * len(truth) and len(numbered[1]) >= 0.8 * len(found):
        matched = [
            (chapter, [numbered[1][number]])
            for number, chapter in numbered[0].items()
            if number in numbered[1]
        ]
    else:
        matched = _by_content(truth, found)
    return [_pair(chapter, parts) for chapter, parts in matched]


def _by_number(chapters: tuple[Chapter, ...]) -> dict[int, Chapter]:
    numbers = {}
    for chapter in chapters:
        heading = parse_heading(chapter.title) if chapter.title else None
        if heading and heading.number is not None:
            numbers.setdefault(heading.number, chapter)
    return numbers


def _by_content(
    truth: tuple[Chapter, ...], found: tuple[Chapter, ...]
) -> list[tuple[Chapter, list[Chapter]]]:
    """Each cleaned chapter to the one that holds most of its shingles; parts are put together."""
    parts: dict[int, list[Chapter]] = {}
    texts = [_body(chapter) for chapter in truth]
    for chapter in found:
        shares = [containment(_body(chapter), text) for text in texts]
        best = max(range(len(shares)), key=shares.__getitem__)
        if shares[best] >= 0.3:
            parts.setdefault(best, []).append(chapter)
    return [(truth[index], parts[index]) for index in sorted(parts)]


def _pair(truth: Chapter, parts: list[Chapter]) -> Pair:
    one, other = _body(truth), "".join(map(_body, parts))
    one, other = (text.translate(_ALIKE) for text in (one, other))
    hanzi = similarity(_NO_HANZI.sub("", one), _NO_HANZI.sub("", other))
    return Pair(truth.title, similarity(one, other), hanzi, one, other)


def _body(chapter: Chapter) -> str:
    return _SPACE.sub("", "".join(chapter.paragraphs))
