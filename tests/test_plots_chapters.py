"""Pages with their dirt marked, differences, widths and splits: true, escaped, with any font."""

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novelkit.plots.chapters import (
    find_differences,
    mark_differences,
    mark_kinds,
    plot_line_widths,
    plot_parts,
    show_blanks,
)

KINDS = {"实体": re.compile(r"&\w+;"), "空格": re.compile("[ \u3000]+"), "字": re.compile("&|雁")}
# Few characters, so that copies and shifts are frequent.
texts = st.text(alphabet="ab雁\n\u3000<", max_size=30)


def plain(page: str) -> str:
    """The text that a reader sees in a page."""
    return html.unescape(re.sub("<[^>]*>", "", page))


def test_each_kind_is_marked_and_the_first_has_what_two_match():
    page = mark_kinds("&nbsp;童雁 &", KINDS)
    marked = re.findall(r"<mark[^>]*>([^<]*)</mark>", page.split("<pre")[1])
    assert marked == ["&amp;nbsp;", "雁", "␣", "&amp;"]
    assert re.findall(r"<mark[^>]*>([^<]*)</mark>", page.split("<pre")[0]) == ["实体", "空格", "字"]


def test_the_legend_names_only_what_the_page_has():
    assert "空格" not in mark_kinds("童雁", KINDS)


def test_the_book_cannot_put_markup_into_a_page():
    attack = "<script>alert(1)</script>&lt;"
    for page in (
        mark_kinds(attack, KINDS),
        mark_differences(attack, ""),
        mark_differences("", attack),
    ):
        assert "<script" not in page
        assert attack in plain(page)


@given(texts, texts)
def test_both_texts_come_back_from_their_differences(before, after):
    changes = find_differences(before, after)
    assert "".join(removed + same for removed, _, same in changes) == before
    assert "".join(added + same for _, added, same in changes) == after


def test_equal_texts_have_no_difference():
    assert find_differences("童雁", "童雁") == [("", "", "童雁")]
    assert "<del" not in mark_differences("童雁\n", "童雁\n")


@pytest.mark.parametrize(
    ("before", "after", "removed"),
    [
        ("一行\n一行\n二", "一行\n二", "一行\n"),
        ("门\n- 1 -\n口", "门\n口", "- 1 -\n"),
        ("第一章\n文\n第二章", "第二章", "第一章\n文\n"),
    ],
)
def test_a_removed_line_is_struck_out_as_a_whole_line(before, after, removed):
    changes = find_differences(before, after)
    assert [change[0] for change in changes if change[0]] == [removed]


def test_of_two_copies_the_later_one_is_struck_out():
    assert find_differences("甲乙。甲乙。丙", "甲乙。丙")[0] == ("", "", "甲乙。")


def test_a_page_breaks_off_after_so_many_characters():
    page = mark_differences("雁" * 50 + "x", "雁" * 50, shown=20)
    assert plain(page) == "雁" * 20 + "…"
    assert "…" not in mark_differences("雁" * 20, "雁" * 20, shown=20)
    assert plain(mark_differences("x" * 9 + "雁", "雁", shown=4)) == "xxxx…"


@pytest.mark.parametrize(
    ("text", "signs"),
    [
        ("a b\u3000c", "a␣b␣␣c"),
        ("\r\n", "␍⏎\n"),
        ("\ufeff\u200b\x07\ue001", "‹U+FEFF›‹U+200B›‹U+0007›‹U+E001›"),
        ("龘😀é", "龘😀é"),
    ],
)
def test_blanks_and_invisible_characters_become_signs(text, signs):
    assert show_blanks(text) == signs


@pytest.mark.filterwarnings("error")
def test_widths_are_counted_and_long_lines_share_the_last_bar(tmp_path, font):
    figure = plot_line_widths({"raw.txt：脏": [36, 36.4, 12, 200], "$x$": []}, longest=40)
    figure.savefig(tmp_path / "widths.png")
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    assert {n: h for n, h in enumerate(heights) if h} == {12: 1, 36: 2, 40: 1}
    assert figure.axes[0].patches[40].get_facecolor() != figure.axes[0].patches[36].get_facecolor()
    assert figure.axes[0].get_title(loc="left") == (
        "raw.txt：脏" if font == "chinese" else "text 1"
    )


@pytest.mark.filterwarnings("error")
def test_held_out_parts_stand_above_the_training_ones(tmp_path, font):
    ways = {
        "窗口": [("train", 0, 9), ("validation", 3, 6)],
        "整章": [("train", 0, 7), ("test", 7, 9)],
    }
    figure = plot_parts(ways, 9)
    figure.savefig(tmp_path / "parts.png")
    (axes,) = figure.axes
    boxes = [
        path.get_extents() for bars in axes.collections for path in bars.get_paths() if len(path)
    ]
    spans = [(box.x0, box.x1, box.y0) for box in boxes]
    assert [(x0, x1) for x0, x1, _ in spans] == [(0, 9), (3, 6), (0, 7), (7, 9)]
    # The axis points downwards.
    assert spans[1][2] < spans[0][2] and spans[3][2] < spans[2][2]
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == (
        ["训练", "验证", "测试"] if font == "chinese" else ["train", "validation", "test"]
    )
