"""Attention as a table over characters, tasks against chance, two models raced, activations.

Plain numbers in, figure out. A name is one text, or a pair of a Chinese and an English one of
which the second is drawn where no font has Chinese.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from novelkit.plots.fonts import Text, label, text_of, use_chinese_font

COLOURS = ("0.6", "tab:green", "tab:orange", "tab:blue", "tab:purple", "tab:red")
BLANKS = {"\n": "⏎", " ": "␣", "\u3000": "␣"}
# Half of a 95 % interval of a normal distribution, in standard deviations.
Z = 1.96
MOST_COLUMNS = 4


@dataclass(frozen=True)
class Score:
    """How many of `total` questions a model got right; half for a tie."""

    model: Text
    right: float
    total: int

    @property
    def share(self) -> float:
        return self.right / self.total

    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the share (Wilson 1927)."""
        square = Z * Z / self.total
        middle = (self.share + square / 2) / (1 + square)
        spread = self.share * (1 - self.share) / self.total + square / self.total / 4
        half = Z * math.sqrt(spread) / (1 + square)
        return middle - half, middle + half


def plot_attention(
    tables: Mapping[Text, np.ndarray],
    rows: str | Sequence[str],
    columns: str | Sequence[str] | None = None,
    numbers: bool = False,
) -> Figure:
    """Tables (rows, columns) of one sentence side by side, its characters as ticks.

    A place that is not finite stays blank: there nothing may be looked at. Tables within 0 and 1
    share that scale, another table has its own.
    """
    use_chinese_font()
    columns = rows if columns is None else columns
    across = min(MOST_COLUMNS, len(tables))
    down = -(-len(tables) // across)
    cell = 0.52 if numbers else 0.24
    size = (cell * len(columns) + 0.8, cell * len(rows) + 1.1)
    figure = Figure(figsize=(max(4.0, size[0] * across), size[1] * down), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False).flat
    for axes, (title, table) in zip(panels, tables.items(), strict=False):
        _draw_table(axes, np.asarray(table, dtype=float), numbers)
        axes.set_xticks(range(len(columns)), _ticks(columns), parse_math=False)
        axes.set_yticks(range(len(rows)), _ticks(rows), parse_math=False)
        axes.set_title(text_of(title), fontsize=10, parse_math=False)
        axes.tick_params(length=0, labelsize=11 if numbers else 9)
    for axes in list(figure.axes)[len(tables) :]:
        axes.set_axis_off()
    figure.supylabel(label("哪个字在看", "who looks"), fontsize=9)
    figure.supxlabel(label("看向哪个字", "at whom"), fontsize=9)
    return figure


def plot_losses(nats: Mapping[Text, float], highlighted: Text | None = None) -> Figure:
    """A bar each, in nats per character below and bits per character above."""
    use_chinese_font()
    figure = Figure(figsize=(8, 0.42 * len(nats) + 1.3), layout="constrained")
    axes = figure.subplots()
    colours = ["tab:blue" if name == highlighted else "0.8" for name in nats]
    bars = axes.barh(range(len(nats)), list(nats.values()), color=colours, height=0.7)
    axes.bar_label(bars, [f"{value:.2f}" for value in nats.values()], padding=3, fontsize=9)
    axes.set_yticks(range(len(nats)), [text_of(name) for name in nats])
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.set_xlabel(label("损失（nats／字），越小越好", "loss (nats per character)"))
    bits = axes.secondary_xaxis(
        "top", functions=(lambda nats: nats / np.log(2), lambda bits: bits * np.log(2))
    )
    bits.set_xlabel(label("比特／字", "bits per character"))
    axes.spines["right"].set_visible(False)
    return figure


def plot_scores(tasks: Mapping[Text, Sequence[Score]], chance: Sequence[float]) -> Figure:
    """Shares of right answers with their 95 % intervals; a dashed line is what guessing gets."""
    use_chinese_font()
    longest = max(map(len, tasks.values()))
    width = max(6.0, 3.3 * len(tasks) + 1)
    figure = Figure(figsize=(width, 0.42 * longest + 1.5), layout="constrained")
    # Panels of the same models need their names once.
    same = len({tuple(score.model for score in scores) for scores in tasks.values()}) == 1
    panels = figure.subplots(1, len(tasks), squeeze=False, sharey=same)[0]
    for axes, (title, scores), guess in zip(panels, tasks.items(), chance, strict=True):
        axes.axvline(guess, color="tab:red", linestyle="--", linewidth=1)
        for row, score in enumerate(scores):
            low, high = score.interval()
            colour = COLOURS[row % len(COLOURS)]
            axes.plot([low, high], [row, row], color=colour, linewidth=3, alpha=0.5)
            axes.plot(score.share, row, "o", color=colour)
            right = f"{score.share:.0%}"
            place = (score.share, row)
            axes.annotate(right, place, (0, 6), textcoords="offset points", ha="center", fontsize=8)
        axes.set_yticks(range(len(scores)), [text_of(score.model) for score in scores])
        axes.set_ylim(len(scores) - 0.5, -0.7)
        axes.set_xlim(0, 1.06)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        counted = f"{text_of(title)}（n = {scores[0].total}）"
        plain = f"{text_of(title)} (n = {scores[0].total})"
        axes.set_title(label(counted, plain), fontsize=10, parse_math=False)
        axes.spines[["top", "right"]].set_visible(False)
    note = label(
        "答对的比例，横线是 95% 区间，虚线是瞎猜", "right, 95% interval, dashed: by chance"
    )
    figure.supxlabel(note, fontsize=10)
    return figure


def plot_entropies(
    widths: Sequence[int], entropies: Mapping[Text, Sequence[float]], positions: int
) -> Figure:
    """Entropy of a row of attention by the width of a head; the most is ln `positions`."""
    use_chinese_font()
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    for (name, values), colour in zip(entropies.items(), ("tab:blue", "tab:red"), strict=False):
        axes.plot(widths, values, "o-", color=colour, label=text_of(name))
    most = math.log(positions)
    axes.axhline(most, color="0.6", linestyle="--", linewidth=1)
    evenly = label(f"平均分给 {positions} 个字", f"even over {positions} characters")
    axes.annotate(
        evenly, (widths[0], most), (0, 4), textcoords="offset points", fontsize=8, color="0.4"
    )
    axes.set_xscale("log", base=2)
    axes.set_xticks(widths, [str(width) for width in widths])
    axes.set_ylim(0, 1.15 * most)
    axes.set_xlabel(label("每个头的宽度 D", "width D of a head"))
    axes.set_ylabel(label("一行权重的熵（nats）", "entropy of a row (nats)"))
    axes.legend(frameon=False, loc="center right")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def plot_race(
    lengths: Sequence[int],
    milliseconds: Mapping[Text, Sequence[float]],
    runs: Mapping[Text, tuple[Sequence[float], Sequence[float]]],
) -> Figure:
    """Left: time of a step by sequence length. Right: loss by seconds of training.

    `runs` maps a name to (seconds, losses).
    """
    use_chinese_font()
    figure = Figure(figsize=(11, 3.9), layout="constrained")
    steps, losses = figure.subplots(1, 2)
    colours = dict(zip(milliseconds, ("tab:orange", "tab:blue", "tab:green"), strict=False))
    for name, values in milliseconds.items():
        steps.plot(lengths, values, "o-", color=colours[name], label=text_of(name))
    steps.set_xscale("log", base=2)
    steps.set_xticks(lengths, [str(length) for length in lengths])
    steps.set_ylim(bottom=0)
    steps.set_xlabel(
        label("一段多长 T（每步的总字数不变）", "length T (tokens of a step are the same)")
    )
    steps.set_ylabel(label("训练一步（毫秒，中位数）", "training step (ms, median)"))
    for name, (seconds, values) in runs.items():
        losses.plot(seconds, values, color=colours[name], label=text_of(name))
    losses.set_xlabel(label("训练了多少秒", "seconds of training"))
    losses.set_ylabel(label("训练损失（nats／词元）", "training loss (nats per token)"))
    for axes in (steps, losses):
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def plot_activations(
    x: Sequence[float],
    curves: Mapping[Text, Sequence[float]],
    losses: Mapping[Text, Sequence[float]],
) -> Figure:
    """Left: the functions. Right: the loss after training with each, a dot a seed."""
    use_chinese_font()
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    palette = ("tab:red", "tab:blue", "tab:cyan", "tab:green", "tab:purple")
    for number, (name, values) in enumerate(curves.items()):
        colour = palette[number % len(palette)]
        # A function that covers another one lets it show through.
        style = (0, (4, 3)) if number == 2 else "-"
        left.plot(x, values, linestyle=style, color=colour, label=text_of(name))
    left.set_xlabel("x")
    left.set_title(label("函数的样子", "the functions"), fontsize=10)
    left.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    left.legend(frameon=False, fontsize=9)
    for row, (name, values) in enumerate(losses.items()):
        colour = palette[list(curves).index(name) % len(palette)]
        right.plot(values, [row] * len(values), "o", color=colour, alpha=0.6)
        right.plot(float(np.mean(values)), row, "|", color="black", markersize=16)
    right.set_yticks(range(len(losses)), [text_of(name) for name in losses])
    right.set_ylim(len(losses) - 0.5, -0.5)
    right.set_xlabel(label("损失（nats／字）", "loss (nats per character)"))
    right.set_title(
        label("留出章节的损失：一点一个种子，竖线是平均", "held-out loss: a dot a seed"),
        fontsize=10,
    )
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _ticks(characters: Sequence[str]) -> list[str]:
    """The characters, or their numbers where they cannot be drawn."""
    return [label(BLANKS.get(c, c), str(number)) for number, c in enumerate(characters, 1)]


def _draw_table(axes: Axes, table: np.ndarray, numbers: bool) -> None:
    shown = np.where(np.isfinite(table), table, np.nan)
    low, high = np.nanmin(shown), np.nanmax(shown)
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    axes.imshow(shown, cmap="Blues", vmin=low, vmax=max(high, low + 1e-9), aspect="equal")
    axes.set_facecolor("0.88")
    for row, column in np.argwhere(np.isfinite(table)).tolist() if numbers else []:
        value = table[row, column]
        dark = value > (low + high) / 2
        axes.text(
            column,
            row,
            f"{value:.2f}",
            ha="center",
            va="center",
            fontsize=8,
            color="white" if dark else "black",
        )
