"""Scores: n-gram anchors against a plain re-implementation, known values, units, errors."""

import math
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novelkit.errors import InputError
from novelkit.scores import (
    ANCHOR_NAMES,
    UNSEEN_CHARACTERS,
    Anchors,
    bits_per_character,
    compressor_loss,
    measure_anchors,
    ngram_losses,
)
from novelkit.scores.ngrams import estimate_discounts

CHAPTERS = sorted((Path(__file__).resolve().parents[1] / "assets/novel/chapters").glob("*"))

training_texts = st.text("abcd", min_size=1, max_size=40)
held_out_texts = st.text("abcdyz", min_size=1, max_size=20)


def plain_losses(training, held_out, order):
    """The model as the paper writes it, with dictionaries, one character at a time: modified
    Kneser-Ney, over Witten-Bell at the single characters."""
    counts = [Counter() for _ in range(order + 2)]
    for length in range(1, order + 2):
        for end in range(length, len(training) + 1):
            counts[length][training[end - length : end]] += 1
    before = [Counter() for _ in range(order + 1)]
    for length in range(1, order + 1):
        before[length].update(gram[1:] for gram in counts[length + 1])
        if len(training) >= length:
            before[length][training[:length]] += 1

    def probability(character, history, table, length):
        if length == 0:
            return 1 / UNSEEN_CHARACTERS
        seen = {gram: n for gram, n in table[length].items() if gram[:-1] == history}
        lower = probability(character, history[1:], before, length - 1)
        total = sum(seen.values())
        if not seen:
            return lower
        count = seen.get(history + character, 0)
        if length == 1:
            return (count + len(seen) * lower) / (total + len(seen))
        take = plain_discounts(list(table[length].values()))
        taken = sum(take[min(n, 3)] for n in seen.values())
        return (count - take[min(count, 3)] + taken * lower) / total

    losses = []
    for order_now in range(1, order + 1):
        total = 0.0
        for place, character in enumerate(held_out):
            length = min(order_now, place + 1)
            history = held_out[place - length + 1 : place]
            # A text shorter than the n-gram counts nothing: the longest there is stands alone.
            while not counts[length]:
                length, history = length - 1, history[1:]
            total -= math.log(probability(character, history, counts, length))
        losses.append(total / len(held_out))
    return losses


def plain_discounts(counts):
    n1, n2, n3, n4 = (counts.count(number) for number in (1, 2, 3, 4))
    found = [0, 0.5, 1.0, 1.5]
    if n1 and n2 and n3 and n4:
        y = n1 / (n1 + 2 * n2)
        estimates = [0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3]
        for count in (1, 2, 3):
            if 0 < estimates[count] <= count:
                found[count] = estimates[count]
    return found


@settings(deadline=None)
@given(training_texts, held_out_texts, st.integers(1, 5))
def test_losses_equal_those_of_a_plain_implementation(training, held_out, order):
    assert ngram_losses(training, held_out, order) == pytest.approx(
        plain_losses(training, held_out, order), rel=1e-9
    )


def skewed_text(characters, seed):
    """Letters of unequal frequency, so that all counts from one up to hundreds occur."""
    rng = random.Random(seed)
    return "".join(chr(97 + min(int(rng.expovariate(0.25)), 25)) for _ in range(characters))


def test_losses_equal_those_of_a_plain_implementation_where_discounts_are_estimated():
    training, held_out = skewed_text(800, 1), skewed_text(60, 2) + "未"
    for length in (2, 3):
        grams = [training[at : at + length] for at in range(len(training) - length + 1)]
        found = estimate_discounts(np.array(list(Counter(grams).values())))
        assert not set(found[1:].tolist()) & {0.5, 1.0, 1.5}
    assert ngram_losses(training, held_out, 3) == pytest.approx(
        plain_losses(training, held_out, 3), rel=1e-9
    )


def test_discounts_worked_out_by_hand():
    # 4 grams once, 2 twice, 1 three times, 1 four times: Y = 4 / (4 + 2 * 2) = 1/2.
    counts = np.array([1, 1, 1, 1, 2, 2, 3, 4, 9])
    assert estimate_discounts(counts).tolist() == [0, 0.5, 1.25, 1.0]
    # Without a gram that occurs four times there is no estimate.
    assert estimate_discounts(counts[:7]).tolist() == [0, 0.5, 1.0, 1.5]
    # Where the estimate is negative (3 - 4 * 100/102 * 1), a gram would get more than it has.
    odd = np.array([*[1] * 100, 2, 3, 4])
    assert estimate_discounts(odd) == pytest.approx([0, 1 - 2 * 100 / 102 / 100, 1.0, 1.5])


def conditional(training, history, character, order):
    """P(character | history) out of the public losses of two texts."""
    whole = ngram_losses(training, history + character, order)[-1] * (len(history) + 1)
    before = ngram_losses(training, history, order)[-1] * len(history) if history else 0.0
    return math.exp(before - whole)


@settings(deadline=None, max_examples=40)
@given(training_texts, st.text("abcz", max_size=5), st.integers(1, 5))
def test_probabilities_sum_to_one_over_the_vocabulary(training, history, order):
    known = set(training)
    total = sum(conditional(training, history, character, order) for character in known)
    unseen = conditional(training, history, "未", order)
    assert total + (UNSEEN_CHARACTERS - len(known)) * unseen == pytest.approx(1, rel=1e-9)


