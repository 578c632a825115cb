"""Headings that are a bare number: 1、渡口, 12. 渡口, （三）, 四 where all the book has them.

A list in the prose looks the same, so a run counts only where the numbers follow on from one, text
stands under each, and the run goes through the book. Does not cover books that mix the styles.
"""

import re
from collections import defaultdict
from dataclasses import dataclass
from statistics import median

from novelkit.cleaning.headings import ENUMERATED, Heading, tidy
from novelkit.cleaning.numerals import NUMERAL, parse_number

_LINE = re.compile(
    rf"[ \u3000\t]*(?P<open>[（(〔【\[]?)(?P<number>{NUMERAL}{{1,6}})"
    r"(?P<close>[）)〕】\]]?[、.．:：]?)(?P<gap>[ \u3000\t]*)(?P<title>[^。，；]{0,30})"
)
_FEWEST = 4
_SHORTEST_TEXT = 100  # characters under most headings of a book, more than under items of a list
_FRONT_SHARE = 0.2
_LONGEST_SHARE = 0.5


@dataclass(frozen=True)
class _Candidate:
    index: int
    number: int
    heading: Heading


def find_enumerated(lines: list[str], volumes: set[int]) -> dict[int, Heading]:
    """Line number → heading of the longest convincing run; `volumes` are lines that restart it."""
    styles: dict[tuple, list[_Candidate]] = defaultdict(list)
    for index, line in enumerate(lines):
        if len(line) > 48 or not (match := _LINE.fullmatch(line)):
            continue
        number = parse_number(match["number"])
        separated = match["close"] or match["gap"] or not match["title"]
        if number is None or not separated:
            continue
        label = match["open"] + match["number"] + match["close"]
        if not match["close"] and match["title"]:
            label += "　"
        style = (match["number"].isascii(), match["open"], match["close"], bool(match["title"]))
        heading = Heading(ENUMERATED, number, label, tidy(match["title"]), "", False)
        styles[style].append(_Candidate(index, number, heading))
    runs = (_run(candidates, lines, volumes) for candidates in styles.values())
    best = max(runs, key=len, default=[])
    return {candidate.index: candidate.heading for candidate in best}


def _run(candidates: list[_Candidate], lines: list[str], volumes: set[int]) -> list[_Candidate]:
    """The candidates where they number the book from one, else nothing."""
    run: list[_Candidate] = []
    for candidate in candidates:
        before = run[-1] if run else None
        restarts = candidate.number == 1 and (
            before is None or any(before.index < volume < candidate.index for volume in volumes)
        )
        if restarts or (before and candidate.number == before.number + 1):
            run.append(candidate)
    if len(run) < _FEWEST or len(run) < 0.8 * len(candidates):
        return []
    return run if _goes_through(run, lines) else []


def _goes_through(run: list[_Candidate], lines: list[str]) -> bool:
    """Whether there is text under the headings and no large part of the book without one."""
    ends = [candidate.index for candidate in run] + [len(lines)]
    texts = [
        sum(map(len, lines[start + 1 : end])) for start, end in zip(ends, ends[1:], strict=False)
    ]
    front = sum(map(len, lines[: ends[0]]))
    total = front + sum(texts)
    return (
        median(texts) >= _SHORTEST_TEXT
        and front <= _FRONT_SHARE * total
        and max(texts) <= _LONGEST_SHARE * total
    )
