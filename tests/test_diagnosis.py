"""Stage 07: each cause from a curve that shows it, and no false alarm on curves that are well."""

import json

import numpy as np
import pytest

from novelkit.diagnosis import Diagnosis, diagnose, diagnose_history
from novelkit.errors import InputError
from novelkit.scores import running_median

ANCHORS = {
    "uniform": 7.8,
    "unigram": 6.2,
    "bigram": 5.3,
    "trigram": 5.0,
    "fivegram": 4.9,
    "xz": 5.6,
}
DATA = {"anchors": ANCHORS, "tokens_per_character": {"train": 1.0, "validation": 1.0, "test": 1.0}}
SEEDS = range(6)


def schedule(steps: int, cooldown: bool, peak: float = 1e-3) -> np.ndarray:
    """Warm-up over 20 steps, and a last fifth of 1 - sqrt."""
    at = np.arange(1, steps + 1)
    rates = peak * np.minimum(at / 20, 1)
    if cooldown:
        start = int(steps * 0.8)
        rates[start:] = peak * (1 - np.sqrt((at[start:] - start) / (steps - start + 1)))
    return rates


def falling(steps: int, end: float = 4.0, share: float = 0.1) -> np.ndarray:
    """From 8.2 down to `end`, slow while it warms up; after `share` of the steps a 1/e is left."""
    at = np.maximum(0, np.arange(1, steps + 1) - 10)
    return end + (8.2 - end) * np.exp(-at / (share * steps))


def make_history(
    loss: np.ndarray,
    validation: np.ndarray | None = None,
    seed: int = 0,
    noise: float = 0.1,
    cooldown: bool = True,
    every: int = 25,
    sessions: tuple[int, ...] = (),
    clipped: float = 0.05,
) -> list[dict]:
    """Records as training writes them; `sessions` are the steps after which a new one began."""
    rng = np.random.default_rng(seed)
    validation = loss + 0.2 if validation is None else validation
    rates = schedule(len(loss), cooldown)
    drop = 0.15 * (1 - rates / rates.max()) * (np.arange(len(loss)) > 0.8 * len(loss))
    records = []
    for at, value in enumerate(loss - drop):
        step = at + 1
        record = {
            "step": step,
            "loss": float(value + rng.normal(0, noise)),
            "learning_rate": float(rates[at]),
            "clipped": bool(rng.random() < clipped),
            "session": 1 + sum(step > boundary for boundary in sessions),
        }
        if step % every == 0 or step == len(loss):
            record["validation_loss"] = float(validation[at] - drop[at] + rng.normal(0, 0.005))
        records.append(record)
    return records


def causes(history: list[dict], data: dict = DATA) -> list[str]:
    return [finding.cause for finding in diagnose_history(history, data).findings]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("steps", [200, 600, 3000])
@pytest.mark.parametrize("cooldown", [True, False])
def test_a_healthy_run_raises_no_alarm(seed, steps, cooldown):
    loss = falling(steps, share=0.08)
    assert causes(make_history(loss, seed=seed, cooldown=cooldown)) == ["healthy"]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_resume_that_goes_on_is_healthy(seed):
    history = make_history(falling(400), seed=seed, sessions=(30, 31, 200, 390))
    assert causes(history) == ["healthy"]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_small_gap_between_training_and_validation_is_healthy(seed):
    loss = falling(400)
    assert causes(make_history(loss, loss + 0.5, seed=seed)) == ["healthy"]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("at", [60, 250])
def test_a_resume_that_lost_its_weights(seed, at):
    loss = np.concatenate([falling(400)[:at], falling(400)])
    assert causes(make_history(loss, seed=seed, sessions=(at,))) == ["restarted"]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("level", [6.3, 6.6, 7.8])
def test_a_run_stuck_at_the_counts_of_characters(seed, level):
    loss = falling(300, end=level, share=0.05)
    assert causes(make_history(loss, seed=seed)) == ["not_learning"]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_learning_rate_far_too_small(seed):
    loss = np.linspace(8.2, 7.2, 300)
    assert causes(make_history(loss, seed=seed))[0] == "not_learning"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("peak", [5.0, 9.0])
def test_a_loss_that_falls_and_rises_again(seed, peak):
    loss = falling(400, share=0.05)
    loss[250:] += np.minimum((np.arange(150) / 50) * (peak - 4), peak - 4)
    assert "diverged" in causes(make_history(loss, loss + 0.2, seed=seed))
    assert "healthy" not in causes(make_history(loss, seed=seed))
    assert "overfitting" not in causes(make_history(loss, seed=seed))


@pytest.mark.parametrize("seed", SEEDS)
def test_steps_that_swing(seed):
    assert causes(make_history(falling(400), seed=seed, noise=0.7)) == ["oscillation"]
    history = make_history(falling(400), seed=seed, noise=0.05)
    for record in history[::2]:
        record["loss"] += 1.0
    assert causes(history) == ["oscillation"]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_few_spikes_are_no_oscillation(seed):
    history = make_history(falling(400), seed=seed)
    for record in history[::40]:
        record["loss"] += 3.0
    assert causes(history) == ["healthy"]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("rise", [0.5, 1.5])
