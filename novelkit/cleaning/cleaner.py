"""Raw text through the rules into a `Novel`, with a report that accounts for every character.

characters_before - characters_after is the sum of `removed_characters` over all entries of the
report, the last of which ("chapters") is the cutting into chapters itself.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePath

from novelkit.cleaning.chapters import (
    find_headings_by_layout,
    parse_heading,
    split_chapters,
)
from novelkit.cleaning.edits import Edits
from novelkit.cleaning.novel import Novel
from novelkit.cleaning.rules import RULES
from novelkit.errors import InputError


@dataclass(frozen=True)
class RuleReport:
    """What one rule did. A rule that adds characters has a negative `removed_characters`."""

    name: str
    title: str
    changes: int
    removed_characters: int
    examples: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class CleaningReport:
    """Characters of the raw text and of the novel's text, and what lies between them."""

    characters_before: int
    characters_after: int
    rules: tuple[RuleReport, ...]
    headings: int

    def as_dict(self) -> dict:
        """Plain lists and dicts, ready for JSON."""
        return asdict(self) | {
            "rules": [
                asdict(rule) | {"examples": [list(pair) for pair in rule.examples]}
                for rule in self.rules
            ]
        }


def clean(
    text: str,
    title: str = "",
    source: dict | None = None,
    rules: Sequence[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Novel, CleaningReport]:
    """Apply `rules` (names from RULES, by default all with `default`) and cut into chapters.

    `progress` receives (rules done, rules in all). Raises InputError for an unknown rule and for
    a text of which nothing is left.
    """
    chosen = _choose(rules)
    source = dict(source or {})
    cleaned, reports = text, []
    for done, name in enumerate(chosen):
        if progress is not None:
            progress(done, len(chosen))
        before = cleaned
        edits = Edits()
        cleaned = RULES[name].edit(before, edits)
        removed = len(before) - len(cleaned)
        reports.append(
            RuleReport(name, RULES[name].title, edits.count, removed, tuple(edits.examples))
        )
    chapters = split_chapters(cleaned)
    if not chapters:
        raise InputError("清洗之后没有剩下文字：文件里只有空白、广告或标记，请检查是不是下载错了。")
    if progress is not None:
        progress(len(chosen), len(chosen))
    novel = Novel(title or find_title(text, source, chapters[0].title), chapters, source)
    headings = len(find_headings_by_layout(cleaned.split("\n")))
    removed = len(cleaned) - novel.characters
    reports.append(RuleReport("chapters", "分章", headings, removed, ()))
    return novel, CleaningReport(len(text), novel.characters, tuple(reports), headings)


def _choose(rules: Sequence[str] | None) -> list[str]:
    """The rules in their fixed order, whatever the order they were named in."""
    if rules is None:
        return [name for name, rule in RULES.items() if rule.default]
    unknown = [name for name in rules if name not in RULES]
    if unknown:
        raise InputError(
            f"没有叫 {'、'.join(map(str, unknown))} 的清洗规则：可用的是 {'、'.join(RULES)}。"
        )
    return [name for name in RULES if name in rules]


def find_title(text: str, source: dict, first_heading: str = "") -> str:
    """A title from 《…》 at the start of an early line, else the first line, else the file name.

    A first line that is the first heading is the title of a story and not of the book.
    """
    head = [line.strip(" \u3000\t\r\ufeff") for line in text[:2000].splitlines()]
    head = [line for line in head if line][:6]
    stem = PurePath(str(source.get("file", ""))).stem
    # 《》 inside a sentence names some other book.
    for line in [line for line in head if len(line) <= 60] + [stem]:
        marked = re.match(r"(?:书名|書名)?[:：]?《([^》]{1,30})》", line)
        if marked:
            return marked[1].strip()
    first = _first_line_title(head[0] if head else "")
    return (first if first != first_heading else "") or stem or "无题"


def _first_line_title(line: str) -> str:
    """红楼梦 from 红楼梦（清）曹雪芹著 or [红楼梦 / 曹雪芹 著 ]; "" where the line is no title."""
    line = line.strip("[]【】 ")
    if parse_heading(line) or len(line) > 30 or re.search(r"[，。！？；：:<>&#`*=-]", line):
        return ""
    first = re.split(r"[ \u3000/／（(]", line)[0]
    return first if len(first) > 1 else re.sub(r"[ \u3000]+", "", line)
