"""Stage 03, the rules on characters, markup, contents and layout: their dirt goes, text stays."""

import time

import pytest
from helpers_cleaning import PROSE, apply, book
from hypothesis import given, settings
from hypothesis import strategies as st

from novelkit.cleaning import RULES, clean
from novelkit.errors import InputError

NAMES = [name for name in RULES if name != "simplify"]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "near_duplicates"])
def test_a_clean_book_passes_every_rule_unchanged(name):
    assert apply(name, book()) == book()


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(
    text=st.text(
        alphabet=st.sampled_from("一二第章回卷的人，。“” \u3000\n\r\t<>&;-=*wcom.\ufffd\ufeff"),
        max_size=200,
    )
)
def test_rules_are_total_and_pure(name, text):
    once = apply(name, text)
    assert apply(name, text) == once
    assert isinstance(once, str)


@pytest.mark.parametrize(
    ("name", "dirty", "expected"),
    [
        ("newlines", "甲\r\n乙\r丙\n丁\r\r\n戊\u2028己", "甲\n乙\n丙\n丁\n戊\n己"),
        ("controls", "\ufeff甲\u200b乙\x00丙\x1f丁\xad", "甲乙丙丁"),
        (
            "tags",
            "<p class='x'>甲</p><br/>乙<b>丙</b><!-- 丁 --><script>x</script>",
            "\n甲\n\n乙丙",
        ),
        ("tags", "他说<甲>和3<5都行", "他说<甲>和3<5都行"),
        ("entities", "&ldquo;甲&hellip;&rdquo;&#20057;&amp;nbsp;&bogus;", "“甲…”乙\xa0&bogus;"),
        ("separators", "甲\n------\n＝＝＝＝＝\n* * *\n```\n乙", "甲\n* * *\n乙"),
        ("indentation", "　　甲　\n\t乙 \n&", "甲\n乙\n&"),
        ("spaces", "他 说　道，好 的 book one", "他说道，好的 book one"),
        ("spaces", "白日依山尽　　黄河入海流", "白日依山尽　黄河入海流"),
        ("spaces", "第一回　风雪　夜归", "第一回　风雪　夜归"),
        ("blank_lines", "\n\n甲\n\n\n\n乙\n丙\n", "甲\n\n乙\n丙"),
        ("damage", "甲\ufffd乙", "甲\ufffd乙"),
    ],
)
def test_rule(name, dirty, expected):
    assert apply(name, dirty) == expected


def test_table_of_contents_goes_and_the_headings_stay():
    chapters = [line for line in book(5).split("\n") if line.startswith("第")]
    listed = [line.replace("　", "……").replace("第一", "第001") for line in chapters[:1]]
    for contents in (chapters, listed + chapters[1:]):
        text = "目　录\n\n" + "\n".join(f"　　{line}" for line in contents) + "\n\n" + book(5)
        novel, report = clean(text)
        assert novel.text == book(5)
        assert {rule.name: rule.changes for rule in report.rules}["contents"] == 6


def test_contents_with_unnumbered_entries():
    text = "某书\n目錄\n馮夢龍序\n第一回　甲乙\n第二回　丙丁\n第三回　戊己\n\n馮夢龍序\n" + PROSE[0]
    text += "".join(
        f"\n第{n}回　{t}\n{PROSE[2]}"
        for n, t in zip("一二三", ("甲乙", "丙丁", "戊己"), strict=True)
    )
    cleaned = apply("contents", text)
    assert cleaned.count("馮夢龍序") == 1
    assert cleaned.count("第三回") == 1
    assert "目錄" not in cleaned


