"""The figures of the lesson on diagnosis: all of a curve is there, and names fit the font."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from novelkit.diagnosis.curve import Curve
from novelkit.plots.diagnosis_lesson import plot_blind, plot_runs, plot_trends

ANCHORS = {"uniform": 7.0, "unigram": 6.0, "bigram": 5.0}
NAME = ("一次", "a run")


def curve(steps=80, gradients=True, bad=()):
    """A falling loss in two sessions and two passes; `bad` steps have no number."""
    records = []
    for step in range(1, steps + 1):
        loss = None if step in bad else 4.0 + 3.0 * 0.97**step
        record = {"step": step, "loss": loss, "session": 1 + step // 41, "epoch": step // 50}
        if step % 10 == 0:
            record["validation_loss"] = 4.2 + 3.0 * 0.97**step
        if gradients:
            record |= {"gradient_norm": 1.0 + step % 3, "update_ratio": 0.01}
        records.append(record)
    ratio = {"train": 1.0, "validation": 1.0}
    return Curve.of(records, {"anchors": ANCHORS, "tokens_per_character": ratio})


def texts_of(figure):
    return "\n".join(text.get_text() for text in figure.findobj(Text))


def draw_all() -> dict[str, Figure]:
    four = {(f"第 {n} 次", f"run {n}"): curve() for n in range(4)}
    return {
        "runs": plot_runs(four, epochs=True),
        "one run": plot_runs({NAME: curve(bad=(3, 4))}, limits=(3, 8)),
        "trends": plot_trends(range(40), [*np.linspace(5, 4, 39), 90.0], {NAME: (-0.02, 5.0)}),
        "blind": plot_blind(curve(), NAME),
        "only losses": plot_blind(curve(gradients=False)),
        "hardly a number": plot_blind(curve(bad=range(2, 80)), NAME),
    }


@pytest.mark.filterwarnings("error")
def test_every_figure_is_drawn_in_the_language_of_its_font(tmp_path, font):
    for name, figure in draw_all().items():
        figure.savefig(tmp_path / f"{name}.png")  # a missing glyph would warn
        said = texts_of(figure)
        chinese = any("\u4e00" <= character <= "\u9fff" for character in said)
        assert chinese == (font == "chinese"), name


def test_runs_share_one_axis_and_show_every_step():
    figure = plot_runs({NAME: curve(), ("二", "two"): curve(60)}, epochs=True)
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert len({axes.get_ylim() for axes in shown}) == 1
    assert [len(axes.lines[0].get_ydata()) for axes in shown] == [80, 60]
    marks = [line for line in shown[0].lines if len(set(line.get_xdata())) == 1]
    assert len(marks) == 2  # the second session, the second pass


def test_a_fourth_run_begins_a_second_row():
    figure = plot_runs({str(number): curve() for number in range(4)})
    assert [axes.get_visible() for axes in figure.axes] == [True] * 4 + [False] * 2


def test_a_spike_is_told_and_does_not_flatten_the_rest():
    figure = plot_trends(range(40), [*np.linspace(5, 4, 39), 90.0], {NAME: (-0.02, 5.0)})
    assert figure.axes[0].get_ylim()[1] < 10
    assert "90.0" in texts_of(figure)


def test_a_blind_curve_has_a_panel_for_what_was_logged():
    assert len(plot_blind(curve()).axes) == 3
    assert len(plot_blind(curve(gradients=False)).axes) == 1
