"""Repetition in characters: shares, loops and the commonest run, each against naive counting."""

from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from novelkit.scores.repetition import (
    distinct_share,
    longest_loop,
    most_repeated,
    repeated_share,
)

quick = settings(deadline=None, max_examples=200)
texts = st.text("天雪", max_size=24) | st.text("天地雪😀\n", max_size=40)
sizes = st.integers(1, 6)


def runs(text, n):
    return [text[at : at + n] for at in range(len(text)) if at + n <= len(text)]


# ---- shares


@quick
@given(texts, sizes)
def test_the_repeated_share_counts_runs_that_stood_earlier(text, n):
    earlier = [run in runs(text, n)[:at] for at, run in enumerate(runs(text, n))]
    assert repeated_share(text, n) == pytest.approx(sum(earlier) / len(earlier) if earlier else 0)


@quick
@given(texts, sizes)
def test_the_distinct_share_is_the_rest(text, n):
    different = len(set(runs(text, n)))
    expected = different / len(runs(text, n)) if runs(text, n) else 1
    assert distinct_share(text, n) == pytest.approx(expected)
    assert 0 <= distinct_share(text, n) <= 1
    assert distinct_share(text, n) + repeated_share(text, n) == pytest.approx(1)


@pytest.mark.parametrize(
    ("text", "n", "share"),
    [
        ("", 4, 0),
        ("天", 4, 0),
        ("天地玄黄", 4, 0),
        ("雪雪雪雪雪", 4, 1 / 2),
        ("天地天地", 2, 1 / 3),
        ("天地雪", 1, 0),
        ("雪雪雪", 1, 2 / 3),
    ],
)
def test_repeated_shares_by_hand(text, n, share):
    assert repeated_share(text, n) == pytest.approx(share)


@given(st.text("天地雪", min_size=4, max_size=20))
@quick
def test_what_is_said_twice_is_repeated_more(text):
    assert repeated_share(text + text) > repeated_share(text) or repeated_share(text) > 0.5
    assert repeated_share(text * 20) > 0.9 - 1 / len(text)


# ---- loops


def longest_loop_of(text, period):
    """Every stretch: the longest that is its own beginning again after at most `period`."""
    longest = 0
    for start in range(len(text)):
        for end in range(start + 2, len(text) + 1):
            stretch = text[start:end]
            steps = range(1, min(period, len(stretch) // 2) + 1)
            if any(stretch[step:] == stretch[:-step] for step in steps):
                longest = max(longest, len(stretch))
    return longest


@quick
@given(texts, st.integers(1, 12))
@example("天地天地天", 40)
@example("天" * 9, 1)
def test_the_longest_loop_is_that_of_every_stretch(text, period):
    assert longest_loop(text, period) == longest_loop_of(text, period)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("", 0),
        ("天", 0),
        ("天地", 0),
        ("天天", 2),
        ("天地天", 0),
        ("天地天地", 4),
        # What is left of the last round counts.
        ("天地天地天", 5),
        ("他走了，他走了，他走了", 11),
        ("雪" + "天地玄黄" * 3 + "夜", 12),
    ],
)
def test_loops_by_hand(text, length):
    assert longest_loop(text) == length


def test_a_passage_longer_than_the_period_is_no_loop():
    passage = "".join(chr(0x4E00 + at) for at in range(41))
    assert longest_loop(passage * 2) == 0
    assert longest_loop(passage * 2, 41) == 82
    assert longest_loop(passage[:40] * 2) == 80


@quick
@given(texts, st.text("天地雪", max_size=5))
def test_more_text_never_makes_a_loop_shorter(text, more):
    assert longest_loop(text + more) >= longest_loop(text)


# ---- the commonest run


@quick
@given(texts, sizes)
def test_the_commonest_run_stands_as_often_as_no_other(text, n):
    run, times = most_repeated(text, n)
    counts = Counter(runs(text, n))
    if not counts:
        assert (run, times) == ("", 0)
        return
    assert counts[run] == times == max(counts.values()) and len(run) == n


def test_of_equals_the_first_is_named():
    assert most_repeated("天地天地雪夜雪夜", 2) == ("天地", 2)
    assert most_repeated("天地玄黄") == ("天地玄黄", 1)


@pytest.mark.parametrize("measure", [repeated_share, distinct_share, most_repeated])
@pytest.mark.parametrize("n", [0, -1])
def test_runs_of_no_characters_are_refused(measure, n):
    with pytest.raises(ValueError, match=f"got {n}"):
        measure("天地", n)
