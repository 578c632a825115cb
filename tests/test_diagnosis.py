"""Stage 07: verdicts on curves that show a cause, no alarm on curves that are well, honest words.

Made-up histories; those of real runs are in tests/test_diagnosis_runs.py.
"""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novelkit.diagnosis import CAUSES, HEALTHY, UNKNOWN, Probed, diagnose, diagnose_history
from novelkit.diagnosis.causes import NOTES
from novelkit.diagnosis.curve import Curve
from novelkit.diagnosis.doctor import CLEARED
from novelkit.diagnosis.rules import RULES, Clue, rank
from novelkit.diagnosis.signs import read_signs
from novelkit.diagnosis.wording import SIGN_TEXTS, say
from novelkit.errors import InputError

ANCHORS = {
    "uniform": 7.8,
    "unigram": 6.2,
    "bigram": 5.3,
    "trigram": 5.0,
    "fivegram": 4.9,
    "xz": 5.6,
}
DATA = {"anchors": ANCHORS, "tokens_per_character": {"train": 1.0, "validation": 1.0, "test": 1.0}}
SEEDS = range(4)
# What every trainer logs.
KNOWN_TO_ALL = ("step", "loss", "validation_loss", "learning_rate", "epoch")


def schedule(steps: int, cooldown: bool, peak: float = 1e-3) -> np.ndarray:
    """Warm-up over a twentieth, and a last fifth of 1 - sqrt."""
    at = np.arange(1, steps + 1)
    rates = peak * np.minimum(at / (steps / 20), 1)
    if cooldown:
        start = int(steps * 0.8)
        rates[start:] = peak * (1 - np.sqrt((at[start:] - start) / (steps - start + 1)))
    return rates


def falling(steps: int, end: float = 4.6, share: float = 0.1) -> np.ndarray:
    """From 7.8 down to `end`, slow while it warms up; after `share` of the steps a 1/e is left."""
    at = np.maximum(0, np.arange(1, steps + 1) - steps / 40)
    return end + (7.8 - end) * np.exp(-at / (share * steps))


