"""Headings by their form, in their context and by the layout, and the chapters cut at them."""

import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novelkit.cleaning import find_headings, parse_heading, split_chapters
from novelkit.cleaning.chapters import find_headings_by_layout, volume_units
from novelkit.cleaning.numerals import parse_number, parse_roman

CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpus" / "novels.tar.xz"
TEXT = "天还没有亮，他就起来把院子里的雪扫了一遍，又到井边挑了两担水，这才坐下来吃早饭。" * 5
DIGITS = "零一二三四五六七八九"


def spell(number: int) -> str:
    """108 → 一百零八, the way chapter headings have it."""
    if number < 10:
        return DIGITS[number]
    if number < 20:
        return "十" + (DIGITS[number - 10] if number > 10 else "")
    if number < 100:
        tens, rest = divmod(number, 10)
        return DIGITS[tens] + "十" + (DIGITS[rest] if rest else "")
    unit, name = (100, "百") if number < 1000 else (1000, "千")
    head, rest = divmod(number, unit)
    if not rest:
        return DIGITS[head] + name
    zero = "零" if rest < unit // 10 else ""
    ones = "一" if not zero and rest < 20 else ""
    return DIGITS[head] + name + zero + ones + spell(rest)


def book(headings, text=TEXT, gap="\n\n"):
    return gap.join(f"{heading}{gap}{text}" for heading in headings)


def titles(text):
    return [chapter.title for chapter in split_chapters(text)]


# --- numerals -----------------------------------------------------------------------------------


@given(st.integers(1, 9999))
def test_every_spelling_of_a_number_is_that_number(number):
    spelled = spell(number)
    positional = "".join("〇一二三四五六七八九"[int(digit)] for digit in str(number))
    formal = spelled.translate(
        str.maketrans("一二三四五六七八九十百千", "壹贰叁肆伍陆柒捌玖拾佰仟")
    )
    wide = str(number).translate({48 + digit: 0xFF10 + digit for digit in range(10)})
    padded = f"{number:05d}"
    short = spelled.replace("零", "")
    for form in (spelled, positional, formal, wide, padded, " ".join(spelled)):
        assert parse_number(form) == number, form
    if "零" not in spelled or number % 10 == 0:
        assert parse_number(short) == number


@pytest.mark.parametrize(
    ("numeral", "number"),
    [
        ("廿", 20),
        ("廿三", 23),
        ("卅", 30),
        ("卌二", 42),
        ("百廿三", 123),
        ("〇〇一", 1),
        ("十—", 11),
    ],
)
def test_short_forms_of_tens(numeral, number):
    assert parse_number(numeral) == number


@pytest.mark.parametrize("numeral", ["", "甲", "一甲", "十甲"])
def test_what_is_no_number(numeral):
    assert parse_number(numeral) is None


def test_roman_numerals_are_read_only_in_their_one_right_form():
    assert [parse_roman(n) for n in ("I", "iv", "XII", "XLIX", "XC", "CXX")] == [
        1,
        4,
        12,
        49,
        90,
        120,
    ]
    assert [parse_roman(n) for n in ("", "IIII", "VX", "IC", "ABC")] == [None] * 5


