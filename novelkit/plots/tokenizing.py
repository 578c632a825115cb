"""What a dictionary finds in a sentence, how often characters occur, tokenizers by two measures."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from novelkit.plots.fonts import label, use_chinese_font

CHOSEN, PASSED_OVER = "tab:blue", "0.85"


def plot_words(
    sentence: str, words: Sequence[tuple[int, int, int]], path: Sequence[tuple[int, int]]
) -> Figure:
    """The words that a dictionary finds in a sentence, as bricks over its characters.

    `words` are (start, end, count), `path` the (start, end) that were chosen.
    """
    use_chinese_font()
    lanes = _lanes([(start, end) for start, end, _ in words])
    rows = 1 + max(lanes, default=0)
    figure = Figure(figsize=(max(4.0, 1.05 * len(sentence)), 0.62 * rows + 0.9))
    figure.set_layout_engine("constrained")
    axes = figure.subplots()
    chosen = set(path)
    for (start, end, count), lane in zip(words, lanes, strict=True):
        taken = (start, end) in chosen
        colour = CHOSEN if taken else PASSED_OVER
        axes.barh(lane, end - start - 0.06, left=start + 0.03, height=0.86, color=colour)
        name = label(sentence[start:end], f"{start}–{end}")
        text = f"{name}\n{count:,}"
        ink = "white" if taken else "black"
        middle = (start + end) / 2
        axes.text(middle, lane, text, ha="center", va="center", color=ink, parse_math=False)
    axes.set_xlim(0, len(sentence))
    axes.set_ylim(-0.5, rows - 0.5)
    axes.set_xticks(range(len(sentence) + 1))
    axes.set_yticks([])
    axes.set_xlabel(label("位置（第几个字之后）", "position (after so many characters)"))
    axes.spines[["top", "right", "left"]].set_visible(False)
    return figure


def plot_character_counts(counts: Sequence[int], shares: Sequence[float]) -> Figure:
    """Zipf's picture and the coverage: `counts` of all characters, falling.

    Each of `shares` (0 to 1) is marked where so many characters of the text are covered.
    """
    use_chinese_font()
    figure = Figure(figsize=(11, 4), layout="constrained")
    zipf, coverage = figure.subplots(1, 2)
    ranks = range(1, len(counts) + 1)
    zipf.loglog(ranks, counts, color="tab:blue")
    guide = [counts[0] / rank for rank in ranks]
    zipf.loglog(ranks, guide, color="0.6", linestyle="--", linewidth=1)
    # In the empty corner below the line, not where the two curves meet.
    middle = len(counts) ** 0.4
    note = label("1/名次", "1/rank")
    zipf.annotate(
        note, (middle, counts[0] / middle), (-6, -14), textcoords="offset points", ha="right"
    )
    zipf.set_ylim(bottom=min(0.8, 0.8 * guide[-1]))
    zipf.set_xlabel(label("名次", "rank"))
    zipf.set_ylabel(label("次数", "count"))
    zipf.set_title(label("每个名次的字出现多少次", "how often the character of each rank occurs"))
    _draw_coverage(coverage, counts, shares)
    for axes in (zipf, coverage):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def plot_two_measures(
    names: Sequence[str], per_token: Sequence[float], per_character: Sequence[float]
) -> Figure:
    """The same tokenizers in bits per token and in bits per character, side by side."""
    use_chinese_font()
    figure = Figure(figsize=(8, 0.5 * len(names) + 1.1), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    titles = (
        label("比特／词元：不能互相比", "bits per token: not comparable"),
        label("比特／字：可以比，越小越好", "bits per character: lower is better"),
    )
    for axes, values, title in zip(panels, (per_token, per_character), titles, strict=True):
        best = min(values)
        colours = [CHOSEN if value == best else PASSED_OVER for value in values]
        bars = axes.barh(range(len(names)), values, color=colours)
        axes.bar_label(bars, [f"{value:.2f}" for value in values], padding=3, fontsize=9)
        axes.margins(x=0.15)
        axes.set_title(title, fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_yticks(range(len(names)), names, parse_math=False)
    panels[0].invert_yaxis()
    return figure


def characters_needed(counts: Sequence[int], share: float) -> int:
    """How many of the commonest characters cover `share` of a text; `counts` are falling."""
    wanted, covered = share * sum(counts), 0
    for number, count in enumerate(counts, 1):
        covered += count
        # A share is no exact binary number: half a character is not worth another one.
        if covered >= wanted - 0.5:
            return number
    return len(counts)


def _draw_coverage(axes: Axes, counts: Sequence[int], shares: Sequence[float]) -> None:
    """The part of the text that the commonest characters make up, and where it passes `shares`."""
    total, covered, curve = sum(counts), 0, []
    for count in counts:
        covered += count
        curve.append(covered / total)
    axes.plot(range(1, len(counts) + 1), curve, color="tab:blue")
    for share in shares:
        needed = characters_needed(counts, share)
        axes.plot([needed, needed], [0, share], color="tab:orange", linewidth=1)
        text = f"{share:.1%}: {needed:,}"
        # Written beside the line and downwards, since the curve runs above.
        axes.annotate(text, (needed, 0.03), (3, 0), textcoords="offset points", rotation=90)
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_xlabel(label("词表里最常见的多少种字", "commonest characters in the vocabulary"))
    axes.set_title(label("它们占全文的多少", "share of the text that they cover"))


def _lanes(spans: Sequence[tuple[int, int]]) -> list[int]:
    """A row for each span, so that none overlaps another: single characters lowest."""
    ends: dict[int, list[tuple[int, int]]] = {}
    lanes = {}
    for start, end in sorted(spans, key=lambda span: (span[1] - span[0], span[0])):
        lane = 0 if end - start == 1 else 1
        while any(start < other_end and other < end for other, other_end in ends.get(lane, [])):
            lane += 1
        ends.setdefault(lane, []).append((start, end))
        lanes[start, end] = lane
    return [lanes[span] for span in spans]
