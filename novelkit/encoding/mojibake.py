"""Mojibake undone: the bytes of one codec that were read with another, where that can be reversed.

Covers UTF-8, GB18030 and Big5 read with one another or as Western text, UTF-8 up to twice over, in
a whole text. Does not cover a text of which only parts are mojibake.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from novelkit.encoding.likelihood import judge

# What browsers call windows-1252: the five bytes that cp1252 leaves undefined pass through.
_CP1252_BYTES = {
    ord(bytes((byte,)).decode("cp1252", "ignore") or chr(byte)): byte for byte in range(256)
}
_CLEARLY_BETTER = 1.5  # mean weight of a character
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
    """Text after the reversal of mojibake; `how` is None where nothing was reversed."""

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


def _ways_back(text: str, depth: int = 2) -> Iterator[tuple[str, str]]:
    """Every text that `text` may have been, with how; through Latin letters also two steps."""
    for true, wrong in _MISREADINGS:
        undone = _reread(text, wrong, true)
        if undone is None or undone == text:
            continue
        how = f"{true} read as {wrong}"
        yield undone, how
        if depth > 1 and true == "utf-8" and wrong in ("cp1252", "latin-1"):
            for further, first in _ways_back(undone, depth - 1):
                yield further, f"{first}, then {how}"


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
    return undone if undone.count("\ufffd") <= 2 * text.count("\ufffd") else None
