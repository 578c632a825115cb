"""One test for each student and exercise, and one for each reference solution (see conftest.py)."""

import pytest

from novelkit.grading.records import Status


def test_reference(grading, reference):
    """A dry run: whatever a student loses must be the student's."""
    exercise = grading.course.exercises[reference]
    result = grading.grader.grade_reference(exercise)
    assert result.status is Status.PASSED, explain(result)
    assert result.points == exercise.points


def test_submission(grading, student, exercise, record_result):
    answer = grading.answer(student, exercise)
    again = bool(grading.config.getoption("--student"))
    result, new = grading.grader.grade_one(grading.submissions[student], exercise, answer, again)
    record_result(result, new)
    if result.status is not Status.PASSED:
        # What the student did wrong stands in the message; no line of this file helps a teacher.
        pytest.fail(explain(result), pytrace=False)


def explain(result) -> str:
    """What a teacher reads in pytest's output; hidden cases stay hidden."""
    lines = [f"{result.status}: {result.points:g} / {result.possible:g}", *result.notes]
    for case in result.cases:
        if case.outcome not in ("passed", "not run"):
            kind = "hidden" if case.hidden else "public"
            words = [f"{kind} {case.number}: {case.outcome}", case.call, case.got, case.hint]
            lines.append("  ".join(filter(None, words)))
    return "\n".join(lines)
