"""How much each exercise counts: its points, unless a table says otherwise."""

import difflib
import math
from collections.abc import Mapping
from pathlib import Path

from novelkit.errors import InputError
from novelkit.exercises import Exercise
from novelkit.grading.sheets import column, read_table

NAME = ("exercise or notebook", "exercise", "notebook", "name", "练习", "笔记本", "名称")
WEIGHT = ("weight", "权重")


def read_weights(path: Path) -> dict[str, float]:
    """Name of an exercise or a notebook -> its weight, 0 or more; raises InputError otherwise."""
    weights: dict[str, float] = {}
    for number, row in enumerate(read_table(path), start=2):
        name, text = column(row, NAME), column(row, WEIGHT)
        try:
            weight = float(text)
        except ValueError:
            weight = math.nan
        if not name or not 0 <= weight < math.inf:
            raise InputError(
                f"{path} 第 {number} 行：要有练习（或笔记本）的名字和 0 以上的权重，请改正。"
            )
        if name in weights:
            raise InputError(f"{path} 第 {number} 行：{name} 的权重写了两次，请删去一个。")
        weights[name] = weight
    if not weights:
        raise InputError(f"{path} 里没有权重：要有 exercise 和 weight 两列。")
    return weights


def weigh(exercises: Mapping[str, Exercise], weights: Mapping[str, float]) -> dict[str, float]:
    """What each exercise adds to the total at most.

    A notebook's weight is shared among those of its exercises that have none of their own, in
    proportion to their points. What the table does not name keeps its points. Raises InputError
    for a name that is neither an exercise nor a notebook.
    """
    notebooks = {exercise.notebook for exercise in exercises.values()}
    for name in weights:
        if name not in exercises and name not in notebooks:
            close = difflib.get_close_matches(name, [*exercises, *notebooks], n=1)
            hint = f"是不是想写 {close[0]}？" if close else ""
            raise InputError(f"权重表里的 {name} 不是练习，也不是笔记本：{hint}请改正。")
    shared: dict[str, float] = {}
    for exercise in exercises.values():
        if exercise.name not in weights:
            shared[exercise.notebook] = shared.get(exercise.notebook, 0) + exercise.points
    return {name: _weight(exercise, weights, shared) for name, exercise in exercises.items()}


def _weight(exercise: Exercise, weights: Mapping[str, float], shared: Mapping[str, float]) -> float:
    if exercise.name in weights:
        return weights[exercise.name]
    points = shared[exercise.notebook]
    if exercise.notebook in weights and points:
        return weights[exercise.notebook] * exercise.points / points
    return exercise.points
