"""Ways in which bytes of one codec are read with another, and the way back.

Covers UTF-8, GB18030 and Big5 read with one another or as Western text, UTF-8 up to twice over, in
a text that is mojibake as a whole. Stretches of a good text are found in `mojibake`.
"""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import repeat

from novelkit.encoding.likelihood import judge, total_log

# What browsers call windows-1252: the five bytes that cp1252 leaves undefined pass through.
CP1252_BYTES = {
    ord(bytes((byte,)).decode("cp1252", "ignore") or chr(byte)): byte for byte in range(256)
}
_CLEARLY_BETTER = 1.5  # nats of log P for each character of the result
_CLEAR_LEAD = 20.0  # nats in all
LOSSY = "（有字丢失，不能还原）"
_LOSSY_HANZI = 20
SINGLE_BYTE = ("cp1252", "latin-1")
# Measured in Chinese read with the wrong one of two Chinese codecs: 0.5 to 0.9, private use too.
_LEAST_HANZI = 0.25
NAMES = {"utf-8": "UTF-8", "gb18030": "GB18030", "big5hkscs": "Big5"}
PIECE = 1000  # characters judged together in a long text
PIECES = 4
FEWEST_HANZI = 8
# (the codec the bytes were really in, the codec they were wrongly read with)
MISREADINGS = (
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


def undo(text: str) -> tuple[str, str | None]:
    """(the text that was misread, how): the text itself and None where it is no mojibake."""
    before, total = judge(text), total_log(text)
    best: tuple[str, str | None] = (text, None)
    best_mean = before.mean
    for undone, how in _ways_back(text):
        after = judge(undone)
        # The lead is asked per character and in all, so that a word or two never flips.
        lead = total_log(undone) - total
        enough = lead > _CLEAR_LEAD and lead > _CLEARLY_BETTER * after.telling
        if enough and after.common_share >= 0.4 and after.mean > best_mean:
            best, best_mean = (undone, how), after.mean
    return best


def lossy_misreading(text: str) -> str | None:
    """How a text became mojibake on the way to which much was lost; None where it is not."""
    for true, wrong in MISREADINGS:
        if wrong in SINGLE_BYTE:
            continue
        undone = b"".join(map(bytes_of, text, repeat(wrong))).decode(true, "ignore")
        fit = judge(undone)
        enough = fit.hanzi >= _LOSSY_HANZI and fit.hanzi >= len(text) // 8
        if enough and fit.common_share >= 0.6 and fit.mean > max(-8.3, judge(text).mean + 1.5):
            return f"{NAMES[true]} 被当成 {NAMES[wrong]} 读{LOSSY}"
    return None


def bytes_of(character: str, wrong: str) -> bytes:
    """What a character was read from; 0xFF, valid nowhere, where that cannot be known."""
    try:
        return character.encode(wrong)
    except UnicodeEncodeError:
        return b"\xff"


def misreading_of(text: str) -> str | None:
    """How a text came to be reversible mojibake, by some 4000 characters; None where it is not."""
    pieces = list(_pieces(text))
    undone, how = undo("".join(pieces))
    if how or not pieces:
        # A few symbols can be the bytes of a few hanzi by chance.
        hanzi = len(re.findall(r"[\u3400-\u9fff]", undone))
        return how if hanzi >= FEWEST_HANZI else None
    # Some damage stops one piece and not the others.
    votes: Counter[str | None] = Counter()
    for piece in pieces:
        # A line cut in the middle may end in a part of a character.
        ends = range(1, 4) if len(piece) > PIECES * PIECE else (0,)
        ways = (undo(piece[: len(piece) - end])[1] for end in ends)
        votes[next(filter(None, ways), None)] += len(piece)
    if votes[None] * 2 >= votes.total():
        return None
    del votes[None]
    return votes.most_common(1)[0][0]


def _pieces(text: str) -> Iterator[str]:
    """The first lines with more than ASCII, together in pieces of about `PIECE` characters."""
    piece, taken = "", 0
    for line in text.split("\n"):
        if line.isascii():
            continue
        piece += line[: PIECES * PIECE] + "\n"
        if len(piece) >= PIECE:
            yield piece
            taken += len(piece)
            piece = ""
        if taken >= PIECES * PIECE:
            return
    if piece:
        yield piece


def _ways_back(text: str, depth: int = 2) -> Iterator[tuple[str, str]]:
    """Every text that `text` may have been, with how; through Latin letters also two steps."""
    telling = len(re.findall(r"[^\x00-\x7f]", text))
    hanzi = len(re.findall(r"[\u3400-\u9fff\ue000-\uf8ff\U00020000-\U0003ffff]", text))
    for true, wrong in MISREADINGS:
        # Cyrillic has the bytes of common Big5 hanzi in GB 18030, and is good text by itself.
        if wrong not in SINGLE_BYTE and hanzi < _LEAST_HANZI * telling:
            continue
        undone = _reread(text, wrong, true)
        if undone is None or undone == text:
            continue
        read_as = f"被当成 {NAMES.get(wrong, wrong)} 读"
        yield undone, f"{NAMES[true]} {read_as}"
        if depth > 1 and true == "utf-8" and wrong in SINGLE_BYTE:
            for further, first in _ways_back(undone, depth - 1):
                yield further, f"{first}，再{read_as}"


def _reread(text: str, wrong: str, true: str) -> str | None:
    """`text` back to the bytes it came from, read with the true codec; None where impossible."""
    try:
        if wrong == "cp1252":
            raw = bytes(CP1252_BYTES[ord(character)] for character in text)
        else:
            # Characters lost in the first reading stay lost: 0xFF is valid in none of the codecs.
            raw = b"\xff".join(part.encode(wrong) for part in text.split("\ufffd"))
    except (KeyError, UnicodeEncodeError):
        return None
    undone = raw.decode(true, "replace")
    # One lost byte can spoil two characters of three bytes each, and both their neighbours.
    allowed = 4 * text.count("\ufffd")
    if wrong in SINGLE_BYTE:
        # Every byte came back, so that what cannot be read was damaged before the misreading.
        allowed += len(undone) // 200 + undone.rstrip().endswith("\ufffd")
    return undone if undone.count("\ufffd") <= allowed else None