# --- the form of a line -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "unit", "number", "volume", "full"),
    [
        ("第 一 百 零 八 回　甲乙", "回", 108, "", "第一百零八回　甲乙"),
        ("第一二三回 甲乙", "回", 123, "", "第一二三回　甲乙"),
        ("第卌二章", "章", 42, "", "第卌二章"),
        ("卷第五 丙丁", "卷", 5, "", "卷第五　丙丁"),
        ("第三卷 第二章 夜雨", "章", 2, "第三卷", "第二章　夜雨"),
        ("第三卷　风起　第二章　夜雨", "章", 2, "第三卷　风起", "第二章　夜雨"),
        ("上卷 第十四回　心猿归正　六贼无踪", "回", 14, "上卷", "第十四回　心猿归正　六贼无踪"),
        ("上卷 附录　陈光蕊赴任逢灾", "", None, "上卷", "附录　陈光蕊赴任逢灾"),
        ("《缺字》第一章 夜雨", "章", 1, "", "第一章　夜雨"),
        ("正文卷 第一章 夜雨", "章", 1, "", "第一章　夜雨"),
        ("第一回（上）", "回", 1, "", "第一回（上）"),
        ("第一回（下）夜雨", "回", 1, "", "第一回（下）　夜雨"),
        ("卷四下 夜雨", "卷", 4, "", "卷四下　夜雨"),
        ("第3章 夜雨（求月票）", "章", 3, "", "第3章　夜雨（求月票）"),
        ("第12章你是谁？", "章", 12, "", "第12章　你是谁？"),
        ("第12话 夜雨", "话", 12, "", "第12话　夜雨"),
        ("第三囘　夜雨", "囘", 3, "", "第三囘　夜雨"),
        ("【第一章】夜雨", "章", 1, "", "第一章　夜雨"),
        ("【第一章 夜雨】", "章", 1, "", "第一章　夜雨"),
        ("※第一章※", "章", 1, "", "第一章"),
        ("◎第一章 夜雨", "章", 1, "", "第一章　夜雨"),
        ("## 第一章 夜雨", "章", 1, "", "第一章　夜雨"),
        ("--- 第一章 ---", "章", 1, "", "第一章"),
        ("Chapter 12", "章", 12, "", "Chapter 12"),
        ("CHAPTER XII The End", "章", 12, "", "CHAPTER XII　The End"),
        ("楔　子", "", None, "", "楔子"),
        ("尾 声", "", None, "", "尾声"),
        ("序 幕", "", None, "", "序幕"),
        ("番外之旧信", "", None, "", "番外　旧信"),
        ("番外：旧信", "", None, "", "番外　旧信"),
        ("●凡例", "", None, "", "凡例"),
        ("《野草》題辭", "", None, "", "《野草》題辭"),
        ("上部", "部", None, "", "上部"),
    ],
)
def test_the_form_of_a_heading(line, unit, number, volume, full):
    heading = parse_heading(line)
    assert heading is not None
    assert (heading.unit, heading.number, heading.volume) == (unit, number, volume)
    assert heading.full == full


@pytest.mark.parametrize(
    "line",
    [
        "话说第一回的事，",
        "第一回，他没有来。",
        "且听下回分解",
        "第三者",
        "第一次世界大战",
        "第1.5章",
        "程序",
        "次序",
        "Chapter of accidents",
        "第一章　雪下了一夜，天亮了，门开了，人走了",
        "第一章" + "雪" * 60,
    ],
)
def test_prose_has_not_the_form_of_a_heading(line):
    assert parse_heading(line) is None


@given(st.text(alphabet="第一二十百回章卷上 　【】（）：，。序番外CHapter12X", max_size=40))
def test_a_heading_keeps_the_words_of_its_line(line):
    heading = parse_heading(line)
    if heading is not None:
        kept = heading.volume + heading.label + heading.title
        assert set("".join(kept.split())) <= set(line) | set("　")
        assert heading.label


# --- in the context -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "prose",
    [
        "第二回书中说的那个人",
        "第三章里写道",
        "第一节课后",
        "第三部分",
        "第二十回至第三十回",
        "第八回他没有来",
    ],
)
def test_a_line_of_prose_that_begins_like_a_heading_stays_in_its_chapter(prose):
    headings = [f"第{spell(n)}回　夜雨" for n in range(1, 6)]
    text = book(headings).replace(TEXT, f"{TEXT}\n{prose}\n{TEXT}", 1)
    assert titles(text) == headings


def test_an_intruder_between_two_neighbours_is_text():
    headings = [f"第{spell(n)}回　夜雨" for n in range(1, 7)]
    text = book(headings).replace(TEXT, f"{TEXT}\n第九十回\n{TEXT}", 3)
    assert titles(text) == headings


def test_a_misprinted_number_is_accepted_in_its_place():
    headings = [f"第{spell(n)}回　夜雨" for n in range(20, 27)]
    headings[4] = "第二十三回　归舟"
    assert titles(book(headings)) == headings
    headings[4] = "第四十二回　归舟"
    assert titles(book(headings)) == headings


def test_a_misprinted_unit_is_accepted_where_headings_stand_alone():
    headings = [f"第{spell(n)}回　夜雨" for n in range(1, 13)]
    headings[3], headings[5] = "第四句　归舟", "第六　归舟"
    text = "\n\n".join(f"{heading}\n\n" + "\n".join([TEXT] * 12) for heading in headings)
    assert titles(text) == headings


def test_numbers_may_start_again_in_every_volume():
    chapters = [f"第{spell(n)}章　夜雨" for n in range(1, 5)]
    text = "\n\n".join(f"第{spell(v)}卷　远行\n\n{book(chapters)}" for v in (1, 2, 3))
    found = split_chapters(text)
    assert [chapter.title for chapter in found] == chapters * 3
    assert [chapter.volume for chapter in found[::4]] == [
        f"第{spell(v)}卷　远行" for v in (1, 2, 3)
    ]


