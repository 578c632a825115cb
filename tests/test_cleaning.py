"""Stage 03: each rule on its own dirt and on clean text, headings, chapters, JSONL, the account."""

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novelkit.cleaning import (
    RULES,
    Chapter,
    Novel,
    clean,
    parse_heading,
    read_jsonl,
    split_chapters,
    write_jsonl,
)
from novelkit.encoding import decode
from novelkit.errors import InputError

DIRTY = Path(__file__).resolve().parent.parent.parent / "shared" / "dirty"

PROSE = (
    "天还没有亮，他就起来把院子里的雪扫了一遍，又到井边挑了两担水，这才坐下来吃早饭。",
    "“你怎么又回来了？”她站在门口，手里还拿着那盏灯。",
    "老人不说话，只是看着河对面的山。看了很长时间，他才把烟袋收起来，慢慢地往回走，走到桥头又停下了。",
    "这条街从前是卖布的，后来布店一家一家都关了门，只剩下拐角上的一家茶馆，每天早上还冒着热气。",
    "“不去。”他说。",
    "孩子们在树下面跑来跑去，谁也没有注意到天黑了，直到有一家的母亲站在巷口，拉长了声音喊他们的名字。",
)


def book(chapters: int = 4) -> str:
    """A clean text in the layout that cleaning yields."""
    numerals = "一二三四五六七八九十"
    return "\n\n".join(
        f"第{numerals[i]}章　雪后的第{numerals[i]}天\n\n" + "\n".join(PROSE[i % 3 :] + PROSE)
        for i in range(chapters)
    )


def apply(name: str, text: str) -> str:
    return RULES[name].apply(text)


@pytest.mark.parametrize("name", RULES)
def test_a_clean_book_passes_every_rule_unchanged(name):
    assert apply(name, book()) == book()


@pytest.mark.parametrize("name", RULES)
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


@pytest.mark.parametrize(
    "line",
    [
        "更多精彩小说请访问 www.example.com",
        "本书下载自ｗｗｗ．ｅｘａｍｐｌｅ．ｃｏｍ",
        "（更多好看的小说，尽在 w w w . example . net）",
        "www。example。com 首发",
        "手机用户请到ｍ．ｅｘａｍｐｌｅ．ｃｏｍ阅读。",
        "更新时间:2007-11-16 7:55:51 本章字数:4804",
        "    本章字数：7529",
        "仅供读者预览，请在下载后24小时内删除，不得用作商业用途",
        "如有问题请发邮件到 someone@example.com",
    ],
)
def test_advertisements_go(line):
    dirty = f"{PROSE[0]}\n{line}\n{PROSE[2]}"
    assert apply("advertisements", dirty) == f"{PROSE[0]}\n{PROSE[2]}"


@pytest.mark.parametrize(
    "line",
    [
        "“你上 www.example.com 看看。”她说。",
        "他把手机放下，又看了一会儿小说，才去睡。",
        "更多的人站在雪里，谁也不说话。",
        "这本书是从旧货摊上买来的，版权页已经没有了。",
        "信上的更新他一个字也没有读懂。",
    ],
)
def test_story_lines_stay(line):
    text = "\n".join([*PROSE * 6, line, *PROSE * 6])
    assert apply("advertisements", text) == text


NARRATED = (
    "她在手机看书，不理人。",
    "小说来自生活，他常说。",
    "老师说24小时之内把照片删除。",
    "车站的广播响了：本站开往北京的列车免费提供热水。",
    "他把邮箱写在纸上：lihua@mail.com，让我有空写信。",
    "请购买正版软件，老师说。",
    "把这家店收藏起来，她说。",
    "本文来自一位老读者，编辑在信的开头写道。",
    "手机阅读伤眼睛，医生这样告诉她。",
    "门口的牌子上写着：收藏本站台纪念票，请到窗口。",
    "更多的小说还压在箱子底下，请他下载到新电脑里的只有这一部。",
    "他的公司叫sina.com，租在四楼。",
    "电子书是她自己制作的，封面上画着一只猫。",
    "墙上的通知说，版权归作者所有，稿费另付。",
    "仅供预览，经理说着把图纸卷了起来。",
    "那时候人们把互联网叫做WWW，听起来像风声。",
    "他在浏览器里输入www.example.com，按下回车，什么也没有。",
)


