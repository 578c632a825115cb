"""Grades the red team as a batch, and says who got what they do not deserve."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from novelkit.grading.answers import course_templates
from novelkit.grading.batch import Course, Grader, Store
from novelkit.grading.cases import choose_exercises, draw_cases
from novelkit.grading.records import Isolation, Result
from novelkit.grading.submissions import read_submissions
from red_team.attempts import EXERCISES, LIMITS, SEED, Expected

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Graded:
    """A batch: results by student and exercise, and the facts of the host."""

    results: Mapping[tuple[str, str], Result]
    isolation: Isolation
    seconds: float
    users: tuple[int, ...] = field(default=())

    def of(self, student: str) -> dict[str, Result]:
        return {name: self.results[student, name] for name in EXERCISES}


def grade(folder: Path, workers: int = 2, store: Path | None = None) -> Graded:
    """Grade a folder of submissions by the red team's exercises, seed and limits."""
    began = time.monotonic()
    exercises = choose_exercises(only=EXERCISES)
    course = Course(
        exercises, draw_cases(exercises, SEED), course_templates(ROOT / "notebooks"), SEED
    )
    notebooks = sorted({exercise.notebook for exercise in exercises.values()})
    hidden = [folder, *([store] if store else [])]
    with Grader(course, Store(store), hidden, workers, limits=LIMITS) as grader:
        grader.run(read_submissions(folder, notebooks))
        isolation, users = grader.isolation, tuple(grader.users)
    return Graded(grader.store.results, isolation, time.monotonic() - began, users)


def differences(expected: Expected, graded: Graded) -> list[str]:
    """A line for each exercise that ended as it should not have; [] where all is well."""
    found = []
    for name, deserved in expected.deserved.items():
        result = graded.results.get((expected.student, name))
        if result is None:
            found.append(f"{name}: not graded at all, deserved {deserved}")
        elif not deserved.allows(result):
            outcomes = [(case.outcome, case.got[:60]) for case in result.cases[:4]]
            found.append(
                f"{name}: {result.status}, {result.points:g}, deserved {deserved}; "
                f"{result.notes} {outcomes}"
            )
    return found


def scored(expected: Expected, graded: Graded) -> str:
    """What it got for the exercises that it answers (or should), as the table shows it."""
    shown = []
    for name in answered(expected):
        result = graded.results.get((expected.student, name))
        shown.append(f"{result.status}, {result.points:g}" if result else "—")
    return "; ".join(dict.fromkeys(shown))


def answered(expected: Expected) -> Iterable[str]:
    """The exercises for which it deserves anything but MISSING; 07-name-cause where none."""
    wanted = [name for name, one in expected.deserved.items() if str(one) != "missing, 0"]
    return wanted or [EXERCISES[-1]]
