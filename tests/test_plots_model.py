"""The figures of the model: tables over characters, scores against chance, a race."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novelkit.plots.model import (
    Score,
    plot_activations,
    plot_attention,
    plot_entropies,
    plot_losses,
    plot_race,
    plot_scores,
)

SENTENCE = "灯，$亮\n"
WEIGHTS = np.tril(np.full((5, 5), 0.2))
NAMES = {("看前两字", "trigram"): 4.2, "GPT": 4.1}


def ticks(axis):
    return [tick.get_text() for tick in axis.get_ticklabels()]


@pytest.mark.filterwarnings("error")
def test_the_characters_are_the_ticks(tmp_path, font):
    figure = plot_attention({("权重", "weights"): WEIGHTS}, SENTENCE)
    figure.savefig(tmp_path / "table.png")
    (axes,) = figure.axes
    chinese = font == "chinese"
    assert ticks(axes.yaxis) == ticks(axes.xaxis)
    assert ticks(axes.xaxis)[0] == ("灯" if chinese else "1")
    assert ticks(axes.xaxis)[2] == "$"
    assert axes.get_title() == ("权重" if chinese else "weights")
    assert axes.images[0].get_clim() == (0, 1)


@pytest.mark.filterwarnings("error")
def test_what_may_not_be_looked_at_stays_blank(tmp_path):
    masked = np.where(np.tril(np.ones((5, 5))) > 0, 2.5, -np.inf)
    masked[4, 0] = -1
    figure = plot_attention({"s": masked}, SENTENCE, numbers=True)
    figure.savefig(tmp_path / "table.png")
    (axes,) = figure.axes
    assert len(axes.texts) == 15
    assert axes.images[0].get_clim() == (-1, 2.5)
    assert np.isnan(np.ma.filled(axes.images[0].get_array(), np.nan)).sum() == 10


@pytest.mark.filterwarnings("error")
def test_many_tables_fill_several_rows_and_empty_panels_vanish(tmp_path):
    figure = plot_attention({f"{n}": WEIGHTS for n in range(6)}, SENTENCE)
    figure.savefig(tmp_path / "tables.png")
    assert [bool(axes.images) for axes in figure.axes] == [True] * 6 + [False] * 2
    assert [axes.axison for axes in figure.axes] == [True] * 6 + [False] * 2


@pytest.mark.filterwarnings("error")
def test_a_table_between_two_sentences(tmp_path):
    figure = plot_attention({"cross": np.full((2, 3), 1 / 3)}, "ab", "cde", numbers=True)
    figure.savefig(tmp_path / "cross.png")
    (axes,) = figure.axes
    assert ticks(axes.xaxis) == list("cde") and ticks(axes.yaxis) == list("ab")


@pytest.mark.filterwarnings("error")
def test_losses_have_both_units(tmp_path, font):
    figure = plot_losses(NAMES, highlighted="GPT")
    figure.savefig(tmp_path / "losses.png")
    axes = figure.axes[0]
    assert [bar.get_width() for bar in axes.patches] == [4.2, 4.1]
    grey, blue = (bar.get_facecolor()[:3] for bar in axes.patches)
    assert len(set(grey)) == 1 and len(set(blue)) > 1
    assert ticks(axes.yaxis) == (["看前两字", "GPT"] if font == "chinese" else ["trigram", "GPT"])
    (bits,) = axes.child_axes
    assert bits.get_xlim()[1] == pytest.approx(axes.get_xlim()[1] / math.log(2))


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, 2 * n), st.just(n))))
def test_an_interval_holds_the_share_and_stays_inside_of_0_and_1(drawn):
    halves, total = drawn
    score = Score("GPT", halves / 2, total)
    low, high = score.interval()
    assert -1e-12 <= low <= score.share + 1e-12
    assert score.share - 1e-12 <= high <= 1 + 1e-12
    assert high - low > 0


def test_an_interval_of_the_textbook():
    # Newcombe 1998, table I: 81 of 263 is 0.2553 to 0.3662.
    low, high = Score("GPT", 81, 263).interval()
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)


@pytest.mark.filterwarnings("error")
def test_scores_stand_against_chance(tmp_path, font):
    scores = [Score(("数两个字", "bigram"), 30, 60), Score("GPT", 45, 60)]
    tasks = {("同音字", "homophones"): scores, ("整句", "sentences"): scores[:1]}
    figure = plot_scores(tasks, [0.4, 0.5])
    figure.savefig(tmp_path / "scores.png")
    first, second = figure.axes
    assert list(first.lines[0].get_xdata()) == [0.4, 0.4]
    assert list(second.lines[0].get_xdata()) == [0.5, 0.5]
    points = [line for line in first.lines if line.get_marker() == "o"]
    assert [float(line.get_xdata()[0]) for line in points] == [0.5, 0.75]
    assert [text.get_text() for text in first.texts] == ["50%", "75%"]
    assert "60" in first.get_title()
    assert first.get_title().startswith("同音字" if font == "chinese" else "homophones")


@pytest.mark.filterwarnings("error")
def test_entropies_stay_below_even_attention(tmp_path, font):
    entropies = {("除以 √D", "scaled"): [3.1, 3.0], ("不除", "not scaled"): [2.9, 0.5]}
    figure = plot_entropies([4, 64], entropies, 32)
    figure.savefig(tmp_path / "entropies.png")
    (axes,) = figure.axes
    scaled, plain, most = axes.lines
    assert list(scaled.get_ydata()) == [3.1, 3.0] and list(plain.get_ydata()) == [2.9, 0.5]
    assert most.get_ydata()[0] == pytest.approx(math.log(32))
    assert axes.get_ylim()[1] > math.log(32)
    assert ticks(axes.xaxis) == ["4", "64"]


@pytest.mark.filterwarnings("error")
def test_a_race_gives_each_model_one_colour(tmp_path, font):
    steps = {"GRU": [10, 30], ("注意力", "attention"): [12, 13]}
    runs = {name: ([0, 1, 2], [7, 5, 4]) for name in steps}
    figure = plot_race([16, 256], steps, runs)
    figure.savefig(tmp_path / "race.png")
    left, right = figure.axes
    assert [line.get_color() for line in left.lines] == [line.get_color() for line in right.lines]
    assert len({line.get_color() for line in left.lines}) == 2
    assert left.get_ylim()[0] == 0
    assert list(left.lines[0].get_ydata()) == [10, 30]


@pytest.mark.filterwarnings("error")
def test_activations_and_their_losses(tmp_path, font):
    names = ("ReLU", "GELU", ("GELU（tanh）", "GELU (tanh)"))
    curves = {name: [0, 0.5, 2] for name in names}
    losses = {name: [4.1 + n, 4.3 + n] for n, name in enumerate(names)}
    figure = plot_activations([-1, 0, 2], curves, losses)
    figure.savefig(tmp_path / "activations.png")
    left, right = figure.axes
    dots = [line for line in right.lines if line.get_marker() == "o"]
    means = [line for line in right.lines if line.get_marker() == "|"]
    assert [list(line.get_xdata()) for line in dots] == list(losses.values())
    assert [line.get_xdata()[0] for line in means] == pytest.approx([4.2, 5.2, 6.2])
    assert [line.get_color() for line in dots] == [line.get_color() for line in left.lines[:3]]
    # The two forms of GELU lie upon each other: the upper one is dashed.
    assert left.lines[2].is_dashed() and not left.lines[1].is_dashed()
