"""The figures of small experiments: every seed is there, and names fit the font."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from novelkit.plots.experiments import (
    Curve,
    Setting,
    plot_curves,
    plot_gaps,
    plot_gradient_noise,
    plot_range_test,
    plot_two_logs,
    plot_weights,
)

NAME = ("小", "small")


def texts_of(figure: Figure) -> str:
    """All that a figure says, after it was drawn."""
    found = []
    for axes in figure.axes:
        found += [axes.get_title(), axes.get_title(loc="left"), axes.get_xlabel()]
        found += [axes.get_ylabel(), *(text.get_text() for text in axes.texts)]
        found += [tick.get_text() for tick in axes.get_yticklabels()]
        legend = axes.get_legend()
        found += [text.get_text() for text in legend.get_texts()] if legend else []
    return "\n".join(found)


def draw_all() -> dict[str, Figure]:
    curves = [Curve(NAME, [1, 2, 3], [[3.0, 2.0, 1.0], [4.0, 3.0, 2.0]])]
    settings = [Setting(NAME, [1.0, 1.1], [2.0, 2.1], [900.0, 1000.0])]
    return {
        "curves": plot_curves({NAME: curves}, ("步", "step"), ("损失", "loss"), lines={NAME: 2.5}),
        "gaps": plot_gaps(settings, NAME),
        "noise": plot_gradient_noise([1, 4], [5.0, 2.0], 1.0, 4.0, NAME),
        "range": plot_range_test([1e-5, 1e-3, 1e-1], [7.0, 5.0, 6.0], {NAME: 1e-3}),
        "logs": plot_two_logs([5.0, 3.0, 4.0], [4.2, 4.0, 3.8]),
        "weights": plot_weights({NAME: np.array([[0.0, 0.5], [-0.5, 0.0]])}),
    }


@pytest.mark.filterwarnings("error")
def test_every_figure_is_drawn_in_the_language_of_its_font(tmp_path, font):
    for name, figure in draw_all().items():
        figure.savefig(tmp_path / f"{name}.png")  # a missing glyph would warn
        said = texts_of(figure)
        chinese = any("\u4e00" <= character <= "\u9fff" for character in said)
        assert chinese == (font == "chinese"), name
        if name != "logs":
            assert ("小" if font == "chinese" else "small") in said


def test_each_seed_has_a_thin_line_and_the_thick_one_is_their_mean():
    figure = draw_all()["curves"]
    *seeds, mean = figure.axes[0].lines[:3]
    assert [list(line.get_ydata()) for line in seeds] == [[3.0, 2.0, 1.0], [4.0, 3.0, 2.0]]
    assert list(mean.get_ydata()) == [3.5, 2.5, 1.5]
    assert all(line.get_linewidth() < mean.get_linewidth() for line in seeds)
    assert figure.axes[0].lines[3].get_ydata()[0] == 2.5  # the reference line


def test_panels_share_their_axis_and_a_colour_can_be_chosen():
    first = Curve("a", [1, 2], [[1.0, 2.0]], colour=1)
    second = Curve("b", [1, 2], [[5.0, 9.0]], colour=1, dashed=True)
    figure = plot_curves({"x": [first], "y": [second]}, "step", "loss", log_x=True)
    left, right = figure.axes
    assert left.get_ylim() == right.get_ylim()
    assert left.get_xscale() == right.get_xscale() == "log"
    (solid,), (dashed,) = left.lines, right.lines
    assert solid.get_color() == dashed.get_color()
    assert (solid.get_linestyle(), dashed.get_linestyle()) == ("-", "--")


def test_a_logarithmic_axis_names_the_places_that_were_measured():
    figure = plot_curves(
        {"": [Curve("a", [1, 8, 188], [[3.0, 2.0, 1.0]])]}, "B", "loss", log_x=True
    )
    figure.canvas.draw()
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["1", "8", "188"]
    assert not any(text.get_text() for text in figure.axes[0].get_xticklabels(minor=True))


def test_limits_cut_the_axis():
    curve = Curve("a", [1, 2], [[1.0, 200.0]])
    figure = plot_curves({"": [curve]}, "step", "loss", limits=(0.0, 8.0))
    assert figure.axes[0].get_ylim() == (0.0, 8.0)


def test_a_gap_is_the_difference_of_the_means_with_its_sign():
    settings = [
        Setting("a", [1.0, 2.0], [3.0, 4.0]),
        Setting("b", [4.0], [3.5]),
    ]
    figure = plot_gaps(settings)
    (axes,) = figure.axes  # no speeds, no panel for them
    assert [text.get_text() for text in axes.texts] == ["+2.00", "-0.50"]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["a", "b"]
    top, bottom = axes.get_ylim()
    assert top > bottom  # the first setting is above


def test_speeds_are_medians_beside_the_gaps():
    figure = plot_gaps([Setting("a", [1.0], [2.0], [10.0, 20.0, 90.0])])
    _, speeds = figure.axes
    (bar,) = speeds.patches
    assert bar.get_width() == 20.0


def test_signal_and_noise_are_equal_at_the_noise_scale():
    figure = plot_gradient_noise([1, 8], [9.0, 2.0], signal=1.0, noise=8.0)
    law, measured, _, scale = figure.axes[0].lines
    (place,) = set(scale.get_xdata())
    assert place == 8.0
    assert np.interp(place, law.get_xdata(), law.get_ydata()) == pytest.approx(2.0, rel=0.02)
    assert list(measured.get_ydata()) == [9.0, 2.0]
    assert "8" in figure.axes[0].texts[-1].get_text()


def test_marks_of_a_range_test_stand_at_their_rates():
    rates, losses = [1e-6, 1e-4, 1e-2, 1.0], [7.0, 6.0, 4.0, 40.0]
    figure = plot_range_test(rates, losses, {"valley": 1e-3, "default": 1e-2})
    axes = figure.axes[0]
    assert [line.get_xdata()[0] for line in axes.lines[1:]] == [1e-3, 1e-2]
    assert ["1.0e-03" in axes.texts[0].get_text(), "1.0e-02" in axes.texts[1].get_text()] == [
        True
    ] * 2
    assert axes.texts[0].get_position()[1] > axes.texts[1].get_position()[1]
    assert axes.get_ylim()[1] < 40  # the explosion does not flatten the rest


def test_zeros_of_weights_are_counted_exactly_and_bins_are_shared():
    figure = plot_weights({"a": np.array([0.0, 1.0, -1.0, 0.0]), "b": np.array([1e-9, 2.0])})
    first, second = figure.axes
    assert first.texts[0].get_text().endswith("50.0%")
    assert second.texts[0].get_text().replace("：", " ").endswith(" 0.0%")
    assert first.get_xlim() == second.get_xlim()
    counts = [sum(bar.get_height() for bar in axes.patches) for axes in (first, second)]
    assert counts == [4, 2]  # what lies outside is drawn at the border


def test_the_mean_lies_over_the_last_micro_batch():
    figure = plot_two_logs([5.0, 3.0, 4.0], [4.2, 4.0, 3.8])
    last, mean = figure.axes[0].lines
    assert list(last.get_ydata()) == [5.0, 3.0, 4.0]
    assert list(mean.get_ydata()) == [4.2, 4.0, 3.8]
    assert list(mean.get_xdata()) == [1, 2, 3]
