"""Headings: what a line must look like to open a chapter, and the text cut at those lines.

Covers 第X回/章/节/卷/集/篇/部/则/折 and 卷X with Chinese, Arabic and full-width numerals, also
spaced out (第 一 回), 楔子 序 引子 尾声 番外 and their kin, volumes above chapters, and a heading
whose title stands on the next line. Does not cover headings inside a line of running text.
"""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass

from novelkit.cleaning.novel import Chapter

# The dash stands for 一 in texts that were scanned.
_NUMERAL = r"[0-9０-９〇零○Ｏ—一二两兩三四五六七八九十百千廿卅壹贰貳叁參肆伍陆陸柒捌玖拾佰]"
_SPACES = " \u3000\t\xa0"
_NUMBER = rf"(?:{_NUMERAL}[ \u3000]*){{1,9}}"
_UNITS = "章回节節卷集篇部则則折出幕"
_PREFIX = rf"(?P<prefix>正文|《》目录|[上中下前后後][卷部集篇编編]|第{_NUMBER}[卷部集篇])"
_NUMBERED = re.compile(
    rf"(?:{_PREFIX}[ \u3000:：]*)?"
    rf"(?:第[ \u3000]*(?P<number>{_NUMBER})(?P<unit>[{_UNITS}])"
    rf"|(?P<roll>卷[之第]?)[ \u3000]*(?P<roll_number>{_NUMERAL}{{1,9}}))"
    r"(?P<gap>[ \u3000\t:：、.．·-]*)(?P<title>.*)"
)
_NAMED = re.compile(
    r"(?:正文[ \u3000]*)?(?P<name>楔子|引子|引言|引首|缘起|緣起|尾声|尾聲|终章|終章|"
    r"(?:自|原|总|總|代)?(?:序|敘|叙)[言章]?|前言|弁言|凡例|小引|题辞|題辭|"
    r"后记|後記|后序|後序|跋|附录|附錄|首回|《[^》]{1,12}》[序敘叙跋]|"
    r"番外篇?(?:[ \u3000]*[0-9一二三四五六七八九十]{1,3})?)"
    r"(?:[ \u3000:：]+(?P<title>[^。！？，；]{1,24}))?"
)
_DIGITS = {
    character: value
    for value, row in enumerate(
        (
            "零〇○Ｏ",
            "一壹",
            "二贰貳两兩",
            "三叁參",
            "四肆",
            "五伍",
            "六陆陸",
            "七柒",
            "八捌",
            "九玖",
        )
    )
    for character in row
}
_SCALES = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000}
# Prose that begins like a heading: 第一节课后, 第二回书中, 第三部分.
_PROSE_AFTER_UNIT = re.compile(r"[中里裡的是书書说說课課分队隊门門合团團话話又也就便还還上下来來]")
_RANK = {
    unit: rank
    for rank, group in enumerate(["节節", "章回则則折出幕", "篇", "集", "卷", "部"])
    for unit in group
}
LONGEST_HEADING = 48
_LARGEST_GAP = 3  # chapters that may be missing before one whose form is doubtful


@dataclass(frozen=True)
class Heading:
    """A heading line: unit (第X章 → 章, named ones ""), number, the heading without its volume."""

    unit: str
    number: int | None
    label: str
    title: str
    volume: str
    loose: bool  # the title follows the unit without a gap, as in running text

    @property
    def full(self) -> str:
        """Label and title as they will stand in the chapter: 第一回　灵根育孕源流出"""
        return f"{self.label}　{self.title}" if self.title else self.label


def parse_number(numeral: str) -> int | None:
    """廿三, 一百零八, 〇〇一, １２ → int; None where it is no number."""
    numeral = unicodedata.normalize("NFKC", re.sub(r"[ \u3000]", "", numeral))
    numeral = numeral.replace("廿", "二十").replace("卅", "三十")
    numeral = numeral.replace("—", "一").replace("O", "0")
    if numeral.isdigit() and numeral.isascii():
        return int(numeral)
    if not any(character in _SCALES for character in numeral):
        digits = [_DIGITS.get(c, c) for c in numeral]
        return int("".join(map(str, digits))) if all(str(d).isdigit() for d in digits) else None
    total, digit = 0, None
    for character in numeral:
        if character in _SCALES:
            total += (1 if digit is None else digit) * _SCALES[character]
            digit = None
        else:
            digit = _DIGITS.get(character)
    return total + (digit or 0)


def parse_heading(line: str) -> Heading | None:
    """The heading that a line is, by its form alone; None for running text."""
    line = line.strip(" \u3000\t\ufeff")
    if not line or len(line) > LONGEST_HEADING:
        return None
    named = _NAMED.fullmatch(line)
    if named:
        title = _tidy(named["title"] or "")
        return Heading("", None, re.sub(r"[ \u3000]", "", named["name"]), title, "", False)
    match = _NUMBERED.fullmatch(line)
    return _numbered(match) if match else None


def _numbered(match: re.Match) -> Heading | None:
    unit = match["unit"] or "卷"
    numeral = match["number"] or match["roll_number"]
    number = parse_number(numeral)
    title = match["title"].strip(" \u3000\t-")
    loose = bool(title) and not match["gap"]
    # A title may ask or exclaim; only prose has full stops and commas without a gap before it.
    if number is None or title.endswith(("。", "，", "；", "：", "、")) or "。" in title:
        return None
    if loose and re.search(r"[，；：“”「」！？]", title):
        return None
    if len(re.findall(r"[，、；]", title)) > 2:
        return None
    numeral = re.sub(r"[ \u3000]", "", numeral)
    label = f"第{numeral}{unit}" if match["unit"] else f"{match['roll']}{numeral}"
    prefix = match["prefix"] or ""
    volume = "" if prefix in ("正文", "《》目录") else prefix
    return Heading(unit, number, label, _tidy(title), volume, loose)


