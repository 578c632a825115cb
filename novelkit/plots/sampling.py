"""The distribution of the next character, before and after temperature and cuts."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from novelkit.plots.fonts import label, use_chinese_font


def plot_next_character(
    characters: Sequence[str], rows: Sequence[tuple[str, Sequence[float]]]
) -> Figure:
    """Probabilities of the same characters under several settings, one row of bars each."""
    use_chinese_font()
    figure = Figure(figsize=(9, 1.6 * len(rows) + 0.6), layout="constrained")
    names = [label(_visible(character), f"{ord(character):04X}") for character in characters]
    for index, (title, probabilities) in enumerate(rows, 1):
        axes = figure.add_subplot(len(rows), 1, index)
        axes.bar(range(len(names)), probabilities, color="tab:blue")
        axes.set_xticks(range(len(names)), names)
        axes.set_ylabel(label("概率", "probability"))
        axes.set_title(title, loc="left", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _visible(character: str) -> str:
    return {"\n": "⏎", " ": "␣", "\u3000": "␣"}.get(character, character)
