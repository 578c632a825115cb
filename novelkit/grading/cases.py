"""The cases of a batch: public ones, and hidden ones drawn from its seed or the instructor's own.

A folder of own cases holds for an exercise `NAME.json`, a list of

    {"arguments": [...], "expected": ...}  or  {"arguments": [...], "raises": "ValueError"}

each with "tolerance" and "hint" if wanted, or Python files with `HIDDEN_CASES`, a dictionary from
names of exercises to functions like `Exercise.hidden_cases`. They take the place of the drawn ones.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from random import Random
from typing import Any

from novelkit.errors import InputError
from novelkit.exercises import Case, Exercise, Raises, load_exercises


@dataclass(frozen=True)
class Cases:
    """What one exercise of a batch is graded by, the same for every student."""

    public: tuple[Case, ...]
    hidden: tuple[Case, ...]

    @property
    def guessed(self) -> float:
        """The share of hidden cases that the luckiest constant answer passes."""
        counts = Counter(repr(case.expected) for case in self.hidden)
        return max(counts.values()) / len(self.hidden)

    @property
    def identity(self) -> str:
        """Changes with any case."""
        text = repr([self.public, self.hidden])
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def choose_exercises(
    folders: Sequence[Path] = (), only: Sequence[str] = (), course: bool = True
) -> dict[str, Exercise]:
    """The course's exercises and those of own folders, or those whose name begins as `only` says.

    Raises `InputError` for two of one name, and for an `only` that chooses none.
    """
    found: dict[str, Exercise] = {}
    for folder in [*([None] if course else []), *folders]:
        for name, exercise in load_exercises(folder).items():
            if name in found:
                raise InputError(f"练习 {name} 有两份（{folder} 里的和课程的）：请改名。")
            found[name] = exercise
    for prefix in only:
        if not any(name.startswith(prefix) for name in found):
            raise InputError(f"没有以 {prefix} 开头的练习；有：{'、'.join(found)}。")
    return {
        name: exercise
        for name, exercise in found.items()
        if not only or name.startswith(tuple(only))
    }


def draw_cases(
    exercises: Mapping[str, Exercise], seed: int, own: Path | None = None
) -> dict[str, Cases]:
    """The cases of a batch by exercise. Raises `InputError` for own cases that cannot be read."""
    drawers = read_own_cases(own, exercises) if own else {}
    found = {}
    for name, exercise in exercises.items():
        drawer = drawers.get(name, exercise.hidden_cases)
        hidden = tuple(drawer(Random(f"{seed} {name}")))
        if not hidden:
            raise InputError(f"练习 {name} 没有隐藏用例：请补上。")
        found[name] = Cases(tuple(exercise.public_cases), hidden)
    return found


Drawer = Callable[[Random], Sequence[Case]]


def read_own_cases(folder: Path, exercises: Mapping[str, Exercise]) -> dict[str, Drawer]:
    """Hidden cases of an instructor's folder; the Python files in it are executed."""
    if not folder.is_dir():
        raise InputError(f"没有 {folder} 这个文件夹：请检查 --cases。")
    found: dict[str, Drawer] = {}
    for path in sorted(folder.glob("*.json")):
        cases = _read_json(path)
        found[path.stem] = lambda random, cases=cases: cases  # type: ignore[misc]
    for path in sorted(folder.glob("*.py")):
        found |= _read_python(path)
    if not found:
        raise InputError(f"{folder} 里没有用例（NAME.json 或带 HIDDEN_CASES 的 .py）。")
    if unknown := sorted(found.keys() - exercises.keys()):
        raise InputError(f"{folder} 里有不认识的练习：{'、'.join(unknown)}。")
    return found


def _read_json(path: Path) -> tuple[Case, ...]:
    try:
        return tuple(map(_case, json.loads(path.read_text(encoding="utf-8"))))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{path} 不是一列用例（{error}）：见 novelkit.grading.cases。") from error


def _case(row: dict[str, Any]) -> Case:
    expected = Raises(row["raises"]) if "raises" in row else row["expected"]
    hint, tolerance = row.get("hint", ""), row.get("tolerance", 0)
    return Case(tuple(row["arguments"]), expected, float(tolerance), str(hint))


def _read_python(path: Path) -> dict[str, Drawer]:
    spec = util.spec_from_file_location(f"novelkit_cases_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} 不能作为 Python 文件读取。")
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return dict(getattr(module, "HIDDEN_CASES", {}))
