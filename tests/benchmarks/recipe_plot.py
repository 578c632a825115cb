"""The figure of the recipe benchmark: validation loss by time, and the corpus's anchors."""

from typing import Any

from matplotlib.figure import Figure

from novelkit.plots.fonts import label, use_chinese_font
from novelkit.scores import ANCHOR_NAMES

NAMES = {
    "nanogpt": ("nanoGPT 的配方", "nanoGPT's recipe"),
    "nanogpt-plain": ("nanoGPT 的配方，PyTorch 自带的核", "nanoGPT's recipe, PyTorch's kernels"),
    "trainer": ("transformers.Trainer 的默认设置", "defaults of transformers.Trainer"),
}
# Nats between two labels of anchors, at least.
CLOSE = 0.12


def plot_curves(
    results: list[dict[str, Any]], anchors: dict[str, float], tokens_per_character: float
) -> Figure:
    """A line for each run in `results`, in nats per character."""
    use_chinese_font()
    figure = Figure(figsize=(9, 5.5), layout="constrained")
    axes = figure.add_subplot()
    lowest, last = float("inf"), 0.0
    for result in sorted(results, key=lambda item: (item["recipe"], item["share"])):
        minutes = [seconds / 60 for _, seconds, _ in result["curve"]]
        losses = [loss * tokens_per_character for *_, loss in result["curve"]]
        axes.plot(minutes, losses, marker="o", markersize=3, label=_name(result))
        lowest, last = min(lowest, *losses), max(last, *minutes)
    written: list[float] = []
    for key, value in sorted(anchors.items(), key=lambda pair: pair[1]):
        axes.axhline(value, color="grey", linestyle="--", linewidth=0.8)
        # Two anchors that are too close share a line's height: the upper name moves up.
        height = max(value, written[-1] + CLOSE) if written else value
        written.append(height)
        name = label(*ANCHOR_NAMES[key])
        axes.text(last * 1.01, height, f"{name} {value:.2f}", va="center", fontsize=8)
    axes.set_xlim(0, last)
    axes.set_ylim(bottom=min(lowest, *anchors.values()) - 0.15)
    axes.set_xlabel(label("训练用的时间（分钟，不含验证）", "training time (minutes)"))
    axes.set_ylabel(label("验证损失（nats／字）", "validation loss (nats per character)"))
    axes.legend(loc="upper right", framealpha=1, edgecolor="none")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure


def _name(result: dict[str, Any]) -> str:
    name, _, rate = result["recipe"].partition("-lr")
    if name in NAMES:
        chinese, english = NAMES[name]
        if rate:
            return label(f"{chinese}，学习率 {rate}", f"{english}, learning rate {rate}")
        return label(chinese, english)
    if result["share"] == 1 and result["recipe"] != "novelkit":
        return str(result["recipe"])
    share = f"{result['share']:.0%}"
    return label(f"novelkit，{share} 的时间", f"novelkit, {share} of the time")
