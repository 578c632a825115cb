"""A class at a glance: how each exercise ended, how hard it was, totals, totals by lateness.

Plain numbers in, figure out. Colours of bars are told apart by colour-blind people, and every part
of a bar that has room for it holds its number.
"""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from novelkit.plots.fonts import Text, label, text_of, use_chinese_font

# A group of outcomes, by its Chinese and its English name.
Group = tuple[str, str]
BAR, MARK, INK = "#4C78A8", "#D55E00", "#333333"
WIDTH, ROW = 8.5, 0.36
# A part of a bar that is narrower, as a share of the class, has no room for its number.
NARROWEST = 0.035
BINS = 10
CENTRED: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 9}


def plot_statuses(
    rows: Sequence[tuple[Group, Mapping[Group, int]]], colours: Mapping[Group, str]
) -> Figure:
    """A stacked bar for each exercise: how many students ended in each group of `colours`.

    Groups are stacked in the order of `colours`; those that nobody is in are left out.
    """
    figure, axes = _bars(rows)
    ends = np.zeros(len(rows))
    most = max((sum(counts.values()) for _, counts in rows), default=0) or 1
    for group, colour in colours.items():
        widths = np.array([counts.get(group, 0) for _, counts in rows], dtype=float)
        if not widths.any():
            continue
        places = range(len(rows))
        axes.barh(places, widths, left=ends, color=colour, ec="white", label=label(*group))
        for place, (start, width) in enumerate(zip(ends, widths, strict=True)):
            if width >= NARROWEST * most:
                ink = "white" if _dark(colour) else INK
                axes.text(start + width / 2, place, f"{width:.0f}", color=ink, **CENTRED)
        ends += widths
    axes.set_xlim(0, most)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(label("学生人数", "students"))
    if axes.patches:
        figure.legend(loc="outside upper left", ncols=len(colours), frameon=False, fontsize=9)
    return figure


def plot_difficulty(rows: Sequence[tuple[Text, float]]) -> Figure:
    """The mean share of points (0 to 1) for each exercise, in the order given: hardest first."""
    figure, axes = _bars(rows)
    shares = [100 * share for _, share in rows]
    axes.barh(range(len(rows)), shares, color=BAR)
    for place, share in enumerate(shares):
        axes.text(share + 1, place, f"{share:.0f}%", va="center", fontsize=9, color=INK)
    axes.set_xlim(0, 108)
    axes.set_xticks(range(0, 101, 20))
    axes.set_xlabel(label("平均得分率（%）", "mean share of points (%)"))
    return figure


def plot_totals(percents: Sequence[float]) -> Figure:
    """A histogram of totals in percent, and where their median lies."""
    use_chinese_font()
    figure = Figure(figsize=(WIDTH, 3), layout="constrained")
    axes = figure.subplots()
    # A bonus may lead above 100; such a total belongs to the last bin, not outside of the figure.
    clipped = np.clip(percents, 0, 100)
    counts, _, _ = axes.hist(clipped, bins=BINS, range=(0, 100), color=BAR, ec="white")
    for place, count in enumerate(np.atleast_1d(counts)):
        if count:
            axes.text(100 / BINS * (place + 0.5), count, f"{count:.0f}", ha="center", va="bottom")
    if len(clipped):
        middle = statistics.median(map(float, clipped))
        name = label(f"中位数 {middle:.0f}%", f"median {middle:.0f}%")
        axes.axvline(middle, color=MARK, linestyle="--", linewidth=1.5, label=name)
        axes.legend(loc="upper left", frameon=False)
    axes.margins(y=0.15)
    axes.set_xlim(0, 100)
    axes.set_xticks(range(0, 101, 10))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(label("总分（%）", "total (%)"))
    axes.set_ylabel(label("学生人数", "students"))
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def plot_lateness(days: Sequence[int], percents: Sequence[float]) -> Figure:
    """Totals in percent before the penalty against begun days of lateness; a bar at each median."""
    use_chinese_font()
    figure = Figure(figsize=(WIDTH, 3), layout="constrained")
    axes = figure.subplots()
    axes.scatter(_spread(days), percents, s=22, color=BAR, alpha=0.6, linewidths=0)
    for day in sorted(set(days)):
        middle = statistics.median(
            percent for other, percent in zip(days, percents, strict=True) if other == day
        )
        name = label("中位数", "median") if day == min(days) else ""
        axes.plot([day - 0.3, day + 0.3], [middle] * 2, color=MARK, linewidth=2.5, label=name)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(-4, max(104, *percents, 0))
    axes.set_xlabel(label("迟交天数", "days late"))
    axes.set_ylabel(label("扣分前的总分（%）", "total before the penalty (%)"))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower right", frameon=False)
    return figure


def _bars(rows: Sequence[tuple[Text, object]]) -> tuple[Figure, Axes]:
    """A figure for a horizontal bar a row, the first row on top."""
    use_chinese_font()
    figure = Figure(figsize=(WIDTH, ROW * len(rows) + 1.1), layout="constrained")
    axes = figure.subplots()
    # A dollar sign in a title is no formula.
    axes.set_yticks(range(len(rows)), [text_of(name) for name, _ in rows], parse_math=False)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    return figure, axes


def _dark(colour: str) -> bool:
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return 0.299 * red + 0.587 * green + 0.114 * blue < 140


def _spread(days: Sequence[int]) -> list[float]:
    """The same days moved aside by turns, so that equal points do not hide one another."""
    seen: dict[int, int] = {}
    places = []
    for day in days:
        seen[day] = seen.get(day, 0) + 1
        places.append(day + 0.05 * ((seen[day] * 5) % 9 - 4))
    return places
