"""Stage 03, headings and chapters: what opens a chapter, what only looks like it."""

import csv

import pytest
from helpers_cleaning import DIRTY, PROSE, book

from novelkit.cleaning import Chapter, clean, parse_heading, split_chapters
from novelkit.encoding import decode


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
        headings = [parse_heading(c.title) for c in novel.chapters if c.title]
        numbers = [h.number for h in headings if h and h.number is not None]
        assert numbers == list(range(1, expected + 1)), row["file"]
        seen += 1
    assert seen == len(CHAPTERS)
