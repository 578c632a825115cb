"""Headings inside running text, found by their numbers and by where their titles end.

Covers headings after a sentence end, in books without newlines and inside hard-wrapped lines,
where each number follows the one before it; in a book without newlines also the one that is
missing between two of them. A title ends where the table of contents says, at the words with which
storytellers open, after two halves of one length, or where the titles of the same book usually
end; where nothing tells, the heading is the number alone. Does not cover unnumbered headings.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest

from novelkit.cleaning.headings import LONGEST_HEADING
from novelkit.cleaning.numerals import NUMERAL, parse_number

_CANDIDATE = re.compile(
    rf"第[ \u3000]?(?P<number>{NUMERAL}{{1,9}})[ \u3000]?(?P<unit>[回章囘卷节節])"
    rf"|卷(?:[之第](?P<roll>{NUMERAL}{{1,5}})|(?P<bare_roll>{NUMERAL}{{1,5}}))"
)
_PROSE = "中里裡的书書说說时時，。、；：！？”」"  # behind the unit these continue a sentence
_SENTENCE_END = "。！？!?…”」』）)】*\n"
_OPENERS = re.compile(
    r"[话話][说說分]|[却卻且再][说說表言]|[诗詩词詞歌][曰云：]|原[来來]|[诗詩]一首|[上前]回"
)
_STOP = re.compile(r"[。，！？；：“「”」『』…,.!?]")
_LONGEST_TITLE = 40
_SHORTEST_TITLE = 4
_LARGEST_GAP = 3
_SHORTEST_CHAIN = 3
_FRONT = 500
_DENSE = 500  # characters for each newline: more of them is a book without newlines


@dataclass(frozen=True)
class _Candidate:
    start: int
    unit: str
    number: int
    after: int  # where the title begins
    end: int | None  # where the title ends, None where nothing tells
    length: int  # hanzi in the title
    alone: bool  # the heading has the line for itself
    closed: bool  # a sentence ends before it and none goes on behind it
    strong: bool  # closed, and of a form that prose seldom has


def find_inline_headings(text: str) -> list[tuple[int, int]]:
    """(start, end) of each heading that lies inside a longer line, with its title, in order.

    A newline inside a span was put there by hard wrapping.
    """
    candidates = [_read(text, match) for match in _CANDIDATE.finditer(text)]
    if all(candidate.alone or not candidate.strong for candidate in candidates):
        return []
    candidates = list(_with_contents(text, candidates))
    dense = (text.count("\n") + 1) * _DENSE < len(text)
    units = {candidate.unit for candidate in candidates}
    chain = max((_best([c for c in candidates if c.unit == u], dense) for u in units), key=len)
    usual = _usual_length(chain)
    spans = []
    for candidate, following in zip_longest(chain, chain[1:]):
        if not candidate.alone:
            end = candidate.end or _forward(text, candidate.after, usual)
            # What ends a title may come after the next heading only.
            spans.append((candidate.start, min(end, following.start) if following else end))
    return spans


def _read(text: str, match: re.Match) -> _Candidate:
    """A candidate with the end of its title and what its surroundings say."""
    start, after = match.span()
    number = parse_number(match["number"] or match["roll"] or match["bare_roll"]) or 0
    unit = match["unit"] or "卷"
    before = text[max(0, start - 30) : start].rstrip(" \u3000")
    opens_line = not before or before.endswith("\n")
    newline = text.find("\n", after, start + LONGEST_HEADING + 1)
    if opens_line and (newline >= 0 or len(text) - start <= LONGEST_HEADING):
        return _Candidate(start, unit, number, after, newline, 0, True, True, True)
    # The first heading may stand right after the title and the author.
    first = number == 1 and start < _FRONT and not text.count("\n", 0, start)
    following = text[after : after + 1]
    closed = (opens_line or before[-1] in _SENTENCE_END or first) and following not in _PROSE
    end, length = _title_end(text, after)
    unsure = match["bare_roll"] and following not in (" ", "\u3000")
    strong = closed and not unsure and not (end is None and opens_line and "\n" in text)
    return _Candidate(start, unit, number, after, end, length, False, closed, strong)


def _title_end(text: str, after: int) -> tuple[int | None, int]:
    """Where the title that begins at `after` ends, and how many hanzi it has."""
    window = text[after : after + _LONGEST_TITLE + 12].split("\n\n")[0]
    stop = _STOP.search(window)
    # An opener may end in the stop itself: 诗曰：
    opener = _OPENERS.search(window, 0, stop.end() if stop else len(window))
    if opener:
        title = window[: opener.start()].rstrip()
        length = len("".join(title.split()))
        if _SHORTEST_TITLE <= length <= _LONGEST_TITLE:
            return after + len(title), length
    halves = re.match(r"\s*(\S{2,16})[ \u3000]+(\S[\S\n]*)", window)
    if halves and len(halves[2]) >= len(halves[1]) and not _STOP.search(halves[1]):
        return _forward(text, after + halves.start(2), len(halves[1])), 2 * len(halves[1])
    return None, 0


def _forward(text: str, start: int, count: int) -> int:
    """The position after `count` characters that are not spaces."""
    while count and start < len(text):
        count -= not text[start].isspace()
        start += 1
    return start


def _with_contents(text: str, candidates: list[_Candidate]) -> Iterator[_Candidate]:
    """The candidates, with the titles that a table of contents inside the line tells."""
    titles: dict[int, str] = {}
    followers: list[_Candidate | None] = [*candidates[1:], None]
    for candidate, following in zip(candidates, followers, strict=True):
        if following is not None and following.number in (candidate.number + 1, 1):
            title = text[candidate.after : following.start]
            if 0 < len(title) <= _LONGEST_TITLE and not _STOP.search(title):
                titles[candidate.number] = title
                yield replace(candidate, end=following.start, length=len(title), strong=True)
                continue
        known = titles.get(candidate.number, "")
        if known and text.startswith(known, candidate.after):
            candidate = replace(candidate, end=candidate.after + len(known), length=len(known))
        yield candidate


def _best(candidates: list[_Candidate], dense: bool) -> list[_Candidate]:
    """The chain of the headings whose titles are known to end, unless it misses many others."""
    sure = [candidate for candidate in candidates if candidate.end is not None]
    chains = [_filled(_chain(part), candidates, dense) for part in (sure, candidates)]
    return chains[0] if len(chains[0]) >= 0.9 * len(chains[1]) else chains[1]


def _chain(candidates: list[_Candidate]) -> list[_Candidate]:
    """The strong candidates whose numbers follow on, nothing where they are few."""
    chain: list[_Candidate] = []
    for candidate in candidates:
        last = chain[-1].number if chain else 0
        # A book may open with its table of contents: numbers start again.
        restarts = candidate.number == 1 < last and candidate.end is not None
        follows = 1 <= candidate.number - last <= _LARGEST_GAP or restarts
        if candidate.strong and (follows or candidate.alone):
            chain.append(candidate)
    return chain if len(chain) >= _SHORTEST_CHAIN else []


def _filled(chain: list[_Candidate], candidates: list[_Candidate], dense: bool) -> list[_Candidate]:
    """The chain with those candidates that have just the numbers it lacks, weak ones if dense."""
    filled: list[_Candidate] = []
    rest = iter(candidates)
    for member in chain:
        for candidate in rest:
            if candidate is member:
                break
            before = filled[-1].number if filled else 0
            lacking = candidate.number == before + 1 < member.number
            if lacking and (candidate.strong or dense):
                filled.append(candidate)
        filled.append(member)
    for candidate in rest if filled and dense else ():
        if candidate.number == filled[-1].number + 1 and (candidate.end or candidate.closed):
            filled.append(candidate)
    return filled


def _usual_length(chain: list[_Candidate]) -> int:
    """The length of most titles, 0 where they differ."""
    lengths = Counter(candidate.length for candidate in chain if candidate.length)
    if not lengths:
        return 0
    length, count = lengths.most_common(1)[0]
    return length if count >= 0.4 * lengths.total() else 0
