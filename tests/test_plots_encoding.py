"""The figures of encodings: bars, strips and tables say what they were given, in either font."""

import pytest
from matplotlib.colors import to_rgba

from novelkit.plots.encoding import CHOSEN, plot_accuracy, plot_candidates, plot_lost_characters

pytestmark = pytest.mark.usefixtures("font")


@pytest.mark.filterwarnings("error")
def test_each_candidate_is_a_bar_and_only_the_first_is_coloured(tmp_path, font):
    scores = [("gb18030", 3.5), ("big5hkscs", 0.2), ("utf-8", -0.4)]
    figure = plot_candidates(scores, [0.8, 0.1, 0.0])
    figure.savefig(tmp_path / "candidates.png")
    (axes,) = figure.axes
    bars = axes.patches
    assert [bar.get_width() for bar in bars] == [3.5, 0.2, -0.4]
    coloured = [bar.get_facecolor() == to_rgba(CHOSEN) for bar in bars]
    assert coloured == [True, False, False]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["gb18030", "big5hkscs", "utf-8"]
    low, high = axes.get_xlim()
    assert low < -0.4 and high > 3.5 and axes.yaxis_inverted()
    said = axes.texts[0].get_text()
    assert said == ("得分 3.50，常用字 80%" if font == "chinese" else "3.50, common 80%")


@pytest.mark.filterwarnings("error")
def test_candidates_without_any_gain_can_be_drawn(tmp_path):
    figure = plot_candidates([("ascii", 0.0)], [0.0])
    figure.savefig(tmp_path / "one.png")
    low, high = figure.axes[0].get_xlim()
    assert low <= 0 < high


@pytest.mark.filterwarnings("error")
def test_lost_characters_are_marked_where_they_stand(tmp_path, font):
    text = "缺字$a\n$再来"
    lost = [False, True, True, False, False, False, True, False]
    figure = plot_lost_characters(text, [("gb18030", lost), ("utf-8", [False] * 8)])
    figure.savefig(tmp_path / "strips.png")
    (axes,) = figure.axes
    (mesh,) = axes.collections
    assert mesh.get_array().reshape(2, 8).tolist() == [[int(mark) for mark in lost], [0] * 8]
    names = [name.get_text() for name in axes.get_xticklabels()]
    assert names[2:6] == ["$", "a", "↵" if font == "chinese" else names[4], "$"]
    assert names[0] == ("缺" if font == "chinese" else "")
    assert [name.get_text() for name in axes.get_yticklabels()] == ["gb18030", "utf-8"]
    assert axes.yaxis_inverted()


@pytest.mark.filterwarnings("error")
def test_every_share_stands_in_its_row_and_column(tmp_path):
    ours = {("gb18030", "64"): 1.0, ("gb18030", "256"): 0.5, ("big5", "64"): 0.0,
            ("big5", "256"): 0.25}  # fmt: skip
    figure = plot_accuracy({"detect": ours, "chardet": dict.fromkeys(ours, 0.75)})
    figure.savefig(tmp_path / "accuracy.png")
    left, right = figure.axes
    written = {text.get_position(): text.get_text() for text in left.texts}
    assert written == {(0, 0): "100%", (1, 0): "50%", (0, 1): "0%", (1, 1): "25%"}
    assert left.images[0].get_array().tolist() == [[1.0, 0.5], [0.0, 0.25]]
    assert right.get_title() == "chardet" and {t.get_text() for t in right.texts} == {"75%"}
    assert [name.get_text() for name in left.get_xticklabels()] == ["64", "256"]


def test_one_method_can_be_drawn_alone(tmp_path):
    figure = plot_accuracy({"detect": {("utf-8", "64"): 1.0}})
    figure.savefig(tmp_path / "alone.png")
    assert len(figure.axes) == 1
