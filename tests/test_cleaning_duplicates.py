"""Stage 03, what stands in a book twice: copies go, refrains and verses stay."""

import pytest
from helpers_cleaning import PROSE, apply, book, pages

from novelkit.cleaning import clean
from novelkit.cleaning.near_duplicates import containment, shingle_hashes


def chapters(count: int, size: int = 10) -> list[str]:
    lines = pages(count * size)
    return [
        f"第{'一二三四五六七八'[i]}章　雪{i}\n\n" + "\n".join(lines[size * i : size * (i + 1)])
        for i in range(count)
    ]


@pytest.mark.parametrize(
    ("copy", "kept"),
    [
        (lambda text: text, 0),
        (lambda text: text[: len(text) // 2], 0),
        (lambda text: text.replace("雪2", "雪二", 1), 0),
        (lambda text: text.replace("第三章", "第七章", 1), 0),
        (lambda text: text.replace("他", "她"), 0),
    ],
)
def test_the_second_copy_of_a_chapter_goes(copy, kept):
    parts = chapters(5)
    dirty = "\n\n".join([*parts[:4], copy(parts[2]), parts[4]])
    cleaned = apply("duplicate_chapters", dirty)
    assert cleaned.replace("\n\n\n", "\n\n") == "\n\n".join(parts), kept


def test_of_two_copies_the_broken_one_goes_though_it_is_first():
    parts = chapters(4)
    broken = parts[1][: len(parts[1]) // 3]
    dirty = "\n\n".join([parts[0], broken, *parts[1:]])
    novel, report = clean(dirty)
    assert novel.text == "\n\n".join(parts)
    assert {rule.name: rule.changes for rule in report.rules}["duplicate_chapters"] == 1


def test_a_heading_printed_twice_stands_once():
    parts = chapters(4)
    dirty = "\n\n".join([*parts[:2], "第三章　雪2", *parts[2:]])
    assert clean(dirty)[0].text == "\n\n".join(parts)


def test_different_chapters_under_one_number_stay():
    parts = chapters(4)
    text = "\n\n".join([*parts[:3], parts[3].replace("第四章", "第三章")])
    assert apply("duplicate_chapters", text) == text


def test_repeated_paragraphs_go_once():
    lines = pages(40)
    dirty = "\n".join([*lines[:20], *lines[12:20], *lines[20:]])
    assert apply("duplicate_paragraphs", dirty) == "\n".join(lines)
    long = "".join(lines[:3])
    twice = "\n".join([*lines[:9], long, *lines[9:20], long, *lines[20:]])
    assert apply("duplicate_paragraphs", twice) == "\n".join(
        [*lines[:9], long, *lines[9:20], *lines[20:]]
    )


def test_a_line_twice_in_a_row_goes_a_cry_stays():
    text = "\n".join([PROSE[0], PROSE[0], "“快跑！”", "“快跑！”", PROSE[2]])
    expected = "\n".join([PROSE[0], "“快跑！”", "“快跑！”", PROSE[2]])
    assert apply("duplicate_paragraphs", text) == expected


def test_refrains_and_poems_stay():
    poem = [
        "白日依山尽，黄河入海流。",
        "欲穷千里目，更上一层楼。",
        "独在异乡为异客，每逢佳节倍思亲。",
    ]
    refrain = "毕竟不知后来又生出什么事，且听下回分解。"
    lines = pages(60)
    text = "\n".join(
        [*lines[:20], *poem, refrain, *lines[20:40], *poem, refrain, *lines[40:], *poem, PROSE[0]]
    )
    assert apply("duplicate_paragraphs", text) == text


def test_nearly_equal_paragraphs_go_only_when_asked():
    lines = pages(60, shortest=45)
    near = lines[10].replace("。", "，", 1) + "了"
    dirty = "\n".join([*lines[:50], near, *lines[50:]])
    distinct = [
        f"{line}{''.join(chr(0x4E00 + 97 * n + 13 * k) for k in range(60))}"
        for n, line in enumerate(lines)
    ]
    assert "near_duplicates" not in [rule.name for rule in clean(dirty)[1].rules]
    assert near in clean(dirty)[0].text
    copy = distinct[10].replace("。", "，", 1)
    text = "\n".join([*distinct[:50], copy, *distinct[50:]])
    assert apply("near_duplicates", text) == "\n".join(distinct)


def test_shingles_see_order_and_containment():
    one, other = PROSE[2], PROSE[5]
    assert containment(one, one) == 1.0
    assert containment(one, other) == 0.0
    assert containment(one[:20], one + other) == 1.0
    assert containment("", one) == 0.0
    assert len(shingle_hashes(one)) == len(one) - 4
    assert len(set(shingle_hashes(book()).tolist())) > 100
