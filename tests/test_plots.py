"""Figures: each one saves, with a Chinese font and without, and never draws a box for a letter."""

import itertools
import math
import warnings

import matplotlib
import matplotlib.font_manager
import pytest
from matplotlib.figure import Figure

from novelkit.plots.cleaning import plot_chapters, plot_removed, plot_report
from novelkit.plots.sampling import plot_next_character
from novelkit.plots.training import plot_loss

pytestmark = pytest.mark.usefixtures("font")


def save(figure, path):
    """The PNG's size; a missing glyph or any other warning is an error."""
    assert isinstance(figure, Figure)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # A library's own open() without an encoding is not what is looked for here.
        warnings.simplefilter("ignore", EncodingWarning)
        figure.savefig(path, format="png")
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG")
    return len(content)


def texts(figure):
    figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text)]


def history(steps=60, sessions=1):
    return [
        {
            "step": step,
            "loss": 3 + 4 * math.exp(-step / 20),
            "session": 1 + (step > steps // 2) * (sessions - 1),
            **({"validation_loss": 4 + 3 * math.exp(-step / 20)} if step % 10 == 0 else {}),
        }
        for step in range(1, steps + 1)
    ]


DATA = {
    "tokens_per_character": {"train": 1.0, "validation": 1.1, "test": 1.1},
    "anchors": {
        "uniform": 7.5,
        "unigram": 6.1,
        "bigram": 5.2,
        "trigram": 5.0,
        "fivegram": 4.9,
        "xz": 5.3,
    },
}


def test_the_chapters(tmp_path, font):
    figure = plot_chapters(["第一章 雪", "", "第三章 ‘归’……——《路》"], [3000, 2500, 10])
    assert save(figure, tmp_path / "chapters.png") > 5000
    assert ("字数" in texts(figure)) == (font == "chinese")


def test_hundreds_of_chapters_stay_readable(tmp_path):
    figure = plot_chapters([f"第{i}章" for i in range(200)], list(range(200)))
    assert save(figure, tmp_path / "chapters.png") > 5000
    assert figure.get_size_inches()[1] >= 200 * 0.2


@pytest.mark.parametrize("title", ["$x_{$", "价$100与$200", "a_b^c", "\\frac{$$", "%s {0}"])
def test_a_title_is_no_formula(tmp_path, title):
    figure = plot_chapters([title, "第二章"], [30, 40])
    assert save(figure, tmp_path / "chapters.png") > 5000
    assert save(plot_loss(history(), DATA, title), tmp_path / "loss.png") > 5000


def test_a_rare_character_in_a_title_is_no_box(tmp_path, font):
    figure = plot_chapters(["𠮷\U000323af", "第二章"], [30, 40])
    assert save(figure, tmp_path / "chapters.png") > 5000
    assert "chapter 1" in texts(figure)


def test_common_punctuation_is_shown_as_itself(tmp_path):
    """It stands before the East Asian blocks of Unicode and every font has it."""
    figure = plot_next_character(["“", "…", "A", "\n"], [("T = 1", [0.4, 0.3, 0.2, 0.1])])
    assert save(figure, tmp_path / "next.png") > 5000
    shown = set(texts(figure))
    assert {"“", "…", "A"} <= shown and "\n" not in shown


def test_a_title_that_the_font_lacks_is_left_out(tmp_path, font):
    figure = plot_loss(history(), DATA, "训练")
    assert save(figure, tmp_path / "loss.png") > 5000
    assert ("训练" in figure.axes[0].get_title()) == (font == "chinese")
    assert plot_loss(history(), DATA, "run-1").axes[0].get_title() == "run-1"


def test_what_was_removed(tmp_path, font):
    removed = {"advertisements": ("广告", 120), "spaces": ("空格", 0)}
    figure = plot_removed(removed)
    assert save(figure, tmp_path / "removed.png") > 5000
    assert ("广告" if font == "chinese" else "advertisements") in texts(figure)


REPORT = {
    "characters_before": 1000,
    "characters_after": 880,
    "dropped": {
        "advertisements": {"title": "广告", "changes": 3, "characters": 130},
        "spaces": {"title": "空格", "changes": 4, "characters": -10},
        "nothing": {"title": "没有", "changes": 0, "characters": 0},
    },
    "encodings": {"gb18030": 2, "utf-8": 1},
    "damage": 7,
    "characters": {
        "total": 880,
        "kinds": 3,
        "most_common": [["的", 600], ["$", 200], ["龘", 80]],
        "by_rank": [[1, 600], [2, 200], [3, 80]],
        "rare": {"at_most": 5, "kinds": 0, "once": 0, "examples": ""},
    },
    "duplicates": {
        "paragraphs": 90,
        "repeated_in_train": 4,
        "in_train_and_held_out": 1,
        "identical_books": [],
    },
    "novels": [{"chapter_characters": [300, 290]}, {"chapter_characters": [290]}],
}


def test_the_page_of_a_report(tmp_path, font):
    figure = plot_report(REPORT)
    assert save(figure, tmp_path / "report.png") > 20000
    assert len(figure.axes) == 4
    shown = " ".join(texts(figure))
    for chinese, english in (
        ("广告", "advertisements"),
        ("空格", "spaces"),
        ("3 章的长度，中位数 290", "length of 3 chapters, median 290"),
        ("3 种字", "3 kinds"),
        ("损坏 7 处", "damage: 7"),
        ("重复的段落 4 / 90", "train: 4 / 90"),
        ("留下 880（88.00%）", "880 kept (88.00%)"),
    ):
        assert (chinese if font == "chinese" else english) in shown
    assert "gb18030" in shown and "没有" not in shown and "nothing" not in shown


def test_the_page_of_one_book_of_which_nothing_was_dropped(tmp_path):
    empty = {**REPORT, "dropped": {}, "novels": [{"chapter_characters": [5]}]}
    characters = {**REPORT["characters"], "by_rank": [[1, 880]], "most_common": [["的", 880]]}
    assert save(plot_report({**empty, "characters": characters}), tmp_path / "report.png") > 20000


def test_the_loss(tmp_path, font):
    figure = plot_loss(history(sessions=2), DATA, title="run")
    assert save(figure, tmp_path / "loss.png") > 5000
    shown = " ".join(texts(figure))
    words = ("步", "比特／字", "恢复训练", "单字频率", "最低")
    english = ("step", "bits per character", "resumed", "unigram", "best")
    for word in words if font == "chinese" else english:
        assert word in shown


def test_the_loss_of_one_step_and_without_validation(tmp_path):
    for records in (history(1), [{"step": 1, "loss": 7.0}], history(9)):
        assert save(plot_loss(records, DATA), tmp_path / "loss.png") > 5000


def test_a_loss_that_is_no_number_is_drawn_around(tmp_path):
    records = [*history(5), {"step": 6, "loss": math.nan}, {"step": 7, "loss": math.inf}]
    figure = plot_loss(records, DATA)
    assert save(figure, tmp_path / "loss.png") > 5000
    assert figure.axes[0].get_ylim()[1] < 20


def test_a_validation_loss_above_every_line_is_in_the_picture(tmp_path):
    records = [*history(20), {"step": 21, "loss": 2.0, "validation_loss": 12.0}]
    for anchors in (DATA["anchors"], {}):
        figure = plot_loss(records, {**DATA, "anchors": anchors})
        assert save(figure, tmp_path / "loss.png") > 5000
        assert 12.0 * 1.1 < figure.axes[0].get_ylim()[1] < 15


def test_no_name_of_a_line_touches_another_or_a_curve(tmp_path):
    anchors = {"uniform": 7.2, "unigram": 5.7, "xz": 4.8, "bigram": 4.41, "trigram": 4.4}
    figure = plot_loss(history(), {**DATA, "anchors": anchors})
    save(figure, tmp_path / "loss.png")
    axes = figure.axes[0]
    named = [
        item for item in axes.texts if any(f"{v:.2f}" in item.get_text() for v in anchors.values())
    ]
    boxes = sorted((item.get_window_extent() for item in named), key=lambda box: box.y0)
    assert len(boxes) == len(anchors)
    assert all(lower.y1 <= upper.y0 + 1 for lower, upper in itertools.pairwise(boxes))
    assert all(box.x0 > axes.get_window_extent().x1 for box in boxes)


def test_the_losses_are_drawn_per_character(font):
    data = {**DATA, "tokens_per_character": {"train": 2.0, "validation": 3.0}}
    axes = plot_loss(history(20), data).axes[0]
    points = axes.lines[0].get_ydata()
    assert points[0] == pytest.approx(2 * history(20)[0]["loss"])
    validation = next(line for line in axes.lines if line.get_marker() == "o")
    assert validation.get_ydata()[0] == pytest.approx(3 * history(20)[9]["validation_loss"])


@pytest.mark.parametrize(
    "characters",
    [
        ["的", "了", "。", "\n"],
        [" ", "\u3000", "\t", "\r"],
        ["\x00", "\u200b", "\ue000", "\u2028"],
        ["😀", "𠮷", "\U000323af", "…"],
        ["$", "$", "_", "^"],
        ["<|endoftext|>", "<0x41>", "é", "\\"],
    ],
)
def test_the_next_character(tmp_path, characters):
    rows = [("T = 0.5", [0.6, 0.2, 0.1, 0.1]), ("T = 2", [0.3, 0.3, 0.2, 0.2])]
    figure = plot_next_character(characters, rows)
    assert save(figure, tmp_path / "next.png") > 5000
    assert len(figure.axes) == 2