def test_what_a_narrator_may_write_stays_in_a_chapter():
    body = "\n".join("\n".join([*PROSE, line]) for line in NARRATED)
    text = f"第一章　雪夜\n\n{body}\n\n第二章　渡口\n\n{body.splitlines()[0]}"
    text = text.replace("\n", "\n\n")
    assert apply("advertisements", text) == text


@pytest.mark.parametrize("line", NARRATED)
def test_what_a_narrator_may_write_stays_in_the_smallest_file(line):
    text = f"{PROSE[0]}\n{line}\n{PROSE[2]}"
    assert apply("advertisements", text) == text


def test_what_a_narrator_may_write_stays_in_a_row():
    text = "\n".join(NARRATED)
    assert apply("advertisements", text) == text


def test_a_doubtful_phrase_counts_with_a_second_one_or_repeated():
    pages = [f"{line}{n}" for n in range(20) for line in PROSE]
    once = "\n".join([*pages[:60], "手机阅读更方便", *pages[60:]])
    assert apply("advertisements", once) == once
    for advertisement, times in (("手机阅读，请收藏本站", 1), ("手机阅读更方便", 3)):
        dirty = list(pages)
        for time in range(times):
            dirty.insert(40 + 10 * time, advertisement)
        assert apply("advertisements", "\n".join(dirty)) == "\n".join(pages)


def test_a_doubtful_phrase_counts_beside_another_at_a_file_end():
    pages = "\n".join(f"{line}{n}" for n in range(20) for line in PROSE)
    block = "手机阅读更方便\n\n请购买正版图书！"
    assert apply("advertisements", f"{block}\n{pages}").strip() == pages
    assert apply("advertisements", f"{pages}\n{block}").strip() == pages


def test_story_beside_an_advertisement_stays():
    story = "第一章　免费的午餐\n学习使人忘记时间。\n他在灯下阅读那封信"
    assert apply("advertisements", f"本书来自www.example.com\n{story}") == story


def test_a_short_sentence_of_the_story_survives_the_address_after_it():
    assert apply("advertisements", "他没有回头。www.example.com") == "他没有回头。"


def test_an_advertisement_at_the_end_of_a_paragraph_takes_only_its_sentence():
    assert apply("advertisements", PROSE[2] + "本站www.example.com") == PROSE[2]


def test_disclaimer_blocks_at_both_ends_go():
    block = (
        "-------------------\n更多TXT电子书下载,请访问:http://www.example.com\n"
        "版权声明：本站所有电子书本着交流学习的目的\n均由网友提供并更新，\n"
        "仅供读者研究学习，不得用作商业用途，\n如侵犯了您的版权,请通过Email或电话告知\n"
        "-------------------\n"
    )
    novel, _ = clean(block + book() + "\n" + block)
    assert novel.text == book()


def test_gutenberg_header_and_footer():
    text = (
        "The Project Gutenberg EBook of X\n\n*** START OF THIS PROJECT GUTENBERG EBOOK X ***\n"
        f"Produced by Nobody\n\n{PROSE[0]}\n\nEnd of the Project Gutenberg EBook of X\nlicence\n"
    )
    assert apply("gutenberg", text).strip() == PROSE[0]
    both = f"*** START OF THE PROJECT GUTENBERG EBOOK X ***\n{PROSE[0]}\n*** END OF THE PROJECT\n"
    assert (
        apply("gutenberg", both.replace("PROJECT\n", "PROJECT GUTENBERG EBOOK X ***\n"))
        == (PROSE[0])
    )


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


# --- wrapped lines --------------------------------------------------------------------------


def wrap(text: str, width: int, indent: str = "", gap: str = "\n") -> str:
    lines = []
    for paragraph in text.split("\n"):
        rest = indent + paragraph if paragraph and not paragraph.startswith("第") else paragraph
        while len(rest) > width:
            lines.append(rest[:width])
            rest = rest[width:]
        lines.append(rest)
    return gap.join(lines)


