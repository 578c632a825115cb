"""Stage 07: the recorded runs that are most like a run, and how much they may say."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novelkit.diagnosis import CAUSES, HEALTHY, diagnose_history
from novelkit.diagnosis.game import read_blind_runs
from novelkit.diagnosis.neighbours import (
    ABSENT,
    NEAREST,
    NOBODY,
    STEP,
    UNANCHORED,
    RecordedRuns,
    neighbours_of,
)
from novelkit.diagnosis.rules import rank

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "benchmarks"))

import faults_record  # noqa: E402
import faults_signs  # noqa: E402

PACKAGED = RecordedRuns.load()


def signs_of(run: int) -> dict[str, float]:
    """The signs of one of the recorded runs."""
    return {
        name: float(PACKAGED.median[at] + PACKAGED.places[run, at] * STEP * PACKAGED.scale[at])
        for at, name in enumerate(PACKAGED.names)
        if PACKAGED.places[run, at] != ABSENT
    }


def test_the_packaged_runs_are_those_that_the_rules_were_set_on():
    parts = [faults_signs.read_kept_signs(part)[0] for part in ("develop", "validate")]
    tuned = [case for cases in parts for case in cases]
    again = faults_record.recorded_runs(tuned)
    assert again.names == PACKAGED.names and again.causes == PACKAGED.causes
    assert np.array_equal(again.places, PACKAGED.places)
    assert np.allclose(again.median, PACKAGED.median) and np.allclose(again.scale, PACKAGED.scale)
    # A wrong vocabulary at generation is in no curve, so no curve may be likened to one.
    assert set(PACKAGED.causes) == CAUSES.keys() - {"vocabulary_mismatch"}
    assert not {"first", "steps", "last"} & set(PACKAGED.names)


@pytest.mark.parametrize("cause", sorted(set(PACKAGED.causes)))
def test_a_recorded_run_is_most_like_itself(cause):
    run = PACKAGED.causes.index(cause)
    found = neighbours_of(signs_of(run))
    assert found.causes[0] == cause and found.votes[0] == 1.0 and found.trust > 0.9
    assert len(found.causes) == NEAREST and list(found.votes) == sorted(found.votes, reverse=True)
    odds = found.odds()
    assert odds[cause] > odds["vocabulary_mismatch"] == min(odds.values())


numbers = st.one_of(
    st.floats(-1e12, 1e12), st.sampled_from([math.nan, math.inf, -math.inf, 0.0, 1e300])
)


@given(st.dictionaries(st.sampled_from([*PACKAGED.names, "probe_still", "unanchored"]), numbers))
def test_any_signs_have_neighbours_that_say_little(signs):
    found = neighbours_of(signs)
    assert 0 <= found.trust <= 1 and all(0 <= vote <= 1 for vote in found.votes)
    odds = found.odds()
    assert odds.keys() == CAUSES.keys()
    # Never more than a hint: a clue of weight 4 is called strong.
    assert max(odds.values()) - min(odds.values()) < 2.1
    if not found.trust:
        assert set(odds.values()) == {0.0}
        assert rank(signs, found) == rank(signs)


def test_what_is_like_no_recorded_run_is_judged_by_the_rules_alone():
    signs = signs_of(0)
    strange = {
        name: float(PACKAGED.median[at] + (-1) ** at * 50 * PACKAGED.scale[at])
        for at, name in enumerate(PACKAGED.names)
    }
    assert neighbours_of(signs).trust == 1 and neighbours_of(strange).trust == 0
    assert neighbours_of({}) == NOBODY == RecordedRuns.load().nearest({"probe_still": 1.0})
    assert rank(strange, neighbours_of(strange)) == rank(strange)


def test_without_anchors_likeness_says_less():
    signs = signs_of(0)
    assert neighbours_of(signs | {"unanchored": 1.0}).trust == pytest.approx(UNANCHORED)


def test_what_one_has_and_the_other_lacks_is_far_apart():
    runs = RecordedRuns.of(
        [{"a": 0.0, "b": 0.0}, {"a": 1.0, "b": 1.0}, {"a": 0.5}, {"a": 9.0, "b": 9.0}],
        [HEALTHY, "restarted", "unshuffled", "overfitting"],
    )
    assert runs.nearest({"a": 0.5, "b": 0.4}).causes[2:] == ("unshuffled", "overfitting")
    assert runs.nearest({"a": 0.5}).causes[0] == "unshuffled"


def test_runs_are_kept_byte_by_byte(tmp_path):
    for name in ("one.npz", "two.npz"):
        PACKAGED.save(tmp_path / name)
    again = RecordedRuns.load(tmp_path / "one.npz")
    assert np.array_equal(again.places, PACKAGED.places) and again.causes == PACKAGED.causes
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


@pytest.mark.parametrize(
    ("language", "says"),
    [
        ("zh", "与它最像的 5 条有记录的曲线里，{} 条是正常的"),
        ("en", "of the 5 recorded curves most like it, {} were healthy"),
    ],
)
def test_the_doctor_says_what_the_runs_like_it_were(language, says):
    said = 0
    for run in read_blind_runs(HERE.parent / "assets/runs/faults"):
        if run.cause != HEALTHY:
            continue
        found = diagnose_history(run.history, run.data, language=language)
        count = neighbours_of(found.signs).causes.count(HEALTHY)
        line = says.format(count)
        assert (line in found.findings[0].evidence) == (count >= 3 and found.verdict == HEALTHY)
        said += line in found.findings[0].evidence
        # Of a log without anchors it is not said: there it is hardly evidence.
        bare = diagnose_history(run.history, {}, language=language)
        assert line not in bare.findings[0].evidence
    assert said
