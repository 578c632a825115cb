"""Grades as files for other programs: plain CSV, CSV for Moodle and for Canvas, JSON.

The same grades give the same bytes: there is no time in them but what the batch holds.

Moodle's import (https://docs.moodle.org/en/Grade_import) maps a row to a user by e-mail or ID
number and asks, column by column, which grade item is meant; an empty cell is no grade. Canvas'
(https://community.canvaslms.com/t5/Instructor-Guide/ta-p/807) finds a student by ID, SIS User ID
or SIS Login ID, wants these five columns first and takes a column that it does not know for a new
assignment, whose maximum stands in the row "Points Possible". In both, the total and the exercises
are offered side by side: import one or the other, since a gradebook adds up what it is given.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from novelkit.exercises import Exercise
from novelkit.grading.records import Isolation, Limits
from novelkit.grading.sheets import Cell, plain, write_table
from novelkit.grading.term import Grade, Mark
from novelkit.grading.weights import weigh
from novelkit.layouts import write_json

PLAIN_FILE, JSON_FILE = "grades.csv", "grades.json"
MOODLE_FILE, CANVAS_FILE = "grades.moodle.csv", "grades.canvas.csv"
FORMAT, VERSION = "novelkit-grades", 1
TOTAL = "总分"


@dataclass(frozen=True)
class Batch:
    """The facts of one grading: with them and the submissions it can be done again.

    `problems` are Chinese lines for the instructor; `started` is the only time in any file.
    """

    seed: str = ""
    command: str = ""
    started: str = ""
    version: str = ""
    isolation: Isolation = field(default_factory=Isolation)
    limits: Limits = field(default_factory=Limits)
    problems: tuple[str, ...] = ()


def write_tables(
    folder: Path, grades: Sequence[Grade], exercises: Mapping[str, Exercise], batch: Batch
) -> None:
    """Write the four files into `folder`, each atomically.

    Those for Moodle and Canvas hold the persons of the roster only: they cannot import others.
    """
    folder = Path(folder)
    write_table(folder / PLAIN_FILE, _plain_header(exercises), map(_plain_row, grades))
    ours = [grade for grade in grades if grade.on_roster]
    write_table(folder / MOODLE_FILE, _moodle_header(exercises), map(_moodle_row, ours))
    rows = [_canvas_maxima(exercises, grades), *map(_canvas_row, ours)]
    write_table(folder / CANVAS_FILE, _canvas_header(exercises), rows)
    write_json(folder / JSON_FILE, as_json(grades, batch))


def as_json(grades: Sequence[Grade], batch: Batch) -> dict[str, Any]:
    """What `grades.json` holds: plain values without NaN, text that UTF-8 can hold."""
    entries = [
        {**asdict(grade), "percent": grade.percent, "needs_human": grade.needs_human}
        for grade in grades
    ]
    for mark in (mark for entry in entries for mark in entry["marks"]):
        # How long it took is no part of what it is worth, and would be another the next time.
        del mark["result"]["seconds"]
    found = {"format": FORMAT, "version": VERSION, "batch": asdict(batch), "grades": entries}
    # Through JSON once, which turns what is left of enumerations into plain text.
    return json.loads(json.dumps(plain(found), allow_nan=False))


def _plain_header(exercises: Mapping[str, Exercise]) -> list[str]:
    first = ["id", "name", "email", "section", "submission"]
    marks = [title for name in exercises for title in (name, f"{name}:status")]
    totals = ["raw", "possible", "late_days", "penalty", "final", "percent"]
    return [*first, *marks, *totals, "needs_human", "comment"]


def _plain_row(grade: Grade) -> list[Cell]:
    person = grade.person
    first = [person.id, person.name, person.email, person.section, grade.submission]
    marks = [cell for mark in grade.marks for cell in (_points(mark), mark.result.status.value)]
    totals = [grade.raw, grade.possible, grade.late_days, grade.penalty, grade.final, grade.percent]
    return [*first, *marks, *totals, " ".join(grade.reasons), "\n".join(grade.comments)]


def _points(mark: Mark) -> float | None:
    """Points in the exercise's own measure; nothing where a human has to decide first."""
    return mark.points if mark.counted else None


def _titles(exercises: Mapping[str, Exercise]) -> list[str]:
    return [f"{name} {exercise.title}" for name, exercise in exercises.items()]


def _moodle_header(exercises: Mapping[str, Exercise]) -> list[str]:
    titles = [f"Assignment: {title}" for title in [*_titles(exercises), TOTAL]]
    return ["Email address", "ID number", *titles]


def _moodle_row(grade: Grade) -> list[Cell]:
    return [grade.person.email, grade.person.number, *map(_points, grade.marks), _total(grade)]


def _canvas_header(exercises: Mapping[str, Exercise]) -> list[str]:
    first = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
    return [*first, *_titles(exercises), TOTAL]


def _canvas_maxima(exercises: Mapping[str, Exercise], grades: Iterable[Grade]) -> list[Cell]:
    # Every grade has the same weights, those that wait for a human included.
    weights = next(([mark.weight for mark in grade.marks] for grade in grades), [])
    total = sum(weights) if weights else sum(weigh(exercises, {}).values())
    points = [exercise.points for exercise in exercises.values()]
    # With these blanks Canvas' own export begins the row.
    return ["    Points Possible", "", "", "", "", *points, round(total, 6)]


def _canvas_row(grade: Grade) -> list[Cell]:
    person = grade.person
    name = person.name or person.id
    first = [name, person.canvas_id, person.number, person.login, person.section]
    return [*first, *map(_points, grade.marks), _total(grade)]


def _total(grade: Grade) -> float | None:
    """The final total, empty while a human has to decide: half of it would pass for all."""
    return None if grade.needs_human else grade.final
