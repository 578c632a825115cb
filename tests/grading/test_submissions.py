"""One test for each student and exercise, and one for each reference solution (see conftest.py)."""

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
    submission = grading.submissions[student]
    result, new = grading.grader.grade_one(submission, exercise, answer, again)
    record_result(result, new)
    assert result.status is Status.PASSED, explain(result)


def explain(result) -> str:
    """What a teacher reads in pytest's output; hidden cases stay hidden."""
    lines = [f"{result.status}: {result.points:g} / {result.possible:g}", *result.notes]
    for case in result.cases:
        if case.outcome != "passed":
            kind = "hidden" if case.hidden else "public"
            lines.append(f"{kind} {case.number}: {case.outcome} {case.call} {case.got} {case.hint}")
    return "\n".join(lines)
