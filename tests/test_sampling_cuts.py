"""Stage 08: temperature and each cut, alone and beside the processors of `transformers`."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from novelkit.sampling import (
    SamplingConfig,
    apply_temperature,
    forbid_tokens,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    keep_typical,
    next_token_probabilities,
)

seeds = st.integers(0, 2**32)


def random_logits(seed, batch=3, size=50, scale=4.0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, size, generator=generator) * scale


# ---- temperature


@given(seeds)
def test_temperature_zero_is_the_most_probable_token(seed):
    logits = random_logits(seed)
    probabilities = next_token_probabilities(logits, SamplingConfig(temperature=0))
    assert (probabilities.argmax(-1) == logits.argmax(-1)).all()
    assert (probabilities.max(-1).values == 1).all() and (probabilities.sum(-1) == 1).all()


def test_temperature_zero_chooses_one_among_equals():
    logits = torch.zeros(2, 7)
    probabilities = next_token_probabilities(logits, SamplingConfig(temperature=0, top_p=0.1))
    assert (probabilities.count_nonzero(-1) == 1).all()


@settings(deadline=None)
@given(
    seeds,
    st.floats(0, 10, allow_subnormal=True),
    st.integers(0, 60),
    st.floats(0, 1, exclude_min=True, allow_subnormal=True),
    st.floats(0, 1),
    st.floats(0, 1, exclude_min=True),
    st.sampled_from([1e-3, 1.0, 300.0, 1e30]),
)
def test_every_allowed_setting_gives_a_distribution(
    seed, temperature, top_k, top_p, min_p, typical_p, scale
):
    config = SamplingConfig(temperature, top_k, top_p, min_p=min_p, typical_p=typical_p)
    logits = random_logits(seed, scale=scale)
    logits[:, 10:20] = float("-inf")  # as the forbidden byte tokens are
    probabilities = next_token_probabilities(logits, config)
    assert torch.isfinite(probabilities).all() and (probabilities >= 0).all()
    assert torch.allclose(probabilities.sum(-1), torch.ones(3), atol=1e-4)
    assert (probabilities[:, 10:20] == 0).all()


@pytest.mark.parametrize("temperature", [1e-38, 1e-45, 1e-320])
def test_a_tiny_temperature_is_greedy_and_no_nan(temperature):
    logits = random_logits(1)
    probabilities = next_token_probabilities(logits, SamplingConfig(temperature=temperature))
    assert (probabilities.max(-1).values == 1).all()
    assert (probabilities.argmax(-1) == logits.argmax(-1)).all()


# ---- top-k and top-p


@given(seeds, st.integers(1, 60), st.integers(1, 4))
def test_exactly_k_stay_even_among_equals(seed, k, levels):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randint(levels, (4, 50), generator=generator).float()
    kept = torch.isfinite(keep_top_k(logits, k))
    assert (kept.sum(-1) == min(k, 50)).all()
    for row, keep in zip(logits, kept, strict=True):
        assert not (~keep).any() or row[keep].min() >= row[~keep].max()
    assert (keep_top_k(logits, k)[kept] == logits[kept]).all()


def test_top_k_zero_keeps_all():
    logits = random_logits(2)
    assert keep_top_k(logits, 0) is logits


@given(seeds, st.floats(0.01, 0.999))
def test_top_p_keeps_the_smallest_set_that_reaches_p(seed, p):
    for row, cut in zip(random_logits(seed), keep_top_p(random_logits(seed), p), strict=True):
        kept = torch.isfinite(cut)
        probabilities = row.double().softmax(-1)
        mass = float(probabilities[kept].sum())
        assert mass >= p - 1e-5
        assert kept.sum() == 1 or mass - float(probabilities[kept].min()) < p + 1e-5
        assert not (~kept).any() or row[kept].min() >= row[~kept].max()
        assert (cut[kept] == row[kept]).all()


@pytest.mark.parametrize("p", [1e-9, 1e-45, 1e-300])
def test_top_p_keeps_at_least_one(p):
    kept = torch.isfinite(keep_top_p(torch.zeros(2, 9), p))
    assert (kept.sum(-1) == 1).all()


def test_top_p_among_equals_keeps_just_enough():
    kept = torch.isfinite(keep_top_p(torch.zeros(1, 8), 0.5))
    assert kept.sum() == 4


@given(seeds, st.floats(0.01, 1))
def test_min_p_always_keeps_the_most_probable(seed, p):
    logits = random_logits(seed)
    kept = torch.isfinite(keep_min_p(logits, p))
    assert kept.gather(-1, logits.argmax(-1, keepdim=True)).all()
    shares = logits.double().softmax(-1)
    least = torch.where(kept, shares, 1.0).amin(-1)
    assert (least >= p * shares.amax(-1) - 1e-6).all()


@given(seeds, st.floats(0.01, 0.99))
def test_typical_keeps_what_is_nearest_to_the_entropy(seed, mass):
    for row, cut in zip(random_logits(seed), keep_typical(random_logits(seed), mass), strict=True):
        kept = torch.isfinite(cut)
        exact = row.double().log_softmax(-1)
        distance = (-exact + (exact.exp() * exact).sum()).abs()
        assert kept.any() and float(exact.exp()[kept].sum()) >= mass - 1e-5
        assert not (~kept).any() or distance[kept].max() <= distance[~kept].min() + 1e-5
        assert (cut[kept] == row[kept]).all()


def test_typical_passes_over_the_most_probable_where_it_says_too_little():
    # 40 % for one token that says 1.3 bits, the rest for 64 that say 6.7: the mean is 4.6.
    logits = torch.tensor([[0.4, *[0.6 / 64] * 64]]).log()
    kept = torch.isfinite(keep_typical(logits, 0.3))
    assert not kept[0, 0] and kept.any()


def test_each_row_has_its_own_top_p():
    logits = torch.zeros(3, 8)
    kept = torch.isfinite(keep_top_p(logits, torch.tensor([[0.5], [1.0], [0.01]])))
    assert kept.sum(-1).tolist() == [4, 8, 1]


def test_after_a_line_end_another_top_p_holds():
    config = SamplingConfig(temperature=1, top_k=0, top_p=0.25, newline_top_p=0.75)
    logits = torch.zeros(2, 8)
    begins = torch.tensor([True, False])
    assert next_token_probabilities(logits, config, begins).count_nonzero(-1).tolist() == [6, 2]
    assert next_token_probabilities(logits, config).count_nonzero(-1).tolist() == [2, 2]


@given(seeds)
def test_rows_of_a_batch_do_not_touch_each_other(seed):
    config = SamplingConfig(temperature=0.7, top_k=20, top_p=0.9)
    logits = random_logits(seed)
    together = next_token_probabilities(logits, config)
    alone = torch.stack([next_token_probabilities(row, config) for row in logits])
    assert torch.allclose(together, alone, atol=1e-6)


def test_logits_of_the_caller_stay_as_they_are():
    logits = random_logits(3)
    before = logits.clone()
    config = SamplingConfig(temperature=0.5, top_k=5, top_p=0.5)
    next_token_probabilities(forbid_tokens(logits, range(5)), config)
    assert (logits == before).all()


# ---- the same as `transformers`, where both define the same thing (no ties)


@pytest.fixture(scope="module")
def warpers():
    return pytest.importorskip("transformers.generation.logits_process")


@settings(deadline=None)
@given(seed=seeds, temperature=st.floats(0.05, 10))
def test_temperature_equals_that_of_transformers(warpers, seed, temperature):
    logits = random_logits(seed)
    theirs = warpers.TemperatureLogitsWarper(temperature)(None, logits).softmax(-1)
    assert torch.allclose(apply_temperature(logits, temperature).softmax(-1), theirs, atol=1e-5)


@settings(deadline=None)
@given(seed=seeds, k=st.integers(1, 60))
def test_top_k_equals_that_of_transformers(warpers, seed, k):
    logits = random_logits(seed)
    assume(all(len(row.unique()) == len(row) for row in logits))  # they keep ties, we do not
    assert torch.equal(keep_top_k(logits, k), warpers.TopKLogitsWarper(k)(None, logits))


@settings(deadline=None)
@given(seed=seeds, p=st.floats(0.01, 0.99))
def test_top_p_equals_that_of_transformers(warpers, seed, p):
    logits = random_logits(seed)
    ordered = logits.double().sort(descending=True).values.softmax(-1).cumsum(-1)
    assume(bool(((ordered - p).abs() > 1e-4).all()))  # the boundary is a matter of rounding
    assert torch.equal(keep_top_p(logits, p), warpers.TopPLogitsWarper(p)(None, logits))


@settings(deadline=None)
@given(seed=seeds, p=st.floats(0.001, 1))
def test_min_p_equals_that_of_transformers(warpers, seed, p):
    logits = random_logits(seed)
    probabilities = logits.double().softmax(-1)
    bound = p * probabilities.amax(-1, keepdim=True)
    assume(bool(((probabilities - bound).abs() > 1e-6 * bound).all() or p == 1))
    assert torch.equal(keep_min_p(logits, p), warpers.MinPLogitsWarper(p)(None, logits))


@settings(deadline=None)
@given(seed=seeds, mass=st.floats(0.01, 0.99))
def test_typical_equals_that_of_transformers(warpers, seed, mass):
    logits = random_logits(seed)
    exact = logits.double().log_softmax(-1)
    entropy = -(exact.exp() * exact).sum(-1, keepdim=True)
    distance, order = (-exact - entropy).abs().sort(-1)
    reached = exact.exp().gather(-1, order).cumsum(-1)
    # Where the mass is reached, and which of two is the more typical, may be a matter of rounding.
    assume(bool(((reached - mass).abs() > 1e-4).all()))
    assume(bool((distance.diff(dim=-1) > 1e-5).all()))
    assert torch.equal(keep_typical(logits, mass), warpers.TypicalLogitsWarper(mass)(None, logits))


@settings(deadline=None)
@given(
    seed=seeds,
    k=st.integers(1, 50),
    p=st.floats(0.05, 0.99),
    min_p=st.floats(0.01, 0.5),
    temperature=st.floats(0.2, 3),
)
def test_all_four_in_order_equal_those_of_transformers(warpers, seed, k, p, min_p, temperature):
    logits = random_logits(seed)
    theirs = warpers.TemperatureLogitsWarper(temperature)(None, logits)
    theirs = warpers.TopKLogitsWarper(k)(None, theirs)
    ordered = theirs.double().sort(descending=True).values.softmax(-1).cumsum(-1)
    assume(bool(((ordered - p).abs() > 1e-4).all()))
    theirs = warpers.TopPLogitsWarper(p)(None, theirs)
    probabilities = theirs.double().softmax(-1)
    bound = min_p * probabilities.amax(-1, keepdim=True)
    assume(bool(((probabilities - bound).abs() > 1e-6 * bound).all()))
    theirs = warpers.MinPLogitsWarper(min_p)(None, theirs).softmax(-1)
    ours = next_token_probabilities(logits, SamplingConfig(temperature, k, p, min_p=min_p))
    assert torch.allclose(ours, theirs, atol=1e-5)


@settings(deadline=None)
@given(seed=seeds, k=st.integers(1, 50), p=st.floats(0.05, 0.99), temperature=st.floats(0.2, 3))
def test_temperature_top_k_and_top_p_equal_those_of_transformers(warpers, seed, k, p, temperature):
    logits = random_logits(seed)
    theirs = warpers.TemperatureLogitsWarper(temperature)(None, logits)
    theirs = warpers.TopKLogitsWarper(k)(None, theirs)
    ordered = theirs.double().sort(descending=True).values.softmax(-1).cumsum(-1)
    assume(bool(((ordered - p).abs() > 1e-4).all()))
    theirs = warpers.TopPLogitsWarper(p)(None, theirs).softmax(-1)
    ours = next_token_probabilities(logits, SamplingConfig(temperature, k, p))
    assert torch.allclose(ours, theirs, atol=1e-5)