def _tidy(title: str) -> str:
    return re.sub(r"[ \u3000\t]+", "　", title.strip(_SPACES))


def find_headings(lines: list[str]) -> dict[int, Heading]:
    """Line number → heading, for the lines that open a chapter or a volume in their context."""
    found = {}
    previous = ""  # the last line with text
    blank_before = True
    last: dict[str, int] = {}
    for index, line in enumerate(lines):
        if not line.strip(_SPACES):
            blank_before = True
            continue
        heading = parse_heading(line)
        if heading and _fits(heading, previous, blank_before, last):
            found[index] = heading
            if heading.number is not None:
                last[heading.unit] = heading.number
        previous, blank_before = line, False
    return _drop_minor_units(found)


def find_headings_by_layout(lines: list[str]) -> dict[int, Heading]:
    """As `find_headings`, and short lines between empty lines where only headings stand so.

    Such are story titles and misprinted numbers, in a text with one paragraph a line and empty
    lines around headings alone.
    """
    found = find_headings(lines)
    filled = [index for index, line in enumerate(lines) if line.strip(_SPACES)]
    alone = [
        index
        for order, index in enumerate(filled)
        if (index + 1 < len(lines) and not lines[index + 1].strip(_SPACES))
        and (order == 0 or filled[order - 1] < index - 1)
    ]
    plain = {index: _plain_heading(lines[index]) for index in alone}
    titles = {index: heading for index, heading in plain.items() if heading is not None}
    known = sum(index in found for index in alone)
    airy = len(lines) - len(filled) > 0.25 * len(filled)
    if len(alone) < 2 or airy or len(titles) < len(alone):
        return found
    if known >= 0.8 * len(alone):
        return dict(sorted((titles | found).items()))
    # Stories: each title has text under it, and numbered sections inside a story are text.
    follow_on = any(a in titles and b in titles for a, b in zip(filled, filled[1:], strict=False))
    stories = known <= 0.2 * len(alone) and len(found) <= len(alone) and not follow_on
    return titles if stories else found


def _plain_heading(line: str) -> Heading | None:
    line = _tidy(line)
    if not line or len(line) > LONGEST_HEADING or re.search("[。，；：…”」]$", line):
        return None
    return Heading("", None, line, "", "", False)


def _fits(heading: Heading, previous: str, blank_before: bool, last: dict[str, int]) -> bool:
    """A line that could be prose must continue the numbering and not a broken sentence."""
    ahead = (heading.number or 0) - last.get(heading.unit, 0)
    follows = heading.number in (None, 1) or 1 <= ahead <= _LARGEST_GAP
    if heading.loose:
        prose = _PROSE_AFTER_UNIT.match(heading.title) and (len(heading.title) < 8 or ahead != 1)
        if prose or not follows:
            return False
    ended = blank_before or parse_heading(previous) or len(previous.strip()) < 20
    if ended or previous.rstrip(_SPACES).endswith(tuple("。！？…”」』）)：*-—=~】]>`")):
        return True
    return follows and not heading.loose and heading.number is not None


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


def volume_units(found: dict[int, Heading]) -> set[str]:
    """The units that group chapters: those above the lowest unit, where they are fewer."""
    counts = Counter(heading.unit for heading in found.values() if heading.unit)
    if len(counts) < 2:
        return set()
    lowest = min(_RANK[unit] for unit in counts)
    chapters = sum(count for unit, count in counts.items() if _RANK[unit] == lowest)
    return {u for u, count in counts.items() if _RANK[u] > lowest and count < chapters}


def _is_title_line(line: str, next_line: str) -> bool:
    """A short line without punctuation under a bare 第X回: the title on a line of its own."""
    line = line.strip(_SPACES)
    if not line or len(line) > 40 or parse_heading(line) or not next_line:
        return False
    return not re.search(r"[。，！？；：、…—“”「」『』（）()*]", line)


def split_chapters(text: str) -> tuple[Chapter, ...]:
    """Cut a cleaned text (one paragraph a line) at its headings; no text is left out.

    Text before the first heading becomes a chapter with the title "".
    """
    lines = text.split("\n")
    found = find_headings_by_layout(lines)
    volumes = volume_units(found)
    chapters: list[Chapter] = []
    title, volume, bare = "", "", False
    paragraphs: list[str] = []

    def close() -> None:
        if title or paragraphs:
            chapters.append(Chapter(title, tuple(paragraphs), volume))

    for index, line in enumerate(lines):
        heading = found.get(index)
        stripped = line.strip(_SPACES)
        if heading is None:
            if bare and stripped and _is_title_line(line, "".join(lines[index + 1 : index + 3])):
                title = f"{title}　{_tidy(stripped)}"
            elif stripped:
                paragraphs.append(stripped)
            bare = bare and not stripped
            continue
        close()
        title, paragraphs = "", []
        if heading.unit in volumes:
            volume, bare = heading.full, False
        else:
            title, bare = heading.full, not heading.title and heading.number is not None
            volume = heading.volume or volume
    close()
    return tuple(chapters)
