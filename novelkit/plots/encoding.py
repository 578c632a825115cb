"""What each codec makes of the same bytes, what one wrong byte destroys, how often readers err."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from novelkit.plots.fonts import label, use_chinese_font

CHOSEN, PASSED_OVER = "tab:blue", "0.75"


def plot_candidates(
    scores: Sequence[tuple[str, float]], shares: Sequence[float], title: str = ""
) -> Figure:
    """A bar for each (codec, bits saved a byte), the first coloured; `shares` of common hanzi."""
    use_chinese_font()
    figure = Figure(figsize=(8, 0.42 * len(scores) + 1.3), layout="constrained")
    axes = figure.subplots()
    rows = range(len(scores))
    colours = [CHOSEN, *[PASSED_OVER] * len(scores)][: len(scores)]
    axes.barh(rows, [score for _, score in scores], color=colours)
    highest = max([score for _, score in scores] + [0.1])
    for row, ((_, score), share) in enumerate(zip(scores, shares, strict=True)):
        words = label(f"得分 {score:.2f}，常用字 {share:.0%}", f"{score:.2f}, common {share:.0%}")
        axes.text(max(score, 0) + 0.02 * highest, row, words, va="center", fontsize=9)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(rows, [name for name, _ in scores])
    axes.set_ylim(len(scores) - 0.4, -0.6)
    axes.set_xlim(min([score for _, score in scores] + [0]) * 1.1, 1.4 * highest)
    axes.set_xlabel(label("比纯属偶然省下的比特／字节", "bits saved a byte, against chance"))
    axes.set_title(title)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def plot_lost_characters(text: str, rows: Sequence[tuple[str, Sequence[bool]]]) -> Figure:
    """One strip for each (name, which characters of `text` were lost), lost ones red."""
    from matplotlib.colors import ListedColormap

    use_chinese_font()
    width = min(16.0, 2.2 + 0.27 * len(text))
    figure = Figure(figsize=(width, 0.42 * len(rows) + 0.9), layout="constrained")
    axes = figure.subplots()
    lost = [[int(mark) for mark in marks] for _, marks in rows]
    edges = range(len(text) + 1)
    colours = ListedColormap(["0.9", "tab:red"])
    axes.pcolormesh(
        edges,
        range(len(rows) + 1),
        lost,
        cmap=colours,
        vmin=0,
        vmax=1,
        edgecolors="white",
        linewidth=0.6,
    )
    axes.set_yticks([row + 0.5 for row in range(len(rows))], [name for name, _ in rows])
    axes.invert_yaxis()
    characters = [{"\n": "↵", "\u3000": " "}.get(character, character) for character in text]
    numbers = [str(place + 1) if place % 5 == 4 else "" for place in range(len(text))]
    names = [label(*pair) for pair in zip(characters, numbers, strict=True)]
    axes.set_xticks([place + 0.5 for place in range(len(text))], names, parse_math=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def plot_accuracy(shares: Mapping[str, Mapping[tuple[str, str], float]]) -> Figure:
    """A table in colours for each method: share of right answers by (row name, column name)."""
    use_chinese_font()
    cells = next(iter(shares.values()))
    rows = list(dict.fromkeys(row for row, _ in cells))
    columns = list(dict.fromkeys(column for _, column in cells))
    size = (1.2 + len(shares) * (0.62 * len(columns) + 0.4), 0.45 * len(rows) + 1.4)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, len(shares), squeeze=False, sharey=True)[0]
    for axes, (method, found) in zip(panels, shares.items(), strict=True):
        values = [[found[row, column] for column in columns] for row in rows]
        axes.imshow(values, cmap="RdYlGn", vmin=0, vmax=1, aspect="auto")
        for (row, column), share in found.items():
            place = columns.index(column), rows.index(row)
            ink = "black" if 0.15 < share < 0.85 else "white"
            axes.text(*place, f"{share:.0%}", ha="center", va="center", fontsize=9, color=ink)
        axes.set_xticks(range(len(columns)), columns)
        axes.set_yticks(range(len(rows)), rows)
        axes.set_title(method, fontsize=10)
        axes.tick_params(length=0)
        axes.set_xlabel(label("字节", "bytes"))
    return figure
