"""The measurements of scores and copies say what they should, and notice what is wrong."""

import math
import random
import sys
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novelkit.copying import NgramFilter
from novelkit.scores import UNSEEN_CHARACTERS, ngram_losses

sys.path.insert(0, str(Path(__file__).resolve().parent / "benchmarks"))

import scores as benchmark
import scores_copies as copies


def plain_witten_bell(training, held_out, order):
    """As the textbook writes it, with dictionaries, one character at a time."""
    followers = defaultdict(Counter)
    for length in range(1, order + 1):
        for end in range(length, len(training) + 1):
            gram = training[end - length : end]
            followers[gram[:-1]][gram[-1]] += 1

    def probability(character, history):
        lower = probability(character, history[1:]) if history else 1 / UNSEEN_CHARACTERS
        seen = followers.get(history)
        if not seen:
            return lower
        kinds = len(seen)
        return (seen[character] + kinds * lower) / (seen.total() + kinds)

    total = 0.0
    for place, character in enumerate(held_out):
        history = held_out[max(0, place - order + 1) : place]
        total -= math.log(probability(character, history))
    return total / len(held_out)


@settings(deadline=None)
@given(
    st.text("abcd", min_size=1, max_size=40),
    st.text("abcdyz", min_size=1, max_size=20),
    st.integers(1, 5),
)
def test_the_other_method_is_witten_bell(training, held_out, order):
    losses = benchmark.witten_bell_losses(training, held_out, order)
    assert losses[-1] == pytest.approx(plain_witten_bell(training, held_out, order), rel=1e-9)


def test_kneser_ney_is_lower_on_the_bundled_novel():
    """What `novelkit.scores.ngrams` says of the two methods."""
    training, held_out = benchmark.read_bundled().split()
    old = benchmark.witten_bell_losses(training, held_out, 5)
    new = ngram_losses(training, held_out, 5)
    assert new[0] == pytest.approx(old[0], rel=1e-12)
    assert 0.05 < old[1] - new[1] < 0.17 and 0.16 < old[2] - new[2] < 0.41
    discounted = benchmark.kneser_ney_loss(training, held_out, 5)
    assert 0 < discounted - new[4] < 0.02
    assert new[4] < new[2] < old[2] < old[4]


def random_text(characters, seed):
    rng = np.random.default_rng(seed)
    return "".join(map(chr, rng.integers(0x4E00, 0x6000, characters)))


def test_false_hits_are_told_from_shared_windows():
    training, own = random_text(20_000, 0), random_text(60_000, 1)
    text = own + training[1000:1100] + own[:50]
    hits, false = copies.false_hits(NgramFilter.build(training), text, training)
    assert (hits, false) == (8, 0)
    # With one byte a fingerprint the filter takes one place in forty for another one.
    weak = NgramFilter.build(training, remainder_bytes=1)
    hits, false = copies.false_hits(weak, text, training)
    assert hits > false > 0.5 * weak.false_positive_rate * len(text)


def test_a_continuation_has_the_copies_that_are_asked_for():
    large, own = random_text(5000, 2), "春眠不觉晓" * 100
    text = copies.compose(large, own, 3, random.Random(0))
    assert len(text) == 3 * 40 + 10 * 60
    assert sum(character in large for character in text) >= 120


def test_a_search_is_measured_in_a_process_of_its_own(tmp_path):
    path = tmp_path / "train.txt"
    path.write_text(random_text(3000, 3), encoding="utf-8")
    for case in ("file", "string"):
        found = copies.in_own_process(case, path, path)
        assert found["passages"] == 1 and found["share"] == 1 and found["seconds"] > 0
    assert copies.in_own_process("filter", path, path)["fingerprints"] == 272
