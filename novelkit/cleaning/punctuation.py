"""Half-width punctuation between hanzi, pieces of ellipses and dashes, and straight quotes.

Follows GB/T 15834 (标点符号用法): ，。！？；：（） are full-width, …… and —— are two characters, “”
and ‘’ come in pairs. A mark is changed only where its neighbours leave no doubt: 3.14, 12:30,
addresses and English sentences stay; "?" and "." between two hanzi stay (a lost character,
约翰.史密斯) unless the text uses them throughout; quotes change only where they pair within one
paragraph. 「」 stay. Does not change any hanzi, and letters and digits (阿Ｑ) only by the separate
rule `full_width`.
"""

import re
from collections.abc import Callable

from novelkit.cleaning.chapters import LONGEST_HEADING, parse_heading
from novelkit.cleaning.edits import Edits, substitute

_HAN = "\u3400-\u9fff\uf900-\ufaff〇□\U00020000-\U0003ffff"
_CLOSING = "”’」』）》】〉〕"
_OPENING = "“‘「『（《【〈〔"
_FULL = {",": "，", ";": "；", ":": "：", "!": "！", "?": "？", ".": "。"}
_TABLE = str.maketrans(_FULL)

_BEFORE = re.compile(rf"[{_HAN}{_CLOSING}…]")
_HANZI = re.compile(rf"[{_HAN}]")
# The spaces after a mark belong to it: 甲, 乙 becomes 甲，乙.
_MARKS = re.compile(r"[,;:!?.]+[ ]*")
_BRACKETS = re.compile(rf"\((?=[^()\n]{{0,40}}[{_HAN}])[^()\n]{{1,60}}\)")


def correct_punctuation(text: str, edits: Edits) -> str:
    """Half-width marks beside hanzi become full-width; ellipses, dashes, quotes become whole."""
    for edit in (_turn, _ellipses, _dashes, _doubles, _brackets, _quotes, _marks):
        text = edit(text, edits)
    return text


def narrow_letters(text: str, edits: Edits) -> str:
    """Full-width letters and digits become ASCII, by their names in Unicode."""
    return _replace(_FULL_WIDTH, lambda match: _narrow(match[0]), text, edits)


_FULL_WIDTH = re.compile("[０-９Ａ-Ｚａ-ｚ]+")


def _narrow(letters: str) -> str:
    return "".join(chr(ord(letter) - 0xFEE0) for letter in letters)


def _replace(pattern: re.Pattern, new: Callable[[re.Match], str], text: str, edits: Edits) -> str:
    """`re.sub` with a function, counting only the matches that it changes."""

    def change(match: re.Match) -> str:
        after = new(match)
        if after != match[0]:
            edits.add_within(text, *match.span(), after)
        return after

    return pattern.sub(change, text)


# --- forms for vertical lines, and small ones -------------------------------------------------

# Unicode block CJK Compatibility Forms and Small Form Variants: marks turned for vertical text.
_TURNED_FORMS = "︐︑︒︓︔︕︖︗︘︙︰︱︵︶︷︸︹︺︻︼︽︾︿﹀﹁﹂﹃﹄﹐﹑﹔﹕﹖﹗﹙﹚"
_UPRIGHT_FORMS = "，、。：；！？〖〗…：—（）｛｝〔〕【】《》〈〉「」『』，、；：？！（）"
_UPRIGHT = dict(zip(_TURNED_FORMS, _UPRIGHT_FORMS, strict=True))
_TURNED = re.compile(f"[{_TURNED_FORMS}]")


def _turn(text: str, edits: Edits) -> str:
    """﹁ of a text that was set in columns becomes 「."""
    return _replace(_TURNED, lambda match: _UPRIGHT[match[0]], text, edits)


# --- pieces of one mark ------------------------------------------------------------------------

_ELLIPSES = tuple(
    (sign, re.compile(pattern))
    for sign, pattern in (
        ("。。。", "。{3,}"),
        ("・・", "・{2,}"),
        ("···", "·{3,}"),
        ("．．．", "．{3,}"),
        ("⋯", "⋯+"),
    )
)
_POINTS = re.compile(r"\.{3,}")
_BESIDE_POINTS = re.compile(rf"[{_HAN}{_CLOSING}{_OPENING}，。！？\"']")
_HALF_ELLIPSIS = re.compile("…(?<!……)(?!…)")


def _ellipses(text: str, edits: Edits) -> str:
    def points(match: re.Match) -> str:
        before = text[match.start() - 1 : match.start()] if match.start() else ""
        after = text[match.end() : match.end() + 1]
        return "……" if _BESIDE_POINTS.match(before) or _BEFORE.match(after) else match[0]

    if "..." in text:
        text = _replace(_POINTS, points, text, edits)
    for sign, pattern in _ELLIPSES:
        if sign in text:
            text = substitute(pattern, "……", text, edits)
    if text.count("…") != 2 * text.count("……"):
        text = substitute(_HALF_ELLIPSIS, "……", text, edits)
    return text


_CHINESE = re.compile(rf"[{_HAN}{_CLOSING}{_OPENING}，。！？；：、…\n]")
_DASHES = re.compile("-{2,}")
_DRAWN_DASHES = re.compile("[―─]{2,4}")


def _dashes(text: str, edits: Edits) -> str:
    """One dash stays: it may stand for 一 in a text that was scanned."""

    def whole(match: re.Match) -> str:
        before = text[match.start() - 1 : match.start()] if match.start() else "\n"
        after = text[match.end() : match.end() + 1] or "\n"
        inside = before != "\n" or after != "\n"
        certain = len(match[0]) <= 4 and _CHINESE.match(before) and _CHINESE.match(after) and inside
        return "——" if certain else match[0]

    if "--" in text:
        text = _replace(_DASHES, whole, text, edits)
    if "――" in text or "──" in text:
        text = substitute(_DRAWN_DASHES, "——", text, edits)
    return text


