"""What one submission of the red team is, what it deserves, and how it is written to disk."""

import json
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from novelkit.grading.records import Limits, Result, Status

CAUSE, SWING, BITS = "07-name-cause", "07-name-swing", "00-bits-per-character"
EXERCISES = (BITS, SWING, CAUSE)
NOTEBOOK = {CAUSE: "07_diagnosis", SWING: "07_diagnosis", BITS: "00_start"}
POINTS = {CAUSE: 7.0, SWING: 7.0, BITS: 5.0}
SEED = 7
# Tighter than a course's own, so that what never ends does so soon.
LIMITS = Limits(1, wall_seconds=4, total_seconds=10, memory_bytes=300 << 20, disk_bytes=8 << 20)


@dataclass(frozen=True)
class Deserved:
    """What one exercise may end with: any of `statuses`, and points from `least` to `most`."""

    statuses: tuple[Status, ...]
    least: float = 0.0
    most: float = 0.0

    def allows(self, result: Result) -> bool:
        return result.status in self.statuses and self.least <= result.points <= self.most

    def __str__(self) -> str:
        points = f"{self.least:g}" if self.least == self.most else f"{self.least:g}–{self.most:g}"
        return f"{' / '.join(self.statuses)}, {points}"


@dataclass(frozen=True)
class Expected:
    """A submission as the grader will call it, and what it deserves for each exercise.

    `steady` is False where the outcome of single cases hangs on the host's load; the statuses that
    it may end with are then all named in `deserved`.
    """

    student: str
    theme: str
    chinese: str
    english: str
    why: str
    deserved: Mapping[str, Deserved]
    steady: bool = True


@dataclass(frozen=True)
class Attempt:
    """An `Expected`, and what writes it into the folder of submissions."""

    expected: Expected
    write: Callable[[Path], None] = field(repr=False)


MISSING = Deserved((Status.MISSING,))


def full(exercise: str) -> Deserved:
    return Deserved((Status.PASSED,), POINTS[exercise], POINTS[exercise])


def attempt(
    student: str,
    chinese: str,
    english: str,
    write: Callable[[Path], None],
    deserved: Mapping[str, Deserved],
    why: str,
    steady: bool = True,
) -> Attempt:
    """With nothing for the exercises that `deserved` does not name."""
    every = {name: deserved.get(name, MISSING) for name in EXERCISES}
    # Which limit comes first depends on the host.
    steady = steady and not any(
        Status.TIMEOUT in one.statuses and len(one.statuses) > 1 for one in every.values()
    )
    return Attempt(Expected(student, "", chinese, english, why, every, steady), write)


def hostile(
    student: str,
    chinese: str,
    english: str,
    code: str,
    *statuses: Status,
    exercise: str = CAUSE,
    most: float = 0.0,
    why: str = "It answers nothing.",
    steady: bool = True,
) -> Attempt:
    """A notebook with `code` in the answer cell of one exercise; no marks unless `most` says so."""
    source = textwrap.dedent(code).strip("\n")
    deserved = {exercise: Deserved(statuses, 0.0, most)}
    write = notebook_of(student, exercise, source)
    return attempt(student, chinese, english, write, deserved, why, steady)


def honest(
    student: str, chinese: str, english: str, write: Callable[[Path], None], *exercises: str
) -> Attempt:
    """A submission that answers these exercises (07-name-cause if none is named) and earns them."""
    deserved = {name: full(name) for name in exercises or (CAUSE,)}
    return attempt(student, chinese, english, write, deserved, "The answer is right.")


# ---- right answers, none of which imports what its exercise forbids

RIGHT_CAUSE = '''\
RULES = [
    ("jump_of_swing", 5.0, float("inf"), "restarted"),
    ("echo", 4.0, float("inf"), "batches_repeated"),
    ("gap", 1.5, float("inf"), "overfitting"),
    ("memory", 0.25, float("inf"), "unshuffled"),
    ("noise_of_spread", 0.7, 5.0, "one_micro_batch_logged"),
]


def name_cause(signs):
    """哪一条中了，就是哪一个原因。"""
    found = []
    for sign, low, high, cause in RULES:
        value = signs.get(sign)
        if value is not None and low <= value < high:
            found.append(cause)
    if not found:
        return "healthy"
    return found[0] if len(found) == 1 else "unknown"
'''
RIGHT_SWING = """\
import math


def middle_of(values):
    values = sorted(values)
    half = len(values) // 2
    return values[half] if len(values) % 2 else (values[half - 1] + values[half]) / 2


def name_swing(losses, spread, rows):
    if len(losses) < 8:
        raise ValueError("不到 8 个损失")
    center = middle_of(losses)
    swing = 1.4826 * middle_of([abs(loss - center) for loss in losses])
    if swing < 0.1:
        return "calm"
    if swing > 2 * spread / math.sqrt(rows):
        return "beyond"
    mean = sum(losses) / len(losses)
    steps = sum((b - a) ** 2 for a, b in zip(losses, losses[1:]))
    around = sum((loss - mean) ** 2 for loss in losses)
    return "drift" if steps / (2 * around) < 0.8 else "batch"
"""
RIGHT_BITS = """\
import math


def bits_per_character(nats_per_token, tokens, characters):
    if characters <= 0:
        raise ValueError("没有字符")
    return nats_per_token * tokens / characters / math.log(2)
"""
RIGHT = {CAUSE: RIGHT_CAUSE, SWING: RIGHT_SWING, BITS: RIGHT_BITS}


# ---- files


def cell(source: str, exercise: str | None = None, kind: str = "code") -> dict[str, Any]:
    """A cell of nbformat 4; an answer cell where an exercise is named."""
    metadata: dict[str, Any] = {}
    if exercise:
        metadata = {"tags": ["exercise"], "novelkit": {"exercise": exercise}}
    found = {"cell_type": kind, "metadata": metadata, "source": source}
    return {**found, "outputs": [], "execution_count": 1} if kind == "code" else found


def notebook(cells: Sequence[dict[str, Any]], **metadata: Any) -> dict[str, Any]:
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": list(cells)}


def as_bytes(found: Any) -> bytes:
    """ASCII JSON, which holds lone surrogates too."""
    return json.dumps(found).encode("ascii")


def answer_notebook(exercise: str = CAUSE, source: str = "") -> bytes:
    """A notebook with a text cell, a setup cell and the answer."""
    setup = cell("import random\nimport novelkit\nprint(novelkit.__version__)")
    answer = cell(source or RIGHT[exercise], exercise)
    return as_bytes(notebook([cell("# 作业", kind="markdown"), setup, answer]))


Content = bytes | Callable[[], bytes]


def write_files(files: Mapping[str, Content]) -> Callable[[Path], None]:
    """Writes these paths inside of the folder of submissions; what is large is made then."""

    def write(folder: Path) -> None:
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content())

    return write


def notebook_of(student: str, exercise: str, source: str) -> Callable[[Path], None]:
    """A folder with the exercise's notebook, `source` in the answer cell."""
    name = f"{student}/{NOTEBOOK[exercise]}.ipynb"
    return write_files({name: answer_notebook(exercise, source)})
