"""The named cleaning rules, in the order in which they run: each takes a text and returns a text.

A rule touches one kind of dirt, counts what it changes and keeps examples. Rules that need the
indentation (unwrapping) stand before the one that removes it. What a line must look like to be an
advertisement or a heading is in `advertisements` and `chapters`.
"""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from novelkit.cleaning.advertisements import advertisement_lines
from novelkit.cleaning.chapters import (
    find_headings,
    find_headings_by_layout,
    parse_heading,
    volume_units,
)
from novelkit.cleaning.unwrap import unwrap

_EXAMPLES = 3
_EXAMPLE_CHARACTERS = 60


@dataclass
class Edits:
    """What a rule has done so far: how many changes, and the first few of them."""

    count: int = 0
    examples: list[tuple[str, str]] = field(default_factory=list)

    def add(self, before: str, after: str = "") -> None:
        """Count a change and keep it as an example while there is room."""
        self.count += 1
        self.show(before, after)

    def show(self, before: str, after: str) -> None:
        """Keep an example, without counting it, while there is room."""
        if len(self.examples) < _EXAMPLES:
            self.examples.append((before[:_EXAMPLE_CHARACTERS], after[:_EXAMPLE_CHARACTERS]))


@dataclass(frozen=True)
class Rule:
    """A named rule; `title` is its name in Chinese for reports."""

    name: str
    title: str
    edit: Callable[[str, Edits], str]

    def apply(self, text: str) -> str:
        """The rule alone, text to text."""
        return self.edit(text, Edits())


def _substitute(
    pattern: re.Pattern, replacement: str, text: str, edits: Edits, around: int = 8
) -> str:
    """`re.sub` that counts and shows a few characters around the first matches."""
    for match in pattern.finditer(text):
        if len(edits.examples) >= _EXAMPLES:
            break
        left = text[max(0, match.start() - around) : match.start()]
        right = text[match.end() : match.end() + around]
        edits.show(left + match[0] + right, left + match.expand(replacement) + right)
    text, count = pattern.subn(replacement, text)
    edits.count += count
    return text


def _drop(lines: list[str], indexes: set[int], edits: Edits) -> str:
    for index in sorted(indexes):
        edits.add(lines[index].strip())
    return "\n".join(line for index, line in enumerate(lines) if index not in indexes)


# --- characters ---------------------------------------------------------------------------------

_NEWLINES = re.compile("\r+\n|\r|\u2028|\u2029|\x85|\x0b|\x0c")
_CONTROLS = re.compile(
    "[\ufeff\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]+"
)


def _newlines(text: str, edits: Edits) -> str:
    return _substitute(_NEWLINES, "\n", text, edits)


def _controls(text: str, edits: Edits) -> str:
    return _substitute(_CONTROLS, "", text, edits)


def _damage(text: str, edits: Edits) -> str:
    """Counts U+FFFD and leaves it: a lost character must stay visible."""
    for match in re.finditer("\ufffd+", text):
        around = text[max(0, match.start() - 8) : match.end() + 8]
        edits.add(around, around)
    return text


# --- markup -------------------------------------------------------------------------------------

_HIDDEN = re.compile(r"(?is)<!--.*?-->|<(script|style|head)\b[^>]*>.*?</\1\s*>|<!doctype[^>]*>")
_BREAKS = re.compile(
    r"(?i)<br\s*/?>|</?(?:p|div|h[1-6]|li|ul|ol|tr|table|blockquote|hr|section|article|body|html)"
    r"(?:\s[^<>]{0,300})?/?>"
)
_TAGS = re.compile(r"</?[A-Za-z][A-Za-z0-9]{0,14}(?:\s[^<>]{0,300})?/?>")
_ENTITY = re.compile(r"&(?:[A-Za-z]{2,8}|#[0-9]{2,7}|#[xX][0-9A-Fa-f]{2,6});")


def _tags(text: str, edits: Edits) -> str:
    # Every rule pays only where its mark occurs: most books hold no "<".
    if "<" not in text:
        return text
    text = _substitute(_HIDDEN, "", text, edits)
    text = _substitute(_BREAKS, r"\n", text, edits)
    return _substitute(_TAGS, "", text, edits)


def _entities(text: str, edits: Edits) -> str:
    if "&" not in text:
        return text

    def unescape(match: re.Match) -> str:
        character = html.unescape(match[0])
        if character != match[0]:
            edits.add(match[0], character)
        return character

    # Twice, since sites escape what is escaped already: &amp;nbsp;
    return _ENTITY.sub(unescape, _ENTITY.sub(unescape, text))


