"""Copied passages against brute force: verbatim, complete, maximal.

The share is that of the characters that stand in at least one passage of `at_least` or more
characters that occurs in the training text.
"""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from novelkit.copying import AT_LEAST, find_copies

small = st.text("ab", max_size=40) | st.text("abc", max_size=40)


def brute_passages(text, training, at_least):
    """All (start, end) of maximal common substrings, by trying every one."""
    common = {
        (start, end)
        for start in range(len(text))
        for end in range(start + at_least, len(text) + 1)
        if text[start:end] in training
    }
    return {
        (start, end)
        for start, end in common
        if (start - 1, end) not in common and (start, end + 1) not in common
    }


@settings(deadline=None, max_examples=400)
@given(small, small, st.integers(1, 6))
# The second passage begins inside of the first: it must not lose its beginning.
@example("abcdefghij", "abcdef__cdefghij", 4)
# The longest one begins after the first window, at another place.
@example("aabab", "babxaab", 2)
def test_passages_are_those_of_brute_force(text, training, at_least):
    report = find_copies(text, training, at_least)
    expected = brute_passages(text, training, at_least)
    assert {(passage.start, passage.end) for passage in report.passages} == expected
    for passage in report.passages:
        assert passage.text == text[passage.start : passage.end]
        assert training.find(passage.text) == passage.source
    covered = {place for start, end in expected for place in range(start, end)}
    assert report.copied_characters == len(covered)
    assert report.share == (len(covered) / len(text) if text else 0.0)
    lengths = [len(passage.text) for passage in report.passages]
    assert lengths == sorted(lengths, reverse=True)
    longest = max((end - start for start, end in expected), default=0)
    assert len(report.longest.text if report.longest else "") == longest


@settings(max_examples=50)
@given(st.text(max_size=60), st.text(max_size=20), st.text(max_size=20))
def test_a_recited_text_is_copied_whole(text, before, after):
    report = find_copies(text, before + text + after, at_least=1)
    assert report.share == (1.0 if text else 0.0)


def test_new_text_is_not_copied():
    report = find_copies("春眠不觉晓，处处闻啼鸟。夜来风雨声", "白日依山尽，黄河入海流。欲穷千里目")
    assert (report.share, report.passages, report.longest) == (0.0, (), None)
    assert report.at_least == AT_LEAST and report.characters == 17


def test_a_shared_passage_just_below_the_limit_does_not_count():
    training = "他走到桥头，停了下来，回头看了看那条街。"
    below, enough = training[: AT_LEAST - 1] + "天", training[:AT_LEAST] + "天"
    assert find_copies(below, training).share == 0
    assert find_copies(enough, training).copied_characters == AT_LEAST


@pytest.mark.parametrize(("text", "training"), [("", ""), ("", "有"), ("有", "")])
def test_empty_texts_share_nothing(text, training):
    report = find_copies(text, training, at_least=1)
    assert (report.share, report.longest) == (0.0, None)


def test_surrogates_and_characters_outside_of_the_first_plane():
    text = "😀\ud800𠮷\0" * 5
    report = find_copies("前" + text, text + "后", at_least=4)
    assert report.longest.text == text and report.longest.start == 1


def test_the_first_place_in_the_training_text_is_named():
    report = find_copies("甲乙丙丁", "一甲乙丙丁二甲乙丙丁", at_least=3)
    assert [(passage.start, passage.source) for passage in report.passages] == [(0, 1)]


def test_texts_that_break_polynomial_hashes_are_told_apart():
    """Thue-Morse words of 2**11 letters collide modulo 2**64 for every odd multiplier."""
    word, other = "a", "b"
    for _ in range(11):
        word, other = word + other, other + word
    assert find_copies(word, other, at_least=len(word)).passages == ()
    assert find_copies(word, other + word, at_least=len(word)).share == 1


def test_a_long_repetition_is_one_passage():
    report = find_copies("哈" * 3000, "哈" * 5000)
    assert [(passage.start, passage.end) for passage in report.passages] == [(0, 3000)]


@pytest.mark.parametrize("at_least", [0, -1])
def test_a_limit_below_one_is_refused(at_least):
    with pytest.raises(ValueError):
        find_copies("甲", "甲", at_least)
