"""The runs that the doctor compares others with: what `faults.py record` writes."""

from collections.abc import Sequence

from faults_report import Case

from novelkit.diagnosis.neighbours import RecordedRuns

# What no curve shows: the run itself is healthy, and the others are like it by chance.
UNSEEN = {"vocabulary_mismatch"}
# Signs in nats or steps: they tell the text, its vocabulary and the plan rather than the fault.
OF_THE_TEXT = {
    "above_unigram",
    "context",
    "drop",
    "early_below",
    "epoch_drop",
    "epoch_drop_error",
    "fall",
    "first",
    "jump",
    "last",
    "lasting_jump",
    "missing_at_end",
    "redundancy",
    "start_above_uniform",
    "steps",
    "validation_fall",
    "validation_last",
    "waves",
}


def recorded_runs(cases: Sequence[Case]) -> RecordedRuns:
    """Of cases whose causes may be known: never of those that the doctor is measured on."""
    seen = [case for case in cases if case.truth not in UNSEEN]
    signs = [
        {name: value for name, value in case.signs["gradients"].items() if name not in OF_THE_TEXT}
        for case in seen
    ]
    return RecordedRuns.of(signs, [case.truth for case in seen])
