"""Rules on single characters: newlines, control characters, and what was lost before us.

Covers every newline that Unicode knows (UAX 14: CR, LF, NEL, VT, FF, LS, PS), byte-order marks
inside the text, zero-width and direction marks. Lost characters (U+FFFD, the white square, the
private-use area) are counted and stay. Does not touch compatibility ideographs or decomposed
letters: which form of a character stands there is the author's choice.
"""

import re

from novelkit.cleaning.edits import EXAMPLES, Edits, substitute

_RARE_NEWLINES = ("\r\r", "\u2028", "\u2029", "\x85", "\x0b", "\x0c")
_NEWLINES = re.compile("\r+\n|\r|\u2028|\u2029|\x85|\x0b|\x0c")
_CONTROLS = re.compile(
    "[\ufeff\u00ad\u200b\u200c\u200e\u200f\u202a-\u202e\u2060-\u2064\ufff9-\ufffb\x00-\x08"
    "\x0e-\x1f\x7f-\x84\x86-\x9f]+"
)
# Between two emoji it makes one of them, between hanzi it is a watermark.
_JOINER = re.compile("(?<![\u2600-\u27bf\ufe0f\U0001f000-\U0001faff])\u200d+")
_MISSING = re.compile("[□\ue000-\uf8ff]+")


def unify_newlines(text: str, edits: Edits) -> str:
    """Every kind of newline becomes LF."""
    if any(mark in text for mark in _RARE_NEWLINES):
        return substitute(_NEWLINES, "\n", text, edits)
    if "\r" not in text:
        return text
    for match, _ in zip(_NEWLINES.finditer(text), range(EXAMPLES), strict=False):
        edits.show_within(text, *match.span(), "\n")
    edits.count += text.count("\r")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def drop_controls(text: str, edits: Edits) -> str:
    """Byte-order marks, zero-width characters and control codes go."""
    text = substitute(_CONTROLS, "", text, edits)
    return substitute(_JOINER, "", text, edits) if "\u200d" in text else text


def count_damage(text: str, edits: Edits) -> str:
    """Counts U+FFFD and leaves it: a lost character must stay visible."""
    return _count(re.compile("\ufffd+"), text, edits) if "\ufffd" in text else text


def count_missing(text: str, edits: Edits) -> str:
    """Counts □ and private-use characters, each for a hanzi that some font or code page lacked."""
    return _count(_MISSING, text, edits)


def _count(pattern: re.Pattern, text: str, edits: Edits) -> str:
    for match in pattern.finditer(text):
        edits.add_within(text, *match.span(), match[0])
    return text