# --- matter that is not the book ------------------------------------------------------------------

_GUTENBERG_START = re.compile(
    r"(?i)\*{3}\s*START OF (?:THE|THIS) PROJECT GUTENBERG[^\n]*\n(?:\s*Produced by[^\n]*\n)?"
)
_GUTENBERG_END = re.compile(
    r"(?i)\n[^\n]{0,8}\*{3}\s*END OF (?:THE|THIS) PROJECT GUTENBERG.*"
    r"|\nEnd of (?:the )?Project Gutenberg.*",
    re.DOTALL,
)


def _gutenberg(text: str, edits: Edits) -> str:
    start = _GUTENBERG_START.search(text)
    if start:
        edits.add(text[: start.end()].strip())
        text = text[start.end() :]
    end = _GUTENBERG_END.search(text)
    if end:
        edits.add(end[0].strip())
        text = text[: end.start()]
    return text


def _advertisements(text: str, edits: Edits) -> str:
    lines = text.split("\n")
    remains = advertisement_lines(lines)
    for index, remain in remains.items():
        edits.add(lines[index].strip(), remain.strip())
        lines[index] = remain
    return "\n".join(
        line for index, line in enumerate(lines) if index not in remains or remains[index]
    )


_SEPARATOR = re.compile(
    r"[ \u3000\t]*(?:[-=_~—－＝]{4,}|[-=*＊※☆★◇◆#+]{3,}|`{3}\w*|~{3})[ \u3000\t]*"
)


def _separators(text: str, edits: Edits) -> str:
    lines = text.split("\n")
    return _drop(lines, {i for i, line in enumerate(lines) if _SEPARATOR.fullmatch(line)}, edits)


_CONTENTS = re.compile(r"[ \u3000\t]*[【《\[]?目[ \u3000]*[录錄次][】》\]]?[ \u3000\t:：]*")


def _contents(text: str, edits: Edits) -> str:
    """Headings in a row without text, each of which comes again later; and the list after 目录."""
    lines = text.split("\n")
    filled = [index for index, line in enumerate(lines) if line.strip()]
    headings = {index: parse_heading(lines[index]) for index in filled}
    keys = {
        i: (h.unit, h.number, h.label if h.number is None else "") for i, h in headings.items() if h
    }
    last = {key: index for index, key in keys.items()}
    dropped: set[int] = set()
    for run in _runs(filled, keys):
        again = {
            index for index in run if last[keys[index]] > run[-1] or _repeats(index, run, keys)
        }
        if len(again) >= 3:
            dropped |= again
    dropped |= _listed(lines, filled, dropped)
    return _drop(lines, dropped, edits)


def _runs(filled: list[int], keys: dict) -> list[list[int]]:
    """Stretches of heading lines with no other text between them."""
    runs: list[list[int]] = [[]]
    for index in filled:
        if index in keys:
            runs[-1].append(index)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if len(run) >= 3]


def _repeats(index: int, run: list[int], keys: dict) -> bool:
    return any(keys[other] == keys[index] for other in run if other > index)


def _listed(lines: list[str], filled: list[int], dropped: set[int]) -> set[int]:
    """The line 目录 and the short lines beside the listed headings that come again as a line."""
    places: dict[str, int] = {}
    for index in filled:
        places[_squeezed(lines[index])] = index
    found: set[int] = set()
    for order, index in enumerate(filled):
        if not _CONTENTS.fullmatch(lines[index]):
            continue
        found.add(index)
        for entry in filled[order + 1 :]:
            again = len(lines[entry]) <= 40 and places[_squeezed(lines[entry])] > entry
            if entry not in dropped and not again:
                break
            found.add(entry)
    return found - dropped


def _squeezed(line: str) -> str:
    return re.sub(r"[ \u3000\t]", "", line)


_FRONT = re.compile(
    r"《[^》]*》.{0,24}|[\[【].{0,40}[\]】]|[（(][明清宋元唐民][^）)]{0,4}[）)].{2,12}"
    r"|(?:作者名?|著者|译者|譯者|编者|編者|编|主角|书名|書名|又名|版本|类型|类别|分类|字数|状态|出版社?"
    r"|书籍介绍|書籍介紹|内容简介|內容簡介|简介|簡介)[:：；《].{0,60}"
    r"|.{0,20}[著撰編编译譯][ \u3000]*"
)