_DOUBLES = re.compile(r"([。，；：])\1+")


def _doubles(text: str, edits: Edits) -> str:
    """。。 is a slip of a scanner or a finger; ！！ and ？？ are meant."""
    if not any(2 * sign in text for sign in "。，；："):
        return text
    return substitute(_DOUBLES, r"\1", text, edits)


def _brackets(text: str, edits: Edits) -> str:
    if "(" not in text:
        return text
    return _replace(_BRACKETS, lambda match: f"（{match[0][1:-1]}）", text, edits)


# --- marks by their neighbours ----------------------------------------------------------------


def _marks(text: str, edits: Edits) -> str:
    systematic = "".join(sign for sign in "?." if _is_systematic(sign, text))

    def full(match: re.Match) -> str:
        signs = match[0].rstrip(" ")
        before = text[match.start() - 1 : match.start()] if match.start() else ""
        after = text[match.end() : match.end() + 1]
        if "." in signs and (len(signs) > 1 or _is_heading(text, match)):
            return match[0]
        spaced = len(signs) < len(match[0])
        certain = (
            _is_certain(signs, before, after, spaced)
            if not set(signs) & set("?.") - set(systematic)
            else _BEFORE.match(before) and (_ends_here(after) or after in _OPENING)
        )
        return signs.translate(_TABLE) if certain else match[0]

    return _replace(_MARKS, full, text, edits)


def _is_systematic(sign: str, text: str) -> bool:
    """Whether the half-width sign is the one that this text uses after hanzi."""
    if sign not in text:
        return False
    found = len(re.findall(rf"\{sign}(?<=[{_HAN}]\{sign})(?=[{_HAN}]|$)", text, re.M))
    return found >= 3 and found > text.count(_FULL[sign])


def _ends_here(after: str) -> bool:
    return after in ("", "\n") or after in _CLOSING or after in "\"'"


def _is_certain(signs: str, before: str, after: str, spaced: bool) -> bool:
    """Hanzi before the mark and Chinese or nothing behind it, or the other way round."""
    chinese_after = _ends_here(after) or after in _OPENING or bool(_HANZI.match(after))
    if _BEFORE.match(before):
        return chinese_after or (not spaced and after.isalnum() and signs != ".")
    letter = before.isascii() and before.isalnum()
    return letter and not spaced and bool(_HANZI.match(after)) and signs not in (".", ":")


def _is_heading(text: str, match: re.Match) -> bool:
    """第一章.雪夜: the point is the gap between the number and the title."""
    start, end = text.rfind("\n", 0, match.start()) + 1, text.find("\n", match.end())
    line = text[start : end if end >= 0 else len(text)]
    return len(line) <= LONGEST_HEADING and parse_heading(line) is not None


# --- straight quotes ---------------------------------------------------------------------------

_STRAIGHT = re.compile("[\"'＂＇]")
_PAIRS = (
    ('"', "“”", re.compile('["“”]')),
    ("'", "‘’", re.compile("['‘’]")),
)
_NOT_OPENED_BEFORE = frozenset("，。！？；：、,.!?;:)）…”’」』 \u3000")
_NOT_CLOSED_AFTER = frozenset("：:（(「『“‘ \u3000")


def _quotes(text: str, edits: Edits) -> str:
    """Straight quotes become pairs in every line in which each can only be one of a pair."""
    if not any(sign in text for sign in "\"'＂＇"):
        return text
    lines = text.split("\n")
    for index, line in enumerate(lines):
        if _STRAIGHT.search(line) and _HANZI.search(line):
            plain = paired = line.replace("＂", '"').replace("＇", "'")
            for sign, pair, either in _PAIRS:
                if sign in paired:
                    paired = _pair(paired, sign, pair, either)
            if paired != plain:
                edits.add(line, paired)
                lines[index] = paired
    return "\n".join(lines)


def _pair(line: str, sign: str, pair: str, either: re.Pattern) -> str:
    """`line` with its straight quotes curled, unchanged where one of them could be either kind.

    A straight quote may close a curled one: “甲"乙. `either` finds the sign and its curled forms.
    """
    parts, done = [], 0
    is_open = False
    for match in either.finditer(line):
        place, character = match.start(), match[0]
        if character == sign:
            if _is_apostrophe(line, place):
                continue
            if not _may_stand(line, place, is_open):
                return line
            parts += [line[done:place], pair[is_open]]
            done = place + 1
        elif is_open == (character == pair[0]):
            return line
        is_open = not is_open
    return line if is_open else "".join([*parts, line[done:]])


def _may_stand(line: str, place: int, closes: bool) -> bool:
    """Whether the neighbours of the quote at `place` allow it to close, or to open."""
    if closes:
        return line[place - 1] not in _NOT_CLOSED_AFTER
    following = line[place + 1 : place + 2]
    # 6'2" is no quotation.
    inches = place > 0 and line[place - 1].isascii() and line[place - 1].isdigit()
    return following != "" and following not in _NOT_OPENED_BEFORE and not inches


def _is_apostrophe(line: str, place: int) -> bool:
    return (
        line[place] == "'"
        and place > 0
        and _is_latin(line[place - 1])
        and _is_latin(line[place + 1 : place + 2])
    )


def _is_latin(character: str) -> bool:
    return character.isascii() and character.isalpha()