@pytest.mark.parametrize("width", [18, 25, 36])
@pytest.mark.parametrize("indent", ["　　", "    "])
def test_wrapped_lines_with_indentation_come_back_exactly(width, indent):
    novel, report = clean(wrap(book(8), width, indent))
    assert novel.text == book(8)
    assert {rule.name: rule.changes for rule in report.rules}["unwrap"] > 50


def test_wrapped_and_double_spaced_with_old_mac_newlines():
    long = "\n\n".join(
        f"第{n}回　雪夜\n\n" + "\n".join(line for line in PROSE * 2 if len(line) > 40)
        for n in "一二三四五六七八"
    )
    dirty = wrap(long, 24, "　　", "\r \r")
    assert clean(dirty)[0].text == long


def test_wrapped_paragraphs_between_blank_lines():
    paragraphs = [line for line in PROSE * 6 if len(line) > 40]
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
    lines = [line for line in PROSE * 6 if len(line) > 40]
    dirty = "\n".join(wrap(line, 22, "　　").replace("　　", "") for line in lines)
    assert list(clean(dirty)[0].chapters[0].paragraphs) == lines


# --- headings and chapters --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "unit", "number", "full"),
    [
        ("第一回　灵根育孕源流出　心性修持大道生", "回", 1, None),
        ("　　第 十二 章  雪夜", "章", 12, "第十二章　雪夜"),
        ("第一百零八回", "回", 108, None),
        ("第001回　楔子", "回", 1, None),
        ("第１２章：归来", "章", 12, "第１２章　归来"),
        ("第廿三节 渡口", "节", 23, "第廿三节　渡口"),
        ("正文 第一回 宴桃园豪杰三结义", "回", 1, "第一回　宴桃园豪杰三结义"),
        ("卷之二　丙丁", "卷", 2, None),
        ("卷一　七松园弄假成真", "卷", 1, None),
        ("第一回西王母瑤池開宴 天狼星月殿求姻", "回", 1, "第一回　西王母瑤池開宴　天狼星月殿求姻"),
        ("第2章 命命鸟 (1)", "章", 2, "第2章　命命鸟　(1)"),
        ("第八十—回　白蒁亭", "回", 81, None),
        ("第三章　谁在敲门？", "章", 3, None),
        ("楔子", "", None, None),
        ("番外三　旧信", "", None, None),
        ("尾声", "", None, None),
    ],
)
def test_headings(line, unit, number, full):
    heading = parse_heading(line)
    assert heading is not None
    assert (heading.unit, heading.number) == (unit, number)
    assert heading.full == (full or line)


@pytest.mark.parametrize(
    "line",
    [
        "第一回楔子上说的，就是他。",
        "第二天早上，他走了。",
        "第一次见面的时候，她还小。",
        "第三章里他写道：雪停了。",
        "第四回中既将薛家母子寄居等事略已表明，此回暂可不写了。",
        "序幕拉开了，谁也没有说话。",
        "卷起袖子就干",
        "番外国人也来了不少，站在码头上看。",
        "",
        "第" * 60,
    ],
)
def test_running_text_is_no_heading(line):
    assert parse_heading(line) is None


def test_a_broken_sentence_is_no_heading():
    broken = "他把那本书翻到很后面的地方，又翻回来，指着其中的\n第三章说道理给我听\n"
    assert len(split_chapters(f"{book(2)}\n{broken}{PROSE[1]}")) == 2


def test_sections_open_no_chapter_under_chapters_but_do_alone():
    sections = "\n".join(f"第{n}节 甲\n{PROSE[0]}" for n in "一二")
    nested = f"楔子\n{PROSE[2]}\n第一章 甲\n{sections}\n第二章 乙\n{sections}"
    titles = [chapter.title for chapter in split_chapters(nested)]
    assert titles == ["楔子", "第一章　甲", "第二章　乙"]
    assert [chapter.title for chapter in split_chapters(sections)] == ["第一节　甲", "第二节　甲"]