@pytest.mark.parametrize(
    ("name", "dirty", "expected"),
    [
        ("newlines", "甲\x0b乙\x0c丙\x85丁\u2029戊", "甲\n乙\n丙\n丁\n戊"),
        ("controls", "甲\u200d乙\ufeff丙\u202e丁\u2060戊", "甲乙丙丁戊"),
        (
            "controls",
            "笑\U0001f468\u200d\U0001f469\u200d\U0001f467",
            "笑\U0001f468\u200d\U0001f469\u200d\U0001f467",
        ),
        ("tags", "<ruby>漢<rp>(</rp><rt>hàn</rt><rp>)</rp></ruby>字", "漢字"),
        ("tags", "<P>甲<BR/>乙</P>", "\n甲\n乙\n"),
        ("tags", "见他戴着<bzhlm2_002bz>儿", "见他戴着□儿"),
        ("entities", "&amp;amp;nbsp;甲&#13;乙", "\xa0甲\n乙"),
        ("entities", "甲&#xD800;乙", "甲&#xD800;乙"),
        ("entities", "AT&T 和 R&D;", "AT&T 和 R&D;"),
        ("indentation", "\xa0\xa0甲\xa0\n\t\n乙", "甲\n\n乙"),
        ("spaces", "他说：Ｍｙ ｄｅａｒ ｆｒｉｅｎｄ 好", "他说：Ｍｙ ｄｅａｒ ｆｒｉｅｎｄ 好"),
        ("missing", "甲□乙\ue003丙", "甲□乙\ue003丙"),
        ("controls", "\uf967\u2f33", "\uf967\u2f33"),
        ("full_width", "阿Ｑ在１９１１年，说：Ｎｏ！", "阿Q在1911年，说：No！"),
        ("separators", "```\n甲\n```\n────────\n　　\n", "甲\n　　\n"),
    ],
)
def test_further_dirt(name, dirty, expected):
    assert apply(name, dirty) == expected


def test_hundreds_of_hard_spaces_leave_paragraphs():
    fragment = "<br>\n<br>\n".join("&nbsp;" * 4 + line for line in PROSE)
    novel, report = clean(fragment)
    assert novel.chapters[0].paragraphs == PROSE
    assert {rule.name: rule.changes for rule in report.rules}["entities"] == 4 * len(PROSE)


def test_what_is_lost_is_counted_and_stays():
    text = book() + "\n他姓□，名\ue003\ue004，字\ufffd。"
    novel, report = clean(text)
    changes = {rule.name: (rule.changes, rule.removed_characters) for rule in report.rules}
    assert changes["missing"] == (2, 0)
    assert changes["damage"] == (1, 0)
    assert novel.text.endswith("他姓□，名\ue003\ue004，字\ufffd。")


def test_a_book_without_a_newline_gets_its_chapters():
    novel, report = clean(book(6).replace("\n", ""))
    assert len(novel.chapters) == 6
    assert {rule.name: rule.changes for rule in report.rules}["line_breaks"] >= 11


def test_what_changes_the_authors_characters_is_off_unless_asked_for():
    off = {name for name, rule in RULES.items() if not rule.default}
    assert off == {"full_width", "near_duplicates", "simplify"}
    text = book() + "\n阿Ｑ是１９１１年来的。"
    assert clean(text)[0].text == text
    assert clean(text, rules=["full_width"])[0].text.endswith("阿Q是1911年来的。")


def test_every_rule_has_a_title_in_chinese_and_can_be_named():
    for name, rule in RULES.items():
        assert rule.name == name
        assert any("\u4e00" <= character <= "\u9fff" for character in rule.title)
    with pytest.raises(InputError, match="simplify"):
        clean(book(), rules=["no such rule"])


@pytest.mark.parametrize(
    "text",
    [
        "." * 100_000,
        "<!--" * 20_000,
        "<script>" * 10_000,
        "-->" + "<a " * 20_000,
        "目录\n" * 10_000,
        "1\n" * 20_000,
        "第一章\n" * 5_000,
        "Project Gutenberg\n" + "*** START OF " * 10_000,
        "“" + '"甲' * 20_000,
    ],
    ids=lambda text: text[:12],
)
def test_no_rule_takes_the_square_of_the_length(text):
    for name in NAMES:
        start = time.process_time()
        apply(name, text)
        assert time.process_time() - start < 3, name
