"""What the instructor decides by hand: `overrides.csv` in the output folder.

Columns `student, exercise, points, comment`. Points are those of the exercise (out of its own
maximum); without points a line is a comment only. Exercise `*` is the whole: its points are the
final total. The program reads the file at each grading and never writes it, but for an empty one
where there is none.
"""

import math
from dataclasses import dataclass
from pathlib import Path

from novelkit.errors import InputError
from novelkit.grading.sheets import column, read_table, write_table

OVERRIDES_FILE = "overrides.csv"
HEADER = ("student", "exercise", "points", "comment")
WHOLE = "*"
STUDENT, EXERCISE = ("student", "学生", "学号"), ("exercise", "练习")
POINTS, COMMENT = ("points", "分数", "得分"), ("comment", "评语", "备注")


@dataclass(frozen=True)
class Override:
    """One line: `points` None is a comment only. `line` is its number, for what is reported."""

    student: str
    exercise: str
    points: float | None = None
    comment: str = ""
    line: int = 0


def read_overrides(folder: Path) -> tuple[Override, ...]:
    """The lines of `overrides.csv`; where there is none, one with its header alone is created.

    Raises InputError where points are no number that is 0 or more: to skip the line would change
    a grade without a word.
    """
    path = Path(folder) / OVERRIDES_FILE
    if not path.exists():
        write_table(path, HEADER, ())
        return ()
    found = []
    for number, row in enumerate(read_table(path), start=2):
        student, exercise = column(row, STUDENT), column(row, EXERCISE)
        if not student or not exercise:
            raise InputError(f"{path} 第 {number} 行缺学生或练习：请补上（整份作业写 *）。")
        points = _points(column(row, POINTS), f"{path} 第 {number} 行")
        found.append(Override(student, exercise, points, column(row, COMMENT), number))
    return tuple(found)


def _points(text: str, place: str) -> float | None:
    if not text:
        return None
    try:
        points = float(text)
    except ValueError:
        points = math.nan
    if not 0 <= points < math.inf:
        raise InputError(f"{place} 的分数 {text!r} 不是 0 以上的数：请改正。")
    return points
