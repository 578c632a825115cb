"""From results to grades: the matters of a real term, each of them optional.

Whose a submission is (`roster`), what an exercise counts (`weights`), what lateness costs
(`lateness`) and what the instructor decided by hand (`overrides`) are read by their own modules;
here they meet. The same results and the same term give the same grades, in whatever order the
results come.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from novelkit.exercises import Exercise
from novelkit.grading.lateness import LatePolicy, read_due, read_submitted
from novelkit.grading.overrides import WHOLE, Override, read_overrides
from novelkit.grading.records import Result, Status, Submission
from novelkit.grading.roster import Matches, Person, find_person, match_students, read_roster
from novelkit.grading.sheets import same_text
from novelkit.grading.weights import read_weights, weigh

__all__ = [
    "Grade",
    "LatePolicy",
    "Mark",
    "Override",
    "Person",
    "Term",
    "final_grades",
    "read_due",
    "read_overrides",
    "read_roster",
    "read_submitted",
    "read_weights",
    "term_problems",
    "with_submissions",
]

# Sums and products of decimal fractions, without their last binary digits.
DIGITS = 6


@dataclass(frozen=True)
class Term:
    """All optional. `submitted` is a table of times, `modified` the time of the newest file.

    `files` are the names of each submission's files, `problems` what was found wrong with it, and
    `conflicts` the reason why nothing of it may be graded.
    """

    roster: Mapping[str, Person] | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    late: LatePolicy | None = None
    submitted: Mapping[str, float] = field(default_factory=dict)
    overrides: tuple[Override, ...] = ()
    modified: Mapping[str, float | None] = field(default_factory=dict)
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    problems: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    conflicts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Mark:
    """One exercise of one student: `points` out of `possible`, after an override.

    `weight` is what full points add to the total. Not `counted` is what no one has graded yet:
    neither for nor against the student.
    """

    result: Result
    points: float
    possible: float
    weight: float
    counted: bool
    overridden: bool = False
    comment: str = ""

    @property
    def value(self) -> float:
        """What it adds to the total."""
        return self.weight * self.points / self.possible if self.possible else 0.0


@dataclass(frozen=True)
class Grade:
    """One student. `raw`, `possible` and `final` are in weights; `penalty` is a share of `raw`.

    `submission` is the name under which the work was handed in, "" where none was. `counts` has
    every status. `reasons` are Chinese lines, why a human has to look at it.
    """

    person: Person
    submission: str
    on_roster: bool
    marks: tuple[Mark, ...]
    raw: float
    possible: float
    late_days: int
    penalty: float
    final: float
    comments: tuple[str, ...]
    counts: Mapping[str, int]
    problems: tuple[str, ...]
    reasons: tuple[str, ...]

    @property
    def needs_human(self) -> bool:
        """Whether the grade is not final without a person's decision."""
        return bool(self.reasons)

    @property
    def percent(self) -> float | None:
        """The final total in percent of what counted, None where nothing did."""
        return round(100 * self.final / self.possible, DIGITS) if self.possible else None


def with_submissions(term: Term, submissions: Iterable[Submission]) -> Term:
    """The term with what the submissions themselves say: times, names of files, problems."""
    known = list(submissions)
    return replace(
        term,
        modified={one.student: one.modified for one in known},
        files={one.student: tuple(file.name for file in one.files) for one in known},
        problems={one.student: one.problems for one in known},
        conflicts={one.student: one.conflict for one in known if one.conflict},
    )


def final_grades(
    results: Sequence[Result], exercises: Mapping[str, Exercise], term: Term
) -> list[Grade]:
    """A grade for each person of the roster, in its order, then for each submission of nobody.

    Without a roster: for each submission, by name. Raises InputError for weights of unknown names.
    """
    course = _Course(results, exercises, term)
    matches = course.matches
    owners = {person: student for student, person in matches.persons.items()}
    grades = []
    for key, person in (term.roster or {}).items():
        several = matches.several.get(key, ())
        conflict = f"不止一份提交：{'、'.join(several)}。" if several else ""
        grades.append(course.grade(person, owners.get(key, ""), True, conflict))
    twice = {name for names in matches.several.values() for name in names}
    for name in sorted(set(course.found) - set(owners.values())):
        conflict = "同一个学生还有另一份提交。" if name in twice else ""
        grades.append(course.grade(Person(name, number=name), name, term.roster is None, conflict))
    return grades


def term_problems(
    results: Sequence[Result], exercises: Mapping[str, Exercise], term: Term
) -> list[str]:
    """Chinese lines for the instructor: what of roster, times and overrides found no use."""
    course = _Course(results, exercises, term)
    lines = []
    if term.roster is not None:
        lines += [f"提交 {name} 在名单里找不到唯一的学生。" for name in course.matches.nobody]
    for key, names in course.matches.several.items():
        lines.append(f"学生 {key} 有不止一份提交（{'、'.join(names)}）：请决定算哪一份。")
    lines += _override_problems(course)
    lines += [
        f"提交时间表里的 {name} 不是名单上的学生，也没有交作业。"
        for name in term.submitted
        if course.target(name) is None
    ]
    return lines


