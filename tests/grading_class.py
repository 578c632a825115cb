"""A made-up class for the tests of the grader's reports: results without any grading."""

import random

from novelkit.exercises import Case, Exercise
from novelkit.grading.records import CaseResult, Isolation, Result, Status
from novelkit.grading.tables import Batch

CODE = "def robust_trend(steps, losses, apart):\n    return sum(losses) / len(losses)\n"


def exercise(name="07-robust-trend", points=6, notebook="07_diagnosis", title="不怕尖峰的趋势"):
    """An exercise of which only the description is used."""
    function = name[3:].replace("-", "_")
    case = Case((1,), 1)
    return Exercise(name, notebook, function, title, points, (case,), lambda random: (), abs)


def exercises():
    """Three exercises of two notebooks, of 6, 7 and 4 points."""
    found = [
        exercise(),
        exercise("07-name-swing", 7, title="震荡从哪里来"),
        exercise("03-merge", 4, "03_tokenizing", "合并一步"),
    ]
    return {one.name: one for one in found}


def result(student="20231234_张三", name="07-robust-trend", status=Status.PASSED, **changes):
    """A result with full points of that exercise, unless `changes` say otherwise."""
    possible = exercises()[name].points
    points = possible if status is Status.PASSED else 0
    return Result(student, name, status, **{"points": points, "possible": possible, **changes})


def cases(passed=1, failed=1):
    """Public and hidden cases, the failed ones last."""
    found = []
    for hidden in (False, True):
        for number in range(1, passed + failed + 1):
            outcome = "passed" if number <= passed else "wrong"
            shown = {} if hidden else {"call": f"f({number})", "expected": "3.5", "got": "4.25"}
            hint = "" if number <= passed else "一个尖峰不该改变它。"
            found.append(CaseResult(hidden, number, outcome, hint=hint, **shown))
    return tuple(found)


def class_of(count, seed=1):
    """Results of a whole class, with all kinds of statuses."""
    choose = random.Random(seed)
    found = []
    for number in range(count):
        student = f"2023{1000 + number}_学生{number}"
        for name in exercises():
            status = choose.choice([Status.PASSED] * 8 + [Status.PARTIAL] * 4 + list(Status))
            points = {"points": exercises()[name].points * choose.choice((0.25, 0.5, 0.75))}
            changes = points if status is Status.PARTIAL else {}
            found.append(result(student, name, status, cases=cases(), source=CODE, **changes))
    return found


BATCH = Batch(
    seed="2026-autumn-7f3a",
    command="novelkit grade submissions --out grades --seed 2026-autumn-7f3a",
    started="2026-11-27T15:00:00+08:00",
    version="0.1.0",
    isolation=Isolation(missing=("没有单独的用户：学生的代码和评分程序是同一个用户。",)),
)
