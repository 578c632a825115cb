"""The exercises of notebook 01: right answers pass, usual mistakes fail with a helpful hint."""

from random import Random

import pytest
from helpers_exercises import assert_right, assert_wrong, exercises_of

EXERCISES = exercises_of("01_download")


# What a transfer may come to; each must occur in every draw, since one draw grades a class.
@pytest.mark.parametrize("seed", range(20))
def test_every_verdict_is_asked_for(seed):
    cases = EXERCISES["judge_transfer"].hidden_cases(Random(seed))
    verdicts = {case.expected for case in cases}
    assert verdicts == {"出错", "网页", "断了", "空的", "不确定", "完整"}


RESUME_RIGHT = """
def resume_headers(received, etag):
    if received == 0 or not etag or etag.startswith("W/"):
        return {}
    return {"Range": f"bytes={received}-", "If-Range": etag}
"""
RESUME = {
    "one too late": (RESUME_RIGHT.replace("{received}", "{received + 1}"), "正好是第 n 号"),
    "the last byte again": (RESUME_RIGHT.replace("{received}", "{received - 1}"), "正好是第 n 号"),
    "no proof asked for": (RESUME_RIGHT.replace("not etag or ", ""), "证明不了还是同一个文件"),
    "weak taken for strong": (
        RESUME_RIGHT.replace(' or etag.startswith("W/")', ""),
        "弱 ETag",
    ),
    "a rest of nothing": (RESUME_RIGHT.replace("received == 0 or ", ""), "没有“接着”可言"),
    "no If-Range": (RESUME_RIGHT.replace(', "If-Range": etag', ""), "If-Range"),
}
JUDGE_RIGHT = """
def judge_transfer(status, announced, received, first_bytes):
    start = bytes(first_bytes).strip().lower()
    if status != 200:
        return "出错"
    if start.startswith((b"<!doctype html", b"<html")):
        return "网页"
    if announced is not None and received < announced:
        return "断了"
    if received == 0:
        return "空的"
    if announced is None:
        return "不确定"
    return "完整"
"""
JUDGE = {
    "case of letters": (JUDGE_RIGHT.replace(".lower()", ""), "不分大小写"),
    "white space": (JUDGE_RIGHT.replace(".strip()", ""), "去掉开头的空白"),
    "None compared": (JUDGE_RIGHT.replace("announced is not None and ", ""), "None 不能和数比较"),
    "None is complete": (JUDGE_RIGHT.replace("announced is None", "False"), "证明不了完整"),
    "status never looked at": (JUDGE_RIGHT.replace("status != 200", "status >= 500"), "先看状态码"),
    "length never looked at": (
        JUDGE_RIGHT.replace("received < announced", "False"),
        "少了就是断了",
    ),
}
NAME_RIGHT = """
def repair_member_name(shown):
    try:
        raw = shown.encode("cp437")
    except UnicodeEncodeError:
        return shown
    for codec in ("utf-8", "gb18030"):
        try:
            return raw.decode(codec)
        except UnicodeDecodeError:
            pass
    return shown
"""
NAME = {
    "only GBK": (NAME_RIGHT.replace('"utf-8", "gb18030"', '"gb18030",'), "先试它"),
    "GBK first": (NAME_RIGHT.replace('"utf-8", "gb18030"', '"gb18030", "utf-8"'), "先试它"),
    "directions swapped": (
        'def repair_member_name(shown):\n    return shown.encode("gb18030").decode("cp437")\n',
        "方向别反了",
    ),
    "no look whether it is right": (
        NAME_RIGHT.replace("except UnicodeEncodeError", "except KeyError"),
        "本来就没错",
    ),
    "errors ignored": (
        NAME_RIGHT.replace("decode(codec)", 'decode(codec, errors="ignore")'),
        "不写 errors='ignore'",
    ),
}


@pytest.mark.parametrize(
    ("code", "said"),
    [
        pytest.param(*wrong, id=f"{function}: {mistake}")
        for function, mistakes in (
            ("resume_headers", RESUME),
            ("judge_transfer", JUDGE),
            ("repair_member_name", NAME),
        )
        for mistake, wrong in mistakes.items()
    ],
)
def test_a_usual_mistake_fails_with_a_helpful_hint(code, said):
    assert_wrong(code, said, EXERCISES, seeds=5)


@pytest.mark.parametrize("code", [RESUME_RIGHT, JUDGE_RIGHT, NAME_RIGHT])
def test_the_answers_that_the_mistakes_are_made_from_are_right(code):
    assert_right(code, EXERCISES)
