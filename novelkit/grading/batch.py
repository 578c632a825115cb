"""A batch: every student × exercise once, in several workers side by side, resumable.

In the folder OUT

    batch.json       {"format": "novelkit-grading", "version": 1, "seed"}
    results.jsonl    one `Result` a line, appended as it is found; of equal student and exercise
                     the last one counts, and one whose key has changed is graded again

and what `reporting` writes from them.
"""

import contextlib
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue

from novelkit import layouts
from novelkit.errors import InputError, WorkError
from novelkit.exercises import EXERCISES_FOLDER, Exercise
from novelkit.grading.answers import (
    course_functions,
    course_templates,
    find_answers,
    reference_answer,
)
from novelkit.grading.cases import Cases, draw_cases
from novelkit.grading.judging import failures, grade_answer, result_key
from novelkit.grading.records import Answer, Isolation, Limits, Result, Status, Submission
from novelkit.grading.sandbox import Sandbox

FORMAT = "novelkit-grading"
NOTEBOOKS_FOLDER = EXERCISES_FOLDER.parents[1] / "notebooks"
RESULTS_FILE, BATCH_FILE = "results.jsonl", "batch.json"

OnResult = Callable[[Result, bool], None]


@dataclass(frozen=True)
class Course:
    """What all submissions of a batch are graded by."""

    exercises: Mapping[str, Exercise]
    cases: Mapping[str, Cases]
    templates: Mapping[str, str]
    seed: int
    # Functions of the course's notebooks that are no answers, whatever they are called.
    given: Sequence[str] = ()
    # Folders that hold solutions or hidden cases: no worker may see them, whoever starts it.
    private: Sequence[Path] = ()

    @classmethod
    def prepare(
        cls,
        exercises: Mapping[str, Exercise],
        seed: int,
        own_cases: Path | None = None,
        own_exercises: Sequence[Path] = (),
    ) -> "Course":
        """With the answer cells and functions of the course's own notebooks; `InputError`.

        `own_exercises` are the folders outside of the repository that some exercises are from.
        """
        return cls(
            exercises,
            draw_cases(exercises, seed, own_cases),
            course_templates(NOTEBOOKS_FOLDER),
            seed,
            course_functions(NOTEBOOKS_FOLDER),
            (*([own_cases] if own_cases else []), *own_exercises),
        )


