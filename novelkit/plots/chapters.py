"""Dirty pages with their dirt marked, line widths, and which part of a book is held out.

Pages are HTML fragments for a notebook: every character of the book is escaped, and blanks inside
a mark become visible. Does not compare whole books: a difference is found character by character.
"""

import difflib
import html
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence

from matplotlib.figure import Figure

from novelkit.plots.fonts import label, use_chinese_font

COLOURS = ("#ffd54f", "#80deea", "#f8bbd0", "#c5e1a5", "#d1c4e9", "#ffcc80", "#b0bec5", "#ef9a9a")
_BOX = "white-space:pre-wrap;border:1px solid #bbb;padding:8px;margin:4px 0"
_REMOVED, _ADDED = "background:#ffcdd2;color:#b71c1c", "background:#c8e6c9;color:#1b5e20"
_SIGNS = {"\r": "␍", "\n": "⏎\n", "\t": "⇥", " ": "␣", "\u3000": "␣␣", "\xa0": "␣"}
_MOST_MERGED = 1  # equal characters between two replacements that are shown as one
SPLIT_COLOURS = {"train": "tab:blue", "validation": "tab:orange", "test": "tab:green"}


def mark_kinds(text: str, kinds: Mapping[str, re.Pattern[str]]) -> str:
    """An HTML page of `text` with the matches of each kind in its colour, under a legend.

    Where two kinds match the same characters the first one has them.
    """
    owner: list[str | None] = [None] * len(text)
    for name, pattern in kinds.items():
        for match in pattern.finditer(text):
            for place in range(*match.span()):
                owner[place] = owner[place] or name
    colours = {name: COLOURS[n % len(COLOURS)] for n, name in enumerate(kinds)}
    styles = {name: f"background:{colour};color:black" for name, colour in colours.items()}
    legend = "　".join(
        f'<mark style="{styles[name]}">{html.escape(name)}</mark>'
        for name in kinds
        if name in owner
    )
    parts = []
    for start, end in _runs(owner):
        kind, part = owner[start], text[start:end]
        if kind is None:
            parts.append(html.escape(part))
        else:
            parts.append(f'<mark style="{styles[kind]}">{html.escape(show_blanks(part))}</mark>')
    return f"<div>{legend}</div>{_page(parts)}"


def _runs(owner: Sequence[str | None]) -> Iterator[tuple[int, int]]:
    """(start, end) of the stretches with one value."""
    start = 0
    for place in range(1, len(owner) + 1):
        if place == len(owner) or owner[place] != owner[start]:
            yield start, place
            start = place


def mark_differences(before: str, after: str, shown: int | None = None) -> str:
    """An HTML page: what stands only in `before` struck out, only in `after` underlined.

    After about `shown` characters of both it breaks off with an ellipsis.
    """
    parts, left = [], len(before) + len(after) if shown is None else shown
    for removed, added, same in find_differences(before, after):
        for text, tag, style in (
            (removed, "del", _REMOVED),
            (added, "ins", _ADDED),
            (same, "", ""),
        ):
            piece = html.escape(show_blanks(text[:left]) if tag else text[:left])
            parts.append(f'<{tag} style="{style}">{piece}</{tag}>' if tag and piece else piece)
            if len(text) > left:
                return _page([*parts, "…"])
            left -= len(text)
    return _page(parts)


def _page(parts: Sequence[str]) -> str:
    return f'<pre style="{_BOX}">{"".join(parts)}</pre>'


def find_differences(before: str, after: str) -> list[tuple[str, str, str]]:
    """Triples (removed, added, what follows and is the same); quadratic in the length.

    Of two equal copies the later one counts as removed or added.
    """
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    changes: list[list[str]] = [["", "", ""]]
    for kind, i, j, k, m in matcher.get_opcodes():
        last = changes[-1]
        if kind == "equal":
            last[2] += before[i:j]
        elif kind == "replace" and last[0] and last[1] and len(last[2]) <= _MOST_MERGED:
            # Single characters that happen to agree would make the page a mosaic.
            changes[-1] = [last[0] + last[2] + before[i:j], last[1] + last[2] + after[k:m], ""]
        else:
            changes.append([before[i:j], after[k:m], ""])
    for previous, change in zip(changes, changes[1:], strict=False):
        _slide(previous, change)
    return [(removed, added, same) for removed, added, same in changes if removed or added or same]