def test_volumes_stand_above_chapters():
    text = "\n".join(
        f"第{volume}卷 {name}\n第一章 甲\n{PROSE[0]}\n第二章 乙\n{PROSE[2]}"
        for volume, name in (("一", "春"), ("二", "秋"))
    )
    chapters = split_chapters(text)
    assert [(c.volume, c.title) for c in chapters] == [
        ("第一卷　春", "第一章　甲"),
        ("第一卷　春", "第二章　乙"),
        ("第二卷　秋", "第一章　甲"),
        ("第二卷　秋", "第二章　乙"),
    ]


def test_volumes_alone_are_chapters():
    text = "\n".join(f"第{n}卷　甲乙\n{PROSE[0]}" for n in "一二三")
    assert [c.title for c in split_chapters(text)] == [f"第{n}卷　甲乙" for n in "一二三"]


def test_the_title_may_stand_on_the_next_line():
    text = "\n".join(f"第{n}回\n甄士隐梦幻识通灵贾雨村风尘怀闺秀\n{PROSE[0]}" for n in "一二")
    titles = [chapter.title for chapter in split_chapters(text)]
    assert titles[0] == "第一回　甄士隐梦幻识通灵贾雨村风尘怀闺秀"
    bare = "\n".join(f"第{n}章\n{PROSE[1]}\n{PROSE[0]}" for n in "一二")
    assert [c.title for c in split_chapters(bare)] == ["第一章", "第二章"]


def test_text_before_the_first_heading_is_kept():
    chapters = split_chapters(f"{PROSE[0]}\n\n{book(2)}")
    assert chapters[0] == Chapter("", (PROSE[0],))
    assert len(chapters) == 3


def test_title_lines_without_numbers_are_found_by_the_layout():
    stories = "\n\n".join(f"{name}\n\n" + "\n".join(PROSE) for name in ("雪夜", "渡口", "旧信"))
    assert [c.title for c in split_chapters(stories)] == ["雪夜", "渡口", "旧信"]


def test_no_heading_is_one_chapter():
    novel, report = clean("\n".join(PROSE))
    assert len(novel.chapters) == 1
    assert novel.chapters[0].title == ""
    assert report.headings == 0


@pytest.mark.parametrize(
    ("head", "source", "title"),
    [
        ("《雪夜》\n作者：某人\n\n", {}, "雪夜"),
        ("雪夜（清）某人著\n\n", {}, "雪夜"),
        ("[雪夜 / 某人 著 ]\n\n", {}, "雪夜"),
        ("雪夜\n作者：某人\n\n", {"file": "x.txt"}, "雪夜"),
        ("", {"file": "/some/where/雪夜.txt"}, "雪夜"),
        ("", {"file": "《雪夜》全集.txt"}, "雪夜"),
    ],
)
def test_the_title_is_found_and_title_lines_leave_the_text(head, source, title):
    novel, _ = clean(head + book(), source=source)
    assert novel.title == title
    assert novel.text == book()


def test_the_title_given_wins():
    assert clean("《甲》\n" + book(), title="乙")[0].title == "乙"


# --- the whole ----------------------------------------------------------------------------------


def test_the_report_accounts_for_every_character():
    dirty = "\ufeff《雪夜》\r\n本书下载自www.example.com\r\n----------\r\n&nbsp;<b>" + wrap(
        book(8), 20, "　　"
    ).replace("\n", "\r\n")
    novel, report = clean(dirty, source={"file": "x.txt", "sha256": "0"})
    assert report.characters_before == len(dirty)
    assert report.characters_after == novel.characters == len(novel.text)
    removed = sum(rule.removed_characters for rule in report.rules)
    assert removed == report.characters_before - report.characters_after
    assert [rule.name for rule in report.rules] == [*RULES, "chapters"]
    assert report.headings == len(novel.chapters) == 8
    assert novel.source["sha256"] == "0"
    for rule in report.rules:
        assert len(rule.examples) <= 3
        assert bool(rule.examples) == bool(rule.changes) or rule.name == "chapters"
    assert json.loads(json.dumps(report.as_dict(), ensure_ascii=False))["headings"] == 8


