"""The figures of sampling: bars that are kept or cut, counts, heat maps, shares by setting."""

import warnings

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from novelkit.plots.sampling import (
    CUT,
    KEPT,
    Bars,
    plot_bars,
    plot_grid,
    plot_kept_counts,
    plot_next_character,
    plot_shares,
)

ODD = ["$", "\n", "　", " ", "_", "^{", "\\frac", "\x07", "的", "天气", "𠮷", ""]


def save(figure, path):
    """Draw it; a missing glyph or any other warning is an error."""
    assert isinstance(figure, Figure)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # A library's own open() without an encoding is not what is looked for here.
        warnings.simplefilter("ignore", EncodingWarning)
        figure.savefig(path, format="png")
    assert path.read_bytes().startswith(b"\x89PNG")


def ticks(axes):
    return [tick.get_text() for tick in axes.get_xticklabels()]


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


# ---- bars


def test_kept_and_cut_bars_have_their_colours_and_heights(tmp_path, font):
    bars = Bars(("题", "title"), ["甲", "乙", "丙"], [0.5, 0.3, 0.2], [True, False, True])
    figure = plot_bars([[bars]])
    save(figure, tmp_path / "bars.png")
    (axes,) = figure.axes
    assert [patch.get_height() for patch in axes.patches] == [0.5, 0.3, 0.2]
    colours = [patch.get_facecolor() for patch in axes.patches]
    assert colours == [to_rgba(colour) for colour in (KEPT, CUT, KEPT)]
    assert axes.get_title(loc="left") == ("题" if font == "chinese" else "title")
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == (["留下", "切掉"] if font == "chinese" else ["kept", "cut"])
    assert ticks(axes) == (["甲", "乙", "丙"] if font == "chinese" else ["7532", "4E59", "4E19"])


def test_without_cuts_there_is_one_colour_and_no_legend(tmp_path, font):
    figure = plot_bars([[Bars("a", ["甲"], [1.0])]])
    save(figure, tmp_path / "bars.png")
    assert figure.axes[0].patches[0].get_facecolor() == to_rgba(KEPT)
    assert not figure.legends


def test_a_column_has_one_scale_and_a_short_one_leaves_no_empty_axes(tmp_path, font):
    peaked, flat = Bars("a", ["x", "y"], [0.9, 0.1]), Bars("b", ["x", "y"], [0.2, 0.1])
    figure = plot_bars([[peaked, flat], [flat]])
    save(figure, tmp_path / "bars.png")
    # Row by row: two columns, of which the second has one panel.
    first, beside, second, missing = figure.axes
    assert first.get_ylim() == second.get_ylim()
    assert beside.get_ylim()[1] < first.get_ylim()[1]
    assert not missing.axison and not list(missing.patches)


def test_odd_tokens_are_no_formulas_and_no_boxes(tmp_path, font):
    shares = [1 / len(ODD)] * len(ODD)
    kept = [number % 2 == 0 for number in range(len(ODD))]
    figure = plot_bars([[Bars("$a_{", ODD, shares, kept)]])
    save(figure, tmp_path / "bars.png")
    shown = ticks(figure.axes[0])
    assert shown[0] == "$" and shown[5] == "^{" and shown[7] == "0007"
    assert shown[1] == ("换\n行" if font == "chinese" else "newline")
    assert shown[9] == ("天\n气" if font == "chinese" else "5929 6C14")
    save(plot_next_character(ODD[:-1], [("$a_{", shares[:-1])]), tmp_path / "next.png")


def test_only_what_cannot_stand_upright_lies(tmp_path, font):
    figure = plot_bars([[Bars("a", ["天气", "ab", "\x07"], [0.5, 0.3, 0.2])]])
    save(figure, tmp_path / "bars.png")
    turned = [tick.get_rotation() for tick in figure.axes[0].get_xticklabels()]
    assert turned == [0 if font == "chinese" else 90, 0, 90]


def test_rows_of_next_characters_share_a_scale_and_may_have_two_names(tmp_path, font):
    rows = [(("题", "title"), [0.5, 0.1]), ("b", [0.2, 0.1])]
    figure = plot_next_character(["甲", "乙"], rows)
    save(figure, tmp_path / "next.png")
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == (["题", "b"] if font == "chinese" else ["title", "b"])


# ---- how many are kept


def test_every_place_is_counted_once_and_ones_are_not_lost(tmp_path, font):
    counts = {"p": [1, 1, 2, 3, 40, 900], "m": [1, 1, 1, 1, 2, 5]}
    figure = plot_kept_counts(counts, {"top-k = 50": 50}, 6)
    save(figure, tmp_path / "counts.png")
    for axes in figure.axes:
        assert sum(patch.get_height() for patch in axes.patches) == 6
        assert [line.get_xdata()[0] for line in axes.lines] == [50]
        assert axes.get_xscale() == "log"
    edges = [patch.get_x() + patch.get_width() for patch in figure.axes[0].patches]
    assert min(np.diff(edges)) >= 1 - 1e-9  # no bin between two whole numbers
    assert texts(figure) == ["top-k = 50"]


def test_a_cut_that_always_keeps_one(tmp_path, font):
    save(plot_kept_counts({"p": [1, 1, 1]}, {}, 3), tmp_path / "counts.png")


# ---- the grid


def test_each_heat_map_has_its_own_scale_and_its_numbers(tmp_path, font):
    tables = {("多样", "distinct"): np.array([[0.2, 0.4], [0.6, 0.8]]), "copied": np.zeros((2, 2))}
    names = (("温度", "temperature"), "top-k")
    figure = plot_grid(["0.3", "1"], ["5", "∞"], tables, *names)
    save(figure, tmp_path / "grid.png")
    first, second = figure.axes
    assert first.images[0].get_clim() == (0, 0.8)
    assert second.images[0].get_clim() == (0, 1)
    assert texts(figure)[:4] == ["20.0%", "40.0%", "60.0%", "80.0%"]
    assert first.get_title() == ("多样" if font == "chinese" else "distinct")
    assert first.get_ylabel() == ("温度" if font == "chinese" else "temperature")
    assert ticks(second) == ["5", "∞"]


# ---- shares


def test_shares_have_a_dot_a_text_a_mean_and_what_is_real(tmp_path, font):
    wrote = ("写出来的", "written")
    series = {"的": [[0.02, 0.04], [0.01, 0.01]], "，": [[0.08, 0.06], [0.02, 0.03]]}
    figure = plot_shares(
        [1.0, 1.5], {wrote: series}, {wrote: {"的": 0.025}}, ("惩罚", "penalty"), ("书", "real")
    )
    save(figure, tmp_path / "shares.png")
    (axes,) = figure.axes
    means = [line.get_ydata() for line in axes.lines if line.get_linestyle() == "-"]
    assert means == [pytest.approx([0.03, 0.01]), pytest.approx([0.07, 0.025])]
    dots = [line for line in axes.lines if line.get_marker() == "."]
    assert sum(len(line.get_ydata()) for line in dots) == 8
    dashed = [line.get_ydata() for line in axes.lines if line.get_linestyle() == "--"]
    assert [list(values) for values in dashed] == [[0.025, 0.025], []]
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == (["的", "，", "书"] if font == "chinese" else ["7684", "FF0C", "real"])
    assert ticks(axes) == ["1", "1.5"]
