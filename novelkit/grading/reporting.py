"""Everything that a batch leaves in its folder: tables, pages, similarity."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from novelkit import __version__
from novelkit.grading.batch import Course, Store
from novelkit.grading.pages import write_pages
from novelkit.grading.records import Isolation, Result, Status, Submission
from novelkit.grading.similarity_page import PAGE_FILE, write_similarity
from novelkit.grading.tables import Batch, write_tables
from novelkit.grading.term import Term, final_grades, term_problems, with_submissions

MOST_SHOWN = 5


def write_reports(
    out: Path,
    course: Course,
    store: Store,
    submissions: Sequence[Submission],
    term: Term,
    isolation: Isolation,
    command: str = "",
) -> dict[str, Any]:
    """Write grades.csv and its kin, the pages and the report on similar answers.

    Returns the paths, and Chinese lines on what a human should look at.
    """
    handed_in = {one.student for one in submissions}
    results = [
        result
        for (student, exercise), result in sorted(store.results.items())
        if student in handed_in and exercise in course.exercises
    ]
    term = with_submissions(term, submissions)
    grades = final_grades(results, course.exercises, term)
    problems = (
        *_unanswered(results, course),
        *term_problems(results, course.exercises, term),
    )
    batch = Batch(
        seed=str(course.seed),
        command=command,
        version=__version__,
        isolation=isolation,
        problems=problems,
    )
    write_tables(out, grades, course.exercises, batch)
    page = write_pages(out, grades, course.exercises, batch)
    write_similarity(out, results, course.exercises, course.templates)
    return {
        "grades": str(out / "grades.csv"),
        "class": str(page),
        "similarity": str(out / PAGE_FILE),
        "problems": list(problems),
    }


def _unanswered(results: Sequence[Result], course: Course) -> list[str]:
    """A line on exercises that nobody answered: most likely they were not asked for."""
    answered = {one.exercise for one in results if one.status is not Status.MISSING}
    nobody = [name for name in course.exercises if name not in answered]
    if not nobody or not answered:
        return []
    names = "、".join(nobody[:MOST_SHOWN]) + ("……" if len(nobody) > MOST_SHOWN else "")
    return [f"{len(nobody)} 道练习没有一个人作答（{names}），都按 0 分算：没有布置就用 --only。"]
