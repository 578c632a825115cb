"""The numbers that Word writes in front of a heading: 第一章 is often no text but a list number.

Follows numbering.xml (ECMA-376, part 1, section 17.9): a number's levels, their start, format and
pattern such as 第%1章, restarted below a level that went on. Formats: decimal and the Chinese ones.
Does not cover: Roman and other formats (no number is written then), legal numbering, restarts that
a level forbids, starts that a single list overrides at several levels.
"""

import re
from typing import Any

WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
DECIMAL = {"decimal", "decimalFullWidth", "decimalZero", "decimalEnclosedCircle"}
HANZI = {
    "chineseCounting",
    "chineseCountingThousand",
    "chineseLegalSimplified",
    "ideographDigital",
    "japaneseCounting",
    "taiwaneseCounting",
    "taiwaneseCountingThousand",
}
LEVELS = 9


class Numbering:
    """Counts the numbered paragraphs of a document in order; `root` is numbering.xml or None."""

    def __init__(self, root: Any):
        self._lists: dict[str, Any] = {}
        self._abstract_of: dict[str, str] = {}
        self._counts: dict[str, list[int | None]] = {}
        if root is None:
            return
        for abstract in root.findall(f"{WORD}abstractNum"):
            self._lists[str(abstract.get(f"{WORD}abstractNumId"))] = abstract
        for number in root.findall(f"{WORD}num"):
            self._abstract_of[str(number.get(f"{WORD}numId"))] = value_of(number, "abstractNumId")

    def next(self, number_id: str, level: int | None, style_id: str) -> str | None:
        """The text of the next number in this list; None where the list or format is unknown."""
        key = self._abstract_of.get(number_id, "")
        abstract = self._lists.get(key)
        if abstract is None:
            return None
        levels = {
            int(found.get(f"{WORD}ilvl") or 0): found for found in abstract.findall(f"{WORD}lvl")
        }
        if level is None:
            # A style says its list; the list says which of its levels has that style.
            linked = (i for i, found in levels.items() if value_of(found, "pStyle") == style_id)
            level = next(linked, 0)
        if level not in levels or not 0 <= level < LEVELS:
            return None
        counts = self._counts.setdefault(key, [None] * LEVELS)
        current = counts[level]
        counts[level] = _start(levels[level]) if current is None else current + 1
        counts[level + 1 :] = [None] * (LEVELS - level - 1)
        return _render(levels, level, counts)


def value_of(parent: Any, tag: str) -> str:
    """The w:val of a child, "" where there is none."""
    child = parent.find(f"{WORD}{tag}") if parent is not None else None
    return (child.get(f"{WORD}val") or "") if child is not None else ""


def _start(level: Any) -> int:
    start = value_of(level, "start")
    return int(start) if start.isdecimal() else 1


def _render(levels: dict[int, Any], level: int, counts: list[int | None]) -> str | None:
    """The pattern of the level with each %N replaced by the count of level N."""
    pieces = []
    for piece in re.split("(%[1-9])", value_of(levels[level], "lvlText")):
        if not re.fullmatch("%[1-9]", piece):
            pieces.append(piece)
            continue
        place = int(piece[1]) - 1
        count = counts[place]
        count = _start(levels.get(place)) if count is None else count
        text = _number(count, value_of(levels.get(place), "numFmt") or "decimal")
        if text is None:
            return None
        pieces.append(text)
    return "".join(pieces)


def _number(count: int, kind: str) -> str | None:
    if kind in DECIMAL:
        return f"{count:02d}" if kind == "decimalZero" else str(count)
    return hanzi(count) if kind in HANZI and 0 < count < 10_000 else None


def hanzi(count: int) -> str:
    """1 to 9999 as 一, 十二, 一百零三, 二千零一十."""
    digits = "零一二三四五六七八九"
    text = ""
    for digit, unit in zip(f"{count:04d}", ("千", "百", "十", ""), strict=True):
        text += digits[int(digit)] + (unit if digit != "0" else "")
    text = re.sub("零+", "零", text).strip("零")
    return text[1:] if text.startswith("一十") else text
