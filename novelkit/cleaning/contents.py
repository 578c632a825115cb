"""The table of contents: headings in a row without text, each of which comes again later.

Covers lists with and without the line 目录, numbered, unnumbered and mixed. Does not cover a list
whose entries come back in other words.
"""

import re
from itertools import islice

from novelkit.cleaning.chapters import LONGEST_HEADING, parse_heading
from novelkit.cleaning.edits import Edits, drop_lines

_CONTENTS = re.compile(r"[ \u3000\t]*[【《\[]?目[ \u3000]*[录錄次][】》\]]?[ \u3000\t:：]*")
_LONGEST_ENTRY = 40
_SHORTEST_LIST = 3
_PADDING = 40  # spaces that may stand around a heading


def drop_contents(text: str, edits: Edits) -> str:
    """Headings in a row without text, each of which comes again later; and the list after 目录."""
    lines = text.split("\n")
    filled = [index for index, line in enumerate(lines) if line.strip()]
    keys = _heading_keys(lines, filled)
    last = {key: index for index, key in keys.items()}
    dropped: set[int] = set()
    for run in _runs(filled, keys):
        # Last seen at its own place within the run, so that a repetition inside counts too.
        inside = {keys[index]: index for index in run}
        again = {
            index for index in run if last[keys[index]] > run[-1] or inside[keys[index]] > index
        }
        if len(again) >= _SHORTEST_LIST:
            dropped |= again
    dropped |= _listed(lines, filled, dropped)
    return drop_lines(lines, dropped, edits) if dropped else text


def _heading_keys(lines: list[str], filled: list[int]) -> dict[int, tuple]:
    """Line number → what makes two headings the same one: unit and number, or the name."""
    keys = {}
    for index in filled:
        if len(lines[index]) > LONGEST_HEADING + _PADDING:
            continue
        heading = parse_heading(lines[index])
        if heading:
            name = heading.label if heading.number is None else ""
            keys[index] = (heading.unit, heading.number, name)
    return keys


def _runs(filled: list[int], keys: dict) -> list[list[int]]:
    """Stretches of heading lines with no other text between them."""
    runs: list[list[int]] = [[]]
    for index in filled:
        if index in keys:
            runs[-1].append(index)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if len(run) >= _SHORTEST_LIST]


def _listed(lines: list[str], filled: list[int], dropped: set[int]) -> set[int]:
    """The line 目录 and the short lines beside the listed headings that come again as a line."""
    openings = [
        order
        for order, index in enumerate(filled)
        if "目" in lines[index] and _CONTENTS.fullmatch(lines[index])
    ]
    if not openings:
        return set()
    places = {_squeezed(lines[index]): index for index in filled}
    found: set[int] = set()
    for order in openings:
        if filled[order] in found:
            continue
        found.add(filled[order])
        for entry in islice(filled, order + 1, None):
            line = lines[entry]
            again = len(line) <= _LONGEST_ENTRY and places[_squeezed(line)] > entry
            if entry not in dropped and not again:
                break
            found.add(entry)
    return found - dropped


def _squeezed(line: str) -> str:
    return re.sub(r"[ \u3000\t]", "", line)
