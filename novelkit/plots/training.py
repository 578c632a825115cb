"""The loss of a run, to be read against the anchors of its corpus.

Every step is a point and nothing is averaged away: a smooth line and the spread lie over them.
Reference lines carry their names beside the axes, where no curve can lie over them, and a new
session is marked where it began.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from novelkit.plots.fonts import label, use_chinese_font
from novelkit.scores import ANCHOR_NAMES

# The height of a reference line's name, as a share of the axes.
NAME_HEIGHT = 0.04
# Points of the smooth line.
SMOOTH_PLACES = 400


def plot_loss(history: Sequence[dict[str, Any]], data: dict[str, Any], title: str = "") -> Figure:
    """Loss in nats per character by step; `data` is that of the run's ledger."""
    use_chinese_font()
    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.add_subplot()
    ratio = data["tokens_per_character"]
    steps = np.array([record["step"] for record in history])
    loss = np.array([record["loss"] for record in history]) * ratio["train"]
    finite = np.isfinite(loss)
    if finite.any():
        _plot_training(axes, steps[finite], loss[finite])
    evaluated = [record for record in history if "validation_loss" in record]
    if evaluated:
        _plot_validation(axes, evaluated, ratio["validation"])
    _mark_sessions(axes, history)
    axes.set_xlabel(label("步", "step"))
    axes.set_ylabel(label("损失（nats／字）", "loss (nats per character)"))
    axes.set_xlim(0, max(steps[-1], 1))
    axes.set_ylim(0, 1.05 * max(1.0, axes.dataLim.ymax, *data["anchors"].values()))
    draw_anchors(axes, data["anchors"])
    axes.set_title(label(title, ""), parse_math=False)
    # Marks of resumes may run behind it.
    axes.legend(loc="lower left", framealpha=0.85, edgecolor="none")
    bits = axes.secondary_yaxis(
        "right", functions=(lambda nats: nats / np.log(2), lambda bits: bits * np.log(2))
    )
    bits.set_ylabel(label("比特／字", "bits per character"))
    axes.spines["top"].set_visible(False)
    return figure


def _plot_training(axes: Axes, steps: np.ndarray, loss: np.ndarray) -> None:
    """Every step as a point, and the median and the middle 80 % of its neighbours over them."""
    axes.plot(steps, loss, ".", color="tab:blue", alpha=0.25, markersize=4)
    half = max(5, len(loss) // 20) // 2
    # As many places as the figure can show: a live plot of a long run must stay quick.
    places = np.unique(np.linspace(0, len(loss) - 1, SMOOTH_PLACES).round().astype(int))
    near = [loss[max(0, place - half) : place + half + 1] for place in places]
    low, middle, high = np.transpose([np.quantile(part, (0.1, 0.5, 0.9)) for part in near])
    axes.plot(steps[places], middle, color="tab:blue", label=label("训练", "training"))
    spread = label("训练各步的中间 80%", "middle 80% of training steps")
    axes.fill_between(
        steps[places], low, high, color="tab:blue", alpha=0.15, linewidth=0, label=spread
    )


def _plot_validation(axes: Axes, evaluated: Sequence[dict[str, Any]], ratio: float) -> None:
    steps = [record["step"] for record in evaluated]
    losses = np.array([record["validation_loss"] for record in evaluated]) * ratio
    best = int(losses.argmin())
    # In the legend: beside its point it would lie over a line, wherever one puts it.
    lowest = label(
        f"最低 {losses[best]:.2f}，第 {steps[best]} 步",
        f"best {losses[best]:.2f}, step {steps[best]}",
    )
    name = label(f"验证（没见过的章节；{lowest}）", f"validation (unseen chapters; {lowest})")
    axes.plot(steps, losses, "o-", color="tab:orange", markersize=4, label=name)
    axes.plot(steps[best], losses[best], "*", color="tab:orange", markersize=12)


def draw_anchors(axes: Axes, anchors: Mapping[str, float], at: float = 1.08) -> None:
    """A dashed line an anchor, its name right of the axes, `at` in their widths.

    By default right of a scale in bits.
    """
    if not anchors:
        return
    names = sorted(anchors, key=anchors.__getitem__)
    places = _spread(axes.transLimits.transform([(0, anchors[name]) for name in names])[:, 1])
    for name, place in zip(names, places, strict=True):
        axes.axhline(anchors[name], color="0.6", linewidth=0.8, linestyle="--", zorder=1)
        axes.text(
            at,
            place,
            f"{label(*ANCHOR_NAMES[name])} {anchors[name]:.2f}",
            transform=axes.transAxes,
            va="center",
            fontsize=8,
            color="0.4",
        )


def _spread(places: np.ndarray) -> np.ndarray:
    """Ascending places, each at least `NAME_HEIGHT` above the one before."""
    rows = NAME_HEIGHT * np.arange(len(places))
    up = np.maximum.accumulate(places - rows)
    down = np.minimum.accumulate((places - rows)[::-1])[::-1]
    return rows + (up + down) / 2  # between pushing all up and pushing all down


def _mark_sessions(axes: Axes, history: Sequence[dict[str, Any]]) -> None:
    sessions = [record.get("session", 1) for record in history]
    for index in np.flatnonzero(np.diff(sessions)).tolist():
        axes.axvline(history[index]["step"], color="tab:green", linewidth=0.8)
        axes.text(
            history[index]["step"],
            0.99,  # the legend is at the bottom
            label(" 恢复训练", " resumed"),
            va="top",
            transform=axes.get_xaxis_transform(),
            fontsize=8,
            color="tab:green",
        )
