"""The distribution of the next token before and after a cut, and what settings make of a text.

Plain numbers in, figure out. A name is one text, or a pair of a Chinese and an English one of
which the second is drawn where no font has Chinese.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from novelkit.plots.fonts import FIRST_CJK, Text, label, text_of, use_chinese_font

KEPT, CUT = "tab:blue", "0.75"
COLOURS = ("tab:orange", "tab:blue", "tab:green", "tab:red", "tab:purple")
BLANKS = {
    "\n": ("换行", "newline"),
    " ": ("空格", "space"),
    "\u3000": ("空格", "space"),
}
# Bins of the histogram of how many tokens a cut keeps.
BINS = 30


@dataclass(frozen=True)
class Bars:
    """One panel: probabilities of tokens, and which of them are in colour (all, if not said)."""

    title: Text
    tokens: Sequence[str]
    probabilities: Sequence[float]
    kept: Sequence[bool] = ()


def plot_next_character(
    characters: Sequence[str], rows: Sequence[tuple[Text, Sequence[float]]]
) -> Figure:
    """Probabilities of the same characters under several settings, one row of bars each."""
    use_chinese_font()
    figure = Figure(figsize=(9, 1.6 * len(rows) + 0.6), layout="constrained")
    names = [_name(character) for character in characters]
    # One scale for all rows, or a flat distribution would look like a peaked one.
    highest = max(max(probabilities) for _, probabilities in rows)
    for index, (title, probabilities) in enumerate(rows, 1):
        axes = figure.add_subplot(len(rows), 1, index)
        axes.set_ylim(0, 1.05 * highest)
        axes.bar(range(len(names)), probabilities, color=KEPT)
        # A dollar sign is a character here, not the begin of a formula.
        axes.set_xticks(range(len(names)), names, parse_math=False)
        axes.set_ylabel(label("概率", "probability"))
        axes.set_title(text_of(title), loc="left", fontsize=10, parse_math=False)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def plot_bars(
    columns: Sequence[Sequence[Bars]],
    kept: Text = ("留下", "kept"),
    cut: Text = ("切掉", "cut"),
) -> Figure:
    """Columns of panels, each column with one scale; `kept` and `cut` name the two colours."""
    use_chinese_font()
    down = max(map(len, columns))
    figure = Figure(figsize=(5.6 * len(columns), 1.75 * down + 0.5), layout="constrained")
    panels = figure.subplots(down, len(columns), squeeze=False)
    # Panels share their tokens, and to ask a font about one takes its time.
    tokens = {token for column in columns for bars in column for token in bars.tokens}
    names = {token: _upright(token) for token in tokens}
    for column, axes_column in zip(columns, panels.T, strict=True):
        highest = max(max(bars.probabilities) for bars in column)
        for axes, bars in zip(axes_column, column, strict=False):
            _draw_bars(axes, bars, names)
            axes.set_ylim(0, 1.05 * highest)
        for axes in axes_column[len(column) :]:
            axes.set_axis_off()
    if any(bars.kept for column in columns for bars in column):
        patches = [
            Patch(color=colour, label=text_of(name)) for colour, name in ((KEPT, kept), (CUT, cut))
        ]
        figure.legend(handles=patches, loc="outside lower center", ncols=2, frameon=False)
    return figure


def _draw_bars(axes: Axes, bars: Bars, names: Mapping[str, str]) -> None:
    places = range(len(bars.tokens))
    colours = [KEPT if kept else CUT for kept in bars.kept] or KEPT
    axes.bar(places, bars.probabilities, color=colours)
    axes.set_xticks(places, [names[token] for token in bars.tokens], parse_math=False)
    axes.tick_params(axis="x", labelsize=9, length=0)
    for tick in axes.get_xticklabels():
        if len(tick.get_text()) > 2 and "\n" not in tick.get_text():
            tick.set_rotation(90)  # a word or a code point: its letters cannot stand upright
    axes.set_title(text_of(bars.title), loc="left", fontsize=10, parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)


def plot_kept_counts(
    counts: Mapping[Text, Sequence[int]], fixed: Mapping[Text, int], places: int
) -> Figure:
    """How many tokens each cut keeps at `places` places of a text; a line where it is a number."""
    use_chinese_font()
    figure = Figure(figsize=(8.5, 1.6 * len(counts) + 1), layout="constrained")
    panels = figure.subplots(len(counts), 1, sharex=True, squeeze=False)[:, 0]
    most = max(max(values) for values in counts.values())
    # Between whole numbers, or bins that hold none would be gaps.
    edges = np.unique(np.geomspace(1, max(2, most + 1), BINS + 1).round()) - 0.5
    for number, (axes, (name, values)) in enumerate(zip(panels, counts.items(), strict=True)):
        axes.hist(values, bins=edges, color=COLOURS[1 + number % 3])
        for line, k in fixed.items():
            axes.axvline(k, color="tab:red", linestyle="--", linewidth=1)
            if number == 0:
                top = axes.get_xaxis_transform()
                axes.text(k, 1.02, text_of(line), transform=top, fontsize=9, color="tab:red")
        axes.set_title(text_of(name), loc="left", fontsize=10, parse_math=False)
        axes.spines[["top", "right"]].set_visible(False)
    panels[-1].set_xscale("log")
    panels[-1].xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    panels[-1].set_xlabel(label("留下多少个词元（对数刻度）", "tokens kept (log scale)"))
    figure.supylabel(label(f"多少处（共 {places} 处）", f"places (of {places})"), fontsize=10)
    return figure


def plot_grid(
    rows: Sequence[str],
    columns: Sequence[str],
    tables: Mapping[Text, np.ndarray],
    row_name: Text,
    column_name: Text,
) -> Figure:
    """Tables (rows, columns) of shares as heat maps side by side, each from 0 to its own most."""
    use_chinese_font()
    size = (3.9 * len(tables), 0.55 * len(rows) + 1.6)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, len(tables), squeeze=False)[0]
    for axes, (title, table) in zip(panels, tables.items(), strict=True):
        values = np.asarray(table, dtype=float)
        # A table of zeros is as light as zero is elsewhere.
        most = values.max() if values.max() > 0 else 1.0
        axes.imshow(values, cmap="Blues", vmin=0, vmax=most, aspect="auto")
        for row, column in np.ndindex(values.shape):
            colour = "white" if values[row, column] > 0.6 * most else "black"
            text = f"{values[row, column]:.1%}"
            axes.text(column, row, text, ha="center", va="center", fontsize=9, color=colour)
        axes.set_xticks(range(len(columns)), columns)
        axes.set_yticks(range(len(rows)), rows)
        axes.tick_params(length=0)
        axes.set_xlabel(text_of(column_name))
        axes.set_title(text_of(title), fontsize=10, parse_math=False)
    panels[0].set_ylabel(text_of(row_name))
    return figure


def plot_shares(
    settings: Sequence[float],
    panels: Mapping[Text, Mapping[str, Sequence[Sequence[float]]]],
    real: Mapping[Text, Mapping[str, float]],
    setting_name: Text,
    real_name: Text,
) -> Figure:
    """Shares by setting: a dot a text, a line through the means, dashed what real text has.

    `panels[panel][name]` has, for each setting, the shares of its texts.
    """
    use_chinese_font()
    figure = Figure(figsize=(5.2 * len(panels), 4.2), layout="constrained")
    for axes, (title, series) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
    ):
        for number, (name, texts) in enumerate(series.items()):
            colour = COLOURS[number % len(COLOURS)]
            _draw_shares(axes, name, texts, colour, 0.12 * (number - (len(series) - 1) / 2))
            if name in real.get(title, {}):
                axes.axhline(real[title][name], color=colour, linestyle="--", linewidth=1)
        axes.plot([], [], color="0.4", linestyle="--", linewidth=1, label=text_of(real_name))
        axes.set_xticks(range(len(settings)), [f"{setting:g}" for setting in settings])
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.set_xlabel(text_of(setting_name))
        axes.set_title(text_of(title), fontsize=10, parse_math=False)
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _draw_shares(
    axes: Axes, name: str, texts: Sequence[Sequence[float]], colour: str, aside: float
) -> None:
    """One line; its dots stand `aside`, so that those of several lines can be told apart."""
    for place, shares in enumerate(texts):
        axes.plot([place + aside] * len(shares), shares, ".", color=colour, alpha=0.3)
    means = [float(np.mean(shares)) for shares in texts]
    shown = label(name, _code_points(name))
    (line,) = axes.plot(range(len(means)), means, "o-", color=colour, label=shown, markersize=4)
    line.set_zorder(3)


def _name(character: str) -> str:
    """How a character is written below its bar; its code point where it cannot be drawn."""
    if character in BLANKS:
        return label(*BLANKS[character])
    if not character.isprintable():
        return _code_points(character)
    return label(character, _code_points(character))


def _upright(token: str) -> str:
    """The name of a token from top to bottom, so that neighbours do not run into each other."""
    name = _name(token)
    return "\n".join(name) if any(character >= FIRST_CJK for character in name) else name


def _code_points(text: str) -> str:
    return " ".join(f"{ord(character):04X}" for character in text)
