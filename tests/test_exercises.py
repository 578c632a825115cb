"""The exercise format, `check` in the student's kernel, and the exercise of notebook 00."""

import math
from random import Random

import numpy as np
import pytest

from novelkit.errors import InputError
from novelkit.exercises import (
    Case,
    CheckResult,
    Raises,
    check,
    exercise_cells,
    load_exercises,
    same_value,
)

NAME = "00-bits-per-character"


def student(body: str):
    """A student's function, as its cell would define it."""
    namespace = {"math": math, "np": np}
    exec("def bits_per_character(nats_per_token, tokens, characters):\n" + body, namespace)
    return namespace["bits_per_character"]


GUARD = "    if characters <= 0:\n        raise ValueError('no characters')\n"
RIGHT = GUARD + "    return nats_per_token * tokens / characters / math.log(2)\n"


# ---- check


def test_a_right_answer_passes_and_is_told_about_hidden_cases():
    result = check(student(RIGHT))
    assert result.passed and "隐藏用例" in result.message
    assert check(student(RIGHT), NAME) == result


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (RIGHT.replace(" / math.log(2)", ""), "单位换了吗"),
        (RIGHT.replace("/ math.log(2)", "* math.log(2)"), "乘除用对了吗"),
        (RIGHT.replace("tokens / characters", "characters / tokens"), "别写反"),
        (RIGHT.replace("tokens / characters", "characters * tokens"), "第 2 个公开用例"),
        (RIGHT.removeprefix(GUARD), "ZeroDivisionError"),
        (RIGHT.replace("raise ValueError('no characters')", "return 0.0"), "没有抛出异常"),
        (RIGHT.replace("ValueError", "KeyError"), "抛出 KeyError"),
        ("    return None\n", "类型：应是 float，得到 NoneType。"),
        ("    return '1.44'\n", "得到 str；可以用 float(...) 转换"),
        ("    return float('nan')\n", "nan"),
        ("    return np.float64(1.4426950408889634)\n", "float64"),
        ("    return unknown\n", "NameError"),
        ("    return bits_per_character(nats_per_token, tokens, characters)\n", "RecursionError"),
    ],
)
def test_each_usual_mistake_is_caught_and_explained(body, said):
    result = check(student(body))
    assert not result.passed and said in result.message
    assert {"输入", "应得", "实际"} <= {line.strip()[:2] for line in result.message.splitlines()}


def test_the_name_finds_the_exercise_or_the_nearest_one():
    def bits_per_characters():
        return 0.0

    with pytest.raises(InputError, match="是不是想写 'bits_per_character'"):
        check(bits_per_characters)
    with pytest.raises(InputError, match=f"是不是想写 '{NAME}'"):
        check(bits_per_characters, "00-bits-per-caracter")
    with pytest.raises(InputError, match="可选的有"):
        check(lambda: 0)
    with pytest.raises(InputError, match="不加括号"):
        check(3.0)


def test_html_is_escaped():
    html = CheckResult(False, "得到 <script>alert(1)</script>")._repr_html_()
    assert "<script>" not in html and "&lt;script&gt;" in html


@pytest.fixture
def one_exercise(tmp_path, monkeypatch):
    """An exercise about lists, in a folder of its own that `check` then reads."""
    (tmp_path / "exercise_99.py").write_text(
        "from novelkit.exercises import Case, Exercise\n"
        "EXERCISES = (Exercise('99-ends', '99', 'ends', 'Ends', 1, (Case(([1, 2, 3],), [1, 3]),),"
        " lambda random: [Case(([random.random()],), [0])], lambda x: [x[0], x[-1]]),)\n",
        encoding="utf-8",
    )
    monkeypatch.setattr("novelkit.exercises.EXERCISES_FOLDER", tmp_path)
    return tmp_path


def test_a_function_that_changes_its_argument_does_not_change_the_case(one_exercise):
    def ends(x):
        x.pop()
        return x

    assert "ends([1, 2, 3])" in check(ends).message


def test_a_value_whose_repr_fails_or_is_long_is_still_reported(one_exercise):
    class Odd:
        def __repr__(self):
            raise OSError

    assert "repr 出错" in check(lambda x: Odd(), "99-ends").message
    assert len(check(lambda x: "长" * 10**6, "99-ends").message) < 1000


# ---- comparing values


class AlwaysEqual(int):
    def __eq__(self, other):
        return True

    __hash__ = int.__hash__


