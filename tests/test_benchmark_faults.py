"""The fault-injection harness: its faults hide from the settings, and its counts are right.

Two runs are made for real, from the bundled novel and in fewer steps.
"""

import dataclasses
import json
import shutil
import sys
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parent / "benchmarks"
NOVEL = BENCHMARKS.parents[1] / "assets" / "novel" / "novel.txt"
sys.path.insert(0, str(BENCHMARKS))

import faults  # noqa: E402
import faults_report  # noqa: E402
import faults_runs  # noqa: E402
import faults_signs  # noqa: E402
import faults_texts  # noqa: E402
from faults_catalogue import FAULTS, MEASURES  # noqa: E402

from novelkit.diagnosis import CAUSES, HEALTHY  # noqa: E402
from novelkit.training.history import read_history  # noqa: E402

STEPS = 60


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("novels")
    text = NOVEL.read_text(encoding="utf-8")
    for name, part in (("一", text[:20_000]), ("二", text[18_000:])):
        (folder / f"{name}.txt").write_text(part, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def short(texts):
    """The harness with few steps and the bundled novel as its corpus."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(faults_texts.CORPORA["develop"], "t", ("一", "二"))
        small = dataclasses.replace(faults_runs.SIZES["develop"]["1"], steps=STEPS, n_embd=16)
        patch.setitem(faults_runs.SIZES["develop"], "1", small)
        yield texts


def plan(cause=HEALTHY, severity=0):
    return faults_runs.Plan("develop", "t", "1", 0, cause, severity)


@pytest.fixture(scope="module")
def runs(short, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    for cause in (HEALTHY, "one_micro_batch_logged", "label_shift"):
        faults_runs.make_run(plan(cause), short, out)
    faults_runs.probe_run(plan("label_shift"), short, out)
    return out


def test_every_cause_of_the_doctor_is_made_in_three_ways_a_part():
    assert set(FAULTS) == set(CAUSES) - {HEALTHY}
    for fault in FAULTS.values():
        for severities in (fault.develop, fault.validate, fault.report):
            assert len(severities) == 3
        assert fault.damage and {name for name, _ in fault.damage} <= MEASURES.keys()


@pytest.mark.parametrize(("one", "other"), list(combinations(faults_texts.CORPORA, 2)))
def test_the_parts_share_no_corpus_size_or_seed(one, other):
    mine, others = (faults_texts.CORPORA[name] for name in (one, other))
    books = [{book for corpus in part.values() for book in corpus} for part in (mine, others)]
    assert len(mine) >= 2 and len(others) >= 2 and not books[0] & books[1]
    sizes = [faults_runs.SIZES[name].values() for name in (one, other)]
    for name in ("n_embd", "n_ctx", "learning_rate", "steps"):
        first, second = ({getattr(size, name) for size in part} for part in sizes)
        assert not first & second
    for seeds in (faults_runs.SEEDS, faults_runs.HEALTHY_SEEDS):
        assert not set(seeds[one]) & set(seeds[other])


def test_the_part_that_is_reported_has_healthy_runs_enough():
    plans = faults_runs.all_plans("report", list(faults_texts.CORPORA["report"]))
    assert sum(item.cause == HEALTHY for item in plans) >= 200
    assert len({item.name for item in plans}) == len(plans)


def test_a_fault_does_not_show_in_settings_or_columns(runs):
    """A faulty run says of its learning rate and its batches what a healthy one says."""
    healthy, faulty = (
        read_history(runs / plan(cause).name) for cause in (HEALTHY, "one_micro_batch_logged")
    )
    assert [list(record) for record in healthy] == [list(record) for record in faulty]
    for name in ("learning_rate", "tokens", "epoch", "position"):
        assert [r[name] for r in healthy] == [r[name] for r in faulty]
    ledgers = [
        json.loads((runs / plan(c).name / "run.json").read_bytes())
        for c in (HEALTHY, "label_shift")
    ]
    assert ledgers[0] == ledgers[1] and "config" not in ledgers[0]


@pytest.mark.parametrize("cause", ["learning_rate_too_high", "warmup_too_long", "wrong_optimizer"])
def test_a_hidden_learning_rate_acts_and_is_not_logged(short, cause):
    found = []
    for one in (plan(), plan(cause)):
        setup = faults_runs.make_setup(one, short)
        learner = setup.new_learner()
        before = {n: p.detach().clone() for n, p in learner.model.named_parameters()}
        record = setup.update(learner, setup.batch(30), 30)
        after = learner.model.named_parameters()
        moved = sum(float((p - before[n]).detach().square().sum()) for n, p in after) ** 0.5
        found.append((record["learning_rate"], moved))
    assert found[0][0] == found[1][0]
    ratio = found[1][1] / found[0][1]
    assert ratio > 3 if cause == "learning_rate_too_high" else ratio < 0.6


def test_a_run_without_more_noise_in_its_training_is_only_logged_worse(runs):
    found = faults_runs.damage(plan("one_micro_batch_logged"), runs)
    assert found["held_out"] == pytest.approx(0, abs=1e-6)
    assert found["swing"] > 1.3


def test_damage_against_the_healthy_pair(runs):
    assert faults_runs.damage(plan("label_shift"), runs)["held_out"] > 0.5
    assert faults_runs.is_faulty(plan("label_shift"), runs)


def test_runs_are_the_same_when_they_are_made_again(short, runs, tmp_path):
    faults_runs.make_run(plan("label_shift"), short, tmp_path)
    again, before = (read_history(folder / plan("label_shift").name) for folder in (tmp_path, runs))
    assert [r["loss"] for r in again] == [r["loss"] for r in before]


def test_every_fault_trains(short):
    for cause in FAULTS:
        for severity in range(3):
            setup = faults_runs.make_setup(plan(cause, severity), short)
            learner = setup.new_learner()
            record = setup.update(learner, setup.batch(2), 2)
            assert record["tokens"] > 0
            assert setup.losses(learner, setup.batch(3)).numel() > 0
            setup.reopen(learner)


def test_scores_of_rankings(runs):
    plans = [plan(), plan("one_micro_batch_logged"), plan("label_shift")]
    cases, made, discarded = faults_report.read_cases(runs, plans)
    assert made.total() == 3 and len(cases) + discarded.total() == 3
    told = {HEALTHY: [(HEALTHY, 1.0)], "label_shift": [("unshuffled", 0.6), ("label_shift", 0.4)]}
    told["one_micro_batch_logged"] = [("one_micro_batch_logged", 0.9), (HEALTHY, 0.1)]
    rankings = [told[case.truth] for case in cases]
    score = faults_report.judge(cases, rankings)
    faulty = [case for case in cases if case.truth != HEALTHY]
    assert score.flagged == 0 and score.top_2 == 1.0
    assert score.top_1 == pytest.approx((len(faulty) - 1) / len(faulty))
    rows = faults_report.coverage(cases, rankings)
    assert rows[0][1] == 1.0 and [r[1] for r in rows] == sorted((r[1] for r in rows), reverse=True)


def test_equal_alarms_silence_whoever_flags_healthy_runs():
    def case(truth):
        return SimpleNamespace(truth=truth)

    sick = [(case("label_shift"), [("label_shift", sure), (HEALTHY, 0.0)]) for sure in (0.9, 0.5)]
    well = [(case(HEALTHY), [(HEALTHY, 1.0), ("restarted", 0.0)])] * 49
    loud = (case(HEALTHY), [("restarted", 0.7), (HEALTHY, 0.3)])

    def scored(*pairs):
        return faults_report.judge(*map(list, zip(*pairs, strict=True))).at_equal_alarms

    # One of fifty is allowed, two are not, and then only what is surer than they counts.
    assert scored(*sick, *well, loud) == 1.0
    assert scored(*sick, *well, loud, loud) == 0.5
    surest = (case(HEALTHY), [("restarted", 0.95), (HEALTHY, 0.05)])
    assert scored(*sick, *well, surest, surest) == 0.0


def test_signs_of_the_probes_are_read_back(runs):
    case = next(c for c in faults_report.read_cases(runs, [plan("label_shift")])[0])
    assert case.signs["probes"]["probe_offset"] == 0
    assert faults_report.doctor(case, "probes")[0][0] == "label_shift"


def test_a_probe_that_is_asked_again_leaves_the_others_as_they_were(runs, short, tmp_path):
    name = plan("label_shift").name
    shutil.copytree(runs / name, tmp_path / name)
    file = tmp_path / name / faults_runs.PROBES_FILE
    before = json.loads(file.read_bytes())
    stale = before | {"signs": before["signs"] | {"probe_strange": 0.9, "probe_start": 7.0}}
    file.write_text(json.dumps(stale), encoding="utf-8")
    faults_runs.probe_run(plan("label_shift"), short, tmp_path, ["texts"])
    after = json.loads(file.read_bytes())
    assert after == before | {"signs": before["signs"] | {"probe_start": 7.0}}


def test_signs_are_kept_and_read_back(runs, tmp_path):
    plans = [plan(), plan("one_micro_batch_logged"), plan("label_shift")]
    cases, made, discarded = faults_report.read_cases(runs, plans)
    for signs in cases[0].signs.values():
        signs["swing"] = float("inf")
    target = faults_signs.write_signs("develop", cases, made, discarded, tmp_path)
    first = target.read_bytes()
    faults_signs.write_signs("develop", cases, made, discarded, tmp_path)
    assert target.read_bytes() == first
    kept, kept_made, kept_discarded = faults_signs.read_kept_signs("develop", tmp_path)
    assert (kept_made, kept_discarded) == (made, discarded)
    assert [case.plan for case in kept] == [case.plan for case in cases]
    for mine, theirs in zip(kept, cases, strict=True):
        assert mine.signs.keys() == theirs.signs.keys()
        for level, signs in theirs.signs.items():
            assert mine.signs[level] == pytest.approx(signs, rel=1e-5, nan_ok=True)


def case_of(truth, **signs):
    return SimpleNamespace(truth=truth, signs={"loss": signs})


def test_the_doctor_at_the_alarms_of_another():
    surely, hardly = {"jump_of_swing": 9.0}, {"jump_of_swing": 4.0}
    cases = [case_of("restarted", **surely), case_of("restarted", **hardly)]
    cases += [case_of(HEALTHY, jump_of_swing=value) for value in (0.0, 0.0, 0.0, 5.0)]
    told = faults_report.doctor_at_alarms
    # At no alarm only what is surer than every healthy run counts, at a quarter all of it.
    assert told(cases, "loss", 0.0) == 0.5
    assert told(cases, "loss", 0.25) == 1.0
    wrong = [case_of("unshuffled", **surely), *cases]
    assert told(wrong, "loss", 1.0) == pytest.approx(2 / 3)


@pytest.fixture(scope="module")
def kept():
    return faults_signs.read_kept_signs("report")


def test_the_kept_signs_are_of_runs_that_no_rule_has_seen(kept):
    cases, made, discarded = kept
    assert {case.plan.part for case in cases} == {"report"}
    assert made.total() - discarded.total() == len(cases)
    assert {case.truth for case in cases} == set(CAUSES)
    assert all("probes" in case.signs for case in cases)


@pytest.mark.parametrize(
    ("level", "top_1", "top_2", "macro_f1"),
    [
        ("loss", 0.75, 0.86, 0.75),
        ("validation", 0.75, 0.85, 0.75),
        ("gradients", 0.82, 0.89, 0.82),
        ("probes", 0.98, 0.99, 0.98),
    ],
)
def test_the_rules_are_as_good_as_the_readme_says(kept, level, top_1, top_2, macro_f1):
    """Whoever changes a rule sees at once what that does to runs on which none was tuned."""
    cases = kept[0]
    score = faults_report.judge(cases, [faults_report.doctor(case, level) for case in cases])
    assert score.top_1 >= top_1 and score.top_2 >= top_2 and score.macro_f1 >= macro_f1
    assert score.flagged <= 0.02


def test_the_report_needs_no_runs(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["faults.py", "report", "--part", "report"])
    faults.main()
    printed = capsys.readouterr().out
    for level in faults_report.LEVELS:
        assert f"\n{level}, " in printed
    assert "| the doctor |" in printed and "nothing for trainproof" in printed


@pytest.mark.parametrize("kind", sorted(faults_texts.DAMAGES) + ["substituted"])
def test_texts_are_spoiled_as_much_as_is_asked(kind):
    text = "\n".join(f"第{n}行的文字是这样写成的，后面还有一些。" for n in range(400))
    assert faults_texts.spoil(text, kind, 0.0, 1) == text
    spoiled = faults_texts.spoil(text, kind, 0.3, 1)
    same = np.mean([a == b for a, b in zip(text.split("\n"), spoiled.split("\n"), strict=False)])
    assert same < 0.8
    assert faults_texts.spoil(text, kind, 0.3, 1) == spoiled
