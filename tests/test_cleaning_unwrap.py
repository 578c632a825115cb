"""Stage 03, hard-wrapped lines: whole paragraphs come back, verse is not joined."""

import pytest
from helpers_cleaning import apply, book, pages, wrap

from novelkit.cleaning import clean


@pytest.mark.parametrize("width", [18, 25, 36])
@pytest.mark.parametrize("indent", ["　　", "    "])
def test_wrapped_lines_with_indentation_come_back_exactly(width, indent):
    novel, report = clean(wrap(book(8), width, indent))
    assert novel.text == book(8)
    assert {rule.name: rule.changes for rule in report.rules}["unwrap"] > 50


def test_wrapped_and_double_spaced_with_old_mac_newlines():
    lines = pages(64, shortest=41)
    long = "\n\n".join(
        f"第{n}回　雪夜\n\n" + "\n".join(lines[8 * i : 8 * i + 8])
        for i, n in enumerate("一二三四五六七八")
    )
    dirty = wrap(long, 24, "　　", "\r \r")
    assert clean(dirty)[0].text == long


def test_wrapped_paragraphs_between_blank_lines():
    paragraphs = pages(24, shortest=41)
    dirty = "\n\n".join(wrap(paragraph, 22) for paragraph in paragraphs)
    novel, _ = clean(dirty)
    assert list(novel.chapters[0].paragraphs) == paragraphs


def test_verse_is_not_joined():
    verse = "\n".join(
        ["山外青山楼外楼，", "西湖歌舞几时休。", "暖风熏得游人醉，", "直把他乡作故乡。"] * 10
    )
    assert apply("unwrap", verse) == verse
    bare = verse.replace("，", "").replace("。", "")
    assert apply("unwrap", bare.replace("\n", "似的长长短短一样的\n")) == bare.replace(
        "\n", "似的长长短短一样的\n"
    )


def test_lost_indentation_leaves_first_lines_short():
    lines = pages(24, shortest=41)
    dirty = "\n".join(wrap(line, 22, "　　").replace("　　", "") for line in lines)
    assert list(clean(dirty)[0].chapters[0].paragraphs) == lines
