"""Small controlled experiments: every seed is drawn, so that a difference can be told from noise.

Plain numbers in, figure out. A name is one text, or a pair of a Chinese and an English one of
which the second is drawn where no font has Chinese.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from novelkit.plots.fonts import Text, label, text_of, use_chinese_font

Panels = Mapping[Text, Sequence["Curve"]]

TRAIN, VALIDATION = "tab:blue", "tab:orange"
COLOURS = ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown")
# Bins of the weight histograms; one more than half of an even number is the bin of zero.
BINS = 121
MOST_TICKS = 10


@dataclass(frozen=True)
class Curve:
    """One setting: a list of y for each seed, all at the places `x`."""

    name: Text
    x: Sequence[float]
    seeds: Sequence[Sequence[float]]
    colour: int = -1  # number of the colour; -1: the next one of its panel
    dashed: bool = False


@dataclass(frozen=True)
class Setting:
    """One setting of an experiment: a final loss, and tokens a second, for each seed."""

    name: Text
    train: Sequence[float]
    validation: Sequence[float]
    speed: Sequence[float] = ()


def plot_curves(
    panels: Panels,
    x_label: Text,
    y_label: Text,
    log_x: bool = False,
    lines: Mapping[Text, float] | None = None,
    limits: tuple[float, float] | None = None,
) -> Figure:
    """Panels side by side with one y axis: each seed a thin line, their mean a thick one.

    `lines` are horizontal reference lines, `limits` those of y.
    """
    use_chinese_font()
    figure = Figure(figsize=(max(7.5, 4.6 * len(panels)), 4.2), layout="constrained")
    axes_row = np.atleast_1d(figure.subplots(1, len(panels), sharey=True))
    for axes, (title, curves) in zip(axes_row, panels.items(), strict=True):
        for number, curve in enumerate(curves):
            _draw_curve(axes, curve, curve.colour if curve.colour >= 0 else number)
        for name, value in (lines or {}).items():
            _draw_line(axes, text_of(name), value)
        if log_x:
            axes.set_xscale("log")
            _name_places(axes, sorted({place for curve in curves for place in curve.x}))
        axes.set_title(text_of(title), fontsize=11, parse_math=False)
        axes.set_xlabel(text_of(x_label))
        axes.legend(frameon=False, fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
    axes_row[0].set_ylabel(text_of(y_label))
    if limits:
        axes_row[0].set_ylim(*limits)
    return figure


def plot_gaps(settings: Sequence[Setting], title: Text = "") -> Figure:
    """Training and validation loss of each setting, seed by seed, beside how fast it ran."""
    use_chinese_font()
    with_speed = any(setting.speed for setting in settings)
    figure = Figure(figsize=(9.5, 0.5 * len(settings) + 1.4), layout="constrained")
    widths = [2.4, 1] if with_speed else [1]
    panels = np.atleast_1d(figure.subplots(1, len(widths), sharey=True, width_ratios=widths))
    _draw_gaps(panels[0], settings)
    if with_speed:
        _draw_speeds(panels[1], settings)
    panels[0].set_yticks(range(len(settings)), [text_of(setting.name) for setting in settings])
    panels[0].set_ylim(len(settings) - 0.5, -0.5)
    panels[0].set_title(text_of(title), fontsize=11, loc="left", parse_math=False)
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def plot_gradient_noise(
    batch_sizes: Sequence[int],
    square_norms: Sequence[float],
    signal: float,
    noise: float,
    title: Text = "",
) -> Figure:
    """Mean squared length of the gradient by batch size, and the law signal + noise / B.

    The two parts are equal at the simple noise scale noise / signal (McCandlish et al. 2018,
    arXiv:1812.06162).
    """
    use_chinese_font()
    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    axes = figure.subplots()
    scale = noise / signal
    places = np.geomspace(1, max(max(batch_sizes), 4 * scale), 200)
    law = label("规律：|G|² + tr(Σ)/B", "law: |G|² + tr(Σ)/B")
    axes.loglog(places, signal + noise / places, color=TRAIN, label=law, linewidth=1.2)
    measured = label("实测", "measured")
    axes.loglog(batch_sizes, square_norms, "o", color=VALIDATION, label=measured)
    axes.axhline(signal, color="0.5", linestyle="--", linewidth=1)
    everything = label("全部文字的梯度 |G|²", "gradient of the whole text |G|²")
    axes.annotate(everything, (1, signal), (2, 4), textcoords="offset points", color="0.35")
    axes.axvline(scale, color="tab:green", linewidth=1)
    note = label(f" 噪声尺度 {scale:,.0f}", f" noise scale {scale:,.0f}")
    top = signal + noise
    axes.annotate(note, (scale, top), (3, -6), textcoords="offset points", color="tab:green")
    _name_places(axes, batch_sizes)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(label("批大小 B（段）", "batch size B (sequences)"))
    axes.set_ylabel(label("梯度长度的平方", "squared length of the gradient"))
    axes.set_title(text_of(title), fontsize=11, parse_math=False)
    axes.legend(frameon=False, loc="upper center")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def plot_range_test(
    rates: Sequence[float], losses: Sequence[float], marks: Mapping[Text, float]
) -> Figure:
    """The loss while the learning rate grows (Smith 2015, arXiv:1506.01186); `marks` are rates."""
    use_chinese_font()
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.semilogx(rates, losses, ".-", color=TRAIN, linewidth=1, markersize=4)
    for number, (name, rate) in enumerate(marks.items()):
        colour = COLOURS[1 + number % (len(COLOURS) - 1)]
        axes.axvline(rate, color=colour, linewidth=1.2)
        # One below the other, so that near ones do not cover each other.
        place = (rate, 0.97 - 0.08 * number)
        text = f" {text_of(name)} {rate:.1e}"
        right = rate > np.exp(np.mean(np.log([rates[0], rates[-1]])))
        axes.text(
            *place,
            f"{text} " if right else text,
            transform=axes.get_xaxis_transform(),
            color=colour,
            ha="right" if right else "left",
            va="top",
            # Over the line of a neighbour.
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )
    axes.set_ylim(bottom=min(losses) - 0.3, top=max(losses[0] * 1.25, min(losses) + 1))
    axes.set_xlabel(label("学习率", "learning rate"))
    axes.set_ylabel(label("损失（nats／词元）", "loss (nats per token)"))
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def plot_weights(weights: Mapping[Text, np.ndarray]) -> Figure:
    """A histogram of each set of weights on the same bins, and the share that is exactly zero."""
    use_chinese_font()
    figure = Figure(figsize=(3.6 * len(weights), 3.4), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(weights), sharex=True, sharey=True))
    widest = max(float(np.quantile(np.abs(values), 0.999)) for values in weights.values())
    bins = np.linspace(-widest, widest, BINS + 1)
    for axes, (name, values) in zip(panels, weights.items(), strict=True):
        flat = np.asarray(values).ravel()
        axes.hist(np.clip(flat, -widest, widest), bins, color=TRAIN, log=True)
        zero = float(np.mean(flat == 0))
        found = label(f"恰好为 0：{zero:.1%}", f"exactly 0: {zero:.1%}")
        axes.set_title(text_of(name), fontsize=10, parse_math=False)
        axes.text(0.98, 0.97, found, transform=axes.transAxes, ha="right", va="top", fontsize=9)
        axes.set_xlabel(label("权重", "weight"))
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel(label("个数（对数）", "count (log)"))
    return figure


def plot_two_logs(last: Sequence[float], mean: Sequence[float]) -> Figure:
    """The same run as two loggers see it: the last micro-batch, or the mean of the step."""
    use_chinese_font()
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    axes = figure.subplots()
    steps = range(1, len(last) + 1)
    alone = label("只记最后一个小批", "last micro-batch only")
    axes.plot(steps, last, ".-", color="0.65", linewidth=0.8, markersize=3, label=alone)
    together = label("记这一步的平均", "mean of the step")
    axes.plot(steps, mean, color=TRAIN, linewidth=1.8, label=together)
    axes.set_xlabel(label("步", "step"))
    axes.set_ylabel(label("损失（nats／词元）", "loss (nats per token)"))
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _name_places(axes: Axes, places: Sequence[float]) -> None:
    """Ticks of a logarithmic x axis where there are few places, at these, as plain numbers."""
    if len(places) <= MOST_TICKS:
        axes.set_xticks(places, [f"{place:g}" for place in places])
        axes.xaxis.set_minor_formatter(NullFormatter())


def _draw_curve(axes: Axes, curve: Curve, number: int) -> None:
    colour, style = COLOURS[number % len(COLOURS)], "--" if curve.dashed else "-"
    if len(curve.seeds) > 1:
        for seed in curve.seeds:
            axes.plot(curve.x, seed, style, color=colour, linewidth=0.6, alpha=0.5)
    mean = np.mean(np.asarray(curve.seeds, dtype=float), axis=0)
    marker = "o" if len(curve.x) == 1 else ""
    axes.plot(
        curve.x, mean, style, marker=marker, color=colour, linewidth=1.8, label=text_of(curve.name)
    )


def _draw_line(axes: Axes, name: str, value: float) -> None:
    axes.axhline(value, color="0.6", linestyle="--", linewidth=0.8)
    axes.text(
        0.995,
        value,
        f"{name} {value:.2f}",
        transform=axes.get_yaxis_transform(),
        ha="right",
        va="bottom",
        fontsize=8,
        color="0.4",
    )


def _draw_gaps(axes: Axes, settings: Sequence[Setting]) -> None:
    """A dumbbell a setting: how long its bar is, is the gap."""
    for row, setting in enumerate(settings):
        ends = [float(np.mean(setting.train)), float(np.mean(setting.validation))]
        axes.plot(ends, [row, row], color="0.8", linewidth=4, zorder=1, solid_capstyle="butt")
        axes.annotate(
            f"{ends[1] - ends[0]:+.2f}",
            (sum(ends) / 2, row),
            (0, 5),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            color="0.35",
        )
        for values, colour in ((setting.train, TRAIN), (setting.validation, VALIDATION)):
            axes.plot(values, [row] * len(values), "o", color=colour, markersize=5, alpha=0.75)
    names = (label("训练", "training"), label("验证", "validation"))
    for name, colour in zip(names, (TRAIN, VALIDATION), strict=True):
        axes.plot([], [], "o", color=colour, label=name)
    axes.legend(frameon=False, fontsize=9, loc="best")
    axes.set_xlabel(
        label("损失（nats／词元），每点一个种子", "loss (nats per token), a dot a seed")
    )


def _draw_speeds(axes: Axes, settings: Sequence[Setting]) -> None:
    for row, setting in enumerate(settings):
        if setting.speed:
            axes.barh(row, float(np.median(setting.speed)), color="0.85", height=0.6)
            axes.plot(setting.speed, [row] * len(setting.speed), "o", color="0.4", markersize=3)
    axes.set_xlabel(label("词元／秒", "tokens per second"))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.locator_params(axis="x", nbins=4)