@pytest.mark.parametrize("history", ["", "a", "ba", "aab", "abab", "zzzz", "未aab"])
def test_probabilities_sum_to_one_where_discounts_are_estimated(history):
    training = skewed_text(3000, 3)
    known = set(training)
    total = sum(conditional(training, history, character, 5) for character in known)
    unseen = conditional(training, history, "未", 5)
    assert total + (UNSEEN_CHARACTERS - len(known)) * unseen == pytest.approx(1, rel=1e-9)


def test_more_kinds_than_the_uniform_guess_has():
    """The share of each is then one of those kinds: nothing sums to more than one."""
    characters = "".join(map(chr, range(0x20000, 0x20000 + UNSEEN_CHARACTERS + 1000)))
    (loss,) = ngram_losses(characters, characters, 1)
    assert loss == pytest.approx(math.log(len(characters)), rel=1e-12)


def test_values_worked_out_by_hand():
    uniform = 1 / UNSEEN_CHARACTERS
    # "ababcb": a twice, b three times, c once, 3 kinds.
    a, b = (2 + 3 * uniform) / 9, (3 + 3 * uniform) / 9
    # b stands after a and after c, a after b and at the beginning, c after b: 5 in all.
    b_as_follower = (2 + 3 * uniform) / 8
    # a is followed by b, twice; a count of two gives up 1.
    b_after_a = (2 - 1) / 2 + 1 / 2 * b_as_follower
    unigram, bigram = ngram_losses("ababcb", "ab", 2)
    assert unigram == pytest.approx(-(math.log(a) + math.log(b)) / 2, rel=1e-12)
    assert bigram == pytest.approx(-(math.log(a) + math.log(b_after_a)) / 2, rel=1e-12)
    # A character that was never seen: the share kept for the unseen, spread evenly.
    assert ngram_losses("aab", "z", 1)[0] == pytest.approx(-math.log(2 * uniform / 5), rel=1e-12)


@pytest.mark.skipif(not CHAPTERS, reason="the bundled novel is not here")
def test_on_a_real_novel_each_anchor_is_below_the_one_before():
    texts = [path.read_text(encoding="utf-8") for path in CHAPTERS]
    training, held_out = "".join(texts[:-1]), texts[-1]
    anchors = measure_anchors(training, held_out)
    assert math.log(UNSEEN_CHARACTERS) > anchors.uniform > anchors.unigram > anchors.bigram
    # Longer histories help even on a short book: that is what the smoothing is for.
    assert anchors.bigram > anchors.trigram > anchors.fivegram > 0
    assert anchors.bigram < anchors.xz < anchors.unigram
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
    assert set(anchors) == set(ANCHOR_NAMES)
    assert all(math.isfinite(value) and value >= 0 for value in anchors.values())


@pytest.mark.parametrize(("training", "held_out"), [("a", "b"), ("a", "ab"), ("ab", "a")])
def test_texts_shorter_than_the_order(training, held_out):
    losses = ngram_losses(training, held_out, 3)
    assert len(losses) == 3 and all(math.isfinite(loss) for loss in losses)


@pytest.mark.parametrize(("training", "held_out"), [("", "a"), ("a", ""), ("", "")])
def test_an_empty_text_is_refused(training, held_out):
    for measure in (measure_anchors, ngram_losses, compressor_loss):
        with pytest.raises(InputError, match="空的"):
            measure(training, held_out)


def test_orders_of_any_length_over_any_number_of_characters():
    """20,000 characters to the power of 5 do not fit into 64 bits; grams are numbered instead."""
    characters = "".join(map(chr, range(0x4E00, 0x4E00 + 20_000)))
    losses = ngram_losses(characters * 2, characters[:3000], order=40)
    # Every character but the first follows from the one before it.
    assert losses[0] == pytest.approx(math.log(20_000), rel=0.1)
    assert losses[39] < losses[1] < 1
    with pytest.raises(ValueError, match="order"):
        ngram_losses("ab", "a", order=0)


def test_bits_per_character_is_comparable_between_tokenizers():
    assert bits_per_character(math.log(2), tokens=10, characters=10) == pytest.approx(1)
    # Half as many tokens, each twice as dear: the same text at the same price.
    assert bits_per_character(2.0, 50, 100) == pytest.approx(bits_per_character(1.0, 100, 100))
    assert bits_per_character(3.0, 0, 5) == 0


@pytest.mark.parametrize(("tokens", "characters"), [(5, 0), (5, -1), (-1, 5)])
def test_bits_per_character_refuses_impossible_counts(tokens, characters):
    with pytest.raises(ValueError):
        bits_per_character(1.0, tokens, characters)


def test_xz_costs_what_the_text_adds_to_the_training_text():
    """As long as its UTF-16 is repeated within reach, a text costs next to nothing."""
    training = "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(20_000))
    assert compressor_loss(training, training[:2000]) < 0.1
    # The same characters where they are new cost about what a uniform guess does.
    assert compressor_loss(training[:18_000], training[18_000:]) > 5


def test_each_anchor_is_the_order_that_its_name_says():
    training, held_out = skewed_text(3000, 4), skewed_text(500, 5)
    anchors, losses = measure_anchors(training, held_out), ngram_losses(training, held_out, 5)
    assert len(set(losses)) == 5
    expected = [losses[0], losses[1], losses[2], losses[4]]
    assert [anchors.unigram, anchors.bigram, anchors.trigram, anchors.fivegram] == expected
    assert anchors.xz == compressor_loss(training, held_out)


def test_an_anchor_is_named_wherever_it_is_shown():
    assert set(Anchors.__dataclass_fields__) == set(ANCHOR_NAMES)
    names = [name for pair in ANCHOR_NAMES.values() for name in pair]
    assert len(set(names)) == len(names)
