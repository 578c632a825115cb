"""Mojibake undone: the bytes of one codec that were read with another, where that can be reversed.

Covers UTF-8, GB18030 and Big5 read with one another or as Western text, UTF-8 up to twice over, in
a whole text. `find_mojibake` asks the same of a long text by its first pages. Does not cover a
text of which only parts are mojibake.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from novelkit.encoding.likelihood import judge

# What browsers call windows-1252: the five bytes that cp1252 leaves undefined pass through.
_CP1252_BYTES = {
    ord(bytes((byte,)).decode("cp1252", "ignore") or chr(byte)): byte for byte in range(256)
}
_CLEARLY_BETTER = 1.5  # mean weight of a character
_SINGLE_BYTE = ("cp1252", "latin-1")
# Measured in Chinese read with the wrong one of two Chinese codecs: 0.5 to 0.9, private use too.
_LEAST_HANZI = 0.25
_NAMES = {"utf-8": "UTF-8", "gb18030": "GB18030", "big5hkscs": "Big5"}
_PIECE = 1000  # characters judged together in a long text
_PIECES = 4
_FEWEST_HANZI = 8
# (the codec the bytes were really in, the codec they were wrongly read with)
_MISREADINGS = (
    ("utf-8", "cp1252"),
    ("utf-8", "latin-1"),
    ("utf-8", "gb18030"),
    ("utf-8", "big5hkscs"),
    ("gb18030", "cp1252"),
    ("gb18030", "latin-1"),
    ("big5hkscs", "cp1252"),
    ("big5hkscs", "latin-1"),
    ("gb18030", "big5hkscs"),
    ("big5hkscs", "gb18030"),
)


@dataclass(frozen=True)
class Repair:
    """Text after the reversal of mojibake; `how` (UTF-8 被当成 cp1252 读) is None without one."""

    text: str
    how: str | None


def repair(text: str) -> Repair:
    """Undo mojibake: the bytes of one codec read with another, UTF-8 up to twice over.

    Only where the way back loses nothing more and the result reads clearly better.
    """
    if text.isascii():
        return Repair(text, None)
    score, _, telling = judge(text)
    best = Repair(text, None)
    best_score = score + _CLEARLY_BETTER
    for undone, how in _ways_back(text):
        new_score, share, _ = judge(undone)
        # The lead is asked per character and in all, so that a word or two never flips.
        enough = (new_score - score) * telling > 20 and share >= 0.4
        if enough and new_score > best_score:
            best, best_score = Repair(undone, how), new_score
    return best


def find_mojibake(text: str) -> str | None:
    """How a text came to be reversible mojibake, by some 4000 characters; None where it is not."""
    pieces = list(_pieces(text))
    whole = repair("".join(pieces))
    if whole.how or not pieces:
        # A few symbols can be the bytes of a few hanzi by chance.
        hanzi = len(re.findall(r"[\u3400-\u9fff]", whole.text))
        return whole.how if hanzi >= _FEWEST_HANZI else None
    # Some damage stops one piece and not the others.
    votes: Counter[str | None] = Counter()
    for piece in pieces:
        # A line cut in the middle may end in a part of a character.
        ends = range(1, 4) if len(piece) > _PIECES * _PIECE else (0,)
        ways = (repair(piece[: len(piece) - end]).how for end in ends)
        votes[next(filter(None, ways), None)] += len(piece)
    if votes[None] * 2 >= votes.total():
        return None
    del votes[None]
    return votes.most_common(1)[0][0]


def _pieces(text: str) -> Iterator[str]:
    """The first lines with more than ASCII, together in pieces of about `_PIECE` characters."""
    piece, taken = "", 0
    for line in text.split("\n"):
        if line.isascii():
            continue
        piece += line[: _PIECES * _PIECE] + "\n"
        if len(piece) >= _PIECE:
            yield piece
            taken += len(piece)
            piece = ""
        if taken >= _PIECES * _PIECE:
            return
    if piece:
        yield piece


def _ways_back(text: str, depth: int = 2) -> Iterator[tuple[str, str]]:
    """Every text that `text` may have been, with how; through Latin letters also two steps."""
    telling = len(re.findall(r"[^\x00-\x7f]", text))
    hanzi = len(re.findall(r"[\u3400-\u9fff\ue000-\uf8ff\U00020000-\U0003ffff]", text))
    for true, wrong in _MISREADINGS:
        # Cyrillic has the bytes of common Big5 hanzi in GB 18030, and is good text by itself.
        if wrong not in _SINGLE_BYTE and hanzi < _LEAST_HANZI * telling:
            continue
        undone = _reread(text, wrong, true)
        if undone is None or undone == text:
            continue
        read_as = f"被当成 {_NAMES.get(wrong, wrong)} 读"
        yield undone, f"{_NAMES[true]} {read_as}"
        if depth > 1 and true == "utf-8" and wrong in _SINGLE_BYTE:
            for further, first in _ways_back(undone, depth - 1):
                yield further, f"{first}，再{read_as}"


def _reread(text: str, wrong: str, true: str) -> str | None:
    """`text` back to the bytes it came from, read with the true codec; None where impossible."""
    try:
        if wrong == "cp1252":
            raw = bytes(_CP1252_BYTES[ord(character)] for character in text)
        else:
            # Characters lost in the first reading stay lost: 0xFF is valid in none of the codecs.
            raw = b"\xff".join(part.encode(wrong) for part in text.split("\ufffd"))
    except (KeyError, UnicodeEncodeError):
        return None
    undone = raw.decode(true, "replace")
    allowed = 2 * text.count("\ufffd")
    if wrong in _SINGLE_BYTE:
        # Every byte came back, so that what cannot be read was damaged before the misreading.
        allowed += len(undone) // 200 + undone.rstrip().endswith("\ufffd")
    return undone if undone.count("\ufffd") <= allowed else None
