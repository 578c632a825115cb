"""Stage 08: the penalties, beside `transformers`, beside a formula and beside brute force."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from novelkit.sampling import (
    forbid_repeated_ngrams,
    penalise_loops,
    penalise_presence,
    penalise_repetition,
)
from novelkit.sampling.penalties import NO_TOKEN, rows_of

VOCABULARY = 6  # so small that short histories hold repetitions
quick = settings(deadline=None, max_examples=50)
seeds = st.integers(0, 2**32)
histories = st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=24)
batches = st.integers(1, 12).flatmap(
    lambda length: st.lists(
        st.lists(st.integers(0, VOCABULARY - 1), min_size=length, max_size=length),
        min_size=1,
        max_size=4,
    )
)
# With 24 tokens no run has the 100 characters from which on loops are no longer told apart.
token_lengths = st.lists(st.integers(1, 4), min_size=VOCABULARY, max_size=VOCABULARY)
tokens_of_it = st.integers(0, VOCABULARY - 1)
breakers = st.sets(tokens_of_it, max_size=2)

PENALTIES = {
    "repetition": lambda logits, tokens: penalise_repetition(logits, tokens, 1.7),
    "presence": lambda logits, tokens: penalise_presence(logits, tokens, 0.6, 0.2),
    "n-gram": lambda logits, tokens: forbid_repeated_ngrams(logits, tokens, 2),
    "loops": lambda logits, tokens: penalise_loops(logits, tokens, 0.8, 1.75, 1),
}


def random_logits(seed, batch=1, size=VOCABULARY):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, size, generator=generator) * 4


@pytest.fixture(scope="module")
def processors():
    return pytest.importorskip("transformers.generation.logits_process")


# ---- the same as `transformers`


@quick
@given(seed=seeds, batch=batches, penalty=st.floats(0.1, 10))
def test_the_repetition_penalty_equals_that_of_transformers(processors, seed, batch, penalty):
    tokens, logits = torch.tensor(batch), random_logits(seed, len(batch))
    theirs = processors.RepetitionPenaltyLogitsProcessor(penalty)(tokens, logits.clone())
    torch.testing.assert_close(penalise_repetition(logits, tokens, penalty), theirs)


def test_a_seen_token_becomes_less_probable_whatever_the_sign_of_its_logit():
    logits, seen = torch.tensor([[2.0, -2.0, 1.0, -1.0, 0.0]]), torch.tensor([[0, 1, 4]])
    ruled = penalise_repetition(logits, seen, 2.0)
    assert ruled.tolist() == [[1.0, -4.0, 1.0, -1.0, 0.0]]
    # The copied bug divides both: it would make the second token more probable.
    divided = torch.where(torch.tensor([[True, True, False, False, True]]), logits / 2, logits)
    assert divided[0, 1] > logits[0, 1] > ruled[0, 1]


@quick
@given(seed=seeds, batch=batches, n=st.integers(1, 5))
def test_repeated_ngrams_are_those_of_transformers(processors, seed, batch, n):
    tokens, logits = torch.tensor(batch), random_logits(seed, len(batch))
    theirs = processors.NoRepeatNGramLogitsProcessor(n)(tokens, logits.clone())
    assert torch.equal(forbid_repeated_ngrams(logits, tokens, n), theirs)


@quick
@given(histories, st.integers(1, 5))
def test_what_is_not_forbidden_repeats_no_ngram(history, n):
    logits = forbid_repeated_ngrams(torch.zeros(1, VOCABULARY), torch.tensor([history]), n)
    seen = {tuple(history[i : i + n]) for i in range(len(history) - n + 1)}
    for token in range(VOCABULARY):
        completed = tuple([*history, token][-n:])
        assert bool(torch.isinf(logits[0, token])) == (completed in seen)


# ---- against a formula


@quick
@given(seeds, batches, st.floats(-10, 10), st.floats(-10, 10))
def test_presence_and_frequency_are_their_formula(seed, batch, presence, frequency):
    logits = random_logits(seed, len(batch))
    ruled = penalise_presence(logits, torch.tensor(batch), presence, frequency)
    expected = [
        [
            value - frequency * row.count(token) - presence * (token in row)
            for token, value in enumerate(values)
        ]
        for row, values in zip(batch, logits.tolist(), strict=True)
    ]
    torch.testing.assert_close(ruled, torch.tensor(expected), atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize(
    "unset",
    [
        lambda logits, tokens: penalise_repetition(logits, tokens, 1.0),
        lambda logits, tokens: penalise_presence(logits, tokens, 0, 0),
        lambda logits, tokens: forbid_repeated_ngrams(logits, tokens, 0),
        lambda logits, tokens: penalise_loops(logits, tokens, 0, 10, 1),
    ],
    ids=list(PENALTIES),
)
@quick
@given(history=histories, seed=seeds)
def test_a_control_that_is_off_changes_nothing(unset, history, seed):
    logits = random_logits(seed)
    assert torch.equal(unset(logits, torch.tensor([history])), logits)


# ---- DRY against brute force


def longest_run_before(history, token, lengths, stops):
    """Try every run at the end of the history that stood before `token` earlier, and none of
    whose tokens is a breaker."""
    best = 0
    for size in range(1, len(history)):
        run = history[len(history) - size :]
        if stops.intersection(run):
            break
        places = range(size, len(history))
        if any(history[p - size : p] == run and history[p] == token for p in places):
            best = sum(lengths[item] for item in run)
    return best


def penalties_by_brute_force(history, multiplier, base, allowed, lengths, stops):
    found = []
    for token in range(VOCABULARY):
        run = longest_run_before(history, token, lengths, stops)
        loops = run >= allowed and token not in stops
        found.append(multiplier * base ** (run - allowed) if loops else 0.0)
    return found


@settings(deadline=None, max_examples=200)
@given(
    histories,
    token_lengths,
    breakers,
    st.floats(0.01, 5),
    st.floats(1, 2),
    st.integers(1, 8),
)
def test_loops_cost_what_brute_force_finds(history, lengths, stops, multiplier, base, allowed):
    zeros = torch.zeros(1, VOCABULARY, dtype=torch.double)
    tokens = torch.tensor([history])
    ruled = penalise_loops(zeros, tokens, multiplier, base, allowed, lengths, stops)
    expected = penalties_by_brute_force(history, multiplier, base, allowed, lengths, stops)
    torch.testing.assert_close(-ruled[0], torch.tensor(expected, dtype=torch.double))


@quick
@given(histories, token_lengths, st.integers(1, 8))
def test_without_lengths_every_token_counts_one(history, lengths, allowed):
    tokens, zeros = torch.tensor([history]), torch.zeros(1, VOCABULARY)
    ones = penalise_loops(zeros, tokens, 1.0, 1.5, allowed, [1] * VOCABULARY)
    assert torch.equal(penalise_loops(zeros, tokens, 1.0, 1.5, allowed), ones)


def test_a_longer_loop_costs_base_times_more_for_each_character():
    for length in range(4, 12):
        passage = list(range(length))
        history = [*passage, length, *passage]
        ruled = penalise_loops(torch.zeros(1, length + 1), torch.tensor([history]), 0.5, 2.0, 4)
        assert ruled[0, length] == -0.5 * 2.0 ** (length - 4)
        assert ruled[0, :length].count_nonzero() == 0


@pytest.mark.parametrize("base", [1.0, 1.75, 10.0])
@pytest.mark.parametrize("length", [1, 16])
@pytest.mark.parametrize("period", [1, 7])
def test_a_very_long_loop_costs_much_and_stays_finite(base, length, period):
    history = torch.arange(period).repeat(2000 // period)[None]
    lengths = [length] * (period + 1)
    ruled = penalise_loops(torch.zeros(1, period + 1), history, 100.0, base, 1, lengths)
    assert torch.isfinite(ruled).all() and torch.isfinite(ruled.softmax(-1)).all()
    going_on = int(history[0, 0]) if 2000 % period == 0 else (2000 // period * period) % period
    assert ruled[0, going_on] <= -100 and ruled[0, period] == 0


@quick
@given(histories, st.sets(tokens_of_it, min_size=1, max_size=2))
def test_a_breaker_is_never_penalised_and_ends_every_run(history, stops):
    zeros = torch.zeros(1, VOCABULARY)
    ruled = penalise_loops(zeros, torch.tensor([history]), 1.0, 2.0, 1, None, stops)
    assert (ruled[0, list(stops)] == 0).all()
    after = [*history, min(stops)]
    assert not penalise_loops(zeros, torch.tensor([after]), 1.0, 2.0, 1, None, stops).any()


# ---- what holds for each of them


@pytest.mark.parametrize("name", PENALTIES)
@quick
@given(history=histories, padding=st.integers(1, 9), seed=seeds)
def test_padding_is_no_token(name, history, padding, seed):
    logits, penalise = random_logits(seed), PENALTIES[name]
    padded = torch.tensor([[NO_TOKEN] * padding + history])
    assert torch.equal(penalise(logits, padded), penalise(logits, torch.tensor([history])))
    nothing = torch.full((1, padding), NO_TOKEN)
    assert torch.equal(penalise(logits, nothing), logits)


def test_rows_are_read_without_their_padding():
    tokens = torch.tensor([[NO_TOKEN, 4, 0], [NO_TOKEN, NO_TOKEN, NO_TOKEN], [1, 2, 3]])
    assert rows_of(tokens) == [[4, 0], [], [1, 2, 3]]


@pytest.mark.parametrize("name", PENALTIES)
@quick
@given(batch=batches, seed=seeds)
def test_rows_do_not_touch_each_other(name, batch, seed):
    penalise, logits = PENALTIES[name], random_logits(seed, len(batch))
    together = penalise(logits, torch.tensor(batch))
    for row, history in enumerate(batch):
        alone = penalise(logits[row : row + 1], torch.tensor([history]))
        assert torch.equal(together[row : row + 1], alone)


@pytest.mark.parametrize("name", PENALTIES)
@quick
@given(batch=batches, seed=seeds)
def test_tensors_of_the_caller_stay_as_they_are(name, batch, seed):
    logits, tokens = random_logits(seed, len(batch)), torch.tensor(batch)
    PENALTIES[name](logits, tokens)
    assert torch.equal(logits, random_logits(seed, len(batch)))
    assert torch.equal(tokens, torch.tensor(batch))
