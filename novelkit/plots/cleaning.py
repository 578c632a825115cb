"""What cleaning found and removed: the lengths of the chapters, the characters by rule."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from novelkit.plots.fonts import label, use_chinese_font

# Rules beyond these would not be read on a page.
MOST_RULES = 14


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


def plot_report(report: Mapping[str, Any]) -> Figure:
    """One page of a DATA folder's report: what was dropped, the chapters, the characters.

    `report` is `report.json` of the folder (see `novelkit.layouts`).
    """
    use_chinese_font()
    figure = Figure(figsize=(11, 8), layout="constrained")
    panels = figure.subplots(2, 2)
    _draw_dropped(panels[0, 0], report)
    _draw_chapters(panels[0, 1], report["novels"])
    _draw_frequencies(panels[1, 0], report["characters"])
    _draw_troubles(panels[1, 1], report)
    for axes in panels.flat:
        axes.spines[["top", "right"]].set_visible(False)
    before, after = report["characters_before"], report["characters_after"]
    share = after / before if before else 0
    figure.suptitle(
        label(
            f"{len(report['novels']):,} 本书：{before:,} 个字符，留下 {after:,}（{share:.2%}）",
            f"{len(report['novels']):,} books: {before:,} characters, {after:,} kept ({share:.2%})",
        )
    )
    return figure


def _draw_dropped(axes: Axes, report: Mapping[str, Any]) -> None:
    """Characters by rule, the largest first; a rule that adds characters is drawn to the left."""
    dropped = {
        name: rule
        for name, rule in report["dropped"].items()
        if rule["characters"] or rule["changes"]
    }
    shown = sorted(dropped, key=lambda name: -abs(dropped[name]["characters"]))[:MOST_RULES]
    counts = [dropped[name]["characters"] for name in shown]
    colours = ["tab:red" if count >= 0 else "tab:green" for count in counts]
    bars = axes.barh(range(len(shown)), counts, color=colours)
    axes.bar_label(bars, [f"{count:,}" for count in counts], padding=3, fontsize=8)
    axes.set_yticks(range(len(shown)), [label(dropped[name]["title"], name) for name in shown])
    axes.invert_yaxis()
    axes.set_xscale("symlog", linthresh=10)
    axes.margins(x=0.2)
    axes.set_title(label("各条规则去掉的字符", "characters dropped by rule"))


def _draw_chapters(axes: Axes, novels: Sequence[Mapping[str, Any]]) -> None:
    """How long chapters are: a histogram over all books, with the median."""
    lengths = sorted(length for novel in novels for length in novel["chapter_characters"])
    axes.hist(lengths, bins=min(40, max(5, len(lengths))), color="tab:blue")
    if lengths:
        middle = lengths[len(lengths) // 2]
        axes.axvline(middle, color="black", linestyle="--", linewidth=1)
        axes.set_title(
            label(
                f"{len(lengths):,} 章的长度，中位数 {middle:,} 字",
                f"length of {len(lengths):,} chapters, median {middle:,}",
            )
        )
    axes.set_xlabel(label("字数", "characters"))
    axes.set_ylabel(label("章数", "chapters"))


def _draw_frequencies(axes: Axes, characters: Mapping[str, Any]) -> None:
    """Zipf's picture: how often the character of each rank occurs, both axes logarithmic."""
    ranks, counts = zip(*characters["by_rank"], strict=True) if characters["by_rank"] else ((), ())
    axes.loglog(ranks, counts, color="tab:blue")
    rare = characters["rare"]
    axes.axhline(rare["at_most"], color="tab:orange", linestyle="--", linewidth=1)
    common = "".join(char for char, _ in characters["most_common"] if char.strip())[:12]
    axes.set_title(
        label(
            f"{characters['kinds']:,} 种字，其中 {rare['kinds']:,} 种不超过 {rare['at_most']} 次",
            f"{characters['kinds']:,} kinds, {rare['kinds']:,} of them at most"
            f" {rare['at_most']} times",
        )
    )
    note = label(f"最常见：{common}", "")
    axes.text(0.03, 0.06, note, transform=axes.transAxes, parse_math=False)
    axes.set_xlabel(label("名次", "rank"))
    axes.set_ylabel(label("次数", "count"))


def _draw_troubles(axes: Axes, report: Mapping[str, Any]) -> None:
    """Encodings by books, and in words what was damaged or repeated."""
    encodings = report["encodings"]
    bars = axes.barh(range(len(encodings)), list(encodings.values()), color="tab:purple")
    axes.bar_label(bars, padding=3, fontsize=8)
    axes.set_yticks(range(len(encodings)), list(encodings))
    # Room below the bars for the words.
    axes.set_ylim(len(encodings) + 1.5, -0.6)
    axes.margins(x=0.15)
    axes.set_title(label("编码（本）", "encodings (books)"))
    again = report["duplicates"]
    share = f"{again['repeated_in_train']:,} / {again['paragraphs']:,}"
    leaked, damage = f"{again['in_train_and_held_out']:,}", f"{report['damage']:,}"
    lines = [
        (f"损坏 {damage} 处", f"damage: {damage}"),
        (f"训练章节里重复的段落 {share}", f"repeated paragraphs in train: {share}"),
        (f"训练和留出的章节都有的段落 {leaked}", f"paragraphs in train and held-out: {leaked}"),
    ]
    text = "\n".join(label(chinese, english) for chinese, english in lines)
    axes.text(0.03, 0.03, text, transform=axes.transAxes, va="bottom", fontsize=9)
