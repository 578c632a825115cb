"""Stage 07: the statistics that curves are read with, and what a history shows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novelkit.diagnosis.curve import (
    Curve,
    autocorrelation,
    falling,
    rank_correlation,
    spread,
    theil_sen,
)
from novelkit.diagnosis.signs import MINIMUM_STEPS, read_signs

values = st.lists(st.floats(-100, 100), min_size=2, max_size=60)
ANCHORS = {"uniform": 7.8, "unigram": 6.2, "bigram": 5.3, "trigram": 5.0, "xz": 5.6}
DATA = {"anchors": ANCHORS, "tokens_per_character": {"train": 1.0, "validation": 1.0}}


@given(st.floats(-5, 5), st.floats(-5, 5), st.integers(3, 300))
def test_the_slope_of_a_straight_line(slope, start, count):
    x = np.arange(count, dtype=float)
    assert theil_sen(x, start + slope * x) == pytest.approx(slope, abs=1e-6)


@given(st.floats(-2, 2), st.integers(0, 2**31))
def test_a_quarter_of_wild_points_does_not_turn_the_slope(slope, seed):
    random = np.random.default_rng(seed)
    x = np.arange(80.0)
    y = slope * x + random.normal(0, 0.01, 80)
    y[random.choice(80, 16, replace=False)] += random.normal(0, 1e4, 16)
    assert theil_sen(x, y) == pytest.approx(slope, abs=0.05)


@given(values)
def test_the_falling_line_falls_and_keeps_the_sum(numbers):
    line = falling(np.array(numbers))
    assert len(line) == len(numbers)
    assert (np.diff(line) <= 1e-9).all()
    assert line.sum() == pytest.approx(sum(numbers), abs=1e-6)


@given(values)
def test_no_other_falling_line_is_closer(numbers):
    """Against shrinking towards the mean, a shift, and the running minimum."""
    wanted = np.array(numbers)
    line = falling(wanted)
    distance = np.square(line - wanted).sum()
    others = (line * 0.9 + wanted.mean() * 0.1, line + 0.1, np.minimum.accumulate(wanted))
    assert all(np.square(other - wanted).sum() >= distance - 1e-6 for other in others)


@given(values, st.floats(0.1, 50), st.floats(-50, 50))
def test_the_spread_scales_and_ignores_shifts(numbers, factor, shift):
    found = np.array(numbers)
    assert spread(found * factor + shift) == pytest.approx(
        factor * spread(found), rel=1e-6, abs=1e-6
    )


def test_the_spread_of_normal_noise_is_its_deviation():
    noise = np.random.default_rng(0).normal(0, 0.7, 20_000)
    assert spread(noise) == pytest.approx(0.7, rel=0.03)


@given(st.lists(st.integers(-50, 50), min_size=4, max_size=40, unique=True))
def test_ranks_do_not_care_for_monotone_changes(numbers):
    found = np.array(numbers) / 5
    assert rank_correlation(found, np.exp(found / 5)) == pytest.approx(1.0)
    assert rank_correlation(found, -(found**3)) == pytest.approx(-1.0)


def test_neighbours_that_follow_each_other_correlate():
    random = np.random.default_rng(1)
    noise = random.normal(size=400)
    walk = np.convolve(noise, np.ones(8) / 8, mode="same")
    assert autocorrelation(noise, 1) < 0.15
    assert autocorrelation(walk, 1) > 0.7
    assert autocorrelation(walk, 0) == 0 and autocorrelation(walk[:5], 1) == 0


def history(loss, **columns):
    """Records of these losses, with more columns, one value or one a step."""
    records = []
    for at, value in enumerate(loss):
        record = {"step": at + 1, "loss": None if np.isnan(value) else float(value)}
        for name, column in columns.items():
            record[name] = column if np.isscalar(column) else column[at]
        records.append(record)
    return records


def falling_loss(steps=400, end=4.6, noise=0.12, seed=0):
    random = np.random.default_rng(seed)
    return end + 3.4 * np.exp(-np.arange(steps) / (0.12 * steps)) + random.normal(0, noise, steps)


def signs_of(loss, **columns):
    return read_signs(Curve.of(history(loss, **columns), DATA))


def test_losses_are_in_nats_per_character():
    data = {**DATA, "tokens_per_character": {"train": 0.5, "validation": 2.0}}
    records = [{"step": 1, "loss": 4.0, "validation_loss": 3.0, "loss_spread": 0.2}]
    curve = Curve.of(records, data)
    assert curve.loss[0] == 2.0 and curve.validation[0] == 6.0 and curve.loss_spread[0] == 0.1


def test_the_swing_is_the_noise_of_the_steps():
    for noise in (0.05, 0.2, 0.6):
        assert signs_of(falling_loss(noise=noise))["swing"] == pytest.approx(noise, rel=0.2)


def test_how_far_between_the_anchors():
    assert signs_of(falling_loss(end=5.3))["learned"] == pytest.approx(1.0, abs=0.1)
    assert signs_of(falling_loss(end=6.2))["learned"] == pytest.approx(0.0, abs=0.1)
    assert "learned" not in read_signs(Curve.of(history(falling_loss()), {}))


def test_a_resume_that_jumps_and_needs_time():
    loss = np.concatenate([falling_loss(200), falling_loss(200, seed=1)])
    found = signs_of(loss, session=[1] * 200 + [2] * 200)
    assert found["jump_of_swing"] > 7 and found["back"] > 0.1
    calm = signs_of(falling_loss(400), session=[1] * 200 + [2] * 200)
    assert calm["jump_of_swing"] < 3 and calm["back"] < 0.03
    # A log that knows no sessions shows the same as a break.
    assert signs_of(loss)["break_of_swing"] > 7 > 4 > signs_of(falling_loss(400))["break_of_swing"]


def test_batches_that_come_again_echo():
    random = np.random.default_rng(2)
    batches = random.normal(0, 0.12, 100)
    trend = falling_loss(400, noise=0.0)
    again = trend + np.tile(batches, 4)
    sessions = np.repeat([1, 2, 3, 4], 100).tolist()
    assert signs_of(again, session=sessions)["echo"] > 4.5
    assert signs_of(falling_loss(400), session=sessions)["echo"] < 2.8


def test_steps_without_a_number_are_counted_and_do_not_spoil_the_rest():
    loss = falling_loss(400)
    holes = loss.copy()
    holes[100:140], holes[200:220] = np.nan, 0.0
    found = signs_of(holes)
    assert found["missing"] == pytest.approx(60 / 400)
    assert found["last"] == pytest.approx(signs_of(loss)["last"], abs=0.05)


@given(st.integers(0, 30), st.integers(0, 2**31))
def test_any_short_history_can_be_read(steps, seed):
    random = np.random.default_rng(seed)
    loss = random.choice([np.nan, 0.0, 3.0, 1e9, 5.5], steps)
    found = signs_of(loss, session=1, epoch=0, gradient_norm=1.0, update_ratio=0.0, tokens=10)
    if np.isfinite(loss).sum() < MINIMUM_STEPS:
        assert "swing" not in found


@pytest.mark.parametrize("growth", [0.0, 2.0, -3.0])
def test_updates_that_the_learning_rate_does_not_explain(growth):
    rate = np.full(400, 1e-3)
    rate[:40] = np.linspace(1e-4, 1e-3, 40)
    updates = 2 * rate * np.exp(growth * np.linspace(0, 1, 400))
    found = signs_of(falling_loss(), learning_rate=rate, update_ratio=updates)
    assert found["update_trend"] == pytest.approx(growth, abs=0.1)
    assert found["update_per_rate"] == pytest.approx(2 * np.exp(growth / 2), rel=0.2)


def test_noise_beside_what_the_batch_predicts():
    """Sixteen sequences of spread 0.48 average to 0.12; one of them swings by all of it."""
    whole = signs_of(falling_loss(noise=0.12), loss_spread=0.48, tokens=16 * 32)
    assert whole["noise_of_spread"] == pytest.approx(0.25, rel=0.2)
    one = signs_of(falling_loss(noise=0.48), loss_spread=0.48, tokens=16 * 32)
    assert one["noise_of_spread"] == pytest.approx(1.0, rel=0.2)
    assert one["noise_of_token"] == pytest.approx(0.48 * np.sqrt(512), rel=0.2)


def test_levels_show_no_more_than_they_may():
    columns = {"gradient_norm": 1.0, "update_ratio": 0.01, "learning_rate": 1e-3, "tokens": 512}
    records = history(falling_loss(), **columns)
    for record in records[::40]:
        record["validation_loss"] = record["loss"] + 0.3
    curve = Curve.of(records, DATA)
    loss, validation, gradients = (
        read_signs(curve, level) for level in ("loss", "validation", "gradients")
    )
    assert set(loss) < set(validation) < set(gradients)
    assert "gap" in validation and "gap" not in loss
    assert "update" in gradients and "update" not in validation


def test_a_trend_is_no_step_between_epochs():
    """What falls as much in the middle of an epoch as at its end has no sawtooth."""
    count, epochs = 100, np.arange(100) // 25
    smooth_fall = 4 + 3.5 * np.exp(-np.arange(count) / 15)
    stairs = 5 - 0.3 * epochs
    found = {}
    for name, loss in (("smooth", smooth_fall), ("stairs", stairs)):
        records = [
            {"step": step + 1, "loss": float(value), "epoch": int(epoch)}
            for step, (value, epoch) in enumerate(zip(loss, epochs, strict=True))
        ]
        found[name] = read_signs(Curve.of(records, {}))["epoch_drop"]
    assert found["smooth"] < 0.01
    assert found["stairs"] == pytest.approx(0.3, abs=0.01)


def relapsing(size, at, seed=0, steps=600):
    """A loss that rises within some ten steps after `at` and comes back in some forty."""
    since = np.maximum(np.arange(steps) - at, 0)
    form = (1 - np.exp(-since / 8)) * np.exp(-since / 40)
    return falling_loss(steps, seed=seed) + size * form / form.max()


def test_an_optimizer_that_begins_anew_lets_the_loss_relapse():
    sessions = [1] * 300 + [2] * 300
    sick = [signs_of(relapsing(0.2, 300, seed), session=sessions)["relapse"] for seed in range(8)]
    well = [signs_of(relapsing(0.0, 300, seed), session=sessions)["relapse"] for seed in range(8)]
    assert min(sick) > 3.5 and max(well) < 1.8
    # Where a run falls steeply and nothing is lost, its fall is no relapse.
    early = [1] * 60 + [2] * 540
    assert signs_of(falling_loss(600), session=early)["relapse"] < 2
    assert "relapse" not in signs_of(falling_loss(600))


def test_several_resumes_make_a_relapse_surer():
    once = signs_of(relapsing(0.1, 200, steps=900), session=[1] * 200 + [2] * 700)["relapse"]
    loss = relapsing(0.1, 200, steps=900)
    for at in (400, 600):
        loss += relapsing(0.1, at, steps=900) - relapsing(0.0, at, steps=900)
    sessions = np.repeat([1, 2, 3, 4], [200, 200, 200, 300]).tolist()
    assert signs_of(loss, session=sessions)["relapse"] > once


def test_what_twice_the_steps_taught():
    """A loss that falls by 0.4 nats whenever the steps double; 0.8 lie between the anchors."""
    way = DATA["anchors"]["unigram"] - DATA["anchors"]["bigram"]
    loss = 8.0 - 0.4 * np.log2(np.arange(1, 801))
    found = signs_of(loss)
    for name in ("early_doubling", "middle_doubling"):
        assert found[name] == pytest.approx(0.4 / way, rel=0.1)
    expected = (DATA["anchors"]["unigram"] - (8.0 - 0.4 * np.log2(400))) / way
    assert found["learned_half_way"] == pytest.approx(expected, abs=0.02)
    assert found["quarter_way"] < found["half_way"] < found["most_of_it"]


@pytest.mark.parametrize("stay", [0.2, 0.5])
def test_the_time_spent_at_single_characters(stay):
    unigram = DATA["anchors"]["unigram"]
    count = int(1000 * stay)
    loss = np.r_[np.full(200, unigram + 1.5), np.full(count, unigram), np.full(800 - count, 4.0)]
    assert signs_of(loss)["at_unigram"] == pytest.approx(stay, abs=0.02)


def test_what_has_learned_nothing_yet_has_no_noise():
    random = np.random.default_rng(0)
    noise = random.normal(0, 0.12, 800)
    noise[:200] /= 4
    quiet = signs_of(falling_loss(800, noise=0.0) + noise)["early_noise"]
    usual = signs_of(falling_loss(800))["early_noise"]
    assert quiet == pytest.approx(0.25, abs=0.06) and usual == pytest.approx(1.0, abs=0.2)


def test_the_first_step_after_a_resume_beside_those_before_it():
    sessions = [1] * 200 + [2] * 200
    rates = np.linspace(1e-3, 5e-4, 400)
    updates = 2.0 * rates
    columns = {"session": sessions, "learning_rate": rates}
    kept = signs_of(falling_loss(400), update_ratio=updates, **columns)
    updates[200] *= 4
    lost = signs_of(falling_loss(400), update_ratio=updates, **columns)
    assert kept["resumed_update"] == pytest.approx(1) and lost["resumed_update"] == pytest.approx(4)
    updates[185:200] = 0.0
    assert "resumed_update" not in signs_of(falling_loss(400), update_ratio=updates, **columns)