def _slide(previous: list[str], change: list[str]) -> None:
    """Move a pure removal or addition to the right, to the last end of a line if there is one."""
    if change[0] and change[1]:
        return
    side = 0 if change[0] else 1
    chunk, same = change[side], change[2]
    ring, farthest = chunk + same, 0
    while farthest < len(same) and ring[farthest] == same[farthest]:
        farthest += 1
    at_line_end = [n for n in range(farthest + 1) if ring[n + len(chunk) - 1] == "\n"]
    shift = at_line_end[-1] if at_line_end else farthest
    previous[2] += ring[:shift]
    change[side], change[2] = ring[shift : shift + len(chunk)], ring[shift + len(chunk) :]


def show_blanks(text: str) -> str:
    """Blanks, newlines and invisible characters as signs: ␣ ⏎ ␍ ‹U+200B›."""
    return "".join(_SIGNS.get(c) or _invisible(c) for c in text)


def _invisible(character: str) -> str:
    if character == "⏎" or unicodedata.category(character) not in ("Cc", "Cf", "Co", "Zs"):
        return character
    return f"‹U+{ord(character):04X}›"


def plot_line_widths(widths: Mapping[str, Sequence[float]], longest: int = 80) -> Figure:
    """How many lines of each text have each width in hanzi, one panel a text.

    Lines of `longest` and more are one grey bar.
    """
    use_chinese_font()
    figure = Figure(figsize=(9, 1.9 * len(widths) + 0.5), layout="constrained")
    panels = figure.subplots(len(widths), 1, sharex=True, squeeze=False)[:, 0]
    for number, (axes, (name, values)) in enumerate(zip(panels, widths.items(), strict=True), 1):
        counts = [0] * (longest + 1)
        for value in values:
            counts[min(longest, round(value))] += 1
        colours = ["tab:blue"] * longest + ["0.7"]
        axes.bar(range(longest + 1), counts, width=0.9, color=colours)
        axes.set_title(label(name, f"text {number}"), fontsize=10, loc="left")
        axes.set_ylabel(label("行数", "lines"))
        axes.spines[["top", "right"]].set_visible(False)
    panels[-1].set_xlabel(
        label(
            f"一行有多少个字宽（灰色：{longest} 以上）", f"width in hanzi (grey: {longest} or more)"
        )
    )
    return figure


def plot_parts(ways: Mapping[str, Sequence[tuple[str, int, int]]], total: int) -> Figure:
    """Which characters of a book each way of splitting trains on and holds out.

    `ways` maps a name to (train | validation | test, first character, the one behind the last);
    held-out parts are drawn above the training ones, so that what lies in both is seen.
    """
    use_chinese_font()
    names = {
        "train": label("训练", "train"),
        "validation": label("验证", "validation"),
        "test": label("测试", "test"),
    }
    figure = Figure(figsize=(10, 1.1 * len(ways) + 1.0), layout="constrained")
    axes = figure.subplots()
    for row, parts in enumerate(ways.values()):
        for kind in names:
            low = row if kind == "train" else row - 0.42
            bars = [(start, end - start) for part, start, end in parts if part == kind]
            axes.broken_barh(bars, (low, 0.4), color=SPLIT_COLOURS[kind])
    for kind in names:
        if any(kind == part[0] for parts in ways.values() for part in parts):
            axes.plot([], [], color=SPLIT_COLOURS[kind], linewidth=8, label=names[kind])
    ticks = [label(name, f"way {number}") for number, name in enumerate(ways, 1)]
    axes.set_yticks(range(len(ways)), ticks)
    axes.set_ylim(len(ways) - 0.4, -0.6)
    axes.set_xlim(0, max(total, 1))
    axes.set_xlabel(label("在书里的位置（字）", "position in the book (characters)"))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.22), ncols=3, frameon=False)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return figure
