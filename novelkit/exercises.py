"""The exercise format of the notebooks, of the in-notebook `check` and of the grader.

An exercise is one function that a student writes. Public cases are shown and run by `check` in the
student's own kernel; hidden cases are drawn by `hidden_cases(random.Random)` from `reference`, for
the grader. Definitions live in `tests/grading/exercise_*.py`, each with a tuple `EXERCISES`.
Does not cover: running untrusted code. `check` is a help for the student and proves nothing to a
teacher; limits, isolation and hidden cases belong to the grader.

In a notebook the cell with the answer carries the metadata

    {"tags": ["exercise"], "novelkit": {"exercise": "00-bits-per-character"}}

and the cell after it calls `check(bits_per_character)`.
"""

import copy
import difflib
import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from random import Random
from typing import Any

from novelkit.errors import InputError

EXERCISES_FOLDER = Path(__file__).resolve().parents[1] / "tests" / "grading"
CELL_TAG = "exercise"
LONGEST_SHOWN = 300


@dataclass(frozen=True)
class Raises:
    """An expected answer: the function must raise this built-in exception (or a subclass)."""

    exception: str

    def __str__(self) -> str:
        return f"抛出 {self.exception}"


@dataclass(frozen=True)
class Case:
    """One call: arguments and expected answer are plain JSON values (or `Raises`).

    `tolerance` is relative to the expected number where that is above 1, else absolute; 0 asks
    for equality. `hint` (Chinese) is shown when the case fails.
    """

    arguments: tuple[Any, ...]
    expected: Any
    tolerance: float = 0
    hint: str = ""


@dataclass(frozen=True)
class Exercise:
    """One function to write, with all that is needed to explain, check and grade it."""

    name: str
    notebook: str
    function: str
    title: str
    points: float
    public_cases: tuple[Case, ...]
    hidden_cases: Callable[[Random], Sequence[Case]]
    reference: Callable[..., Any]
    hints: tuple[str, ...] = ()
    forbidden_imports: tuple[str, ...] = ()
    # Without it an answer gets all points or none.
    partial_credit: bool = True
    # Of the processor, for all calls of an answer together.
    cpu_seconds: float = 2.0


@dataclass(frozen=True)
class CheckResult:
    """What `check` found; a notebook shows it by itself as the last value of a cell."""

    passed: bool
    message: str

    def __str__(self) -> str:
        return self.message

    def _repr_html_(self) -> str:
        # The message quotes the student's values, which may contain markup.
        colour = "#2e7d32" if self.passed else "#c62828"
        return (
            f'<pre style="white-space:pre-wrap;border-left:4px solid {colour};'
            f'padding-left:8px">{html.escape(self.message)}</pre>'
        )


def load_exercises(folder: Path | None = None) -> dict[str, Exercise]:
    """All exercises by name, from `exercise_*.py` in `folder` (default: the repository's own).

    Raises InputError where there are none, or two share a name or a function. The files are
    executed, so `folder` must be one that you trust.
    """
    folder = EXERCISES_FOLDER if folder is None else Path(folder)
    files = sorted(folder.glob("exercise_*.py"))
    if not files:
        raise InputError(f"{folder} 里没有练习（exercise_*.py）：请用完整的 novelkit 仓库。")
    exercises: dict[str, Exercise] = {}
    for exercise in (exercise for file in files for exercise in _defined_in(file)):
        # `check` finds an exercise by its function, so that name has to be unique as well.
        taken = {other.function for other in exercises.values()}
        if exercise.name in exercises or exercise.function in taken:
            raise InputError(
                f"练习 {exercise.name}（函数 {exercise.function}）与另一个练习重名：请改名。"
            )
        exercises[exercise.name] = exercise
    return exercises


def _defined_in(file: Path) -> Sequence[Exercise]:
    spec = util.spec_from_file_location(f"novelkit_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise InputError(f"{file} 不能作为 Python 文件读取：请检查文件。")
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, "EXERCISES", ())


def check(function: Callable[..., Any], exercise: str | None = None) -> CheckResult:
    """Run the public cases of an exercise on the student's function, in this very kernel.

    The exercise is found by the function's name unless `exercise` names it. Whatever the function
    raises becomes part of the message. Raises InputError when no exercise matches.
    """
    if not callable(function):
        raise InputError(
            f"check 要的是函数本身，收到的是 {shown(function)}："
            "请写 check(函数名)，函数名后不加括号。"
        )
    chosen = _find(function, load_exercises(), exercise)
    for number, case in enumerate(chosen.public_cases, start=1):
        wrong = _run_case(function, case)
        if wrong:
            head = f"✗ {chosen.title}：第 {number} 个公开用例没有通过。"
            call = f"  输入：{chosen.function}({', '.join(map(shown, case.arguments))})"
            hint = [f"  提示：{case.hint}"] if case.hint else []
            return CheckResult(False, "\n".join([head, call, *wrong, *hint]))
    total = len(chosen.public_cases)
    return CheckResult(
        True,
        f"✓ {chosen.title}：{total} 个公开用例全部通过。评分时还有隐藏用例，换了数也要算得对。",
    )


