"""Books whose newlines were lost: breaks at the headings inside a line, and at sentence ends.

Covers books without any newline, books of one line a chapter, and single headings that stand in
running text (…且听下回分解。第十三回　…话说…). Only newlines are put in or moved: every other
character stays at its place. The author's own paragraphs cannot be known; breaks stand at
sentence ends outside of quotation marks, and before the openings of a storyteller.
"""

import re

from novelkit.cleaning.inline_headings import find_inline_headings

_LONG_LINE = 1500  # characters a line: no edition of the classical novels has as many on average
_PARAGRAPH = 120  # characters after which the next sentence end closes a paragraph
_LONGEST_QUOTATION = 800  # a quotation mark that has stayed open longer was never closed
_MARKS = re.compile(r"[“「『]|[”」』]|[。！？!?…]+")
_OPENING = re.compile(
    r"[话話][说說分]|[却卻且再][说說]|[诗詩词詞][曰云]|[不未]知[后後]事如何|次日|[当當]下|正是[:：]"
)
_SHOWN = 40


def break_lines(text: str) -> tuple[str, list[tuple[str, str]]]:
    """Put in the missing newlines; returns the text and what stands before and after each.

    `text` without newlines is the result without newlines.
    """
    text, breaks = _break_at_headings(text)
    if _has_newlines(text):
        return text, breaks
    lines = []
    for line in text.split("\n"):
        parts = _paragraphs(line) if len(line) > _PARAGRAPH else [line]
        lines += parts
        breaks += [
            (left[-_SHOWN:], right[:_SHOWN]) for left, right in zip(parts, parts[1:], strict=False)
        ]
    return "\n".join(lines), breaks


def _has_newlines(text: str) -> bool:
    """Whether the lines are short enough to be somebody's paragraphs."""
    newlines = text.count("\n")
    if len(text) < 2 * _LONG_LINE or (newlines + 1) * _LONG_LINE > 4 * len(text):
        return True
    filled = [line for line in text.split("\n") if len(line) > _SHOWN]
    return sum(map(len, filled)) <= _LONG_LINE * len(filled)


def _break_at_headings(text: str) -> tuple[str, list[tuple[str, str]]]:
    parts, breaks, done = [], [], 0
    for start, end in find_inline_headings(text):
        before = text[done:start]
        heading = text[start:end].replace("\n", "")
        if before and not before.endswith("\n"):
            # The empty line tells that it is a heading, however the line before it ends.
            parts += [before, "\n\n"]
            breaks.append((before[-_SHOWN:], heading[:_SHOWN]))
        else:
            parts.append(before)
        parts.append(heading)
        done = end
        if text[done : done + 1] not in ("", "\n"):
            parts.append("\n")
            breaks.append((heading[-_SHOWN:], text[done : done + _SHOWN]))
    return "".join([*parts, text[done:]]), breaks


def _paragraphs(line: str) -> list[str]:
    """Cut a line at sentence ends outside of quotation marks."""
    cuts, start, opened = [0], 0, -1
    for mark in _MARKS.finditer(line):
        if mark[0] in "“「『":
            opened = mark.start() if opened < 0 else opened
            continue
        if mark[0] in "”」』":
            opened = -1
            # Only a speech that ended its sentence ends a paragraph: 那个「情」字 goes on.
            if line[mark.start() - 1 : mark.start()] not in "。！？!?…":
                continue
        if opened >= 0 and mark.start() - opened < _LONGEST_QUOTATION:
            continue
        opened, end = -1, mark.end()
        if end < len(line) and line[end] in "”」』）)，、；：":
            continue
        if end - start >= _PARAGRAPH or (end > start and _OPENING.match(line, end)):
            cuts.append(end)
            start = end
    if cuts[-1] == len(line):
        cuts.pop()
    return [line[a:b] for a, b in zip(cuts, [*cuts[1:], len(line)], strict=True)]
