"""Stage 07: verdicts on recorded real runs, which the rules were not set on."""

from pathlib import Path

import pytest

from novelkit.diagnosis import HEALTHY, diagnose
from novelkit.diagnosis.game import BLIND_RUNS, read_blind_runs

RUNS = Path(__file__).resolve().parents[1] / "assets" / "runs"
BLIND = read_blind_runs(leave_out=())


def test_the_sample_is_of_runs_that_the_rules_had_not_seen():
    assert {run.part for run in BLIND} == {"report"}
    causes = [run.cause for run in BLIND]
    assert len(set(causes)) == 20 and min(map(causes.count, set(causes))) >= 3
    size = sum(path.stat().st_size for path in BLIND_RUNS.iterdir())
    assert size < 2_000_000


def test_no_healthy_run_is_flagged():
    for run in BLIND:
        if run.cause == HEALTHY:
            assert run.diagnose().verdict == HEALTHY, run.name
            assert run.diagnose(probes=True).verdict == HEALTHY, run.name


@pytest.mark.parametrize("probes, least", [(False, 0.65), (True, 0.9)])
def test_most_causes_are_named(probes, least):
    faulty = [run for run in BLIND if run.cause != HEALTHY]
    right = [run.diagnose(probes).verdict == run.cause for run in faulty]
    assert sum(right) / len(faulty) >= least


@pytest.mark.parametrize(
    "name, verdict",
    [
        ("novel-small", HEALTHY),
        ("interrupted", "overfitting"),
        ("diverged", "learning_rate_too_high"),
    ],
)
def test_runs_of_other_lessons(name, verdict):
    assert diagnose(RUNS / name).verdict == verdict