@settings(max_examples=60, deadline=None)
@given(
    st.text(
        alphabet=st.sampled_from(
            "一二三第章回卷的人，。“” \u3000\n\r\t<br>&nbsp;-=w.com\ufffd\ufeff"
        ),
        max_size=400,
    )
)
def test_the_account_holds_for_anything(text):
    try:
        novel, report = clean(text)
    except InputError:
        return
    removed = sum(rule.removed_characters for rule in report.rules)
    assert removed == len(text) - len(novel.text)
    again, _ = clean(novel.text)
    assert again.text.count("\ufffd") == novel.text.count("\ufffd") == text.count("\ufffd")


def test_a_substitution_counts_every_change_and_shows_the_first_three():
    _, report = clean("　　" + f"\n　　{PROSE[0]}" * 7, rules=["indentation"])
    rule = report.rules[0]
    assert (rule.changes, len(rule.examples)) == (8, 3)


def test_rules_can_be_switched_off():
    dirty = "　　" + PROSE[0] + "\nwww.example.com\n" + PROSE[2]
    novel, report = clean(dirty, rules=["indentation"])
    assert novel.text == PROSE[0] + "\nwww.example.com\n" + PROSE[2]
    assert [rule.name for rule in report.rules] == ["indentation", "chapters"]
    with pytest.raises(InputError, match="nosuch"):
        clean(dirty, rules=["nosuch"])


def test_nothing_left_is_an_error():
    with pytest.raises(InputError):
        clean(" \n\n　　\nwww.example.com\n")


def test_jsonl_round_trip(tmp_path):
    novel = Novel(
        "雪夜",
        (Chapter("", ("前言",)), Chapter("第一章", ("“甲”\u2028乙", "\ufffd\\n"), "卷一")),
        {"file": "x.txt", "bytes": 3},
    )
    path = tmp_path / "novel.jsonl"
    write_jsonl(novel, path)
    assert read_jsonl(path) == novel
    assert [p.name for p in tmp_path.iterdir()] == ["novel.jsonl"]
    first = json.loads(path.read_text(encoding="utf-8").split("\n")[0])
    assert set(first) == {"novel", "chapter", "title", "volume", "paragraphs", "source"}
    assert first["chapter"] == 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda lines: [lines[0], lines[1][:-5], lines[2]],
        lambda lines: [lines[0], "[]", lines[2]],
        lambda lines: [lines[0], lines[1].replace('"paragraphs": [', '"paragraphs": [1, ')],
        lambda lines: [lines[0], lines[2]],
        lambda lines: [lines[0], lines[1].replace("雪夜", "别的"), lines[2]],
        lambda lines: [lines[0], "", lines[2]],
    ],
)
def test_a_malformed_line_is_named(tmp_path, damage):
    path = tmp_path / "novel.jsonl"
    write_jsonl(Novel("雪夜", tuple(Chapter(f"第{n}章", ("甲",)) for n in "一二三")), path)
    lines = path.read_text(encoding="utf-8").split("\n")[:3]
    path.write_text("\n".join(damage(lines)) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="第 2 行"):
        read_jsonl(path)


def test_a_missing_or_empty_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError):
        read_jsonl(tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(InputError):
        read_jsonl(tmp_path / "empty.jsonl")


# What is known of these books and can be counted in these very files.
CHAPTERS = {"s15": 120, "s18": 120, "s20": 100, "s22": 120, "s01": 108, "s02": 120}


@pytest.mark.skipif(not DIRTY.is_dir(), reason="the folder of downloaded files is not here")
def test_downloaded_books_have_the_chapters_they_are_known_for():
    with (DIRTY / "MANIFEST.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    seen = 0
    for row in rows:
        expected = CHAPTERS.get(row["file"][:3])
        if expected is None:
            continue
        novel, _ = clean(decode((DIRTY / row["file"]).read_bytes()))
        numbers = [parse_heading(c.title).number for c in novel.chapters if c.title]
        assert numbers == list(range(1, expected + 1)), row["file"]
        seen += 1
    assert seen == len(CHAPTERS)
