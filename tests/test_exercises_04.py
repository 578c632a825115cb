"""The exercises of notebook 04: right answers pass, usual mistakes fail with a helpful hint."""

from random import Random

import pytest
from helpers_exercises import assert_right, assert_wrong, exercises_of

EXERCISES = exercises_of("04_tokenizing")


def test_there_are_four():
    assert len(EXERCISES) == 4


# Properties of the answers themselves, which the reference must have as any answer.


@pytest.mark.parametrize("seed", range(10))
def test_longest_match_gives_every_character_back(seed):
    cases = EXERCISES["longest_match"].hidden_cases(Random(seed))
    assert all("".join(case.expected) == case.arguments[0] for case in cases)
    assert any(len(piece) > 2 for case in cases for piece in case.expected)


@pytest.mark.parametrize("seed", range(10))
def test_the_ids_of_the_byte_fallback_spell_the_text(seed):
    spelled = 0
    for case in EXERCISES["encode_with_bytes"].hidden_cases(Random(seed)):
        text, characters = case.arguments
        raw = b"".join(
            bytes([i]) if i < 256 else characters[i - 256].encode("utf-8") for i in case.expected
        )
        assert raw.decode("utf-8") == text
        spelled += sum(i < 256 for i in case.expected)
    assert spelled > 10


@pytest.mark.parametrize("seed", range(10))
def test_every_token_but_the_first_is_a_target_once(seed):
    for case in EXERCISES["cut_blocks"].hidden_cases(Random(seed)):
        if not isinstance(case.expected, list):
            continue
        tokens, context = case.arguments
        inputs = [token for block, _ in case.expected for token in block]
        targets = [token for _, block in case.expected for token in block]
        assert inputs == tokens[:-1] and targets == tokens[1:]
        assert all(1 <= len(i) == len(t) <= context for i, t in case.expected)


@pytest.mark.parametrize("seed", range(10))
def test_the_mean_of_the_tokens_names_the_wrong_tokenizer(seed):
    winners = []
    for case in EXERCISES["compare_on_same_text"].hidden_cases(Random(seed)):
        first, second, characters = case.arguments
        bits = [
            case.expected[side] * characters / len(p)
            for side, p in zip(("first", "second"), (first, second), strict=True)
        ]
        by_token = "first" if bits[0] < bits[1] else "second"
        assert case.expected["better"] != by_token
        winners.append(case.expected["better"])
    assert set(winners) == {"first", "second"}


MATCH_RIGHT = """
def longest_match(text, words):
    pieces = []
    i = 0
    while i < len(text):
        found = text[i]
        for word in words:
            if text.startswith(word, i) and len(word) > len(found):
                found = word
        pieces.append(found)
        i += len(found)
    return pieces
"""
MATCH = {
    "first of the list": (
        MATCH_RIGHT.replace("len(word) > len(found)", "len(found) == 1"),
        "取最长的那个",
    ),
    "shortest": (
        MATCH_RIGHT.replace(
            "len(word) > len(found)", "(len(found) == 1 or len(word) < len(found))"
        ),
        "取最长的那个",
    ),
    "unknown characters lost": (
        MATCH_RIGHT.replace("pieces.append(found)", "pieces += [found] * (found in words)"),
        "单独切出来",
    ),
    "overlapping": (MATCH_RIGHT.replace("i += len(found)", "i += 1"), "从它后面接着切"),
    "white space dropped": (
        MATCH_RIGHT.replace("while", "text = ''.join(text.split())\n    while"),
        "一字不差",
    ),
}
BYTES_RIGHT = """
def encode_with_bytes(text, characters):
    ids = []
    for c in text:
        if c in characters:
            ids.append(256 + characters.index(c))
        else:
            ids += list(c.encode("utf-8"))
    return ids
"""
BYTES = {
    "from 0": (BYTES_RIGHT.replace("256 + ", ""), "第一个字的编号是 256"),
    "ord": (BYTES_RIGHT.replace('list(c.encode("utf-8"))', "[ord(c)]"), "encode('utf-8')"),
    "GBK": (
        BYTES_RIGHT.replace('"utf-8"', '"gb18030"'),
        "encode('utf-8')",
    ),
    "unknown token": (BYTES_RIGHT.replace('list(c.encode("utf-8"))', "[0]"), "encode('utf-8')"),
    "line feed dropped": (
        BYTES_RIGHT.replace("in text:", "in text.strip().replace('\\n', ''):"),
        "空格和换行也是字",
    ),
}
BLOCKS_RIGHT = """
def cut_blocks(tokens, context):
    if context < 1:
        raise ValueError("context")
    blocks = []
    for start in range(0, len(tokens) - 1, context):
        end = min(start + context, len(tokens) - 1)
        blocks.append([tokens[start:end], tokens[start + 1:end + 1]])
    return blocks
"""
BLOCKS = {
    "not shifted": (BLOCKS_RIGHT.replace("start + 1:end + 1", "start:end"), "往后挪一个词元"),
    "tail dropped": (
        BLOCKS_RIGHT.replace("len(tokens) - 1, context)", "len(tokens) - context, context)"),
        "也要留下",
    ),
    "a token between blocks": (
        BLOCKS_RIGHT.replace("1, context)", "1, context + 1)"),
        "不是再往后一个",
    ),
    "inputs longer than targets": (
        BLOCKS_RIGHT.replace("tokens[start:end]", "tokens[start:start + context]").replace(
            "len(tokens) - 1, context)", "len(tokens), context)"
        ),
        "往后挪一个词元",
    ),
    "no refusal": (
        BLOCKS_RIGHT.replace("if context < 1", "if context is None"),
        "raise ValueError",
    ),
}
COMPARE_RIGHT = """
import math
def compare_on_same_text(first, second, characters):
    a = -sum(math.log2(p) for p in first) / characters
    b = -sum(math.log2(p) for p in second) / characters
    return {"first": a, "second": b, "better": "first" if a < b else "second"}
"""
COMPARE = {
    "per token": (
        COMPARE_RIGHT.replace("first) / characters", "first) / len(first)").replace(
            "second) / characters", "second) / len(second)"
        ),
        "除以字数",
    ),
    "nats": (COMPARE_RIGHT.replace("log2", "log"), "单位是比特"),
    "no sign": (COMPARE_RIGHT.replace("-sum", "sum"), "负号"),
    "product": (
        COMPARE_RIGHT.replace("sum(math.log2(p) for p in first)", "math.log2(math.prod(first))"),
        "下溢",
    ),
    "more is better": (COMPARE_RIGHT.replace("a < b", "a > b"), "别忘了负号"),
}


@pytest.mark.parametrize(
    ("code", "said"),
    [
        pytest.param(*wrong, id=f"{function}: {mistake}")
        for function, mistakes in (
            ("longest_match", MATCH),
            ("encode_with_bytes", BYTES),
            ("cut_blocks", BLOCKS),
            ("compare_on_same_text", COMPARE),
        )
        for mistake, wrong in mistakes.items()
    ],
)
def test_a_usual_mistake_fails_with_a_helpful_hint(code, said):
    assert_wrong(code, said, EXERCISES, seeds=5)


@pytest.mark.parametrize("code", [MATCH_RIGHT, BYTES_RIGHT, BLOCKS_RIGHT, COMPARE_RIGHT])
def test_the_answers_that_the_mistakes_are_made_from_are_right(code):
    assert_right(code, EXERCISES)
