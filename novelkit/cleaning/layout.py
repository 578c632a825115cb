"""Rules on layout: wrapped lines, indentation, spaces between hanzi, blank lines.

Those that need the indentation (unwrapping) stand before the one that removes it. How wrapping is
found is in `unwrap`, how a book without newlines is cut in `newlineless`.
"""

import re

from novelkit.cleaning.chapters import find_headings_by_layout, parse_heading
from novelkit.cleaning.edits import EXAMPLES, Edits, substitute
from novelkit.cleaning.newlineless import break_lines
from novelkit.cleaning.unwrap import unwrap

_BLANKS = " \u3000\t\xa0"
# Without ０-９Ａ-Ｚａ-ｚ: full-width English keeps its spaces, Ｍｙ ｄｅａｒ.
_WIDE = (
    "\u2014\u2018-\u201d\u2026\u3001-\u9fff\uf900-\ufaff"
    "\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff60"
)
_GAP = re.compile(rf"(?<=[{_WIDE}])[ \u3000\t\xa0]+(?=[{_WIDE}])")
_HARD_SPACES = re.compile("[\xa0\u2002-\u200a\u202f\u205f]")
_ANY_SPACE = re.compile("[ \u3000\t]")
_BLANK_LINES = re.compile(r"\n{3,}")


def unwrap_lines(text: str, edits: Edits) -> str:
    """Hard-wrapped lines become paragraphs; each join is a change."""
    result, joined = unwrap(text)
    edits.count += max(0, len(joined) - EXAMPLES)
    for line, following in joined[:EXAMPLES]:
        left, right = line.strip()[-16:], following.strip()[:16]
        edits.add(f"{left}⏎{right}", left + right)
    return result


def break_single_line(text: str, edits: Edits) -> str:
    """A book without newlines is cut into lines; each cut is a change."""
    result, cuts = break_lines(text)
    edits.count += max(0, len(cuts) - EXAMPLES)
    for line, following in cuts[:EXAMPLES]:
        left, right = line.strip()[-16:], following.strip()[:16]
        edits.add(left + right, f"{left}⏎{right}")
    return result


def drop_indentation(text: str, edits: Edits) -> str:
    """Spaces at both ends of every line go."""
    lines = text.split("\n")
    for index, line in enumerate(lines):
        stripped = line.strip(_BLANKS)
        if len(stripped) != len(line):
            edits.add(line, stripped)
            lines[index] = stripped
    return "\n".join(lines) if edits.count else text


def drop_inner_spaces(text: str, edits: Edits) -> str:
    """Spaces between hanzi go; in headings and in verse without punctuation one stays."""
    text = _HARD_SPACES.sub(" ", text)
    lines = text.split("\n")
    spaced = [i for i, line in enumerate(lines) if _ANY_SPACE.search(line) and _GAP.search(line)]
    if not spaced:
        return text
    headings = find_headings_by_layout(lines)
    for index in spaced:
        line = lines[index]
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


def drop_blank_lines(text: str, edits: Edits) -> str:
    """At most one blank line in a row, none at the ends; `split_chapters` drops the others."""
    if "\n\n\n" in text:
        text = substitute(_BLANK_LINES, r"\n\n", text, edits)
    if text != text.strip("\n"):
        edits.add(text[:1] + text[-1:])
    return text.strip("\n")