class Store:
    """The results of a batch on disk; with `folder` None in memory only."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.path = folder / RESULTS_FILE if folder else None
        self.results: dict[tuple[str, str], Result] = {}
        for result in self._read():
            self.results[result.student, result.exercise] = result

    def _read(self) -> Iterator[Result]:
        if self.path is None or not self.path.is_file():
            return
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            # The last line of a batch that was killed may be half a one.
            with contextlib.suppress(ValueError, KeyError, TypeError):
                yield Result.from_dict(json.loads(line))

    def known(self, student: str, exercise: str, key: str) -> Result | None:
        """What was found for this very program and these very cases, if anything that counts."""
        result = self.results.get((student, exercise))
        if result is None or result.key != key or result.status is Status.NOT_GRADABLE:
            return None
        return result

    def add(self, result: Result) -> None:
        """Keep a result, on disk before anything else happens."""
        self.results[result.student, result.exercise] = result
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # ASCII: a student's lone surrogates are written too.
            line = json.dumps(result.as_dict(), ensure_ascii=True, allow_nan=False) + "\n"
            with self.path.open("a", encoding="ascii") as file:
                file.write(line)


def batch_seed(folder: Path | None, wanted: int | None = None) -> int:
    """The seed of a batch: the one that it was begun with, the wanted one, or a new one.

    Raises `InputError` where the batch in `folder` was begun with another one than is wanted.
    """
    path = folder / BATCH_FILE if folder else None
    if path is not None and path.is_file():
        seed = layouts.read_header(path, FORMAT)["seed"]
        if wanted is not None and wanted != seed:
            raise InputError(
                f"{folder} 里的这一批是用种子 {seed} 评的，不是 {wanted}："
                "请去掉 --seed，或换一个输出文件夹。"
            )
        return int(seed)
    seed = secrets.randbelow(2**31) if wanted is None else wanted
    if path is not None:
        layouts.write_json(path, {"format": FORMAT, "version": layouts.VERSION, "seed": seed})
    return seed


class Grader:
    """Grades answers in `workers` sandboxes side by side.

    Workers do not see the `hidden` folders (the submissions), nor what is the course's or the
    store's.
    """

    def __init__(
        self,
        course: Course,
        store: Store,
        hidden: Sequence[Path] = (),
        workers: int | None = None,
        trusted: bool = False,
        limits: Limits | None = None,
    ) -> None:
        self.course, self.store = course, store
        self.workers = workers or max(1, os.cpu_count() or 1)
        self._idle: SimpleQueue[Sandbox] = SimpleQueue()
        self.hidden = [*course.private, *hidden, *([store.folder] if store.folder else [])]
        self._all = [Sandbox(self.hidden, limits, trusted) for _ in range(self.workers)]
        for sandbox in self._all:
            self._idle.put(sandbox)

    def __enter__(self) -> "Grader":
        return self

    def __exit__(self, *_: object) -> None:
        for sandbox in self._all:
            sandbox.close()

    @property
    def isolation(self) -> Isolation:
        return self._all[0].isolation

    @property
    def users(self) -> list[int]:
        """Whom the workers run as, where the grader is root."""
        return [sandbox.user for sandbox in self._all]

    def check_references(self) -> None:
        """The dry run: every reference solution must get all its points; else `WorkError`."""
        exercises = self.course.exercises
        references = {name: self.grade_reference(exercises[name]) for name in exercises}
        if wrong := list(failures(references)):
            raise WorkError(
                "参考答案没有拿到满分，先不评：" + "；".join(wrong) + "。请检查练习或这台机器。"
            )

    def grade_reference(self, exercise: Exercise) -> Result:
        """What the reference solution gets; it may import what students may not."""
        return self.grade("", replace(exercise, forbidden_imports=()), reference_answer(exercise))

    def grade(self, student: str, exercise: Exercise, answer: Answer) -> Result:
        """One answer, in the next idle sandbox; nothing is stored."""
        sandbox = self._idle.get()
        try:
            cases = self.course.cases[exercise.name]
            return grade_answer(sandbox, student, exercise, answer, cases, self.course.seed)
        finally:
            self._idle.put(sandbox)

    def answers(self, submission: Submission) -> dict[str, Answer]:
        """What a submission holds for each exercise; never raises for what a student wrote."""
        try:
            course = self.course
            return find_answers(submission, course.exercises, course.templates, course.given)
        except Exception as error:
            return self._ungradable(f"评分程序读不了这份作业：{type(error).__name__}：{error}")

    def _ungradable(self, note: str) -> dict[str, Answer]:
        return {
            name: Answer(name, None, notes=(note,), status=Status.NOT_GRADABLE)
            for name in self.course.exercises
        }

    def grade_one(
        self, submission: Submission, name: str, answer: Answer, again: bool = False
    ) -> tuple[Result, bool]:
        """A stored result if it still holds, else a new one, stored; and whether it is new."""
        exercise, student = self.course.exercises[name], submission.student
        key = result_key(exercise, answer, self.course.cases[name])
        known = None if again else self.store.known(student, name, key)
        if known is not None:
            return known, False
        result = self.grade(student, exercise, answer)
        return result, True

    def run(
        self,
        submissions: Sequence[Submission],
        again: bool = False,
        on_result: OnResult | None = None,
    ) -> None:
        """Grade all; `again` also what is known. `on_result(result, new)` is told of each."""
        with ThreadPoolExecutor(self.workers) as pool:
            # A student at a time, so that few submissions are in memory, and no more are begun
            # than there are sandboxes.
            waiting = [pool.submit(self._student, one, again) for one in submissions]
            try:
                for done in as_completed(waiting):
                    for result, new in done.result():
                        if on_result:
                            on_result(result, new)
            except BaseException:
                for one in waiting:
                    one.cancel()
                raise

    def _student(self, submission: Submission, again: bool) -> list[tuple[Result, bool]]:
        found = []
        for name, answer in self.answers(submission).items():
            result, new = self.grade_one(submission, name, answer, again)
            if new:
                self.store.add(result)
            found.append((result, new))
        return found
