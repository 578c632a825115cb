"""The loss of a run, to be read against the anchors of its corpus.

Every step is a point and nothing is averaged away: a smooth line and the spread lie over them.
Reference lines carry their names at the right edge, and a new session is marked where it began.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from novelkit.plots.fonts import label, use_chinese_font
from novelkit.scores import ANCHOR_NAMES

# About the height of a label in a plot that reaches up to ln V.
CLOSE_NATS = 0.25
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
    _plot_training(axes, steps, loss)
    evaluated = [record for record in history if "validation_loss" in record]
    if evaluated:
        _plot_validation(axes, evaluated, ratio["validation"])
    _draw_anchors(axes, data["anchors"])
    _mark_sessions(axes, history)
    axes.set_xlabel(label("步", "step"))
    axes.set_ylabel(label("损失（nats／字）", "loss (nats per character)"))
    axes.set_xlim(0, max(steps[-1], 1))
    axes.set_ylim(bottom=0)
    axes.set_title(label(title, ""), parse_math=False)
    axes.legend(loc="lower left", frameon=False)
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
    name = label("验证（没见过的章节）", "validation (unseen chapters)")
    axes.plot(steps, losses, "o-", color="tab:orange", markersize=4, label=name)
    best = int(losses.argmin())
    # Near the right edge the note would leave the picture or cover the names of the lines.
    late = steps[best] > 0.8 * steps[-1]
    axes.annotate(
        label(f"最低 {losses[best]:.2f}", f"best {losses[best]:.2f}"),
        (steps[best], losses[best]),
        textcoords="offset points",
        xytext=(-60, 12) if late else (0, -16),
        ha="right" if late else "center",
        color="tab:orange",
    )


def _draw_anchors(axes: Axes, anchors: Mapping[str, float]) -> None:
    """A dashed line an anchor; lines too close to carry a name each share one."""
    groups: list[list[str]] = []
    for name in sorted(anchors, key=anchors.__getitem__):
        value = anchors[name]
        axes.axhline(value, color="0.6", linewidth=0.8, linestyle="--")
        if groups and value - anchors[groups[-1][0]] < CLOSE_NATS:
            groups[-1].append(name)
        else:
            groups.append([name])
    for group in groups:
        names = label("、", ", ").join(label(*ANCHOR_NAMES[name]) for name in group)
        values = " / ".join(dict.fromkeys(f"{anchors[name]:.2f}" for name in group))
        axes.text(
            0.995,
            anchors[group[-1]],
            f"{names} {values}",
            transform=axes.get_yaxis_transform(),
            ha="right",
            va="bottom",
            fontsize=8,
            color="0.4",
        )


def _mark_sessions(axes: Axes, history: Sequence[dict[str, Any]]) -> None:
    sessions = [record.get("session", 1) for record in history]
    for index in np.flatnonzero(np.diff(sessions)).tolist():
        axes.axvline(history[index]["step"], color="tab:green", linewidth=0.8)
        axes.text(
            history[index]["step"],
            0.01,
            label(" 恢复训练", " resumed"),
            transform=axes.get_xaxis_transform(),
            fontsize=8,
            color="tab:green",
        )
