"""A diagnosis as a picture: the loss between its anchors, and beside it the evidence.

What stands beside it depends on the verdict: sizes of updates for a learning rate, the gap to
validation for overfitting, neighbouring steps for data in order, sessions laid over one another
for batches that come again.
"""

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from novelkit.diagnosis import Diagnosis
from novelkit.diagnosis.curve import Curve, smooth
from novelkit.plots.fonts import label, use_chinese_font
from novelkit.plots.training import draw_anchors

Panel = Callable[[Axes, Curve], None]


def plot_diagnosis(curve: Curve, diagnosis: Diagnosis, title: str = "") -> Figure:
    """Two panels: the curve, and the evidence of the first finding."""
    use_chinese_font()
    figure = Figure(figsize=(12, 5), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
    _draw_loss(left, curve)
    panel = _panel_of(diagnosis, curve)
    panel(right, curve)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    found = diagnosis.findings[0] if diagnosis.findings else None
    verdict = f"{found.title}（{found.confidence:.0%}）" if found else label("说不准", "unknown")
    left.set_title(label(title, ""), parse_math=False, loc="left")
    figure.suptitle(label(verdict, found.cause if found else "unknown"), parse_math=False)
    return figure


def _draw_loss(axes: Axes, curve: Curve) -> None:
    finite = curve.finite
    steps, loss = curve.steps[finite], curve.loss[finite]
    axes.plot(steps, loss, ".", color="tab:blue", alpha=0.25, markersize=3)
    line = smooth(loss, max(5, len(loss) // 20))
    axes.plot(steps, line, color="tab:blue", label=label("训练", "training"))
    if len(curve.validation):
        name = label("验证", "validation")
        axes.plot(curve.validation_steps, curve.validation, "o-", c="tab:orange", ms=4, label=name)
    for place, step in enumerate(curve.steps[~finite]):
        name = label("不是数的步", "no number") if place == 0 else ""
        axes.axvline(step, color="tab:red", alpha=0.15, linewidth=0.8, label=name)
    for place, at in enumerate(curve.boundaries):
        name = label("恢复训练", "resumed") if place == 0 else ""
        axes.axvline(curve.steps[at], color="tab:green", linewidth=0.8, label=name)
    axes.set_xlabel(label("步", "step"))
    axes.set_ylabel(label("损失（nats／字）", "loss (nats per character)"))
    highest = np.quantile(loss, 0.995) if len(loss) else 1.0
    axes.set_ylim(0, 1.08 * max(highest, *curve.anchors.values(), 0.1))
    axes.set_xlim(0, curve.steps[-1])
    draw_anchors(axes, curve.anchors, at=1.01)
    axes.legend(loc="lower left", framealpha=0.85, edgecolor="none")


def _updates(axes: Axes, curve: Curve) -> None:
    """Sizes of updates, and the learning rate as far as it explains them."""
    assert curve.update_ratio is not None
    usable = curve.update_ratio > 0
    axes.plot(curve.steps[usable], curve.update_ratio[usable], ".", color="tab:blue", ms=3)
    if curve.learning_rate is not None and usable.any():
        rate = curve.learning_rate
        known = usable & (rate > 0)
        if known.any():
            scale = np.median(curve.update_ratio[known] / rate[known])
            name = label("若只随学习率变化", "if only the learning rate changed it")
            axes.plot(curve.steps[known], scale * rate[known], "--", color="0.4", label=name)
            axes.legend(loc="best", framealpha=0.85, edgecolor="none")
    if usable.any():
        axes.set_yscale("log")
    axes.set_xlabel(label("步", "step"))
    axes.set_ylabel(label("每步改动占权重的比例", "size of a step over the weights"))


def _norms(axes: Axes, curve: Curve) -> None:
    assert curve.gradient_norm is not None
    axes.plot(curve.steps, curve.gradient_norm, ".", color="tab:purple", alpha=0.4, ms=3)
    axes.set_yscale("log")
    axes.set_xlabel(label("步", "step"))
    axes.set_ylabel(label("梯度的长度", "gradient norm"))


def _gap(axes: Axes, curve: Curve) -> None:
    finite = curve.finite
    line = smooth(curve.loss[finite], max(5, int(finite.sum()) // 20))
    training = np.interp(curve.validation_steps, curve.steps[finite], line)
    axes.axhline(0, color="0.6", linewidth=0.8)
    axes.plot(curve.validation_steps, curve.validation - training, "o-", color="tab:orange", ms=4)
    axes.set_xlabel(label("步", "step"))
    axes.set_ylabel(label("验证损失减训练损失（nats／字）", "validation less training loss"))


def _neighbours(axes: Axes, curve: Curve) -> None:
    """Each step's loss against that of the next, both without the trend."""
    rest = _without_trend(curve)
    axes.plot(rest[:-1], rest[1:], ".", color="tab:blue", alpha=0.4, markersize=4)
    axes.set_xlabel(label("这一步偏离趋势（nats／字）", "a step, less the trend"))
    axes.set_ylabel(label("下一步偏离趋势（nats／字）", "the next step, less the trend"))
    axes.axline((0, 0), slope=1, color="0.6", linewidth=0.8)


def _sessions(axes: Axes, curve: Curve) -> None:
    """The sessions laid over one another, each from its first step."""
    filled = np.interp(
        np.arange(len(curve)), np.flatnonzero(curve.finite), curve.loss[curve.finite]
    )
    starts = [0, *curve.boundaries]
    ends = [*curve.boundaries, len(curve)]
    for number, (start, end) in enumerate(zip(starts, ends, strict=True), start=1):
        part = filled[start : min(end, start + 60)]
        name = label(f"第 {number} 次", f"session {number}")
        axes.plot(np.arange(1, len(part) + 1), part, linewidth=1, label=name)
    axes.legend(loc="best", framealpha=0.85, edgecolor="none", fontsize=8)
    axes.set_xlabel(label("恢复之后第几步", "step of the session"))
    axes.set_ylabel(label("损失（nats／字）", "loss (nats per character)"))


def _noise(axes: Axes, curve: Curve) -> None:
    """How the steps scatter around the trend."""
    rest = _without_trend(curve)
    wide = np.quantile(np.abs(rest), 0.995)
    axes.hist(rest, bins=40, range=(-wide, wide), color="tab:blue", alpha=0.7)
    axes.set_xlabel(label("偏离趋势（nats／字）", "away from the trend (nats per character)"))
    axes.set_ylabel(label("步数", "steps"))


def _without_trend(curve: Curve) -> np.ndarray:
    loss = curve.loss[curve.finite]
    return (loss - smooth(loss, max(5, len(loss) // 20)))[len(loss) // 4 :]


PANELS: dict[str, Panel] = {
    "learning_rate_too_high": _norms,
    "learning_rate_too_low": _updates,
    "warmup_too_long": _updates,
    "wrong_optimizer": _updates,
    "parameters_frozen": _updates,
    "model_too_small": _updates,
    "number_overflow": _norms,
    "overfitting": _gap,
    "validation_leaked": _gap,
    "label_shift": _gap,
    "unshuffled": _neighbours,
    "restarted": _sessions,
    "optimizer_state_lost": _sessions,
    "batches_repeated": _sessions,
}
NEEDS: dict[Panel, Callable[[Curve], bool]] = {
    _updates: lambda curve: curve.update_ratio is not None,
    _norms: lambda curve: curve.gradient_norm is not None,
    _gap: lambda curve: len(curve.validation) >= 2,
    _sessions: lambda curve: bool(curve.boundaries),
}


def _panel_of(diagnosis: Diagnosis, curve: Curve) -> Panel:
    """The panel of the first finding, or the scatter of the steps where its columns are missing."""
    panel = PANELS.get(diagnosis.verdict, _noise)
    return panel if NEEDS.get(panel, lambda curve: True)(curve) else _noise