def test_validation_that_rises_while_training_falls(seed, rise):
    loss = falling(600) - np.linspace(0, 2.0, 600)
    validation = falling(600) + 0.2 + rise * np.maximum(0, np.arange(600) / 600 - 0.4)
    found = diagnose_history(make_history(loss, validation, seed=seed, cooldown=False), DATA)
    assert [finding.cause for finding in found.findings] == ["overfitting"]
    best = min(
        (
            record
            for record in make_history(loss, validation, seed=seed, cooldown=False)
            if "validation_loss" in record
        ),
        key=lambda record: record["validation_loss"],
    )
    assert f"第 {best['step']} 步" in found.findings[0].evidence[0]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("cooldown", [True, False])
def test_a_run_that_ended_while_it_learned(seed, cooldown):
    loss = falling(300, end=3.0, share=0.6)
    assert causes(make_history(loss, seed=seed, cooldown=cooldown)) == ["unfinished"]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("steps", [25, 50, 90])
def test_a_young_run_above_the_anchors_is_on_its_way_and_not_stuck(seed, steps):
    loss = falling(1000)[:steps]
    if loss[-1] > ANCHORS["unigram"]:
        assert causes(make_history(loss, seed=seed, cooldown=False)) in (
            ["unfinished"],
            ["healthy"],
        )
    flat = np.full(steps, 6.3)
    assert causes(make_history(flat, seed=seed, cooldown=False)) == ["not_learning"]


@pytest.mark.parametrize("steps", [0, 1, 19])
def test_a_short_run_says_only_what_it_could_not_check(steps):
    found = diagnose_history(make_history(falling(400)[:steps]), DATA) if steps else None
    found = found or diagnose_history([], DATA)
    assert found.findings == ()
    assert f"{steps} 步" in found.unchecked[0]
    assert len(found.unchecked) >= 2


def test_a_run_without_validation_says_so():
    history = make_history(falling(400))
    for record in history:
        record.pop("validation_loss", None)
    found = diagnose_history(history, DATA)
    assert found.findings == ()
    assert "过拟合" in found.unchecked[0]


def test_losses_are_compared_per_character():
    """Tokens of two characters each: 9 nats a token are 4.5 a character, under the unigram line."""
    data = DATA | {"tokens_per_character": {"train": 0.5, "validation": 0.5, "test": 0.5}}
    history = make_history(falling(400) * 2, falling(400) * 2 + 0.4)
    assert causes(history, data) == ["healthy"]
    assert causes(history) == ["not_learning"]


def test_findings_carry_evidence_and_an_experiment_and_are_sorted():
    loss = falling(600) - np.linspace(0, 2.0, 600)
    validation = falling(600) + 0.2 + 1.5 * np.maximum(0, np.arange(600) / 600 - 0.4)
    found = diagnose_history(make_history(loss, validation, noise=0.7), DATA)
    assert {finding.cause for finding in found.findings} == {"overfitting", "oscillation"}
    confidences = [finding.confidence for finding in found.findings]
    assert confidences == sorted(confidences, reverse=True)
    for finding in found.findings:
        assert 0 < finding.confidence <= 1
        assert finding.next_experiment
        assert all(any(c.isdigit() for c in line) for line in finding.evidence)
        assert not any("\n" in line for line in (*finding.evidence, finding.next_experiment))
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["findings"]


def test_a_running_median_passes_over_a_spike():
    values = np.ones(50)
    values[20] = 100
    assert running_median(values).max() == 1
    assert running_median(np.array([3.0])).tolist() == [3.0]


def test_a_run_folder_is_read(tmp_path):
    header = {"format": "novelkit-run", "version": 1, "config": {}, "model": {}, "data": DATA}
    header |= {"decisions": [], "sessions": []}
    (tmp_path / "run.json").write_text(json.dumps(header), encoding="utf-8")
    with pytest.raises(InputError, match="history.jsonl"):
        diagnose(tmp_path)
    lines = [json.dumps(record) + "\n" for record in make_history(falling(400))]
    (tmp_path / "history.jsonl").write_text("".join(lines), encoding="utf-8")
    found = diagnose(tmp_path)
    assert isinstance(found, Diagnosis)
    assert found == diagnose_history(make_history(falling(400)), DATA)
    with pytest.raises(InputError, match="run.json"):
        diagnose(tmp_path / "nowhere")


def test_a_few_steps_that_still_fall_are_unfinished_and_not_healthy():
    """Interrupted at step 31, one evaluation at most: nothing says that this is a good run."""
    history = make_history(falling(31, end=4.5, share=0.5), every=20)
    assert causes(history) == ["unfinished"]


def test_without_two_evaluations_nothing_is_called_healthy():
    history = make_history(np.full(60, 4.0), every=1000)
    assert causes(history) == []
