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
    names = [label(_visible(character), _code_points(character)) for character in characters]
    for index, (title, probabilities) in enumerate(rows, 1):
        axes = figure.add_subplot(len(rows), 1, index)
        axes.bar(range(len(names)), probabilities, color="tab:blue")
        # A dollar sign is a character here, not the begin of a formula.
        axes.set_xticks(range(len(names)), names, parse_math=False)
        axes.set_ylabel(label("概率", "probability"))
        axes.set_title(title, loc="left", fontsize=10, parse_math=False)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _code_points(text: str) -> str:
    return " ".join(f"{ord(character):04X}" for character in text)


def _visible(character: str) -> str:
    shown = {"\n": "⏎", " ": "␣", "\u3000": "␣"}.get(character, character)
    return shown if shown.isprintable() else _code_points(character)
