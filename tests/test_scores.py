"""Scores: n-gram anchors against a plain re-implementation, known values, units, errors."""

import math
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novelkit.errors import InputError
from novelkit.scores import (
    UNSEEN_CHARACTERS,
    bits_per_character,
    compressor_loss,
    measure_anchors,
    ngram_losses,
)

CHAPTERS = sorted((Path(__file__).resolve().parents[1] / "assets/novel/chapters").glob("*"))

training_texts = st.text("abcd", min_size=1, max_size=40)
held_out_texts = st.text("abcdyz", min_size=1, max_size=20)


def plain_losses(training, held_out, order):
    """Witten-Bell as the textbook writes it, with dictionaries, one character at a time."""
    followers = defaultdict(Counter)
    for length in range(1, order + 1):
        for end in range(length, len(training) + 1):
            gram = training[end - length : end]
            followers[length, gram[:-1]][gram[-1]] += 1

    def probability(character, history, length):
        if length == 0:
            return 1 / UNSEEN_CHARACTERS
        lower = probability(character, history[1:], length - 1)
        seen = followers.get((length, history))
        if not seen:
            return lower
        kinds = len(seen)
        return (seen[character] + kinds * lower) / (seen.total() + kinds)

    losses = []
    for order_now in range(1, order + 1):
        total = 0.0
        for place, character in enumerate(held_out):
            length = min(order_now, place + 1)
            history = held_out[place - length + 1 : place]
            total -= math.log(probability(character, history, length))
        losses.append(total / len(held_out))
    return losses


@settings(deadline=None)
@given(training_texts, held_out_texts, st.integers(1, 4))
def test_losses_equal_those_of_a_plain_implementation(training, held_out, order):
    assert ngram_losses(training, held_out, order) == pytest.approx(
        plain_losses(training, held_out, order), rel=1e-9
    )


def conditional(training, history, character, order):
    """P(character | history) out of the public losses of two texts."""
    whole = ngram_losses(training, history + character, order)[-1] * (len(history) + 1)
    before = ngram_losses(training, history, order)[-1] * len(history) if history else 0.0
    return math.exp(before - whole)


@settings(deadline=None, max_examples=40)
@given(training_texts, st.text("abcz", max_size=3), st.integers(1, 3))
def test_probabilities_sum_to_one_over_the_vocabulary(training, history, order):
    known = set(training)
    total = sum(conditional(training, history, character, order) for character in known)
    unseen = conditional(training, history, "未", order)
    assert total + (UNSEEN_CHARACTERS - len(known)) * unseen == pytest.approx(1, rel=1e-9)


def test_values_worked_out_by_hand():
    uniform = 1 / UNSEEN_CHARACTERS
    # "aab": a twice and b once, 2 kinds. After a: a once and b once, 2 kinds.
    a = (2 + 2 * uniform) / 5
    b = (1 + 2 * uniform) / 5
    b_after_a = (1 + 2 * b) / 4
    unigram, bigram = ngram_losses("aab", "ab", 2)
    assert unigram == pytest.approx(-(math.log(a) + math.log(b)) / 2, rel=1e-12)
    assert bigram == pytest.approx(-(math.log(a) + math.log(b_after_a)) / 2, rel=1e-12)
    # Nothing follows b: the bigram falls back to the unigram.
    assert ngram_losses("aab", "ba", 2)[0] == pytest.approx(ngram_losses("aab", "ba", 2)[1])
    # A character that was never seen: the share kept for the unseen, spread evenly.
    assert ngram_losses("aab", "z", 1)[0] == pytest.approx(-math.log(2 * uniform / 5), rel=1e-12)


@pytest.mark.skipif(not CHAPTERS, reason="the bundled novel is not here")
def test_on_a_real_novel_each_anchor_is_below_the_one_before():
    texts = [path.read_text(encoding="utf-8") for path in CHAPTERS]
    training, held_out = "".join(texts[:-1]), texts[-1]
    anchors = measure_anchors(training, held_out)
    assert math.log(UNSEEN_CHARACTERS) > anchors.uniform > anchors.unigram > anchors.bigram
    assert anchors.xz > 0
    assert anchors.uniform == pytest.approx(math.log(len(set(training))))


def test_repeated_text_is_cheap_and_new_text_is_dear():
    training = "人之初，性本善。性相近，习相远。" * 30
    known, new = training[:80], "云腾致雨，露结为霜。金生丽水，玉出昆冈。" * 4
    assert compressor_loss(training, known) < 0.5 < 2 < compressor_loss(training, new)
    for cheap, dear in zip(ngram_losses(training, known), ngram_losses(training, new), strict=True):
        assert 0 < cheap < dear
    assert ngram_losses(training, known)[2] < ngram_losses(training, known)[0]


@settings(max_examples=25, deadline=None)
@given(st.text(min_size=1, max_size=60), st.text(min_size=1, max_size=60))
def test_anchors_are_finite_for_every_two_texts(training, held_out):
    anchors = measure_anchors(training, held_out).as_dict()
    assert set(anchors) == {"uniform", "unigram", "bigram", "trigram", "xz"}
    assert all(math.isfinite(value) and value >= 0 for value in anchors.values())


@pytest.mark.parametrize(("training", "held_out"), [("a", "b"), ("a", "ab"), ("ab", "a")])
def test_texts_shorter_than_the_order(training, held_out):
    assert all(math.isfinite(loss) for loss in ngram_losses(training, held_out, 3))


@pytest.mark.parametrize(("training", "held_out"), [("", "a"), ("a", ""), ("", "")])
def test_an_empty_text_is_refused(training, held_out):
    for measure in (measure_anchors, ngram_losses):
        with pytest.raises(InputError, match="空的"):
            measure(training, held_out)


def test_an_order_that_does_not_fit_into_64_bits_is_refused():
    characters = "".join(chr(code) for code in range(0x4E00, 0x4E00 + 20_000))
    with pytest.raises(ValueError, match="64 bits"):
        ngram_losses(characters, "一", order=5)
    assert len(ngram_losses(characters, "一", order=4)) == 4


def test_bits_per_character_is_comparable_between_tokenizers():
    assert bits_per_character(math.log(2), tokens=10, characters=10) == pytest.approx(1)
    # Half as many tokens, each twice as dear: the same text at the same price.
    assert bits_per_character(2.0, 50, 100) == pytest.approx(bits_per_character(1.0, 100, 100))
    assert bits_per_character(3.0, 0, 5) == 0


@pytest.mark.parametrize(("tokens", "characters"), [(5, 0), (5, -1), (-1, 5)])
def test_bits_per_character_refuses_impossible_counts(tokens, characters):
    with pytest.raises(ValueError):
        bits_per_character(1.0, tokens, characters)
