"""Figures of the lesson on diagnosis: runs side by side, trends through a curve, a blind curve.

`plot_diagnosis` (in `diagnosis.py`) draws what the doctor found; here nothing is judged.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from novelkit.diagnosis.curve import Curve, smooth
from novelkit.plots.fonts import Text, label, text_of, use_chinese_font
from novelkit.plots.training import draw_anchors

COLUMNS = 3
TRAIN, VALIDATION, TURN = "tab:blue", "tab:orange", "tab:purple"
STEPS = "#b7d0e6"


def plot_runs(
    runs: Mapping[Text, Curve],
    limits: tuple[float, float] | None = None,
    epochs: bool = False,
    columns: int = COLUMNS,
) -> Figure:
    """Runs side by side with one y axis, in nats per character, each between its own anchors.

    `epochs` marks where a pass through the text begins. Without `limits` the highest steps of the
    first tenth may lie outside.
    """
    use_chinese_font()
    columns = min(columns, len(runs))
    rows = -(-len(runs) // columns)
    size = (3.9 * columns + 1.3, 3.4 * rows + 0.3)
    figure = Figure(figsize=size, layout="constrained")
    grid = np.atleast_1d(figure.subplots(rows, columns, sharey=True, squeeze=False)).ravel()
    low, high = limits or _limits(list(runs.values()))
    for place, (axes, (name, curve)) in enumerate(zip(grid, runs.items(), strict=False)):
        _draw_run(axes, curve, epochs)
        axes.set_ylim(low, high)
        axes.set_title(text_of(name), fontsize=11, loc="left", parse_math=False)
        # Where a row ends; names inside the grid would make its columns unequal.
        _draw_anchor_lines(axes, curve, (low, high), named=place % columns == columns - 1)
        if place % columns == 0:
            axes.set_ylabel(label("损失（nats／字）", "loss (nats per character)"))
    grid[0].legend(loc="upper right", framealpha=0.85, edgecolor="none", fontsize=8)
    for axes in grid[len(runs) :]:
        axes.set_visible(False)
    return figure


def _limits(curves: Sequence[Curve]) -> tuple[float, float]:
    lows, highs = [], []
    for curve in curves:
        known = curve.loss[curve.finite]
        later = np.concatenate([known[len(known) // 10 :], curve.validation])
        later = later[np.isfinite(later)]
        lows.append(float(later.min(initial=np.inf)))
        highs.append(float(later.max(initial=-np.inf)))
    low, high = min(lows), max(highs)
    return max(0.0, low - 0.08 * (high - low)), high + 0.08 * (high - low)


def _draw_run(axes: Axes, curve: Curve, epochs: bool) -> None:
    finite = curve.finite
    steps, loss = curve.steps[finite], curve.loss[finite]
    # Every step, but without soft edges: they would make the picture three times as large.
    axes.plot(steps, loss, "-", color=STEPS, linewidth=0.7, antialiased=False)
    name = label("训练（粗线：中位数）", "training (thick: median)")
    axes.plot(steps, smooth(loss, max(5, len(loss) // 20)), color=TRAIN, label=name)
    if len(curve.validation):
        name = label("验证", "validation")
        known = np.isfinite(curve.validation)
        axes.plot(
            curve.validation_steps[known],
            curve.validation[known],
            "o-",
            color=VALIDATION,
            markersize=3,
            label=name,
        )
    for at in curve.boundaries:
        axes.axvline(curve.steps[at], color="tab:green", linewidth=0.8)
    if epochs and curve.epochs is not None:
        for number, at in enumerate(np.flatnonzero(np.diff(curve.epochs) > 0).tolist()):
            name = label("又读一遍", "next pass") if number == 0 else ""
            axes.axvline(curve.steps[at + 1], color=TURN, linewidth=0.8, label=name)
    axes.set_xlim(0, curve.steps[-1])
    axes.set_xlabel(label("步", "step"))
    axes.spines[["top", "right"]].set_visible(False)


def _draw_anchor_lines(axes: Axes, curve: Curve, limits: tuple[float, float], named: bool) -> None:
    seen = {name: nats for name, nats in curve.anchors.items() if limits[0] <= nats <= limits[1]}
    if named:
        draw_anchors(axes, seen, at=1.02)
        return
    for nats in seen.values():
        axes.axhline(nats, color="0.6", linewidth=0.8, linestyle="--", zorder=1)


def plot_trends(
    steps: Sequence[float], losses: Sequence[float], lines: Mapping[Text, tuple[float, float]]
) -> Figure:
    """Points and straight lines through them, each by its slope and its height at step 0.

    Points far above the others are drawn at the upper edge, with their heights.
    """
    use_chinese_font()
    figure = Figure(figsize=(8, 3.8), layout="constrained")
    axes = figure.subplots()
    places, heights = np.asarray(steps, dtype=float), np.asarray(losses, dtype=float)
    low, middle, high = np.quantile(heights, (0.02, 0.5, 0.95))
    top = middle + 3 * max(high - middle, 1e-6)
    inside = heights <= top
    axes.plot(places[inside], heights[inside], ".", color="0.55", markersize=4)
    for place, height in zip(places[~inside], heights[~inside], strict=True):
        axes.plot(place, top, "^", color="tab:red", clip_on=False)
        note = label(f"{height:.1f}，在图外 ", f"{height:.1f}, outside ")
        axes.text(place, top, note, ha="right", va="center", color="tab:red", fontsize=9)
    axes.set_ylim(low - 0.2 * (top - low), top)
    ends = np.array([min(steps), max(steps)], dtype=float)
    for number, (name, (slope, height)) in enumerate(lines.items()):
        style = "--" if number % 2 else "-"
        axes.plot(ends, slope * ends + height, style, linewidth=1.8, label=text_of(name))
    axes.set_xlabel(label("步", "step"))
    axes.set_ylabel(label("损失（nats／字）", "loss (nats per character)"))
    axes.legend(frameon=False, loc="upper left", ncols=2)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def plot_blind(curve: Curve, title: Text = "") -> Figure:
    """All that a history shows, without a word of what it means: loss, gradients, updates."""
    use_chinese_font()
    panels: list[Callable[[Axes, Curve], None]] = [_draw_loss]
    if curve.gradient_norm is not None:
        panels.append(_draw_norms)
    if curve.update_ratio is not None:
        panels.append(_draw_updates)
    figure = Figure(figsize=(4.6 * len(panels), 3.8), layout="constrained")
    widths = [1.4] + [1.0] * (len(panels) - 1)
    row = np.atleast_1d(figure.subplots(1, len(panels), width_ratios=widths))
    for axes, draw in zip(row, panels, strict=True):
        draw(axes, curve)
        axes.set_xlabel(label("步", "step"))
        axes.spines[["top", "right"]].set_visible(False)
    row[0].set_title(text_of(title), fontsize=11, loc="left", parse_math=False)
    return figure


def _draw_loss(axes: Axes, curve: Curve) -> None:
    _draw_run(axes, curve, epochs=False)
    known = curve.loss[curve.finite]
    highest = max([*known[len(known) // 20 :], *curve.anchors.values(), 0.1])
    axes.set_ylim(0, 1.05 * highest)
    draw_anchors(axes, curve.anchors, at=1.01)
    axes.set_ylabel(label("损失（nats／字）", "loss (nats per character)"))
    axes.legend(loc="lower left", framealpha=0.85, edgecolor="none", fontsize=8)


def _draw_norms(axes: Axes, curve: Curve) -> None:
    assert curve.gradient_norm is not None
    axes.plot(curve.steps, curve.gradient_norm, ".", color="tab:purple", alpha=0.4, markersize=3)
    axes.set_yscale("log")
    axes.set_title(label("梯度的长度", "gradient norm"), fontsize=10)


def _draw_updates(axes: Axes, curve: Curve) -> None:
    assert curve.update_ratio is not None
    moved = curve.update_ratio > 0
    axes.plot(curve.steps[moved], curve.update_ratio[moved], ".", color="tab:blue", markersize=3)
    if moved.any():
        axes.set_yscale("log")
    axes.set_title(label("每步改动占权重的比例", "size of a step over the weights"), fontsize=10)
