"""Stage 03, punctuation: marks beside hanzi become full-width, all else stays as it is."""

import pytest
from helpers_cleaning import apply, book
from hypothesis import given, settings
from hypothesis import strategies as st

from novelkit.cleaning import clean


@pytest.mark.parametrize(
    ("dirty", "expected"),
    [
        ("他来了,又走了.", "他来了，又走了。"),
        ("他说:“好!”", "他说：“好！”"),
        ("谁?“我;你.”", "谁？“我；你。”"),
        ("甲, 乙", "甲，乙"),
        ("他用iPhone,她不用", "他用iPhone，她不用"),
        ("共3人,又5人", "共3人，又5人"),
        ("伯(喜否)逃遁", "伯（喜否）逃遁"),
        ("好...不好", "好……不好"),
        ("好。。。不好", "好……不好"),
        ("好・・・不好", "好……不好"),
        ("没…没有", "没……没有"),
        ("他走了。。她也走了，，", "他走了。她也走了，"),
        ("他--她----谁", "他——她——谁"),
        ("他──她", "他——她"),
        ('他说:"好."又走了', "他说：“好。”又走了"),
        ("“甲'乙'丙”", "“甲‘乙’丙”"),
        ('“此计甚善。"话分两头', "“此计甚善。”话分两头"),
        ("＂甲＂", "“甲”"),
        ("﹁押司。﹂︵宋江︶", "「押司。」（宋江）"),
    ],
)
def test_marks_beside_hanzi(dirty, expected):
    assert apply("punctuation", dirty) == expected


@pytest.mark.parametrize(
    "text",
    [
        "圆周率是3.14，时间是12:30，比分2:1。",
        "他写道：Hello, world. It's me (again)!",
        "见 http://www.example.com/a.html?b=1 一页。",
        "「你来了。」『是。』",
        "头上只挽着?儿，坐在炕里边",  # a lost character and no question
        "约翰.史密斯来了。",
        "第一章.雪夜",
        "1.甲\n2.乙",
        "一席话——他没有再说……",
        "第八十—回",
        '他身高6"又3',
        '他说:“甲"乙"丙'.replace(":", "："),
        '"甲\n乙"',
        "什么！！！为什么？？",
        "阿Ｑ在１９１１年",
        "他 : )",
        "don't 他 don't",
        "《商调·醋葫芦》",
        "……………",
    ],
)
def test_doubtful_marks_stay(text):
    assert apply("punctuation", text) == text


def test_a_mark_that_a_text_uses_throughout_is_its_own():
    text = "他是谁?她又是谁?他们都不说话,只是看着?她笑了."
    assert apply("punctuation", text) == "他是谁？她又是谁？他们都不说话，只是看着？她笑了。"


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.sampled_from("天地人”“‘’\"'…—-。，,.!?:;()（）aB1 \n"), max_size=60))
def test_hanzi_letters_and_lines_are_never_touched(text):
    def skeleton(value):
        return [character for character in value if character.isalnum() or character == "\n"]

    once = apply("punctuation", text)
    assert skeleton(once) == skeleton(text)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.sampled_from("天地人，。！“”"), max_size=60))
def test_full_width_text_without_doubled_marks_is_clean(text):
    for mark in "，。":
        while 2 * mark in text:
            text = text.replace(2 * mark, mark)
    assert apply("punctuation", text) == text


def test_every_change_is_counted():
    _, report = clean(book() + "\n他来了,又走了...她说(小声):好!")
    changes = {rule.name: (rule.changes, rule.removed_characters) for rule in report.rules}
    assert changes["punctuation"] == (5, 1)
