"""A small class for the tests of the grader: exercises of its own and what students make of them.

The exercises are written to a folder as an instructor's own would be.
"""

import json
from pathlib import Path

EXERCISES = """
from novelkit.exercises import Case, Exercise, Raises


def double(number):
    if number < 0:
        raise ValueError("negative")
    return 2 * number


def reverse(text):
    return text[::-1]


def hidden_doubles(random):
    numbers = [random.randint(10, 10**6) for _ in range(5)]
    cases = [Case((number,), double(number), hint="twice") for number in numbers]
    return [*cases, Case((-random.randint(1, 9),), Raises("ValueError"), hint="negative")]


def hidden_texts(random):
    texts = ["".join(random.choices("天地玄黄宇宙洪荒", k=6)) for _ in range(4)]
    return [Case((text,), reverse(text), hint="from the end") for text in texts]


EXERCISES = (
    Exercise("90-double", "90_own", "double_it", "加倍", 6,
             (Case((2,), 4, hint="twice"), Case((-1,), Raises("ValueError"), hint="negative")),
             hidden_doubles, double, ("twice",), ("numpy",)),
    Exercise("90-reverse", "90_own", "reverse_it", "倒过来", 4,
             (Case(("ab",), "ba", hint="from the end"),),
             hidden_texts, reverse, partial_credit=False),
)
"""
RIGHT = """
def double_it(number):
    if number < 0:
        raise ValueError
    return number + number


def reverse_it(text):
    return "".join(reversed(text))
"""
NO_GUARD = RIGHT.replace("    if number < 0:\n        raise ValueError\n", "")
LOOPS = RIGHT.replace("return number + number", "while True: pass")
ONLY_SMALL = RIGHT.replace("return number + number", "return 4 if number == 2 else exit()")


def write_exercises(folder: Path) -> Path:
    """A folder with the two exercises."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "exercise_90_own.py").write_text(EXERCISES, encoding="utf-8")
    return folder


def notebook(*sources: str) -> str:
    """A notebook of code cells."""
    cells = [
        {
            "cell_type": "code",
            "metadata": {},
            "source": source,
            "outputs": [],
            "execution_count": None,
        }
        for source in sources
    ]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def hand_in(folder: Path, **answers: str) -> Path:
    """A folder with one .py file for each student."""
    folder.mkdir(parents=True, exist_ok=True)
    for student, source in answers.items():
        (folder / f"{student}.py").write_text(source, encoding="utf-8")
    return folder
