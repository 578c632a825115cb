"""Hard-wrapped lines: found by the distribution of their lengths, rejoined into paragraphs.

A text is taken as wrapped where a large share of its lines have nearly the same, greatest length
and many of those stop in the middle of a clause. Verse has lines of one length too, but its
lines stop at punctuation. Does not cover a wrapped stretch inside a text that is otherwise not.
"""

import re
from collections import Counter
from dataclasses import dataclass

from novelkit.cleaning.chapters import find_headings

_SPACES = " \u3000\t\xa0"
_CLOSERS = "”’」』）)】》〉\"'"
_SENTENCE_END = re.compile(rf"[。！？!?…；：:—～~][{re.escape(_CLOSERS)}]*$")
_MIN_LINES = 20


@dataclass(frozen=True)
class Wrapping:
    """Full width in hanzi, the usual indentation of a line, whether indents open paragraphs."""

    width: float
    baseline: int
    indents: bool


def line_width(text: str) -> float:
    """Width in hanzi: ASCII counts one half, the way a fixed-width page shows it."""
    narrow = sum(character < "\u0080" for character in text)
    return len(text) - narrow / 2


def _indent(line: str) -> int:
    """Columns of leading space, a full-width space counting two."""
    head = line[: len(line) - len(line.lstrip(" \u3000\t\xa0"))]
    return sum(2 if character == "\u3000" else 4 if character == "\t" else 1 for character in head)


def find_wrapping(lines: list[str]) -> Wrapping | None:
    """The wrapping of a text, None where its lines are whole paragraphs."""
    filled = [line.rstrip(_SPACES) for line in lines if line.strip(_SPACES)]
    if len(filled) < _MIN_LINES:
        return None
    widths = [round(line_width(line.strip(_SPACES)) + _indent(line) / 2) for line in filled]
    counts = Counter(widths)
    width = max((w for w in counts if w >= 12), key=lambda w: _near(counts, w), default=0)
    near = [line for line, w in zip(filled, widths, strict=True) if width - 2 <= w <= width]
    longer = sum(count for w, count in counts.items() if w > width + 1)
    unfinished = sum(not _SENTENCE_END.search(line) and line[-1] not in "，、," for line in near)
    if len(near) < 0.3 * len(filled) or longer > 0.08 * len(filled):
        return None
    # Verse without punctuation ends every line in a word too, but has nothing inside its lines.
    punctuated = sum(bool(re.search("[，。、；：？！]", line[:-1])) for line in near)
    if unfinished < 0.2 * len(near) or punctuated < 0.3 * len(near):
        return None
    # Not the most common indentation: where paragraphs are short most lines are first lines.
    indents = Counter(map(_indent, filled))
    baseline = min(indent for indent, count in indents.items() if count >= 0.1 * len(filled))
    deeper = sum(_indent(line) >= baseline + 2 for line in filled)
    return Wrapping(width, baseline, 0.02 * len(filled) < deeper)


def _near(counts: Counter, width: int) -> int:
    return sum(counts[w] for w in range(width - 2, width + 1))


def unwrap(text: str) -> tuple[str, list[tuple[str, str]]]:
    """Rejoin wrapped lines; returns the text and the (line, next line) pairs that were joined."""
    lines = text.split("\n")
    wrapping = find_wrapping(lines)
    if wrapping is None:
        return text, []
    headings = find_headings(lines)
    result: list[str] = []
    joined: list[tuple[str, str]] = []
    last = -1  # index of the last line with text
    for index, line in enumerate(lines):
        if not line.strip(_SPACES):
            result.append(line)
            continue
        if (
            last >= 0
            and last not in headings
            and index not in headings
            and _continues(lines[last], line, index - last - 1, wrapping)
        ):
            joined.append((lines[last], line))
            while not result[-1].strip(_SPACES):
                result.pop()
            result[-1] = _join(result[-1], line)
        else:
            result.append(line)
        last = index
    return "\n".join(result), joined


def _continues(line: str, following: str, blanks: int, wrapping: Wrapping) -> bool:
    """Whether `following` goes on with the paragraph of the physical line `line`."""
    if _indent(following) >= wrapping.baseline + 2:
        return False
    body = line.rstrip(_SPACES)
    width = line_width(body.strip(_SPACES)) + _indent(line) / 2
    ended = bool(_SENTENCE_END.search(body))
    # A first line is short by its indentation where somebody has removed that.
    full = width >= wrapping.width - (2 if ended else 4)
    if blanks:
        # A blank line inside a sentence is a page break or double spacing, not a paragraph.
        return full and not ended
    if wrapping.indents:
        return full or not ended
    # Without indentation a full line that ends a speech is more often the end of a paragraph.
    return full and not (ended and body[-1] in _CLOSERS)


def _join(line: str, following: str) -> str:
    left, right = line.rstrip(_SPACES), following.strip(_SPACES)
    latin = (
        left[-1:].isascii() and left[-1:].isalnum() and right[0].isascii() and right[0].isalnum()
    )
    return f"{left} {right}" if latin else left + right