def test_every_name_of_a_heading_begins_with_a_character_that_is_looked_for():
    first = (
        "楔子 引子 引言 缘起 序 自序 原序 总序 代序 新序 再版序 叙 敘言 前言 弁言 凡例 小引 题辞"
    )
    last = "首回 开篇 尾声 终章 大结局 结语 后记 後記 后序 跋 附录 番外 番外篇三 外传 《甲》序"
    for name in f"{first} {last}".split():
        assert parse_heading(name).label == name


def test_upper_and_lower_volume():
    chapters = [f"第{spell(n)}章　夜雨" for n in range(1, 7)]
    text = f"上部\n\n{book(chapters[:3])}\n\n下部\n\n{book(chapters[3:])}"
    assert [(c.volume, c.title) for c in split_chapters(text)] == [
        ("上部" if n < 3 else "下部", title) for n, title in enumerate(chapters)
    ]
    found = find_headings(text.split("\n"))
    assert volume_units(found) == {"部"}


def test_names_of_stories_before_every_first_chapter_are_volumes():
    names = ["合影楼", "夺锦楼", "三与楼", "夏宜楼"]
    chapters = [f"第{spell(n)}回　夜雨" for n in range(1, 4)]
    text = "\n\n".join(f"{name}\n\n{book(chapters)}" for name in names)
    found = split_chapters(text)
    assert [(c.volume, c.title) for c in found] == [(n, c) for n in names for c in chapters]
    once = text.replace("夺锦楼", "他走了。").replace("三与楼", "她也走了。")
    assert {c.volume for c in split_chapters(once)} == {""}


def test_the_name_of_the_book_before_every_heading():
    text = "\n".join(f"缺字 第{spell(n)}章 夜雨\n{TEXT}" for n in range(1, 6))
    assert titles(text) == [f"第{spell(n)}章　夜雨" for n in range(1, 6)]


# --- bare numbers -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("{}、夜雨", "{}、夜雨"),
        ("{}. 夜雨", "{}.夜雨"),
        ("（{}）", "（{}）"),
        ("（{}）夜雨", "（{}）夜雨"),
        ("{}", "{}"),
        ("{}　夜雨", "{}　夜雨"),
    ],
)
@pytest.mark.parametrize("numeral", [str, spell])
def test_bare_numbers_that_go_through_the_book_are_headings(style, expected, numeral):
    text = book([style.format(numeral(n)) for n in range(1, 9)], gap="\n")
    assert titles(text) == [expected.format(numeral(n)) for n in range(1, 9)]


def test_a_list_in_the_prose_is_no_row_of_chapters():
    shopping = "\n".join(f"{n}、米{n}斤" for n in range(1, 9))
    text = f"{TEXT}\n{TEXT}\n{shopping}\n{TEXT}\n{TEXT}\n{TEXT}"
    assert titles(text) == [""]


def test_a_row_with_holes_or_in_one_place_of_the_book_is_no_row_of_chapters():
    holes = book([f"{n}、夜雨" for n in (1, 3, 7, 8, 20, 4, 9)], gap="\n")
    assert titles(holes) == [""]
    late = "\n".join([TEXT] * 40) + "\n" + book([f"{n}、夜雨" for n in range(1, 6)], gap="\n")
    assert titles(late) == [""]


def test_bare_numbers_under_chapters_are_sections_of_their_text():
    sections = "\n".join(f"{spell(n)}\n{TEXT}" for n in range(1, 5))
    headings = [f"第{spell(n)}章　夜雨" for n in range(1, 5)]
    assert titles(book(headings, sections)) == headings


def test_bare_numbers_start_again_in_a_volume():
    numbers = book([f"{n}、夜雨" for n in range(1, 6)], gap="\n")
    text = f"第一卷　远行\n{numbers}\n第二卷　归来\n{numbers}"
    found = split_chapters(text)
    assert [c.title for c in found] == [f"{n}、夜雨" for n in range(1, 6)] * 2
    assert {c.volume for c in found} == {"第一卷　远行", "第二卷　归来"}


# --- titles on other lines, and titles alone ----------------------------------------------------


def test_a_title_over_two_lines_under_a_bare_number():
    text = book([f"第{spell(n)}回\n风雪夜归人\n灯火照渡头" for n in range(1, 6)], gap="\n")
    assert titles(text) == [f"第{spell(n)}回　风雪夜归人　灯火照渡头" for n in range(1, 6)]


def test_a_title_cut_by_the_end_of_a_page_is_put_together():
    full = [f"第{spell(n)}回　风雪夜归人　灯火照渡头" for n in range(1, 6)]
    cut = [*full[:2], "第三回　风", *full[3:]]
    text = book(cut).replace("第三回　风\n\n", "第三回　风\n\n\n雪夜归人灯火照渡头\n\n")
    assert titles(text)[2] == "第三回　风雪夜归人灯火照渡头"
    wrapped = book(full).replace("灯火照渡头", "灯火照\n渡头", 1)
    assert titles(wrapped) == full


