"""Who speaks in a novel, found by the verbs of saying."""

from pathlib import Path

import pytest

from novelkit.cleaning import Chapter, Novel
from novelkit.cleaning.speakers import find_speakers

ASSETS = Path(__file__).parents[1] / "assets"


def speakers(*paragraphs, count=1):
    return find_speakers(Novel("书", (Chapter("", paragraphs),)), count)


@pytest.mark.parametrize(
    "paragraph",
    [
        "宝玉道：“好。”",
        "听了这话。宝玉笑道：“好。”",
        "宝玉忙又冷笑道：“好。”",
        "“好。”宝玉说。",
        "「好。」宝玉問，",
        "宝玉说，“好。”",
        "宝玉大怒喝道：“好。”",
    ],
)
def test_whoever_stands_before_a_verb_of_saying_speaks(paragraph):
    assert speakers(paragraph) == {"宝玉": 1}


@pytest.mark.parametrize(
    "name", ["方鸿渐", "何玉凤", "高俅", "于禁", "向问天", "齐国远", "连巨真", "武大"]
)
def test_surnames_that_are_words_too_are_no_hindrance(name):
    assert speakers(f"听了这话，{name}道：“好。”") == {name: 1}


def test_traditional_novels_have_speakers_too():
    assert speakers("寶玉說：「好。」", "「好。」寶玉說。") == {"寶玉": 2}


def test_how_somebody_laughs_is_no_part_of_the_name():
    assert speakers("操大笑曰：“好。”") == {}


@pytest.mark.parametrize(
    "paragraph",
    [
        "众人道：“好。”",
        "他便笑道：“好。”",
        "一面说道：“好。”",
        "大声喝道：“好。”",
        "高声喝道：“好。”",
        "众人齐声道：“好。”",
        "那人说，“好。”",
        "两人走在那条道上。",
        "宝玉听了，不说话。",
        "",
    ],
)
def test_pronouns_crowds_and_manners_are_no_names(paragraph):
    assert speakers(paragraph) == {}


def test_the_most_frequent_comes_first_and_the_rare_are_left_out():
    lines = ["黛玉道：“好。”"] * 3 + ["宝玉道：“好。”"] * 5 + ["紫鹃道：“好。”"]
    assert list(speakers(*lines, count=2).items()) == [("宝玉", 5), ("黛玉", 3)]


def test_the_speakers_of_the_bundled_novel_are_its_cast():
    text = (ASSETS / "novel" / "novel.txt").read_text(encoding="utf-8")
    found = list(speakers(*text.splitlines(), count=3))
    assert found[:4] == ["岑海", "童雁", "贺连升", "马有财"]
