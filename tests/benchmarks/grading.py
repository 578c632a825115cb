"""How long a class takes to grade: 200 submissions, all exercises, with and without endless loops.

    python tests/benchmarks/grading.py
    python tests/benchmarks/grading.py --students 20 --loops 0 1

A student hands in a folder with all notebooks of the course as they are given out, saved outputs
and all, the answers filled in. `--loops` says how many of the students loop for ever in every
answer. Each line is a batch of its own in a fresh folder: wall seconds, seconds of all processors,
and the most memory that the grader and its workers held together. The marks are checked: honest
students get all points, loopers none. Markdown on standard output.
"""

import argparse
import json
import os
import resource
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from novelkit.grading.answers import reference_answer
from novelkit.grading.batch import Course, Grader, Store
from novelkit.grading.cases import choose_exercises
from novelkit.grading.records import Status
from novelkit.grading.submissions import read_submissions
from novelkit.grading.worker.processes import descendants

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
SEED = 0

# What the references do with modules that students may not import.
MEDIAN = """
class statistics:
    @staticmethod
    def median(values):
        ordered = sorted(values)
        middle = len(ordered) // 2
        return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
"""
BITS = """
import math
def bits_per_character(nats_per_token, tokens, characters):
    if characters <= 0:
        raise ValueError
    return nats_per_token * tokens / characters / math.log(2)
"""


def solution(exercise: Any) -> str:
    """An answer cell that gets all points: the reference, under the name that is asked for."""
    if exercise.function == "bits_per_character":
        return BITS
    answer = reference_answer(exercise)
    source = "\n".join(one.source for one in answer.statements)
    source = source.replace("import statistics\n", MEDIAN).replace("import statistics", MEDIAN)
    if answer.function != exercise.function:
        source += f"\n{exercise.function} = {answer.function}\n"
    return source


def endless(exercise: Any, solved: str) -> str:
    """The same signature, and no end."""
    return f"def {exercise.function}(*arguments):\n    while True:\n        pass\n"


def filled(notebook: dict[str, Any], answers: dict[str, str], student: int) -> dict[str, Any]:
    """A notebook with its answer cells filled in."""
    cells = []
    for cell in notebook["cells"]:
        name = cell["metadata"].get("novelkit", {}).get("exercise")
        source = f"# {student}\n{answers[name]}" if name in answers else cell["source"]
        cells.append({**cell, "source": source})
    return {**notebook, "cells": cells}


def hand_in(folder: Path, students: int, loops: int) -> None:
    """Write the submissions; those who loop are spread over the class."""
    exercises = choose_exercises()
    right = {name: solution(one) for name, one in exercises.items()}
    wrong = {name: endless(one, right[name]) for name, one in exercises.items()}
    loopers = {round((number + 0.5) * students / loops) for number in range(loops)}
    course = {path: json.loads(path.read_text("utf-8")) for path in NOTEBOOKS.glob("*.ipynb")}
    for student in range(students):
        answers = wrong if student in loopers else right
        home = folder / f"{'loop' if student in loopers else 'student'}{student:03d}"
        home.mkdir()
        for path, notebook in course.items():
            text = json.dumps(filled(notebook, answers, student), ensure_ascii=False)
            (home / path.name).write_text(text, encoding="utf-8")


class Memory:
    """The most that this process and all below it held at once, bytes, as `Pss` counts it."""

    def __init__(self) -> None:
        self.most = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(1):
            family = [os.getpid(), *descendants(os.getpid())]
            self.most = max(self.most, sum(map(proportional_memory, family)))


def proportional_memory(process: int) -> int:
    """Memory of a process in which what several share is divided among them."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text("ascii").splitlines()
    except OSError:
        return 0
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def processor_seconds() -> float:
    """Of this process and of all children that have ended."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(used.ru_utime + used.ru_stime for used in both)


def measure(students: int, loops: int, workers: int) -> None:
    exercises = choose_exercises()
    notebooks = sorted({one.notebook for one in exercises.values()})
    with tempfile.TemporaryDirectory() as temporary:
        folder, out = Path(temporary) / "submissions", Path(temporary) / "out"
        folder.mkdir()
        hand_in(folder, students, loops)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        began, used = time.monotonic(), processor_seconds()
        course = Course.prepare(exercises, SEED)
        store = Store(out)
        with Memory() as memory, Grader(course, store, [folder], workers) as grader:
            grader.run(read_submissions(folder, notebooks))
        wall, used = time.monotonic() - began, processor_seconds() - used
        check(store, students, len(exercises))
    cells = [students, loops, len(exercises), f"{size / 1e6:,.0f} MB", f"{wall / 60:.1f} min"]
    cells += [f"{used / 60:.1f} min", f"{memory.most / 1e9:.2f} GB"]
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def check(store: Store, students: int, exercises: int) -> None:
    """Raise SystemExit where somebody did not get what they deserve."""
    found = list(store.results.values())
    wrong = [
        f"{one.student} {one.exercise}: {one.status} {one.points}"
        for one in found
        if one.status is not (Status.TIMEOUT if one.student.startswith("loop") else Status.PASSED)
    ]
    if wrong or len(found) != students * exercises:
        raise SystemExit(f"{len(wrong)} of {len(found)} are not as they should be: {wrong[:5]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--students", type=int, default=200)
    parser.add_argument("--loops", type=int, nargs="+", default=[0, 10])
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    options = parser.parse_args()
    print("| students | loopers | exercises | handed in | wall | processors | memory |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |", flush=True)
    for loops in options.loops:
        measure(options.students, loops, options.workers)


if __name__ == "__main__":
    sys.exit(main())
