"""The exercises of notebook 03: right answers pass, usual mistakes fail with a helpful hint."""

from itertools import combinations
from random import Random

import pytest
from helpers_exercises import assert_right, assert_wrong, exercises_of, hidden
from hypothesis import given
from hypothesis import strategies as st

from novelkit.cleaning.numerals import parse_number

EXERCISES = exercises_of("03_cleaning")


# One draw grades a class, so every hint's kind must be in it.
@pytest.mark.parametrize("function", EXERCISES)
@pytest.mark.parametrize("seed", range(5))
def test_every_kind_of_mistake_is_looked_for(function, seed):
    exercise = EXERCISES[function]
    assert {case.hint for case in exercise.hidden_cases(Random(seed))} == set(exercise.hints)


def test_numbers_that_are_certain_agree_with_the_library():
    cases = hidden(EXERCISES["heading_number"], 300)
    known = [case for case in cases if case.expected is not None]
    assert len(known) > 100
    for case in known:
        assert parse_number(*case.arguments) == case.expected


@given(st.lists(st.integers(1, 5), max_size=9))
def test_the_chain_is_the_longest_and_the_last_of_its_length(numbers):
    chains = [
        list(indexes)
        for size in range(len(numbers) + 1)
        for indexes in combinations(range(len(numbers)), size)
        if [numbers[index] for index in indexes] == list(range(1, size + 1))
    ]
    longest = max(map(len, chains))
    # Compared from the first element on: the last one is also the last in every element.
    last = max(chain for chain in chains if len(chain) == longest)
    assert EXERCISES["consistent_headings"].reference(numbers) == last


