"""Stage 07: single events of a curve: spikes, where a gap opened, the steps after evaluations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_diagnosis import DATA, falling, make_history

from novelkit.bundled import ASSETS
from novelkit.diagnosis import HEALTHY, Probed, diagnose, diagnose_history
from novelkit.diagnosis.curve import Curve
from novelkit.diagnosis.events import after_evaluations, find_opened_gap, find_spikes
from novelkit.diagnosis.game import read_blind_runs

STEPS = 800


def curve_of(history: list[dict]) -> Curve:
    return Curve.of(history, DATA)


def healthy(seed: int = 0, steps: int = STEPS) -> list[dict]:
    return make_history(falling(steps, share=0.08), seed=seed)


@pytest.mark.parametrize("seed", range(8))
def test_a_healthy_curve_has_none_of_them(seed):
    for steps in (100, 400, STEPS):
        curve = curve_of(healthy(seed, steps))
        spikes = find_spikes(curve)
        assert spikes is not None and spikes.count == 0
        assert find_opened_gap(curve) is None and after_evaluations(curve) is None


def test_recorded_healthy_runs_have_none_of_them():
    runs = [run for run in read_blind_runs() if run.cause == HEALTHY]
    assert len(runs) >= 3
    for run in runs:
        spikes = find_spikes(run.curve)
        assert spikes is not None and spikes.count == 0
        assert find_opened_gap(run.curve) is None and after_evaluations(run.curve) is None


@settings(max_examples=30, deadline=None)
@given(st.sets(st.integers(4, 37), min_size=1, max_size=6), st.integers(1, 8), st.integers(0, 9))
def test_spikes_are_counted_with_the_steps_that_they_take(places, length, seed):
    history = healthy(seed)
    for place in places:
        for step in range(length):
            history[20 * place + step]["loss"] += 3.0
    found = find_spikes(curve_of(history))
    assert found is not None and found.healed and found.count == len(places)
    # Noise may be above the second limit for some steps more.
    assert length <= found.longest <= length + 4


@pytest.mark.parametrize("seed", range(4))
def test_two_short_spikes_of_a_healthy_run_are_a_remark(seed):
    history = healthy(seed)
    for place in (300, 500):
        history[place]["loss"] += 3.0
    said = diagnose_history(history, DATA)
    assert said.verdict == HEALTHY
    assert any(line.startswith("有 2 个尖峰") for line in said.remarks)


def test_a_spike_at_the_end_has_not_healed():
    history = healthy()
    for record in history[-6:]:
        record["loss"] += 3.0
    found = find_spikes(curve_of(history))
    assert found is not None and not found.healed and found.longest == 6
    assert find_spikes(curve_of(history[:90])) is None


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
def test_the_step_where_the_gap_opened(share):
    loss = falling(STEPS, end=2.0, share=0.3)
    turn = int(share * STEPS)
    rise = np.maximum(0, np.arange(STEPS) - turn) / STEPS
    validation = np.where(np.arange(STEPS) < turn, loss + 0.2, loss[turn] + 0.2 + 2 * rise)
    found = find_opened_gap(curve_of(make_history(loss, validation)))
    assert found is not None and abs(found.step - turn) <= STEPS // 14
    assert found.rise == pytest.approx(2 * (1 - share), rel=0.2)
    assert found.fall == pytest.approx(loss[found.step - 1] - loss[-1], abs=0.15)


def test_validation_that_rises_while_training_does_is_no_gap():
    loss = np.concatenate([falling(400), np.linspace(4.6, 6.6, 400)])
    assert find_opened_gap(curve_of(make_history(loss))) is None


def test_overfitting_says_where_it_began():
    (run, *_) = [run for run in read_blind_runs() if run.cause == "overfitting"]
    gap = find_opened_gap(run.curve)
    assert gap is not None
    for language, line in (
        ("zh", f"验证损失在第 {gap.step:,} 步最低"),
        ("en", f"validation was lowest at step {gap.step:,}"),
    ):
        first = diagnose_history(run.history, run.data, language=language).findings[0]
        assert first.cause == "overfitting"
        assert any(said.startswith(line) for said in first.evidence)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("change", [0.4, -0.4])
def test_steps_after_evaluations_that_differ(seed, change):
    history = healthy(seed)
    after = [n for n, record in enumerate(history) if "validation_loss" in record]
    for place in after:
        for record in history[place + 1 : place + 4]:
            record["loss"] += change
    found = after_evaluations(curve_of(history))
    assert found == pytest.approx(change, abs=0.12)
    said = diagnose_history(history, DATA)
    assert said.verdict == HEALTHY
    word = "高" if change > 0 else "低"
    assert any(f"总要{word} {abs(found):.2f}" in line for line in said.remarks)


def test_a_sawtooth_of_epochs_is_not_blamed_on_evaluations():
    """Evaluated at the turn of each epoch, where the loss steps down."""
    history = make_history(falling(STEPS, share=0.2))
    places = [n for n, record in enumerate(history) if "validation_loss" in record]
    for number, record in enumerate(history):
        record["epoch"] = sum(number > place for place in places)
        record["loss"] -= 0.3 * record["epoch"]
    assert after_evaluations(curve_of(history)) is None


def test_spikes_are_evidence_of_a_learning_rate_that_is_too_high():
    path = ASSETS / "runs" / "diverged"
    for language, line in (("zh", "个尖峰，最久的一个过了"), ("en", "spikes, the longest for")):
        first = diagnose(path, language=language).findings[0]
        assert first.cause == "learning_rate_too_high"
        assert any(line in said for said in first.evidence)


def test_a_first_loss_above_guessing_is_told_whatever_the_verdict():
    for start, told in ((1.0, False), (1.4, True)):
        probed = Probed(signs={"probe_start": start})
        for history in (healthy(), make_history(np.concatenate([falling(400)] * 2))):
            remarks = diagnose_history(history, DATA, probed).remarks
            assert any("ln V" in line for line in remarks) == told
