"""The figures of a class: bars that add up, hardest first, totals, lateness."""

import warnings

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from novelkit.grading.words import GROUPS, MISSING, PASSED, WRONG
from novelkit.plots.grading import plot_difficulty, plot_lateness, plot_statuses, plot_totals


def save(figure, path):
    """Draw it; a missing glyph or any other warning is an error."""
    assert isinstance(figure, Figure)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # A library's own open() without an encoding is not what is looked for here.
        warnings.simplefilter("ignore", EncodingWarning)
        figure.savefig(path, format="png")
    assert path.read_bytes().startswith(b"\x89PNG")


def names(axes):
    return [tick.get_text() for tick in axes.get_yticklabels()]


ROWS = [
    (("合并 $一步$", "merge $x"), {PASSED: 30, WRONG: 1, MISSING: 9}),
    (("温度", "temperature"), {PASSED: 10, WRONG: 30}),
]


def test_the_parts_of_each_bar_add_up_and_have_the_colours_of_their_groups(tmp_path, font):
    figure = plot_statuses(ROWS, GROUPS)
    save(figure, tmp_path / "a.png")
    (axes,) = figure.axes
    ends = {}
    for patch in axes.patches:
        row = round(patch.get_y() + patch.get_height() / 2)
        assert patch.get_x() == ends.get(row, 0)
        ends[row] = patch.get_x() + patch.get_width()
    assert ends == {0: 40, 1: 40}
    assert to_rgb(axes.patches[0].get_facecolor()) == to_rgb(GROUPS[PASSED])
    assert names(axes) == [row[0][0 if font == "chinese" else 1] for row in ROWS]


def test_numbers_stand_in_parts_with_room_and_absent_groups_are_not_named(tmp_path, font):
    figure = plot_statuses(ROWS, GROUPS)
    save(figure, tmp_path / "a.png")
    # Of the one wrong answer among forty there is a sliver, too narrow for its number.
    assert sorted(text.get_text() for text in figure.axes[0].texts) == ["10", "30", "30", "9"]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    place = 0 if font == "chinese" else 1
    assert legend == [group[place] for group in (PASSED, WRONG, MISSING)]


def test_the_hardest_stands_on_top(tmp_path, font):
    figure = plot_difficulty([(("难", "hard"), 0.2), (("易", "easy"), 0.95)])
    save(figure, tmp_path / "a.png")
    (axes,) = figure.axes
    assert [patch.get_width() for patch in axes.patches] == pytest.approx([20, 95])
    low, high = axes.get_ylim()
    assert low > high
    assert [text.get_text() for text in axes.texts] == ["20%", "95%"]
    assert names(axes) == (["难", "易"] if font == "chinese" else ["hard", "easy"])


def test_totals_are_counted_in_tens_and_a_bonus_is_in_the_last_one(tmp_path, font):
    figure = plot_totals([0, 55, 59.9, 60, 100, 104])
    save(figure, tmp_path / "a.png")
    (axes,) = figure.axes
    assert [patch.get_height() for patch in axes.patches] == [1, 0, 0, 0, 0, 2, 1, 0, 0, 2]
    legend = axes.get_legend().get_texts()[0].get_text()
    assert legend == ("中位数 60%" if font == "chinese" else "median 60%")


def test_lateness_has_a_median_for_each_day_and_no_two_equal_points_coincide(tmp_path, font):
    figure = plot_lateness([0, 0, 0, 2], [50, 50, 80, 40])
    save(figure, tmp_path / "a.png")
    (axes,) = figure.axes
    assert [line.get_ydata()[0] for line in axes.lines] == [50, 40]
    points = axes.collections[0].get_offsets().tolist()
    assert len({tuple(point) for point in points}) == 4
    assert all(abs(x - day) < 0.3 for (x, _), day in zip(points, [0, 0, 0, 2], strict=True))


@pytest.mark.parametrize(
    "make",
    [lambda: plot_totals([]), lambda: plot_statuses([], GROUPS), lambda: plot_difficulty([])],
)
def test_an_empty_class_can_be_drawn(tmp_path, font, make):
    figure = make()
    save(figure, tmp_path / "a.png")
    assert not [text for axes in figure.axes for text in axes.texts]


# Linear RGB as people without one kind of cone see it (Machado, Oliveira and Fernandes 2009).
BLIND = {
    "red": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "green": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "blue": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}


@pytest.mark.parametrize("cone", BLIND)
def test_neighbours_in_a_bar_differ_for_people_who_see_two_colours(cone):
    seen = [np.array(BLIND[cone]) @ np.array(to_rgb(c)) ** 2.2 for c in GROUPS.values()]
    seen = [np.clip(colour, 0, 1) ** (1 / 2.2) for colour in seen]
    distances = [np.linalg.norm(a - b) for a, b in zip(seen, seen[1:], strict=False)]
    assert min(distances) > 0.2
