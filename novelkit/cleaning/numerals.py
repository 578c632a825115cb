"""Numerals of headings: 一百零八, 一〇八, 壹佰零捌, 廿三, 卅, 卌二, 108, １０８ → int.

Covers numbers below 10,000, also spaced out, positional (第一二三回) and with the slips of
scanned texts (— for 一, Ｏ for 零). Roman numerals are `parse_roman`'s.
"""

import re
import unicodedata

_DIGIT_ROWS = (
    "零〇○Ｏ",
    "一壹弌—",
    "二贰貳两兩弍",
    "三叁參叄弎",
    "四肆",
    "五伍",
    "六陆陸",
    "七柒",
    "八捌",
    "九玖",
)
_DIGITS = {c: value for value, row in enumerate(_DIGIT_ROWS) for c in row}
_SCALES = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000, "仟": 1000}
_TENS = {"廿": "二十", "卄": "二十", "卅": "三十", "卌": "四十"}
NUMERAL = "[0-9０-９" + "".join([*_DIGITS, *_SCALES, *_TENS]) + "]"
_ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}
_ROMAN_FORM = re.compile("(?=[IVXLC])C{0,3}(XC|XL|L?X{0,3})(IX|IV|V?I{0,3})")


def parse_number(numeral: str) -> int | None:
    """廿三, 一百零八, 〇〇一, １２ → int; None where it is no number."""
    numeral = "".join(numeral.split())
    if numeral.isdigit() and not numeral.isascii():
        numeral = unicodedata.normalize("NFKC", numeral)
    if numeral.isascii() and numeral.isdigit():
        return int(numeral)
    for ten, spelled in _TENS.items():
        # 廿十 does not occur, 百廿三 does.
        numeral = numeral.replace(ten, spelled)
    if not any(character in _SCALES for character in numeral):
        digits = [_digit(character) for character in numeral]
        return None if None in digits or not digits else int("".join(map(str, digits)))
    total, digit = 0, None
    for character in numeral:
        if character in _SCALES:
            # 十二 and 三千零十: a ten that is not counted is one.
            total += (digit or 1) * _SCALES[character]
            digit = None
        else:
            digit = _digit(character)
            if digit is None:
                return None
    return total + (digit or 0)


def _digit(character: str) -> int | None:
    if character in _DIGITS:
        return _DIGITS[character]
    return unicodedata.decimal(character, None)


def parse_roman(numeral: str) -> int | None:
    """XII → 12, to 399; None where it is not written the one right way (IIII, VX)."""
    numeral = numeral.upper()
    if not _ROMAN_FORM.fullmatch(numeral):
        return None
    values = [_ROMAN[character] for character in numeral]
    following = [*values[1:], 0]
    return sum(v if v >= f else -v for v, f in zip(values, following, strict=True))
