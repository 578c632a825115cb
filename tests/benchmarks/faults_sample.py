"""A sample of the runs for the repository: histories and what the probes found, in little room.

`assets/runs/faults/` is read by notebook 07 (its blind game) and by tests: one gzipped JSON Lines
file a run, and `index.json` with what was done to each, the anchors of its texts and its probes.
"""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from faults_report import Case
from faults_runs import HEALTHY, PROBES_FILE, damage

from novelkit import layouts

# What the doctor reads; the rest of a record can be computed from it or tells nothing.
COLUMNS = (
    "step",
    "loss",
    "validation_loss",
    "learning_rate",
    "gradient_norm",
    "update_ratio",
    "loss_spread",
    "clipped",
    "epoch",
    "scale",
    "skipped",
    "tokens",
    "session",
)
# Digits of a number: the noise of a loss is in the second or third.
DIGITS = 5


def write_sample(cases: Sequence[Case], out: Path, target: Path, each: int, healthy: int) -> None:
    """`each` runs a cause and so many healthy ones, of different cells as far as they go."""
    target.mkdir(parents=True, exist_ok=True)
    for old in target.glob("*.jsonl.gz"):
        old.unlink()
    index: dict[str, Any] = {}
    for case in _choose(cases, each, healthy):
        folder, name = out / case.plan.name, case.plan.name
        lines = [json.dumps(_rounded(record), separators=(",", ":")) for record in case.history]
        raw = "".join(line + "\n" for line in lines).encode()
        # No time in the file: the same runs make the same bytes.
        (target / f"{name}.jsonl.gz").write_bytes(gzip.compress(raw, 9, mtime=0))
        index[name] = {
            "cause": case.plan.cause,
            "severity": case.plan.severity,
            "part": case.plan.part,
            "knobs": case.plan.knobs,
            "data": _read(folder / layouts.RUN_FILE)["data"],
            "probes": _read(folder / PROBES_FILE)["signs"],
            "damage": {} if case.plan.cause == HEALTHY else _finite(damage(case.plan, out)),
        }
    layouts.write_json(target / "index.json", index)


def _finite(found: dict[str, float]) -> dict[str, float | None]:
    """JSON has no infinity: null where a model's loss is no number."""
    return {name: round(v, 4) if np.isfinite(v) else None for name, v in found.items()}


def _choose(cases: Sequence[Case], each: int, healthy: int) -> list[Case]:
    chosen: list[Case] = []
    for cause in sorted({case.truth for case in cases}):
        found = [case for case in cases if case.truth == cause and "probes" in case.signs]
        # Runs of different severities, corpora and sizes before more of the same.
        found.sort(key=lambda case: (case.plan.seed, case.plan.name))
        wanted = healthy if cause == HEALTHY else each
        step = max(1, len(found) // wanted)
        chosen += found[::step][:wanted]
    return chosen


def _rounded(record: dict[str, Any]) -> dict[str, Any]:
    return {
        name: float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
        for name in COLUMNS
        if (value := record.get(name, "absent")) != "absent"
    }


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))
