"""Books without newlines and headings inside a line: where they are cut, and that nothing goes."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from novelkit.cleaning import clean, parse_heading, split_chapters
from novelkit.cleaning.newlineless import break_lines
from novelkit.encoding import decode

DIRTY = Path(__file__).resolve().parents[2] / "shared" / "dirty"
NOVEL = Path(__file__).resolve().parents[1] / "assets" / "novel" / "novel.txt"
NUMERALS = "一二三四五六七八九"
SPEECH = "他说：「这个『情』字，不好说。你听！外面下雪了。」她点了点头，没有说话。"
PROSE = (SPEECH + "天还没有亮，他就起来把院子里的雪扫了一遍，又到井边挑了两担水。") * 40
CLOSING = "不知后事如何，且听下回分解。"
TITLES = [f"风雪夜归人第{n}程灯火照渡头第{n}更" for n in NUMERALS]
OPENINGS = ["却说", "且说", "话说", "诗曰：", "原来", "话说", "却说", "再说", "话分两头，"]


def flat(text):
    return text.replace("\n", "")


def one_line(titles=TITLES, openings=OPENINGS, front="雪夜某人著", closing=CLOSING):
    return front + "".join(
        f"第{numeral}回{title}{opening}{PROSE}{closing}"
        for numeral, title, opening in zip(NUMERALS, titles, openings, strict=True)
    )


def found_titles(text):
    return [c.title for c in split_chapters(break_lines(text)[0]) if c.title]


EXPECTED = [f"第{n}回　{title}" for n, title in zip(NUMERALS, TITLES, strict=True)]


@pytest.mark.parametrize("front", ["", "雪夜某人著", "雪夜雪夜雪夜某人"])
def test_a_book_in_one_line_has_its_chapters_and_titles(front):
    assert found_titles(one_line(front=front)) == EXPECTED


def test_a_title_without_a_storytellers_word_has_the_length_of_the_others():
    openings = [*OPENINGS]
    openings[0], openings[4] = "我提起笔来，", "上海地方，"
    assert found_titles(one_line(openings=openings)) == EXPECTED


def test_two_halves_tell_where_a_title_ends():
    titles = ["风雪夜归　灯火照渡", "风雪夜归人　灯火照渡头"] * 4 + ["风雪　灯火"]
    text = one_line(titles=titles, openings=["上海地方，"] * 9)
    assert found_titles(text) == [
        f"第{n}回　{title}" for n, title in zip(NUMERALS, titles, strict=True)
    ]


def test_where_nothing_tells_the_end_the_number_alone_is_the_heading():
    titles = [title[: 5 + n] for n, title in enumerate(TITLES)]
    found = found_titles(one_line(titles=titles, openings=["上海地方，"] * 9))
    assert found == [f"第{n}回" for n in NUMERALS]


def test_a_table_of_contents_inside_the_line_tells_the_titles():
    titles = [title[: 5 + n] for n, title in enumerate(TITLES)]
    contents = "".join(f"第{n}回{t}" for n, t in zip(NUMERALS, titles, strict=True))
    text = contents + one_line(titles=titles, openings=["上海地方，"] * 9, front="")
    expected = [f"第{n}回　{title}" for n, title in zip(NUMERALS, titles, strict=True)]
    assert found_titles(text) == expected * 2


def test_mentions_of_chapters_are_no_headings():
    mention = "这事第三回书中说过。第二回他没有来。且听第九回。第一回生，第二回熟。"
    text = one_line().replace("没有说话。", f"没有说话。{mention}", 3)
    assert found_titles(text) == EXPECTED


def test_a_chapter_before_which_no_sentence_ends_is_found_by_its_number():
    text = one_line().replace(f"{CLOSING}第五回", "诗云且听下回分解第五回")
    assert found_titles(text) == EXPECTED


def test_a_book_of_one_line_a_chapter():
    text = "\n".join(
        f"第{n}回　{title[:5]}　{title[-5:]}{opening}{PROSE}"
        for n, title, opening in zip(NUMERALS, TITLES, OPENINGS, strict=True)
    )
    result, _ = break_lines(text)
    assert len(split_chapters(result)) == 9
    assert max(map(len, result.split("\n"))) < 400


def test_paragraphs_end_with_sentences_and_outside_of_quotations():
    result, breaks = break_lines(PROSE * 2)
    lines = result.split("\n")
    assert len(lines) == len(breaks) + 1 > 10
    for line in lines:
        assert line.endswith(("。", "」"))
        assert line.count("「") == line.count("」")
        assert line.count("『") == line.count("』")


def test_a_quotation_that_is_never_closed_does_not_swallow_the_book():
    result, _ = break_lines("他说：「" + (PROSE * 2).replace("「", "").replace("」", ""))
    assert max(map(len, result.split("\n"))) < 1200


def test_a_heading_inside_a_wrapped_line_gets_its_own_line():
    wrapped = "\n".join(
        [
            f"第一回　{TITLES[0]}\n话说从前。{CLOSING}",
            f"第二回　{TITLES[1]}\n话说从前。" + CLOSING[:-3],
            "分解。第三回　风雪夜归人一程　灯火照渡\n头更迟话说他回来了，又到井边挑了两担水，",
            f"这才坐下。{CLOSING}",
            f"第四回　{TITLES[3]}\n话说从前。",
        ]
    )
    result, breaks = break_lines(wrapped)
    assert "\n第三回　风雪夜归人一程　灯火照渡头更迟\n话说他回来了" in result
    assert flat(result) == flat(wrapped)
    assert len(breaks) == 2


def test_a_book_with_newlines_is_left_alone():
    text = NOVEL.read_text(encoding="utf-8")
    assert break_lines(text) == (text, [])
    titles = [c.title for c in split_chapters(text)]
    one = break_lines(flat(text))[0]
    assert [parse_heading(c.title).number for c in split_chapters(one) if c.title] == [
        parse_heading(title).number for title in titles
    ]


@given(
    st.text(
        alphabet=st.sampled_from("第一二三回卷　 \n。“”「」却说话诗曰：，甲乙丙1２"), max_size=80
    ),
    st.integers(1, 200),
)
def test_only_newlines_are_put_in(text, times):
    text *= times
    result, breaks = break_lines(text)
    assert flat(result) == flat(text)
    assert all(left or right for left, right in breaks)
    assert bool(breaks) or result == text


# The title of the third seems to go on until what opens prose: over the fourth.
@example(["第二回", "第一回", "第一回", "第二回", "却说", "第一回"])
@given(st.lists(st.sampled_from([PROSE[:300], *(f"第{n}回" for n in NUMERALS), "却说", "目录"])))
def test_only_newlines_are_put_into_headings_in_any_order(parts):
    text = "".join(parts)
    assert flat(break_lines(text)[0]) == text


@pytest.mark.skipif(not DIRTY.is_dir(), reason="the folder of downloaded files is not here")
@pytest.mark.parametrize(
    ("file", "numbers"),
    [("s23", [*range(1, 11)]), ("s24", [1, *range(12, 57)])],
)
def test_downloaded_books_with_headings_inside_their_lines(file, numbers):
    path = next(DIRTY.glob(f"{file}_*"))
    novel, _ = clean(decode(path.read_bytes()))
    headings = [parse_heading(c.title) for c in novel.chapters if c.title]
    assert [heading.number for heading in headings] == numbers
    assert all(14 <= len(h.title.replace("　", "")) <= 16 for h in headings)
