"""The measurement of cleaning itself: its similarity is that of difflib, its lists hold."""

import difflib
import random
import sys
from pathlib import Path

import pytest
from helpers_cleaning import book, pages

from novelkit.cleaning import split_chapters

sys.path.insert(0, str(Path(__file__).resolve().parent / "benchmarks"))

import cleaning as benchmark
from cleaning_equality import differences, pair_chapters, similarity
from cleaning_sites import INVENTED, NARRATED


def test_equal_and_foreign_texts():
    text = "".join(pages(30))
    assert similarity(text, text) == 1.0
    assert similarity("甲乙丙", "丁戊己") == 0.0
    assert similarity("", "") == 1.0


def test_every_edit_costs_what_it_costs_in_difflib():
    random.seed(3)
    text = "".join(random.choice("天地玄黄宇宙洪荒日月盈昃辰宿列张") for _ in range(1500))
    for _ in range(5):
        other = list(text)
        for _ in range(30):
            place = random.randrange(len(other))
            other[place : place + random.randrange(3)] = random.choice("甲乙丙") * random.randrange(
                3
            )
        changed = "".join(other)
        expected = difflib.SequenceMatcher(None, text, changed, autojunk=False).ratio()
        assert similarity(text, changed) == pytest.approx(expected, abs=0.01)


def test_differences_name_what_is_on_either_side():
    text = "".join(pages(12))
    other = text.replace("茶馆", "酒楼", 1) + "多出来的"
    assert differences(text, other) == [("茶馆", "酒楼"), ("", "多出来的")]


def test_chapters_are_paired_by_number_and_by_content():
    truth = split_chapters(book(6))
    pairs = pair_chapters(truth, truth[1:4])
    assert [(pair.title, pair.similarity) for pair in pairs] == [(c.title, 1.0) for c in truth[1:4]]
    bare = split_chapters("\n".join(truth[2].paragraphs))
    assert [pair.title for pair in pair_chapters(truth, bare)] == [truth[2].title]


@pytest.mark.parametrize("name", INVENTED)
def test_what_was_learned_from_invented_sites_stays_learned(name):
    kept = [line for line in INVENTED[name] if not benchmark.is_dropped(line, 1)]
    assert not kept


def test_narrated_lines_stay():
    assert not [line for line in NARRATED if benchmark.is_dropped(line, 1)]


def test_unlearning_takes_a_kind_away_and_gives_it_back():
    line = "本章未完，请点击下一页继续阅读！"
    with benchmark.unlearned({"paging"}):
        assert not benchmark.is_dropped(line, 1)
    assert benchmark.is_dropped(line, 1)