NUMBER_RIGHT = """
import re
DIGITS = {c: n for n, c in enumerate("零一二三四五六七八九")} | {"〇": 0}
def heading_number(numeral):
    numeral = numeral.replace("廿", "二十").replace("卅", "三十")
    if numeral and all(c in DIGITS for c in numeral):
        return int("".join(str(DIGITS[c]) for c in numeral))
    d = "[一二三四五六七八九]"
    if not numeral or not re.fullmatch(f"({d}?百)?([零〇]{d}|{d}?十{d}?)?", numeral):
        return None
    if numeral[0] in "零〇":
        return None
    total, digit = 0, 0
    for c in numeral:
        if c in "十百":
            total, digit = total + (digit or 1) * (10 if c == "十" else 100), 0
        else:
            digit = DIGITS[c]
    return total + digit
"""
NUMBER = {
    "no bare ten": (NUMBER_RIGHT.replace("(digit or 1)", "digit"), "就是一个十"),
    "廿 forgotten": (NUMBER_RIGHT.replace('.replace("廿", "二十")', ""), "廿 = 二十"),
    "〇 forgotten": (NUMBER_RIGHT.replace(' | {"〇": 0}', ""), "一位一位念"),
    "any order": (NUMBER_RIGHT.replace("re.fullmatch(", "re.match("), "不要猜"),
    "doubtful guessed": (
        NUMBER_RIGHT.replace("([零〇]{d}|", "([零〇]?{d}|"),
        "说不准就返回 None",
    ),
    "empty": (
        'def heading_number(numeral):\n    return {"十二": 12}.get(numeral, 0)\n',
        "廿 = 二十",
    ),
}
CHAIN_RIGHT = """
def consistent_headings(numbers):
    longest = 0
    for number in numbers:
        if number == longest + 1:
            longest = number
    chain = []
    for index in reversed(range(len(numbers))):
        if longest and numbers[index] == longest:
            chain.insert(0, index)
            longest -= 1
    return chain
"""
FORWARD = """
def consistent_headings(numbers):
    chain = []
    for index, number in enumerate(numbers):
        if number == len(chain) + 1:
            chain.append(index)
    return chain
"""
CHAIN = {
    "the contents taken": (FORWARD, "目录在前，正文在后"),
    "numbers and not indexes": (
        CHAIN_RIGHT.replace("insert(0, index)", "insert(0, numbers[index])"),
        "从 1 开始",
    ),
    "any rise": (FORWARD.replace("number == len(chain) + 1", "number > len(chain)"), "大 1"),
    "backwards": (CHAIN_RIGHT.replace("insert(0, index)", "append(index)"), "大 1"),
    "the largest number": (
        CHAIN_RIGHT.replace("number == longest + 1", "number > longest"),
        "大 1",
    ),
}
JOIN_RIGHT = """
def join_indented(lines):
    found, opens = [], True
    for line in lines:
        text = line.strip(" \\u3000\\t")
        if not text:
            opens = True
        elif opens or line[0] in " \\u3000\\t":
            found.append(text)
            opens = False
        else:
            seam = found[-1][-1] + text[0]
            gap = " " if seam.isascii() and seam.isalnum() else ""
            found[-1] += gap + text
    return found
"""
JOIN = {
    "trailing blanks kept": (
        JOIN_RIGHT.replace('line.strip(" \\u3000\\t")', 'line.lstrip(" \\u3000\\t")'),
        "去掉每一行两头的空白",
    ),
    "empty lines ignored": (
        JOIN_RIGHT.replace("opens = True\n        el", "pass\n        el"),
        "结束一段",
    ),
    "empty paragraphs": (
        JOIN_RIGHT.replace("opens = True\n        el", 'found.append("")\n        el'),
        "本身不是段落",
    ),
    "Latin glued": (JOIN_RIGHT.replace('" " if', '"" if'), "补一个半角空格"),
    "a space at every seam": (JOIN_RIGHT.replace("seam.isascii() and ", ""), "开始新的一段"),
    "only full-width indentation": (
        JOIN_RIGHT.replace('line[0] in " \\u3000\\t"', 'line[0] == "\\u3000"'),
        "前面没有可接的行",
    ),
    "the first line lost": (
        JOIN_RIGHT.replace("found, opens = [], True", "found, opens = [], False"),
        "第一行没有缩进",
    ),
}
SPLIT_RIGHT = """
def split_counts(lengths, shares):
    if len(lengths) < 3:
        raise ValueError
    total, whole = sum(lengths), sum(shares)
    def nearest(share, first, last):
        best = first
        for cut in range(first, last + 1):
            off = abs(sum(lengths[:cut]) * whole - total * share)
            if off < abs(sum(lengths[:best]) * whole - total * share):
                best = cut
        return best
    train = nearest(shares[0], 1, len(lengths) - 2)
    both = nearest(shares[0] + shares[1], train + 1, len(lengths) - 1)
    return [train, both - train, len(lengths) - both]
"""
SPLIT = {
    "chapters counted, not characters": (
        SPLIT_RIGHT.replace("sum(lengths[:cut])", "cut")
        .replace("sum(lengths[:best])", "best")
        .replace("sum(lengths),", "len(lengths),"),
        "累计字数",
    ),
    "the later of two": (SPLIT_RIGHT.replace("off <", "off <="), "取靠前的切点"),
    "no test": (SPLIT_RIGHT.replace("len(lengths) - 1)", "len(lengths))"), "至少一章"),
    "the second share alone": (
        SPLIT_RIGHT.replace("shares[0] + shares[1]", "shares[1]"),
        "也从书的开头累计",
    ),
    "too few": (SPLIT_RIGHT.replace("raise ValueError", "return [1, 1, 0]"), "raise ValueError"),
}


@pytest.mark.parametrize("code", [NUMBER_RIGHT, CHAIN_RIGHT, JOIN_RIGHT, SPLIT_RIGHT])
def test_another_right_answer_passes(code):
    assert_right(code, EXERCISES)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        pytest.param(*wrong, id=f"{function}: {mistake}")
        for function, mistakes in (
            ("heading_number", NUMBER),
            ("consistent_headings", CHAIN),
            ("join_indented", JOIN),
            ("split_counts", SPLIT),
        )
        for mistake, wrong in mistakes.items()
    ],
)
def test_a_usual_mistake_fails_with_a_helpful_hint(code, said):
    assert_wrong(code, said, EXERCISES, seeds=5)
