"""The figures of tokenizing: the right bricks and marks, with a Chinese font and without."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novelkit.plots.tokenizing import (
    characters_needed,
    plot_character_counts,
    plot_two_measures,
    plot_words,
)

SENTENCE = "下雨天留客"
WORDS = [(0, 1, 9), (1, 2, 8), (2, 3, 7), (3, 4, 6), (4, 5, 5), (0, 2, 4), (0, 3, 3), (1, 3, 2)]


@pytest.mark.filterwarnings("error")
def test_words_are_bricks_that_never_overlap(tmp_path, font):
    figure = plot_words(SENTENCE, WORDS, [(0, 3), (3, 4), (4, 5)])
    figure.savefig(tmp_path / "words.png")
    (axes,) = figure.axes
    bricks = [
        (bar.get_x(), bar.get_x() + bar.get_width(), round(bar.get_y() + bar.get_height() / 2))
        for bar in axes.patches
    ]
    assert len(bricks) == len(WORDS)
    for index, (start, end, lane) in enumerate(bricks):
        for other_start, other_end, other_lane in bricks[:index]:
            assert lane != other_lane or end <= other_start or other_end <= start
    # Single characters are the ground that the words stand on.
    assert [lane for _, _, lane in bricks[:5]] == [0] * 5
    assert min(lane for _, _, lane in bricks[5:]) == 1
    texts = [text.get_text() for text in axes.texts]
    assert texts[6] == ("下雨天\n3" if font == "chinese" else "0–3\n3")


def test_only_the_chosen_path_is_coloured():
    figure = plot_words(SENTENCE, WORDS, [(0, 3), (3, 4), (4, 5)])
    colours = [bar.get_facecolor() for bar in figure.axes[0].patches]
    coloured = [
        word[:2] for word, (r, g, b, _) in zip(WORDS, colours, strict=True) if not r == g == b
    ]
    assert coloured == [(3, 4), (4, 5), (0, 3)]


@pytest.mark.filterwarnings("error")
def test_counts_and_their_coverage(tmp_path, font):
    figure = plot_character_counts([60, 20, 10, 5, 3, 1, 1], (0.8, 0.95))
    figure.savefig(tmp_path / "counts.png")
    zipf, coverage = figure.axes
    assert list(zipf.lines[0].get_ydata()) == [60, 20, 10, 5, 3, 1, 1]
    curve, *marks = coverage.lines
    assert curve.get_ydata()[-1] == 1
    assert [list(mark.get_xdata()) for mark in marks] == [[2, 2], [4, 4]]
    assert [text.get_text() for text in coverage.texts] == ["80.0%: 2", "95.0%: 4"]
    assert zipf.get_ylabel() == ("次数" if font == "chinese" else "count")


@pytest.mark.filterwarnings("error")
def test_a_text_of_one_character_can_be_drawn(tmp_path):
    plot_character_counts([5], (0.95, 1.0)).savefig(tmp_path / "one.png")
    plot_words("雁", [(0, 1, 0)], [(0, 1)]).savefig(tmp_path / "word.png")
    assert (tmp_path / "one.png").stat().st_size > 5_000


@pytest.mark.filterwarnings("error")
def test_each_measure_has_its_own_winner(tmp_path, font):
    figure = plot_two_measures(["char", "bpe"], [8.0, 8.6], [8.3, 7.4])
    figure.savefig(tmp_path / "two.png")
    per_token, per_character = figure.axes
    assert [bar.get_width() for bar in per_token.patches] == [8.0, 8.6]
    assert [bar.get_width() for bar in per_character.patches] == [8.3, 7.4]

    def coloured(axes):
        return [len(set(bar.get_facecolor()[:3])) > 1 for bar in axes.patches]

    assert coloured(per_token) == [True, False] and coloured(per_character) == [False, True]
    title = per_token.get_title()
    assert ("不能互相比" in title) == (font == "chinese") and title


@given(
    st.lists(st.integers(1, 1000), min_size=1, max_size=50).map(lambda c: sorted(c, reverse=True)),
    st.floats(0.01, 1.0),
)
def test_the_characters_needed_cover_the_share_and_one_less_does_not(counts, share):
    needed = characters_needed(counts, share)
    assert 1 <= needed <= len(counts)
    assert sum(counts[:needed]) >= share * sum(counts) - 0.5
    assert needed == 1 or sum(counts[: needed - 1]) < share * sum(counts)


def test_shares_that_are_no_exact_binary_numbers_need_no_character_more():
    assert characters_needed([1] * 10, 0.7) == 7
    assert characters_needed([7, 2, 1], 0.9) == 2