def test_stories_between_airy_paragraphs():
    names = ["秋夜", "影的告别", "求乞者", "我的失恋", "复仇", "复仇（其二）", "希望"]
    text = "\n\n".join(f"{name}\n\n{TEXT}\n\n{TEXT}\n\n一九二五年一月一日" for name in names)
    assert titles(text) == names


def test_short_lines_in_an_airy_novel_are_no_stories():
    dialogue = "\n\n".join([TEXT, "停", TEXT, "信", "见字如面", TEXT, TEXT])
    text = "\n\n".join([dialogue] * 4)
    assert titles(text) == [""]


def test_a_friends_preface_before_the_first_chapter():
    headings = [f"第{spell(n)}回　夜雨" for n in range(1, 4)]
    assert titles(f"冯梦龙序\n\n{TEXT}\n\n{book(headings)}") == ["冯梦龙序", *headings]
    inside = book(headings).replace(TEXT, f"{TEXT}\n\n维持秩序\n\n{TEXT}", 1)
    assert "维持秩序" not in titles(inside)


def test_the_name_of_the_book_alone_is_no_chapter():
    headings = [f"第{spell(n)}回　夜雨" for n in range(1, 9)]
    text = "︽雪夜︾某人\n\n" + "\n\n".join(f"{h}\n\n{TEXT}\n{TEXT}" for h in headings)
    assert titles(text) == ["", *headings]


@given(
    st.lists(
        st.sampled_from(
            ["第一回　甲", "第二回", "卷三", "1、乙", "序", "", "　", TEXT, "丙丁", "第"]
        ),
        max_size=30,
    )
)
def test_no_text_is_lost_between_the_chapters(lines):
    text = "\n".join(lines)
    volumes = volume_units(find_headings_by_layout(lines))
    found = split_chapters(text)
    result = "".join(c.title + "".join(c.paragraphs) for c in found)
    if not volumes:
        assert "".join(result.split()) == "".join(text.split())


STYLES = (
    lambda n: f"第{spell(n)}回　夜雨{spell(n)}更",
    lambda n: f"第{n:03d}章 夜雨{n}更",
    lambda n: f"第{n}章夜雨{n}更",
    lambda n: f"第 {' '.join(spell(n))} 章　夜雨",
    lambda n: f"卷之{spell(n)}　夜雨",
    lambda n: f"【第{spell(n)}节】夜雨",
    lambda n: f"Chapter {n}",
    lambda n: f"（{spell(n)}）",
    lambda n: f"{n}、夜雨",
)


@given(
    style=st.sampled_from(STYLES),
    count=st.integers(4, 40),
    gap=st.sampled_from(["\n", "\n\n", "\n　　"]),
    sizes=st.lists(st.integers(1, 5), min_size=40, max_size=40),
)
def test_every_style_in_every_layout_gives_its_chapters(style, count, gap, sizes):
    bodies = [gap.join([TEXT] * size) for size in sizes[:count]]
    pairs = zip(range(1, count + 1), bodies, strict=True)
    text = "\n".join(f"{style(n)}{gap}{body}" for n, body in pairs)
    found = split_chapters(text)
    assert len(found) == count
    assert [len(chapter.paragraphs) for chapter in found] == sizes[:count]
    for n, chapter in enumerate(found, 1):
        squeezed = "".join(chapter.title.split())
        assert squeezed == "".join(style(n).replace("【", "").replace("】", "").split())


def test_a_chapter_that_stands_there_twice_is_found_twice():
    headings = [f"第{spell(n)}回　夜雨{n}" for n in (1, 2, 3, 3, 4, 5)]
    assert titles(book(headings)) == headings


# --- the books themselves -----------------------------------------------------------------------


@pytest.mark.skipif(not CORPUS.is_file(), reason="the corpus is not here")
def test_every_book_of_the_corpus_has_exactly_the_headings_of_its_file():
    seen = 0
    with tarfile.open(CORPUS) as archive:
        for member in archive:
            if not member.isfile():
                continue
            text = archive.extractfile(member).read().decode("utf-8")
            lines = ["", *text.strip("\n").split("\n"), ""]
            triples = zip(lines, lines[1:], lines[2:], strict=False)
            headings = [line for above, line, below in triples if line and not above + below]
            squeezed = ["".join(title.split()) for title in titles(text)]
            assert squeezed == ["".join(h.split()).lstrip("●") for h in headings], member.name
            seen += 1
    assert seen == 34