def make_history(
    loss: np.ndarray,
    validation: np.ndarray | None = None,
    seed: int = 0,
    noise: float = 0.1,
    cooldown: bool = True,
    sessions: tuple[int, ...] = (),
    per_rate: np.ndarray | float = 3.0,
    norm: float = 0.1,
    spread: float = 0.4,
) -> list[dict]:
    """Records as training writes them; `sessions` are the steps after which a new one began."""
    rng = np.random.default_rng(seed)
    steps = len(loss)
    validation = loss + 0.2 if validation is None else validation
    rates = schedule(steps, cooldown)
    updates = rates * per_rate
    records = []
    for at, value in enumerate(loss):
        step = at + 1
        record = {
            "step": step,
            "loss": float(value + rng.normal(0, noise)),
            "loss_spread": spread,
            "learning_rate": float(rates[at]),
            "gradient_norm": float(np.exp(rng.normal(0, norm))),
            "update_ratio": float(updates[at]),
            "clipped": bool(rng.random() < 0.05),
            "tokens": 768,
            "session": 1 + sum(step > boundary for boundary in sessions),
        }
        if step % (steps // 14) == 0 or step == steps:
            record["validation_loss"] = float(validation[at] + rng.normal(0, 0.005))
        records.append(record)
    return records


def verdict(history: list[dict], data: dict = DATA) -> str:
    return diagnose_history(history, data).verdict


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("steps", [200, 600, 3000])
@pytest.mark.parametrize("cooldown", [True, False])
def test_a_healthy_run_raises_no_alarm(seed, steps, cooldown):
    loss = falling(steps, share=0.08)
    assert verdict(make_history(loss, seed=seed, cooldown=cooldown)) == HEALTHY


@pytest.mark.parametrize("seed", SEEDS)
def test_a_resume_that_goes_on_is_healthy(seed):
    history = make_history(falling(400), seed=seed, sessions=(30, 31, 200, 390))
    assert verdict(history) == HEALTHY


@pytest.mark.parametrize("seed", SEEDS)
def test_a_few_spikes_are_no_oscillation(seed):
    history = make_history(falling(400), seed=seed)
    for record in history[::40]:
        record["loss"] += 3.0
    assert verdict(history) == HEALTHY


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("at", [100, 250])
def test_a_resume_that_lost_its_weights(seed, at):
    loss = np.concatenate([falling(400)[:at], falling(400)])
    assert verdict(make_history(loss, seed=seed, sessions=(at,))) == "restarted"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("rise", [0.5, 1.5])
def test_validation_that_rises_while_training_falls(seed, rise):
    loss = falling(600) - np.linspace(0, 2.5, 600)
    validation = falling(600) + 0.2 + rise * np.maximum(0, np.arange(600) / 600 - 0.4)
    history = make_history(loss, validation, seed=seed, cooldown=False)
    for record in history:
        record["epoch"] = record["step"] // 20
    assert verdict(history) == "overfitting"


@pytest.mark.parametrize("seed", SEEDS)
def test_updates_that_grow_to_the_end(seed):
    per_rate = np.exp(np.linspace(-3, 0, 400))
    loss = np.linspace(7.8, 5.9, 400)
    assert verdict(make_history(loss, seed=seed, per_rate=per_rate, cooldown=False)) == (
        "warmup_too_long"
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_a_learning_rate_that_rises_to_the_end(seed):
    """As it was logged: nothing but the schedule itself tells."""
    loss = np.linspace(7.8, 5.9, 400)
    history = make_history(loss, seed=seed, cooldown=False)
    for record in history:
        record["learning_rate"] = 1e-3 * record["step"] / 2400
        record["update_ratio"] = 3 * record["learning_rate"]
    assert verdict(history) == "warmup_too_long"
    for record in history:
        record["learning_rate"] = 1e-3 * 0.5 ** (record["step"] / 12)
        record["update_ratio"] = 3 * record["learning_rate"]
    assert verdict(history) == "learning_rate_too_low"


@pytest.mark.parametrize("seed", SEEDS)
def test_weights_that_do_not_move(seed):
    assert verdict(make_history(falling(400, 6.0), seed=seed, per_rate=0.0)) == "parameters_frozen"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_third_of_the_steps_without_a_number(seed):
    history = make_history(falling(400), seed=seed)
    for record in history[200::2]:
        record["loss"] = record["gradient_norm"] = None
    assert verdict(history) == "number_overflow"
    for record in history[200::2]:
        record["loss"] = 0.0  # as a trainer logs that filters NaN
    assert verdict(history) == "number_overflow"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_gradient_scaler_that_collapses(seed):
    """The losses are numbers all the time; the gradients were not, and their steps left out."""
    history = make_history(falling(400), seed=seed)
    for record in history:
        record["scale"] = 65536.0 * 0.5 ** (record["step"] // 25)
        record["skipped"] = record["step"] % 25 == 0
    assert verdict(history) == "number_overflow"


@pytest.mark.parametrize("seed", SEEDS)
def test_one_of_sixteen_sequences_is_logged(seed):
    history = make_history(falling(400), seed=seed, noise=0.4, spread=0.4)
    assert verdict(history) == "one_micro_batch_logged"


@pytest.mark.parametrize("seed", SEEDS)
def test_losses_that_know_their_neighbours(seed):
    rng = np.random.default_rng(seed)
    books = np.repeat(rng.normal(0, 0.25, 40), 10)
    loss = falling(400) + np.convolve(books, np.ones(6) / 6, mode="same")
    assert verdict(make_history(loss, falling(400) + 0.9, seed=seed)) == "unshuffled"


@pytest.mark.parametrize("sign, value", [("probe_offset", 0.0), ("probe_offset", 2.0)])
def test_a_probe_overrules_a_curve_that_looks_well(sign, value):
    probed = Probed(signs={sign: value})
    found = diagnose_history(make_history(falling(400)), DATA, probed)
    assert found.verdict == "label_shift" and found.findings[0].confidence > 0.9
    assert f"{value:.0f} 个词元" in found.findings[0].evidence[0]


def test_a_leak_that_was_looked_for_and_not_found():
    history = make_history(falling(400), falling(400) - 0.6)
    assert verdict(history) == "validation_leaked"
    probed = Probed(signs={"probe_leaked": 0.0})
    assert diagnose_history(history, DATA, probed).verdict != "validation_leaked"


def test_what_is_said_of_a_finding():
    loss = np.concatenate([falling(400)[:200], falling(400)])
    history = make_history(loss, sessions=(200,))
    chinese, english = (diagnose_history(history, DATA, language=name) for name in ("zh", "en"))
    first = chinese.findings[0]
    assert first.cause == "restarted" and first.cures and first.next_experiment
    assert any("恢复训练时损失跳高了" in line for line in first.evidence)
    assert english.findings[0].title == CAUSES["restarted"].title[1]
    assert any("resume" in line for line in english.findings[0].evidence)
    found = json.loads(json.dumps(chinese.as_dict(), allow_nan=False))
    assert found["verdict"] == "restarted" and found["signs"]["jump_of_swing"] > 7


def test_what_could_not_be_checked_is_said():
    short = diagnose_history(make_history(falling(15)), DATA)
    assert short.verdict == UNKNOWN and not short.findings and "15 步" in short.unchecked[0]
    bare = [{"step": r["step"], "loss": r["loss"]} for r in make_history(falling(400))]
    found = diagnose_history(bare, {})
    said = "\n".join(found.unchecked)
    for words in ("验证", "参考线", "更新的大小", "探针"):
        assert words in said
    probed = Probed(failed={"resumes": "FileNotFoundError: x"})
    assert any("resumes" in line for line in diagnose_history(bare, DATA, probed).unchecked)
    assert diagnose_history([], DATA).verdict == UNKNOWN


def test_it_may_say_that_it_cannot_tell():
    """Two causes of equal odds leave less than half for each."""
    signs = {"probe_offset": 0.0, "probe_sampler": 1.0}
    ranked = rank(signs)
    assert {cause for cause, _ in ranked[:2]} == {"label_shift", "vocabulary_mismatch"}
    assert ranked[0][1] < 0.51
    found = diagnose_history(make_history(falling(400)), DATA, Probed(signs=signs))
    assert found.verdict in (UNKNOWN, "label_shift", "vocabulary_mismatch")
    if found.verdict == UNKNOWN:
        assert {item.cause for item in found.findings[1:]} >= {"label_shift"}
        assert found.findings[0].next_experiment


def test_remarks_are_no_faults():
    falls_on = diagnose_history(make_history(falling(400, share=0.5), cooldown=False), DATA)
    assert falls_on.verdict == HEALTHY and NOTES["unfinished"][0] in falls_on.remarks
    history = make_history(falling(1200, end=4.4), cooldown=False)
    at_rest = diagnose_history(history, DATA)
    assert at_rest.verdict == HEALTHY and NOTES["at_the_floor"][0] in at_rest.remarks


def test_a_curve_alone_clears_no_run_beyond_what_it_shows():
    history = make_history(falling(600, share=0.08))
    alone = diagnose_history(history, DATA).findings[0]
    assert alone.cause == HEALTHY and alone.confidence == CLEARED
    quiet = {"probe_still": 0.0, "probe_leaked": 0.0, "probe_offset": 1.0, "probe_filling": 0.0}
    probed = diagnose_history(history, DATA, Probed(signs=quiet)).findings[0]
    assert probed.cause == HEALTHY and probed.confidence > CLEARED


def test_an_easier_validation_text_in_tokens_is_no_leak():
    """Where nobody knows how many tokens a character has, texts differ by some per cent."""
    loss = falling(600)
    for below, is_leak in ((0.0, False), (0.2, False), (0.9, True)):
        history = make_history(loss, validation=loss - below)
        bare = [{k: v for k, v in r.items() if k in KNOWN_TO_ALL} for r in history]
        assert (diagnose_history(bare, {}).verdict == "validation_leaked") == is_leak
    # In nats per character, between anchors, it takes less.
    leaked = make_history(loss, validation=loss - 0.4)
    assert diagnose_history(leaked, DATA).verdict == "validation_leaked"


def test_every_clue_has_its_words_and_every_cause_its_texts():
    signs = {clue.sign for clues in RULES.values() for clue in clues if clue.weight > 0}
    silent = {"unanchored"}
    assert signs - SIGN_TEXTS.keys() <= silent
    for sign in SIGN_TEXTS:
        for text in say(sign, 1.0):
            assert text and "{" not in text
    for cause in CAUSES.values():
        for chinese, english in (cause.title, cause.experiment, *cause.cures):
            assert any("\u4e00" <= c <= "\u9fff" for c in chinese)
            assert english and not any("\u4e00" <= c <= "\u9fff" for c in english)


def test_a_number_beyond_its_limit_is_said_in_other_words():
    assert "高于单字频率" in say("learned", -0.5)[0] and "50%" in say("learned", -0.5)[0]
    assert "走完" in say("learned", 0.5)[0]
    assert "低 0.30" in say("gap", -0.3)[0] and "高 0.30" in say("gap", 0.3)[0]
    assert "一段文字" in say("noise_of_spread", 9.0)[0]


@given(st.floats(-10, 10), st.floats(0.01, 10), st.booleans(), st.floats(-100, 100))
def test_a_clue_is_a_ramp(nothing, width, down, value):
    clue = Clue("x", nothing, nothing - width if down else nothing + width, 2.0)
    strength = clue.strength({"x": value})
    assert 0 <= strength <= 1
    assert clue.strength({"x": clue.nothing}) == 0 and clue.strength({"x": clue.all}) == 1
    assert clue.strength({}) == 0 == clue.strength({"x": float("nan")})
    given_ = dataclasses.replace(clue, given=Clue("y", 0.0, 1.0, 1.0))
    assert given_.strength({"x": clue.all, "y": 0.25}) == pytest.approx(0.25)


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from(sorted(SIGN_TEXTS)), st.floats(-1e6, 1e6), max_size=30))
def test_shares_of_the_odds_add_up(signs):
    ranked = rank(signs)
    assert {cause for cause, _ in ranked} == set(CAUSES)
    assert sum(share for _, share in ranked) == pytest.approx(1.0)
    shares = [share for _, share in ranked]
    assert shares == sorted(shares, reverse=True)


def test_a_language_that_it_does_not_speak():
    with pytest.raises(InputError, match="language 是 fr"):
        diagnose_history([], DATA, language="fr")


def test_a_folder_without_a_run(tmp_path):
    with pytest.raises(InputError):
        diagnose(tmp_path)


# Logs of other trainers: no anchors, no sizes of updates, few points ----------------------------


def foreign_log(seed: int, points: int, waves: float = 0.0) -> list[dict]:
    """A loss that falls with noise, every tenth step, and some validation losses."""
    random = np.random.default_rng(seed)
    noise, constant = random.choice([0.02, 0.06, 0.15]), random.choice([0.05, 0.15, 0.3])
    records: list[dict] = []
    for point in range(1, points + 1):
        share = point / points
        loss = 2.5 + 3.5 * np.exp(-share / constant) + random.normal(0, noise)
        loss += waves * np.sin(30 * share)
        records.append({"step": 10 * point, "loss": loss, "learning_rate": 5e-5})
        if point % max(1, points // 8) == 0:
            records[-1]["validation_loss"] = loss + 0.2
    return records


@pytest.mark.parametrize("points", [30, 60, 100, 200, 1000])
def test_a_short_log_that_is_well_is_not_called_sick(points):
    """The smooth line of a short log has noise of its own, which is no wave."""
    verdicts = [diagnose_history(foreign_log(seed, points), {}).verdict for seed in range(30)]
    assert sum(verdict not in (HEALTHY, UNKNOWN) for verdict in verdicts) <= 2
    assert verdicts.count(HEALTHY) >= 15


@pytest.mark.parametrize("points", [60, 100, 400])
def test_waves_are_named_also_where_no_anchors_are_known(points):
    logs = [foreign_log(seed, points, waves=0.5) for seed in range(10)]
    verdicts = [diagnose_history(log, {}).verdict for log in logs]
    assert verdicts.count("learning_rate_too_high") >= 8


def test_an_early_fall_counts_only_in_the_first_pass():
    """A small text that was read several times may be known by heart so soon."""

    def early(epochs):
        signs = {"early_below": 50.0, "start_above_uniform": 0.0, "below_best": 1.0, "learned": 2.0}
        return dict(rank(signs | {"early_passes": epochs}))["loss_on_padding"]

    assert early(0.0) > 0.5 > 0.1 > early(3.0)


def test_noise_at_the_turn_of_an_epoch_is_no_sawtooth():
    """Medians of a few steps of a short log differ by chance, also from one epoch to the next."""
    said = 0
    for seed in range(40):
        records = foreign_log(seed, 100)
        for number, record in enumerate(records):
            record["epoch"] = number // 25
        said += NOTES["sawtooth"][0] in diagnose_history(records, {}).remarks
    assert said <= 4


def noisy_history(learned: float, seed: int) -> list[dict]:
    """Steps that swing by 0.4 nats around a curve that ends that share of the way down."""
    end = ANCHORS["unigram"] - learned * (ANCHORS["unigram"] - ANCHORS["bigram"])
    return make_history(falling(600, end=end), seed=seed, noise=0.4, spread=0.5)


@pytest.mark.parametrize("seed", SEEDS)
def test_noise_of_the_log_and_noise_of_the_batch_are_told_apart_by_what_is_learned(seed):
    """From the loss alone: a small batch learns badly, a log of one micro-batch only looks so."""

    def shares(learned: float) -> dict[str, float]:
        history = [{"step": r["step"], "loss": r["loss"]} for r in noisy_history(learned, seed)]
        found = diagnose_history(history, DATA).findings
        return {item.cause: item.confidence for item in found}

    well, badly = shares(0.8), shares(-0.2)
    assert well.get("one_micro_batch_logged", 0) > well.get("batch_too_small", 0)
    assert badly.get("batch_too_small", 0) > badly.get("one_micro_batch_logged", 0)


@pytest.mark.parametrize("level", ["loss", "validation", "gradients"])
def test_a_loss_that_was_thrown_up_is_not_called_unshuffled(level):
    """Found on a real run of 9,827 steps that diverged after 3,500: its drift has a memory."""
    random = np.random.default_rng(0)
    drift = np.convolve(random.normal(0, 1, 6030), np.ones(30) / 30, "valid")[:6000]
    loss = np.r_[falling(3000), np.linspace(4.7, 6.0, 3000)] + drift
    history = make_history(loss, norm=0.4)
    signs = read_signs(Curve.of(history, DATA), level)
    assert signs["memory"] > 0.25 and signs["rise"] > 0.4
    assert rank(signs)[0][0] == "learning_rate_too_high"


def test_a_validation_loss_far_below_the_training_loss_is_a_leak():
    """Whatever the weights of the harness: no dropout makes a difference of 0.6 nats."""
    for share in (0.05, 0.1, 0.2):
        loss = falling(400, share=share)
        assert verdict(make_history(loss, loss - 0.6)) == "validation_leaked"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_first_step_of_full_length_after_a_resume_is_a_new_optimizer(seed):
    history = make_history(falling(400), seed=seed, sessions=(200,))
    assert verdict(history) == HEALTHY
    history[200]["update_ratio"] *= 4
    assert verdict(history) == "optimizer_state_lost"


def test_what_a_probe_looked_for_and_did_not_find_weighs_against_a_curve():
    """Found on a healthy run whose loss was higher by chance in the steps after its resume."""
    signs = {"learned": 0.5, "lasting_of_swing": 3.1, "relapse": 1.2}
    assert rank(signs)[0][0] == "optimizer_state_lost"
    assert rank(signs | {"probe_resume_state": 0.0})[0][0] == HEALTHY
    assert rank(signs | {"probe_resume_state": 1.5})[0][0] == "optimizer_state_lost"


def test_steps_that_are_higher_by_chance_are_no_relapse():
    signs = {"learned": 0.5, "lasting_of_swing": 3.1, "relapse": -1.0}
    assert rank(signs)[0][0] == HEALTHY
