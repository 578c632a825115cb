"""Hard-wrapped lines: every layout comes back, and what is not wrapped stays as it is."""

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novelkit.cleaning.unwrap import unwrap

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))

from chapters_wrapping import LAYOUTS, judge, wrap_paragraph

NOVEL = Path(__file__).resolve().parents[1] / "assets" / "novel" / "novel.txt"
PARAGRAPHS = [line for line in NOVEL.read_text(encoding="utf-8").split("\n") if line][:400]
BY_NAME = {layout.name: layout for layout in LAYOUTS}
MARKED = [name for name in BY_NAME if "indented" in name or "empty" in name]
CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpus"
VERSE = ["山外青山楼外楼，", "西湖歌舞几时休。", "暖风熏得游人醉，", "直把他乡作故乡。"]


def share_right(layout, width, paragraphs=PARAGRAPHS):
    counts = judge(*layout.page(paragraphs, width))
    return (counts[0] + counts[2]) / sum(counts)


@pytest.mark.parametrize("width", [20, 27, 34, 40])
@pytest.mark.parametrize("name", MARKED)
def test_marked_paragraphs_come_back(name, width):
    assert share_right(BY_NAME[name], width) >= 0.995


@pytest.mark.parametrize("width", [20, 34, 40])
@pytest.mark.parametrize("name", sorted(set(BY_NAME) - set(MARKED)))
def test_without_a_mark_most_line_ends_come_back(name, width):
    assert share_right(BY_NAME[name], width) >= 0.98


@settings(max_examples=25, deadline=None)
@given(
    start=st.integers(0, 250),
    width=st.integers(20, 40),
    name=st.sampled_from(MARKED),
)
def test_any_stretch_at_any_width(start, width, name):
    paragraphs = PARAGRAPHS[start : start + 120]
    assert share_right(BY_NAME[name], width, paragraphs) >= 0.99


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from([*PARAGRAPHS[:30], "", "　　", *VERSE, "第一章　夜雨", "A b"])))
def test_no_character_is_lost(lines):
    text = "\n".join(lines)
    result, pairs = unwrap(text)
    assert "".join(result.split()) == "".join(text.split())
    assert text.count("\n") - result.count("\n") >= len(pairs)


def wrapped(paragraphs, width, indent="　　"):
    return "\n".join(
        line for p in paragraphs for line in wrap_paragraph(indent + p, width, kinsoku=True)
    )


def test_one_wrapped_chapter_in_a_text_of_paragraphs():
    chapters = [PARAGRAPHS[i : i + 60] for i in range(1, 241, 60)]
    pages = [f"第{n}章　夜雨\n\n" for n in "一二三四"]
    bodies = ["\n".join("　　" + p for p in chapter) for chapter in chapters]
    bodies[2] = wrapped(chapters[2], 30)
    result, _ = unwrap("\n".join(map("".join, zip(pages, bodies, strict=True))))
    lines = [line.strip() for line in result.split("\n") if line.strip()]
    assert [line for line in lines if not line.startswith("第")] == [
        p for chapter in chapters for p in chapter if not p.startswith("第")
    ]


def test_chapters_of_different_widths():
    chapters = [PARAGRAPHS[i : i + 80] for i in range(1, 321, 80)]
    chapters = [[p for p in chapter if not p.startswith("第")] for chapter in chapters]
    text = "\n".join(
        f"第{n}章　夜雨\n\n{wrapped(chapter, width)}"
        for n, chapter, width in zip("一二三四", chapters, (24, 38, 30, 38), strict=True)
    )
    result, _ = unwrap(text)
    lines = [line.strip() for line in result.split("\n") if line.strip()]
    assert [line for line in lines if not line.startswith("第")] == sum(chapters, [])


def test_whole_paragraphs_stay_as_they_are():
    for gap in ("\n", "\n\n"):
        text = gap.join(PARAGRAPHS)
        assert unwrap(text) == (text, [])


def test_verse_inside_wrapped_prose_keeps_its_lines():
    prose = [p for p in PARAGRAPHS[1:80] if not p.startswith("第")]
    text = f"{wrapped(prose[:40], 30)}\n" + "\n".join("　　　　" + v for v in VERSE)
    result, _ = unwrap(f"{text}\n{wrapped(prose[40:], 30)}")
    lines = [line.strip() for line in result.split("\n")]
    assert lines == [*prose[:40], *VERSE, *prose[40:]]


def test_a_page_break_inside_a_sentence_is_closed():
    prose = [p for p in PARAGRAPHS[1:80] if not p.startswith("第")]
    lines = wrapped(prose, 30).split("\n")
    breaks = [n for n, line in enumerate(lines) if len(line) == 30 and line[-1] not in "。”！？"]
    for n in reversed(breaks[::10]):
        lines.insert(n + 1, "")
    result, _ = unwrap("\n".join(lines))
    assert [line.strip() for line in result.split("\n") if line.strip()] == prose


def test_latin_words_keep_a_space_where_a_line_is_rejoined():
    lines = wrapped([p for p in PARAGRAPHS[1:80] if not p.startswith("第")], 30).split("\n")
    lines[1:1] = ["　　" + "甲" * 20 + "，the old", "house，" + "乙" * 3 + "。"]
    result, _ = unwrap("\n".join(lines))
    assert "the old house，" in result


# A book of whole paragraphs, long enough that a few lines of one width mean nothing by themselves.
WHOLE = [p for p in PARAGRAPHS if not p.startswith("第")]
LONG = "雪后的城里没有一个行人，只有钟楼上的灯还亮着，" * 4 + "他想。"


