"""The exercises of notebook 02: right answers pass, usual mistakes fail with a helpful hint."""

from random import Random

import pytest
from helpers_exercises import assert_right, assert_wrong, exercises_of

EXERCISES = exercises_of("02_encoding")


@pytest.mark.parametrize("seed", range(20))
def test_every_draw_asks_for_each_kind_of_answer(seed):
    """One draw grades a class, so that none may leave a rule unasked."""
    undone = [case.expected for case in EXERCISES["undo_mojibake"].hidden_cases(Random(seed))]
    assert None in undone and sum(text is not None for text in undone) >= 3
    chosen = [case.expected for case in EXERCISES["choose_codec"].hidden_cases(Random(seed))]
    assert {None, "utf-8", "gb18030", "latin-1"} <= set(chosen)
    switches = EXERCISES["find_switch"].hidden_cases(Random(seed))
    assert any(case.expected == 0 for case in switches)
    assert any(case.expected == len(case.arguments[0]) for case in switches)
    assert any(0 < case.expected < len(case.arguments[0]) for case in switches)
    cuts = EXERCISES["cut_utf8"].hidden_cases(Random(seed))
    moved = {
        min(limit, len(data)) - cut.expected for cut in cuts for data, limit in [cut.arguments]
    }
    assert {0, 1} <= moved


UNDO_RIGHT = """
def undo_mojibake(shown, wrong, true):
    if "\\ufffd" in shown:
        return None
    try:
        return shown.encode(wrong).decode(true)
    except UnicodeError:
        return None
"""
UNDO = {
    "directions swapped": (
        UNDO_RIGHT.replace("encode(wrong).decode(true)", "encode(true).decode(wrong)"),
        "先 encode(wrong)",
    ),
    "the mark taken for a character": (UNDO_RIGHT.replace('"\\ufffd" in shown', "False"), "丢了"),
    "errors ignored": (
        UNDO_RIGHT.replace("decode(true)", "decode(true, errors='ignore')"),
        "不是这样读错的",
    ),
    "only the decoding can fail": (
        UNDO_RIGHT.replace("UnicodeError", "UnicodeDecodeError"),
        "写不出这些字",
    ),
}
CHOOSE_RIGHT = """
def choose_codec(data, codecs, common):
    best, best_share = None, -1
    for codec in codecs:
        try:
            text = bytes(data).decode(codec)
        except UnicodeDecodeError:
            continue
        share = sum(c in common for c in text) / max(1, len(text))
        if share > best_share:
            best, best_share = codec, share
    return best
"""
CHOOSE = {
    "a count and no share": (CHOOSE_RIGHT.replace(" / max(1, len(text))", ""), "比的是占比"),
    "errors ignored": (CHOOSE_RIGHT.replace("(codec)", "(codec, 'ignore')"), "一个都解不开"),
    "the first that reads": (
        CHOOSE_RIGHT.replace("        share = ", "        return codec\n        share = "),
        "比的是占比",
    ),
    "the last of equals": (CHOOSE_RIGHT.replace("share >", "share >="), "取第一个解得开的"),
    "nothing common is nothing": (CHOOSE_RIGHT.replace("-1", "0"), "不是 None"),
    "no characters": (CHOOSE_RIGHT.replace("max(1, len(text))", "len(text)"), "一个字节也没有"),
}
CUT_RIGHT = """
def cut_utf8(data, limit):
    if limit >= len(data):
        return len(data)
    while 128 <= data[limit] < 192:
        limit -= 1
    return limit
"""
CUT = {
    "no look at the length": (CUT_RIGHT.replace("limit >= len(data)", "False"), "不用切"),
    "three bytes a character": (
        "def cut_utf8(data, limit):\n    return min(limit, len(data)) // 3 * 3\n",
        "就不要退",
    ),
    "the byte before the cut": (CUT_RIGHT.replace("data[limit]", "data[limit - 1]"), "就不要退"),
    "one step only": (CUT_RIGHT.replace("while", "if"), "续字节"),
    "every high byte": (CUT_RIGHT.replace(" < 192", ""), "就不要退"),
}
SWITCH_RIGHT = """
def find_switch(data):
    place = 0
    for line in bytes(data).splitlines(keepends=True):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError:
            return place
        place += len(line)
    return place
"""
SWITCH = {
    "newlines forgotten": (
        SWITCH_RIGHT.replace("splitlines(keepends=True)", "split(b'\\n')"),
        "换行符",
    ),
    "the first bad byte": (
        """
def find_switch(data):
    try:
        bytes(data).decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    return len(data)
""",
        "那一行的起点",
    ),
    "the number of the line": (SWITCH_RIGHT.replace("place += len(line)", "place += 1"), "换行符"),
    "always a switch": (SWITCH_RIGHT.removesuffix("place\n") + "-1\n", "没有换编码"),
}
RIGHT = {
    "undo_mojibake": (UNDO_RIGHT, UNDO),
    "choose_codec": (CHOOSE_RIGHT, CHOOSE),
    "cut_utf8": (CUT_RIGHT, CUT),
    "find_switch": (SWITCH_RIGHT, SWITCH),
}


@pytest.mark.parametrize(
    ("code", "said"),
    [
        pytest.param(*wrong, id=f"{function}: {mistake}")
        for function, (_, mistakes) in RIGHT.items()
        for mistake, wrong in mistakes.items()
    ],
)
def test_a_usual_mistake_fails_with_a_helpful_hint(code, said):
    assert_wrong(code, said, EXERCISES, seeds=5)


@pytest.mark.parametrize("function", RIGHT)
def test_the_answers_that_the_mistakes_are_made_from_are_right(function):
    assert_right(RIGHT[function][0], EXERCISES)
