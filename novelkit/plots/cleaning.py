"""What cleaning found and removed: the lengths of the chapters, the characters by rule."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from novelkit.plots.fonts import label, use_chinese_font


def plot_chapters(titles: Sequence[str], characters: Sequence[int]) -> Figure:
    """The length of each chapter in characters, in order; titles shorten to fit."""
    use_chinese_font()
    figure = Figure(figsize=(9, max(2.5, 0.28 * len(titles))), layout="constrained")
    axes = figure.add_subplot()
    names = [
        label(title[:14] or f"（{number}）", f"chapter {number}")
        for number, title in enumerate(titles, 1)
    ]
    bars = axes.barh(range(len(names)), characters, color="tab:blue")
    axes.bar_label(bars, padding=3, fontsize=8)
    # A title with two dollar signs is no formula.
    axes.set_yticks(range(len(names)), names, parse_math=False)
    axes.invert_yaxis()
    axes.set_xlabel(label("字数", "characters"))
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def plot_removed(removed: Mapping[str, tuple[str, int]]) -> Figure:
    """Characters removed by each rule; `removed` maps a rule to its Chinese title and count."""
    use_chinese_font()
    figure = Figure(figsize=(9, max(2.0, 0.4 * len(removed))), layout="constrained")
    axes = figure.add_subplot()
    names = [label(title, rule) for rule, (title, _) in removed.items()]
    bars = axes.barh(range(len(names)), [count for _, count in removed.values()], color="tab:red")
    axes.bar_label(bars, padding=3, fontsize=8)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel(label("去掉的字符数", "characters removed"))
    axes.spines[["top", "right"]].set_visible(False)
    return figure