def in_a_book(middle):
    """Lines in the middle of a book of whole paragraphs, with long ones right around them."""
    return "\n".join([*WHOLE[:150], LONG, *middle, LONG, *WHOLE[150:300]])


def middle_of(text):
    lines = text.split("\n")
    first, last = (n for n, line in enumerate(lines) if line == LONG)
    return lines[first + 1 : last]


def couplets(count, clause=7):
    """Verse with a couplet a line and no two alike: 甲子…，…。"""
    signs = "风花雪月山水云雨春秋江湖松竹梅兰"
    return [
        "".join(
            "".join(signs[(7 * n + 3 * k + i) % 16] for i in range(clause)) + mark
            for k, mark in enumerate("，。" * 2)
        )
        for n in range(count)
    ]


@pytest.mark.parametrize("clause", [5, 7])
def test_verse_of_two_couplets_a_line_in_a_book_of_paragraphs_stays(clause):
    text = in_a_book(couplets(60, clause))
    assert unwrap(text) == (text, [])


@pytest.mark.parametrize("ends", ["。", "，"])
def test_verse_of_one_clause_a_line_in_a_book_of_paragraphs_stays(ends):
    lines = [line[:16] for line in couplets(60, 15)]
    text = in_a_book([line[:15] + (ends if n % 2 else "。") for n, line in enumerate(lines)])
    assert unwrap(text) == (text, [])


def test_verse_as_wide_as_the_wrapped_prose_around_it_stays():
    verse = ["　　" + line for line in couplets(4, 7)]  # 32 hanzi and the indentation
    prose = WHOLE[:120]
    text = "\n".join([wrapped(prose[:60], 34), *verse, wrapped(prose[60:], 34)])
    lines = [line.strip() for line in unwrap(text)[0].split("\n")]
    assert lines == [*prose[:60], *couplets(4, 7), *prose[60:]]


def test_dialogue_of_lines_about_as_long_as_each_other_stays():
    said = [f"“{'一二三四五六七八九十' * 2}{n % 10}你到底去不去？”" for n in range(80)]
    text = in_a_book(said)
    assert unwrap(text) == (text, [])


LETTER = (
    "自从去年冬天离开故乡以后我一直没有写信给你不是忘了而是不知道从什么地方说起才好，"
    "这里的雪比家里的大得多路上常常十天半月看不见一个人只有驿站的马铃声在夜里响着。"
    "前天有人从南边来带来了你们的消息说母亲的眼睛已经看不清楚针线了我听了一夜没有睡着，"
    "打算等河面的冰化开就动身回来请你先把西屋的窗纸换一换再把我的那箱书晒一晒。"
)


def test_a_wrapped_letter_is_joined_inside_its_sentences_alone():
    lines = wrap_paragraph(LETTER * 4, 25, kinsoku=True)
    result = middle_of(unwrap(in_a_book(lines))[0])
    assert "".join(result) == LETTER * 4
    assert len(result) < len(lines) / 2
    assert all(line.endswith(("。", "，")) for line in result)


def test_a_letter_of_a_few_lines_is_no_evidence():
    text = in_a_book(wrap_paragraph(LETTER, 25, kinsoku=True))
    assert unwrap(text) == (text, [])


def test_no_paragraph_begins_with_a_comma():
    prose = WHOLE[:80]
    lines = wrapped(prose, 30).split("\n")
    lines[0:0] = ["　　雪下了一夜", "，城里没有人出门。"]
    assert unwrap("\n".join(lines))[0].strip().startswith("雪下了一夜，城里没有人出门。")


@pytest.mark.slow
@pytest.mark.skipif(not CORPUS.exists(), reason="needs the corpus")
def test_the_corpus_is_joined_only_where_its_sources_are_wrapped():
    """Five books hold wrapped letters, records and one wrapped story; a sample of each was read."""
    from cleaning import read_corpus

    joins = {name: unwrap(text)[1] for name, text in read_corpus(CORPUS).items()}
    joins = {name: pairs for name, pairs in joins.items() if pairs}
    assert set(joins) <= {"二刻拍案惊奇", "彷徨", "说岳全传", "醒世姻缘传", "隋唐演义"}
    assert sum(map(len, joins.values())) <= 400
    # Only the story and the longest record have lines enough to be joined behind a sentence.
    closers = "”’」』）"
    ended = {
        name: sum(line.rstrip(closers).endswith(tuple("。！？")) for line, _ in pairs)
        for name, pairs in joins.items()
    }
    assert {name for name, count in ended.items() if count} <= {"二刻拍案惊奇", "醒世姻缘传"}
    assert ended["醒世姻缘传"] <= 5


def test_parallel_prose_is_no_verse():
    parallel = "其为质则金玉不足喻其贵，其为性则冰雪不足喻其洁，"
    lines = wrapped(WHOLE[:80], 24).split("\n")
    lines[0:0] = [parallel, parallel.replace("质", "神"), "尽在于此。"]
    assert "喻其洁，其为神" in unwrap("\n".join(lines))[0]


def test_a_closer_alone_on_its_line_ends_the_paragraph():
    """Kept from beginning a line by no rule, it stands there where the line before is full."""
    speech = "“" + "他说雪还要下三天三夜，" * 2 + "到时候河也该封了。"
    width = len(speech)
    prose = "天黑以前他们总算赶到了镇上，客店里挤满了躲雪的人，连灶边都睡着三个脚夫。"
    paragraphs = [speech + "”", prose, speech + "”", prose + prose] * 12
    lines = [p[i : i + width] for p in paragraphs for i in range(0, len(p), width)]
    assert "”" in lines
    text, _ = unwrap("\n".join(lines))
    assert sum(line.startswith("”") or "”天黑" in line for line in text.split("\n")) == 0