@pytest.mark.parametrize(
    ("got", "expected", "tolerance", "same"),
    [
        (1, 1, 0, True),
        (True, 1, 0, False),
        (1, True, 0, False),
        (1, 1.0, 0, False),
        (1.0, 1, 0, False),
        (AlwaysEqual(3), 1, 0, False),
        (math.nan, math.nan, 9, False),
        (math.inf, math.inf, 0, True),
        (math.inf, 1e308, 1, False),
        (1.0 + 1e-9, 1.0, 1e-8, True),
        (1.0 + 1e-7, 1.0, 1e-8, False),
        (1e9 + 1, 1e9, 1e-8, True),
        (0.3, 0.1 + 0.2, 0, False),
        ("红", "红", 0, True),
        (None, None, 0, True),
        ([1, [2.0]], [1, [2.0]], 0, True),
        ([1, 2], (1, 2), 0, False),
        ([1], [1, 2], 0, False),
        ([True], [1], 0, False),
        ({"a": 1.0}, {"a": 1.0}, 0, True),
        ({"a": 1}, {"a": 1.0}, 0, False),
        ({"a": 1, "b": 2}, {"a": 1}, 0, False),
        ({1: "a"}, {"1": "a"}, 0, False),
        (np.float64(1.0), 1.0, 0, False),
        ({1}, {1}, 0, False),
    ],
)
def test_same_value_is_exact_in_type_and_value(got, expected, tolerance, same):
    assert same_value(got, expected, tolerance) is same


# ---- definitions


def test_every_exercise_of_the_repository_is_sound():
    for name, exercise in load_exercises().items():
        assert name[:2] == exercise.notebook[:2] and exercise.points > 0 and exercise.title
        hidden = exercise.hidden_cases(Random(1))
        assert len(exercise.public_cases) >= 3 and len(hidden) >= 5
        assert all(case.hint for case in exercise.public_cases)
        again = exercise.hidden_cases(Random(1))
        assert [case.arguments for case in hidden] == [case.arguments for case in again]
        other = exercise.hidden_cases(Random(2))
        assert [case.arguments for case in hidden] != [case.arguments for case in other]
        for case in (*exercise.public_cases, *hidden):
            assert_reference_agrees(exercise.reference, case)


def assert_reference_agrees(reference, case: Case) -> None:
    if isinstance(case.expected, Raises):
        with pytest.raises(Exception) as caught:  # noqa: PT011
            reference(*case.arguments)
        assert caught.type.__name__ == case.expected.exception
    else:
        assert same_value(reference(*case.arguments), case.expected, case.tolerance)


def test_hidden_cases_catch_an_answer_that_only_knows_the_public_ones():
    exercise = load_exercises()[NAME]
    known = {case.arguments: case.expected for case in exercise.public_cases}
    hidden = exercise.hidden_cases(Random(0))
    assert not any(case.arguments in known for case in hidden)
    assert any(isinstance(case.expected, Raises) for case in hidden)


def test_missing_and_clashing_definitions_are_refused(tmp_path, one_exercise):
    with pytest.raises(InputError, match="没有练习"):
        load_exercises(tmp_path / "nowhere")
    text = (one_exercise / "exercise_99.py").read_text(encoding="utf-8")
    renamed = text.replace("99-ends", "98-ends")
    (one_exercise / "exercise_98.py").write_text(renamed, encoding="utf-8")
    with pytest.raises(InputError, match="重名"):
        load_exercises(one_exercise)


# ---- cells


def cell(source, name=NAME, tags=("exercise",), kind="code"):
    metadata = {"tags": list(tags), "novelkit": {"exercise": name}}
    return {"cell_type": kind, "metadata": metadata, "source": source}


def test_exercise_cells_are_found_by_their_metadata():
    notebook = {
        "cells": [
            cell("prose", kind="markdown"),
            cell("untagged", tags=()),
            cell(["def f():\n", "    pass\n"]),
            cell("g = 1", name="01-other"),
            {"cell_type": "code", "source": "plain", "metadata": {}},
        ]
    }
    assert exercise_cells(notebook) == {NAME: "def f():\n    pass\n", "01-other": "g = 1"}


def test_a_duplicated_cell_keeps_the_last_answer():
    cells = [cell("old"), cell("new"), cell("  \n")]
    assert exercise_cells({"cells": cells}) == {NAME: "new"}
    assert exercise_cells({"cells": [cell("")]}) == {NAME: ""}


@pytest.mark.parametrize(
    "cells",
    [
        None,
        3,
        [None, "x", 4],
        [{"cell_type": "code", "metadata": None}],
        [{"cell_type": "code", "metadata": {"tags": "exercise", "novelkit": {"exercise": "a"}}}],
        [{"cell_type": "code", "metadata": {"tags": ["exercise"], "novelkit": ["exercise"]}}],
        [cell("x", name=["list"])],
    ],
)
def test_malformed_notebooks_have_no_answers(cells):
    assert exercise_cells({"cells": cells}) == {}
