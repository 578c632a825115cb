"""The form of a heading line: 第X回/章/节/卷/集…, 卷X, Chapter X, 楔子 序 尾声 番外 and their kin.

Covers every style of numeral (`numerals`), also spaced out (第 一 回), a volume before the chapter,
parts （上）, and ornaments around the line. Whether a line of this form opens a chapter is for its
context to say (`chapters`), as are bare numbers (`enumerations`).
"""

import re
from dataclasses import dataclass

from novelkit.cleaning.numerals import NUMERAL, parse_number, parse_roman

_SPACES = " \u3000\t\xa0"
_GAP = r"[ \u3000\t]"
_NUMBER = rf"(?:{NUMERAL}{_GAP}*){{1,9}}"
UNITS = "章回囘囬迴节節卷集篇部编編册冊辑輯则則折出齣幕场場话話讲講"
_VOLUME_UNITS = "卷部集篇编編册冊辑輯"
_GAPS = re.compile(r"(?<![!-~])[ \u3000\t]+|[ \u3000\t]+(?![!-~])|[\u3000\t]+")
_ORNAMENTS = "【】[]〖〗※◎●★☆■◆◇▲△▼▽＊*#=＝~～_—\\-·・•|"
_PREFIX = (
    rf"(?P<prefix>正文卷?|《[^》]{{0,20}}》(?:目录)?|[上中下前后後][{_VOLUME_UNITS}]"
    rf"|第{_NUMBER}[{_VOLUME_UNITS}](?:{_GAP}+[^ \u3000\t第]{{1,12}}(?={_GAP}))?)"
)
_NUMBERED = re.compile(
    rf"(?:{_PREFIX}[ \u3000\t:：·]*)?"
    rf"(?:第{_GAP}*(?P<number>{_NUMBER})(?P<unit>[{UNITS}])"
    rf"|(?P<roll>卷[之第]?){_GAP}*(?P<roll_number>{NUMERAL}{{1,9}}))"
    r"(?P<part>[（(〔][上中下续續终終0-9一二三四五六七八九十]{1,2}[）)〕]"
    r"|[上中下](?=[ \u3000\t:：]|$))?"
    r"(?P<gap>[ \u3000\t:：、.．·】\]—-]*)(?P<title>.*)"
)
_LATIN = re.compile(
    r"(?P<label>(?i:chapter)[ .]*(?P<number>[0-9]{1,4}|[IVXLC]{1,8}))"
    r"(?:[ \t:：.、-]+(?P<title>.*))?"
)
_NAMES = (
    "楔子|引子|引言|引首|引起|[缘緣]起|序[幕曲]|(?:自|原|[总總]|代|新|再版)?[序敘叙][言章]?|前言|弁言|"
    "凡例|小引|[题題][辞辭]|首回|开篇|尾[声聲]|[終终][章曲]|大[结結]局|[结結][语語]|"
    "[后後][记記]|[后後]序|跋|附[录錄]|《[^》]{1,12}》(?:[序敘叙跋]|[题題][辞辭])|"
    r"番外篇?(?:[之·]?[0-9一二三四五六七八九十]{1,3})?|外[传傳]"
)
# 楔　子 is set wide as often as not.
_SPREAD = re.compile(
    rf"(?<=^[楔序引尾后後前自弁凡题題附])({_GAP}+)(?=[子幕曲章言声聲记記序例辞辭录錄]$)"
)
_NAMED = re.compile(
    rf"(?:{_PREFIX}{_GAP}+)?(?P<name>{_NAMES})"
    r"(?:(?:[ \u3000\t:：—·-]+|(?<=番外)之)(?P<title>[^。！？，；]{1,24}))?"
)
_VOLUME = re.compile(
    rf"(?P<name>[上中下前后後](?P<unit>[{_VOLUME_UNITS}]))"
    r"(?:[ \u3000\t:：]+(?P<title>[^。！？，；]{1,16}))?"
)
LONGEST_HEADING = 48
ENUMERATED = "、"  # the unit of headings that are a bare number: 12、渡口
# The characters with which a heading can begin: most lines are passed over by this alone.
_FIRST = frozenset(
    "第卷《正上中下前后後楔引缘緣序自原总總代新再敘叙弁凡小题題首开尾终終大结結跋附番外Cc"
)
_BEFORE = _ORNAMENTS + _SPACES + "\ufeff"
_MAY_BEGIN = _FIRST | frozenset(_BEFORE)


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
        gap = "" if self.unit == ENUMERATED else "　"
        return f"{self.label}{gap}{self.title}" if self.title else self.label


def parse_heading(line: str) -> Heading | None:
    """The heading that a line is, by its form alone; None for running text."""
    if line[:1] not in _MAY_BEGIN or len(line) > 2 * LONGEST_HEADING:
        return None
    line = line.strip(_BEFORE)
    if not line or line[0] not in _FIRST or len(line) > LONGEST_HEADING:
        return None
    line = _SPREAD.sub("", line)
    if match := _NUMBERED.fullmatch(line):
        return _numbered(match)
    if match := _NAMED.fullmatch(line):
        name = re.sub(_GAP, "", match["name"])
        return Heading("", None, name, tidy(match["title"] or ""), _volume(match), False)
    if match := _VOLUME.fullmatch(line):
        return Heading(match["unit"], None, match["name"], tidy(match["title"] or ""), "", False)
    match = _LATIN.fullmatch(line)
    return _from_latin(match) if match else None


def _volume(match: re.Match) -> str:
    """The volume before the chapter; 正文 and the name of the book are none."""
    prefix = match["prefix"] or ""
    return "" if prefix.startswith(("正文", "《")) else tidy(prefix)


def _numbered(match: re.Match) -> Heading | None:
    unit = match["unit"] or "卷"
    numeral = match["number"] or match["roll_number"]
    number = parse_number(numeral)
    title = match["title"].strip(_SPACES + "-】")
    loose = bool(title) and not match["gap"] and not match["part"]
    if number is None or _is_prose(title, loose):
        return None
    numeral = re.sub(_GAP, "", numeral)
    label = f"第{numeral}{unit}" if match["unit"] else f"{match['roll']}{numeral}"
    label += match["part"] or ""
    return Heading(unit, number, label, tidy(title), _volume(match), loose)


def _is_prose(title: str, loose: bool) -> bool:
    """Only prose has full stops, many commas, or a comma without a gap before the title."""
    if title.endswith(("。", "，", "；", "：", "、")) or "。" in title:
        return True
    if loose and re.search(r"[，；：“「”」]|[！？](?!$)", title):
        return True
    return len(re.findall(r"[，、；]", title)) > 2


def _from_latin(match: re.Match) -> Heading | None:
    numeral = match["number"]
    number = int(numeral) if numeral.isdigit() else parse_roman(numeral)
    title = tidy(match["title"] or "")
    if number is None or _is_prose(title, loose=False):
        return None
    return Heading("章", number, match["label"], title, "", False)


def tidy(title: str) -> str:
    """One full-width space for every gap, but between Latin words."""
    return _GAPS.sub("　", title.strip(_SPACES))