def _front_matter(text: str, edits: Edits) -> str:
    """Title and author lines before the first heading; prose there is kept as a chapter."""
    lines = text.split("\n")
    headings = find_headings(lines)
    if not headings:
        return text
    # 第一部 may stand between the title and the author: look up to the first real chapter.
    volumes = volume_units(headings)
    end = min((i for i, heading in headings.items() if heading.unit not in volumes), default=0)
    before = [i for i in range(end) if lines[i].strip() and i not in headings]
    dropped = set()
    for order, index in enumerate(before):
        line = lines[index].strip(" \u3000\t")
        # A short first line is the title where no prose comes after it.
        following = lines[before[order + 1]].strip() if order + 1 < len(before) else ""
        alone = not following or bool(_FRONT.fullmatch(following))
        short = len(line) <= 20 and not re.search(r"[，。！？；]", line)
        first = order == 0 and alone and short
        if not first and not _FRONT.fullmatch(line):
            break
        dropped.add(index)
    return _drop(lines, dropped, edits)


# --- layout -----------------------------------------------------------------------------------


def _unwrap(text: str, edits: Edits) -> str:
    result, joined = unwrap(text)
    for line, following in joined:
        left, right = line.strip()[-16:], following.strip()[:16]
        edits.add(f"{left}⏎{right}", left + right)
    return result


_INDENT = re.compile(r"^[ \u3000\t\xa0]+|[ \u3000\t\xa0]+$", re.MULTILINE)
_WIDE = "\u2014\u2018-\u201d\u2026\u3001-\u9fff\uf900-\ufaff\uff01-\uff60"
_GAP = re.compile(rf"(?<=[{_WIDE}])[ \u3000\t\xa0]+(?=[{_WIDE}])")
_HARD_SPACES = re.compile("[\xa0\u2002-\u200a\u202f\u205f]")
_BLANK_LINES = re.compile(r"\n{3,}")


def _indentation(text: str, edits: Edits) -> str:
    return _substitute(_INDENT, "", text, edits)


def _spaces(text: str, edits: Edits) -> str:
    """Spaces between hanzi go; in headings and in verse without punctuation one stays."""
    text = _HARD_SPACES.sub(" ", text)
    lines = text.split("\n")
    headings = find_headings_by_layout(lines)
    for index, line in enumerate(lines):
        if (" " not in line and "\u3000" not in line and "\t" not in line) or not line.strip():
            continue
        # Headings need their gap to be recognised; `split_chapters` tidies it.
        if index in headings or parse_heading(line):
            continue
        lines[index] = _GAP.sub("\u3000" if _is_verse(line) else "", line)
        if lines[index] != line:
            edits.add(line, lines[index])
    return "\n".join(lines)


def _is_verse(line: str) -> bool:
    """Parts of equal length and no punctuation: 白日依山尽　黄河入海流"""
    parts = line.split()
    return (
        len(parts) > 1
        and len(parts[0]) >= 4
        and all(len(part) == len(parts[0]) for part in parts)
        and not re.search(r"[，。！？；：]", line)
    )


def _blank_lines(text: str, edits: Edits) -> str:
    """At most one blank line in a row, none at the ends; `split_chapters` drops the others."""
    text = _substitute(_BLANK_LINES, r"\n\n", text, edits)
    if text != text.strip("\n"):
        edits.add(text[:1] + text[-1:])
    return text.strip("\n")


RULES: dict[str, Rule] = {
    name: Rule(name, title, edit)
    for name, title, edit in (
        ("newlines", "换行统一为 LF", _newlines),
        ("controls", "BOM 与控制字符", _controls),
        ("tags", "HTML 标签", _tags),
        ("entities", "HTML 实体", _entities),
        ("gutenberg", "古登堡计划的页眉页脚", _gutenberg),
        ("advertisements", "网站广告与声明", _advertisements),
        ("separators", "分隔线", _separators),
        ("contents", "目录", _contents),
        ("front_matter", "书名与作者行", _front_matter),
        ("unwrap", "硬换行接回段落", _unwrap),
        ("indentation", "缩进与行尾空格", _indentation),
        ("spaces", "汉字之间的空格", _spaces),
        ("blank_lines", "多余的空行", _blank_lines),
        ("damage", "损坏的字（保留）", _damage),
    )
}
