"""The signs of the harness's runs, kept beside it: rules are measured in seconds, without the runs.

`faults_signs/PART.json.gz`: of every run that counts its plan and, a column a sign, what each level
of input adds to the one before it. What a run is called, and how the runs are made again, says
`faults.py`.
"""

import gzip
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from faults_report import LEVELS, Case
from faults_runs import Plan

from novelkit.diagnosis.signs import Signs

KEPT = Path(__file__).resolve().parent / "faults_signs"
# Digits of a number: ramps of rules are wider by far.
DIGITS = 6
PLAN = ("corpus", "size", "seed", "cause", "severity")


def write_signs(
    part: str, cases: Sequence[Case], made: Counter[str], discarded: Counter[str], folder: Path
) -> Path:
    """Keep the signs of a part's runs; every level of a case holds the one before it."""
    signs: dict[str, dict[str, list[Any]]] = {}
    for level, before in zip(LEVELS, (None, *LEVELS), strict=False):
        names = sorted(
            {
                name
                for case in cases
                for name in case.signs.get(level, {})
                if before is None or name not in case.signs[before]
            }
        )
        signs[level] = {
            name: [_as_json(case.signs.get(level, {}).get(name)) for case in cases]
            for name in names
        }
    content = {
        "part": part,
        "made": made,
        "discarded": discarded,
        "plans": {name: [getattr(case.plan, name) for case in cases] for name in PLAN},
        "probed": [LEVELS[-1] in case.signs for case in cases],
        "signs": signs,
    }
    raw = json.dumps(content, separators=(",", ":")).encode()
    target = folder / f"{part}.json.gz"
    folder.mkdir(parents=True, exist_ok=True)
    # No time in the file: the same runs make the same bytes.
    target.write_bytes(gzip.compress(raw, 9, mtime=0))
    return target


def _as_json(value: float | None) -> float | str | None:
    """JSON has no infinity and no NaN: their names, which `float` reads as well."""
    if value is None:
        return None
    return float(f"{value:.{DIGITS}g}") if np.isfinite(value) else str(float(value))


def read_kept_signs(
    part: str, folder: Path = KEPT
) -> tuple[list[Case], Counter[str], Counter[str]]:
    """As `read_cases`, of kept signs; no case has a history."""
    content = json.loads(gzip.decompress((folder / f"{part}.json.gz").read_bytes()))
    plans = [
        Plan(part, **dict(zip(PLAN, values, strict=True)))
        for values in zip(*(content["plans"][name] for name in PLAN), strict=True)
    ]
    cases = []
    for place, plan in enumerate(plans):
        levels: dict[str, Signs] = {}
        found: Signs = {}
        for level in LEVELS if content["probed"][place] else LEVELS[:-1]:
            columns = content["signs"][level]
            known = {
                name: values[place] for name, values in columns.items() if values[place] is not None
            }
            found = found | {name: float(value) for name, value in known.items()}
            levels[level] = found
        cases.append(Case(plan, [], levels))
    return cases, Counter(content["made"]), Counter(content["discarded"])