def _find(
    function: Callable[..., Any], exercises: dict[str, Exercise], wanted: str | None
) -> Exercise:
    if wanted is not None:
        if wanted in exercises:
            return exercises[wanted]
        raise InputError(f"没有练习 {wanted!r}。{_did_you_mean(wanted, exercises)}")
    name = getattr(function, "__name__", type(function).__name__)
    by_function = {exercise.function: exercise for exercise in exercises.values()}
    if name in by_function:
        return by_function[name]
    raise InputError(f"没有要求写函数 {name!r} 的练习。{_did_you_mean(name, by_function)}")


def _did_you_mean(word: str, known: Sequence[str] | dict[str, Any]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    if close:
        return f"是不是想写 {close[0]!r}？请把名字改过来。"
    return f"可选的有：{'、'.join(sorted(known))}。"


def _run_case(function: Callable[..., Any], case: Case) -> list[str]:
    """The lines that say what is wrong, none when the case passes."""
    expected = f"  应得：{shown(case.expected)}"
    try:
        # A copy, because a function may change its arguments, and the case is shown afterwards.
        got = function(*copy.deepcopy(case.arguments))
    except Exception as error:
        if isinstance(case.expected, Raises) and _is_named(error, case.expected.exception):
            return []
        return [expected, f"  实际：抛出 {type(error).__name__}：{_cut(str(error))}"]
    if isinstance(case.expected, Raises):
        return [expected, f"  实际：没有抛出异常，返回了 {shown(got)}"]
    if same_value(got, case.expected, case.tolerance):
        return []
    lines = [expected, f"  实际：{shown(got)}"]
    if type(got) is not type(case.expected):
        lines.append(f"  {type_advice(case.expected, type(got).__name__)}")
    return lines


def type_advice(expected: Any, got: str) -> str:
    """What to tell somebody whose answer has another type, named `got`, than the expected one."""
    kind = type(expected).__name__
    # Nothing is converted to None, and None to nothing: the answer itself is another one.
    near = expected is not None and got != "NoneType"
    advice = f"；可以用 {kind}(...) 转换" if near else ""
    return f"类型：应是 {kind}，得到 {got}{advice}。"


def _is_named(error: Exception, name: str) -> bool:
    return any(kind.__name__ == name for kind in type(error).__mro__)


def same_value(got: Any, expected: Any, tolerance: float = 0) -> bool:
    """Exact type and value, through lists and dicts; numbers within `tolerance` (see `Case`).

    True is not 1, 1 is not 1.0, and NaN equals nothing. Only built-in types can be equal, so that
    no `__eq__` of an unknown class is asked.
    """
    if type(got) is not type(expected):
        return False
    if isinstance(expected, float):
        if math.isinf(expected) or math.isinf(got) or math.isnan(got):
            return got == expected
        return abs(got - expected) <= tolerance * max(1.0, abs(expected))
    if isinstance(expected, (list, tuple)):
        return len(got) == len(expected) and all(
            same_value(one, other, tolerance) for one, other in zip(got, expected, strict=True)
        )
    if isinstance(expected, dict):
        return (
            all(type(key) is str for key in got)
            and got.keys() == expected.keys()
            and all(same_value(got[key], expected[key], tolerance) for key in expected)
        )
    return type(expected) in (str, int, bool, bytes, type(None)) and got == expected


def shown(value: Any) -> str:
    """A value as a message shows it: short, and never failing for what its `repr` does."""
    if isinstance(value, Raises):
        return str(value)
    try:
        return _cut(repr(value))
    except Exception as error:
        return f"<{type(value).__name__}，repr 出错：{type(error).__name__}>"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "……"


def exercise_cells(notebook: dict[str, Any]) -> dict[str, str]:
    """Name of exercise -> source of its answer cell, in a notebook read from JSON.

    A name that occurs twice (students duplicate cells) keeps its last non-empty source. Cells
    whose parts are not of the expected types are skipped: the file comes from a student.
    """
    found: dict[str, str] = {}
    cells = notebook.get("cells")
    for cell in cells if isinstance(cells, list) else []:
        name = _answered_exercise(cell)
        if name is None:
            continue
        source = cell.get("source", "")
        # nbformat allows a list of lines in place of one string.
        source = "".join(map(str, source)) if isinstance(source, list) else str(source)
        if source.strip() or name not in found:
            found[name] = source
    return found


def _answered_exercise(cell: Any) -> str | None:
    if not isinstance(cell, dict) or cell.get("cell_type") != "code":
        return None
    metadata = cell.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    tags, ours = metadata.get("tags"), metadata.get("novelkit")
    if not isinstance(tags, list) or CELL_TAG not in tags or not isinstance(ours, dict):
        return None
    name = ours.get("exercise")
    return name if isinstance(name, str) else None
