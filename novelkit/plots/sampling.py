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
    names = [_name(character) for character in characters]
    # One scale for all rows, or a flat distribution would look like a peaked one.
    highest = max(max(probabilities) for _, probabilities in rows)
    for index, (title, probabilities) in enumerate(rows, 1):
        axes = figure.add_subplot(len(rows), 1, index)
        axes.set_ylim(0, 1.05 * highest)
        axes.bar(range(len(names)), probabilities, color="tab:blue")
        # A dollar sign is a character here, not the begin of a formula.
        axes.set_xticks(range(len(names)), names, parse_math=False)
        axes.set_ylabel(label("概率", "probability"))
        axes.set_title(title, loc="left", fontsize=10, parse_math=False)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _name(character: str) -> str:
    """How a character is written below its bar; its code point where it cannot be drawn."""
    blank = {
        "\n": label("换行", "newline"),
        " ": label("空格", "space"),
        "\u3000": label("空格", "space"),
    }
    if character in blank:
        return blank[character]
    if not character.isprintable():
        return _code_points(character)
    return label(character, _code_points(character))


def _code_points(text: str) -> str:
    return " ".join(f"{ord(character):04X}" for character in text)