def _override_problems(course: "_Course") -> list[str]:
    lines, seen = [], set()
    for one in course.term.overrides:
        place, target = f"overrides.csv 第 {one.line} 行", course.target(one.student)
        exercise = course.exercises.get(one.exercise)
        if target is None:
            lines.append(f"{place}：没有学生 {one.student}，这一行没有起作用。")
        if exercise is None and one.exercise != WHOLE:
            lines.append(f"{place}：没有练习 {one.exercise}，这一行没有起作用。")
        if one.points is None:
            continue
        if exercise is not None and one.points > exercise.points:
            lines.append(f"{place}：{one.points:g} 分超过了 {one.exercise} 的满分，照样计入。")
        if target is not None and (target, one.exercise) in seen:
            lines.append(f"{place}：{one.student} 的 {one.exercise} 改了两次，后一次算。")
        seen.add((target, one.exercise))
    return lines


class _Course:
    """Results by submission, whose they are, and what was decided about each by hand."""

    def __init__(
        self, results: Sequence[Result], exercises: Mapping[str, Exercise], term: Term
    ) -> None:
        self.term, self.exercises = term, exercises
        self.weights = weigh(exercises, term.weights)
        # Also submissions of which nothing was graded.
        self.found: dict[str, dict[str, Result]] = {
            name: {} for name in (*term.files, *term.conflicts)
        }
        for result in results:
            self.found.setdefault(result.student, {})[result.exercise] = result
        self.matches = (
            Matches(nobody=tuple(sorted(self.found)))
            if term.roster is None
            else match_students(self.found, term.roster, term.files)
        )
        # Under None, which is nobody's id, is what found no student.
        self.overrides: dict[str | None, list[Override]] = {}
        for one in term.overrides:
            self.overrides.setdefault(self.target(one.student), []).append(one)
        self.submitted: dict[str | None, float] = {}
        for name, at in term.submitted.items():
            target = self.target(name)
            self.submitted[target] = max(at, self.submitted.get(target, at))

    def target(self, text: str) -> str | None:
        """Whom a hand-written name means: the id of a person, or the name of a submission."""
        if text in self.found:
            return self.matches.persons.get(text, text)
        person = find_person(text, self.term.roster) if self.term.roster else None
        return person if person is not None else self._by_spelling(text)

    def _by_spelling(self, text: str) -> str | None:
        same = [name for name in self.found if same_text(name) == same_text(text)]
        return self.matches.persons.get(same[0], same[0]) if len(same) == 1 else None

    def grade(self, person: Person, submission: str, on_roster: bool, conflict: str) -> Grade:
        """The grade of one person, or of a submission that is nobody's."""
        overrides = self.overrides.get(person.id, [])
        conflict = self.term.conflicts.get(submission, "") or conflict
        marks = tuple(self._mark(name, submission, conflict, overrides) for name in self.exercises)
        days, problems = self._late_days(person.id, submission)
        whole = [one for one in overrides if one.exercise == WHOLE]
        decided = [one.points for one in whole if one.points is not None]
        counted = [mark for mark in marks if mark.counted or decided]
        raw = _rounded(mark.value for mark in marks if mark.counted)
        penalty = self.term.late.penalty(days) if self.term.late else 0.0
        return Grade(
            person=person,
            submission=submission,
            on_roster=on_roster,
            marks=marks,
            raw=raw,
            possible=_rounded(mark.weight for mark in counted),
            late_days=days,
            penalty=penalty,
            final=decided[-1] if decided else _rounded([raw * (1 - penalty)]),
            comments=tuple(one.comment for one in whole if one.comment),
            counts={status.value: _count(marks, status) for status in Status},
            problems=(*self.term.problems.get(submission, ()), *problems),
            reasons=() if decided else tuple(_reasons(marks, on_roster, conflict)),
        )

    def _late_days(self, key: str, submission: str) -> tuple[int, tuple[str, ...]]:
        if self.term.late is None or not submission:
            return 0, ()
        modified = self.term.modified.get(submission)
        submitted = self.submitted.get(key, modified)
        if submitted is None:
            return 0, ("不知道提交时间，没有按迟交扣分。",)
        return self.term.late.late_days(submitted), ()

    def _mark(
        self, name: str, submission: str, conflict: str, overrides: Sequence[Override]
    ) -> Mark:
        exercise, own = self.exercises[name], [one for one in overrides if one.exercise == name]
        result = self.found.get(submission, {}).get(name)
        if result is None:
            result = _nothing(submission, exercise, conflict)
        decided = [one.points for one in own if one.points is not None]
        share = result.points / result.possible if result.possible else 0.0
        return Mark(
            result=result,
            points=decided[-1] if decided else _rounded([share * exercise.points]),
            possible=exercise.points,
            weight=self.weights[name],
            counted=bool(decided) or result.status is not Status.NOT_GRADABLE,
            overridden=bool(decided),
            comment="\n".join(one.comment for one in own if one.comment),
        )


def _nothing(submission: str, exercise: Exercise, conflict: str) -> Result:
    """The result of an exercise that has none: no answer, or two of them."""
    status = Status.NOT_GRADABLE if conflict else Status.MISSING
    notes = (conflict,) if conflict else ()
    return Result(submission, exercise.name, status, 0.0, exercise.points, notes=notes)


def _reasons(marks: Sequence[Mark], on_roster: bool, conflict: str) -> Iterable[str]:
    waiting = [mark.result.exercise for mark in marks if not mark.counted]
    if conflict and waiting:
        yield conflict
    elif waiting:
        yield f"没能评分的练习：{'、'.join(waiting)}。"
    if not on_roster:
        yield "在名单里找不到唯一的学生。"


def _count(marks: Sequence[Mark], status: Status) -> int:
    return sum(mark.result.status is status for mark in marks)


def _rounded(values: Iterable[float]) -> float:
    return round(math.fsum(values), DIGITS)
