"""Marks: what an answer earns, what guessing does not, and which status says why."""

import sys

import pytest
from grading_homework import LOOPS, NO_GUARD, RIGHT, write_exercises

from novelkit.errors import InputError, WorkError
from novelkit.exercises import Case, Raises
from novelkit.grading.answers import find_answers
from novelkit.grading.cases import choose_exercises, draw_cases
from novelkit.grading.judging import grade_answer, is_right, result_key
from novelkit.grading.records import Limits, Status, Submission, SubmittedFile
from novelkit.grading.sandbox import Reply, Sandbox
from novelkit.grading.worker.values import Array, Other

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are limited on Linux")
DOUBLE, REVERSE = "90-double", "90-reverse"


@pytest.fixture(scope="module")
def exercises(tmp_path_factory):
    return choose_exercises([write_exercises(tmp_path_factory.mktemp("own"))], course=False)


@pytest.fixture(scope="module")
def box():
    # Little memory: on a busy machine a full gigabyte takes longer than a processor's second.
    with Sandbox(limits=Limits(wall_seconds=8, memory_bytes=200 << 20)) as found:
        yield found


@pytest.fixture
def grade(box, exercises):
    def call(source, name=DOUBLE, seed=1):
        submission = Submission("ann", (SubmittedFile("ann.py", source.encode("utf-8"), 0.0),))
        answer = find_answers(submission, exercises, {})[name]
        cases = draw_cases(exercises, seed)[name]
        return grade_answer(box, "ann", exercises[name], answer, cases)

    return call


def test_a_right_answer_gets_all_points(grade):
    found = grade(RIGHT)
    assert (found.status, found.points, found.possible) == (Status.PASSED, 6, 6)
    assert {case.outcome for case in found.cases} == {"passed"} and not found.hints
    assert len(found.cases) == 8


def test_a_missing_guard_costs_its_share_and_is_hinted(grade):
    found = grade(NO_GUARD)
    assert found.status is Status.PARTIAL
    # Five of six hidden cases, less what a constant answer gets (one of six), and one public case
    # of eight cases in all.
    assert found.points == pytest.approx(6 * ((5 / 6 - 1 / 6) / (5 / 6) - 1 / 8), abs=0.01)
    assert found.hints == ("negative",)
    shown = [case for case in found.cases if not case.hidden and case.outcome == "wrong"]
    assert [(one.call, one.expected) for one in shown] == [("double_it(-1)", "抛出 ValueError")]
    assert "返回了 -2" in shown[0].got


def test_hidden_cases_tell_neither_input_nor_answer(grade):
    found = grade(RIGHT.replace("number + number", "[number, 'seen']"))
    hidden = [case for case in found.cases if case.hidden and case.outcome == "wrong"]
    assert len(hidden) == 5
    for case in hidden:
        assert not case.call and not case.expected
        assert "应是 int，得到 list" in case.got and "seen" not in case.got


@pytest.mark.parametrize(
    "source",
    [
        "def double_it(number):\n    raise ValueError\n",
        "def double_it(number):\n    return {2: 4}[number] if number > 0 else int('x')\n",
        "def double_it(number):\n    return 4\n",
    ],
    ids=["always raises", "public cases copied down", "a constant"],
)
def test_guessing_earns_nothing(grade, source):
    found = grade(source)
    assert found.points == 0
    assert found.status in (Status.FAILED, Status.ERROR)


def test_without_partial_credit_it_is_all_or_nothing(grade):
    assert grade(RIGHT, REVERSE).points == 4
    wrong = "def reverse_it(text):\n    return text[::-1] if text[0] != '天' else ''\n"
    for seed in range(20):
        found = grade(wrong, REVERSE, seed)
        if found.status is not Status.PASSED:
            assert found.points == 0 and found.status is Status.FAILED
            return
    pytest.fail("no seed drew a text that begins so")


@pytest.mark.parametrize(
    ("source", "status", "said"),
    [
        (LOOPS, Status.TIMEOUT, "超时"),
        ("import os\ndef double_it(number):\n    os._exit(0)\n", Status.CRASHED, "意外结束"),
        ("def double_it(number):\n    return undefined\n", Status.ERROR, ""),
        ("def double_it(number):\n    return 1 / 0\n", Status.ERROR, ""),
        (
            "import numpy\ndef double_it(n):\n    return numpy.add(n, n)\n",
            Status.FORBIDDEN,
            "numpy",
        ),
        ("other = 1\n", Status.MISSING, ""),
        ("def double_it(number:\n", Status.ERROR, "第 1 行"),
        ("def double_it(n):\n    return __import__('num' + 'py')\n", Status.FORBIDDEN, "numpy"),
        ("def double_it(n):\n    return 'x' * (1 << 22)\n", Status.FAILED, ""),
        ("def double_it(n):\n    return [0] * (1 << 28)\n", Status.OUT_OF_MEMORY, ""),
    ],
)
def test_what_goes_wrong_has_a_name_and_earns_nothing(grade, source, status, said):
    found = grade(source)
    assert found.status is status, found
    assert found.points == 0
    assert said in "".join(found.notes)


def test_what_the_answer_does_not_need_does_not_run(grade):
    found = grade("import os\nos._exit(0)\n" + RIGHT)
    assert found.status is Status.PASSED and any("os._exit(0)" in note for note in found.notes)


def test_future_statements_hold_for_the_program(grade):
    source = "from __future__ import annotations\n" + RIGHT.replace(
        "(number)", "(number: unknown) -> nothing"
    )
    assert grade(source).status is Status.PASSED


def test_one_endless_case_does_not_cost_the_others(grade):
    source = RIGHT.replace("raise ValueError", "while True: pass")
    found = grade(source)
    assert found.status is Status.TIMEOUT
    outcomes = [case.outcome for case in found.cases]
    assert outcomes.count("timeout") == 2 and outcomes.count("passed") == 6
    assert 0 < found.points < 6


def test_answers_do_not_depend_on_what_was_asked_before(grade):
    source = "calls = []\n" + RIGHT.replace(
        "    return number + number", "    calls.append(number)\n    return number + number"
    )
    assert grade(source).status is Status.PASSED


def test_a_grader_that_fails_costs_nothing(grade, box, monkeypatch):
    def broken(job):
        raise WorkError("no processes left")

    monkeypatch.setattr(box, "open", broken)
    found = grade(RIGHT)
    assert found.status is Status.NOT_GRADABLE and "不扣分" in found.notes[0]


def test_the_key_changes_with_the_program_and_the_cases_only(exercises):
    def key(source, seed, student="ann"):
        file = SubmittedFile(f"{student}.py", source.encode("utf-8"), 0.0)
        answer = find_answers(Submission(student, (file,)), exercises, {})[DOUBLE]
        return result_key(exercises[DOUBLE], answer, draw_cases(exercises, seed)[DOUBLE])

    assert key(RIGHT, 1) == key(RIGHT, 1)
    assert len({key(RIGHT, 1), key(NO_GUARD, 1), key(RIGHT, 2)}) == 3


# ---- verdicts


def value(found):
    return Reply("value", found)


@pytest.mark.parametrize(
    ("got", "expected", "tolerance", "right"),
    [
        (1, 1, 0, True),
        (True, 1, 0, False),
        (1.0, 1, 0, False),
        ((1, 2), [1, 2], 0, False),
        (0.30000000000000004, 0.3, 1e-9, True),
        (0.31, 0.3, 1e-9, False),
        (float("nan"), 0.3, 1e9, False),
        (Other("int", "1"), 1, 0, False),
        ({"a": [1, None]}, {"a": [1, None]}, 0, True),
        ({"a": 1, "b": 2}, {"a": 1}, 0, False),
        (Array("numpy", "int64", (1,), (1,)), [1], 0, False),
        (None, None, 0, True),
    ],
)
def test_only_the_exact_type_and_value_is_right(got, expected, tolerance, right):
    assert is_right(value(got), Case((), expected, tolerance)) is right


def test_arrays_are_compared_with_their_dtype_and_shape():
    numpy = pytest.importorskip("numpy")
    case = Case((), numpy.array([[1.0, 2.0]]), 1e-6)
    assert is_right(value(Array("numpy", "float64", (1, 2), (1.0, 2.0000001))), case)
    for other in (
        Array("numpy", "float32", (1, 2), (1.0, 2.0)),
        Array("numpy", "float64", (2,), (1.0, 2.0)),
        Array("numpy", "float64", (1, 2), (1.0, 2.1)),
        Array("torch", "float64", (1, 2), (1.0, 2.0)),
        [[1.0, 2.0]],
    ):
        assert not is_right(value(other), case)


def test_only_the_built_in_exception_is_expected():
    case = Case((), Raises("ValueError"))
    assert is_right(Reply("raised", raised=("UnicodeError", "UnicodeError", "ValueError")), case)
    assert not is_right(Reply("raised", raised=("ValueError", "Exception")), case)
    assert not is_right(value(None), case)


# ---- cases


def test_cases_are_those_of_the_seed(exercises):
    first, again, other = (draw_cases(exercises, seed)[DOUBLE] for seed in (3, 3, 4))
    assert first.identity == again.identity != other.identity
    assert first.guessed == pytest.approx(1 / 6)


def test_own_cases_take_the_place_of_drawn_ones(exercises, tmp_path):
    (tmp_path / "90-double.json").write_text(
        '[{"arguments": [3], "expected": 6, "hint": "h"},'
        ' {"arguments": [-3], "raises": "ValueError"}]',
        encoding="utf-8",
    )
    (tmp_path / "more.py").write_text(
        "from novelkit.exercises import Case\n"
        'HIDDEN_CASES = {"90-reverse": lambda random: [Case(("ab",), "ba")]}\n',
        encoding="utf-8",
    )
    found = draw_cases(exercises, 1, tmp_path)
    assert found[DOUBLE].hidden == (Case((3,), 6, 0, "h"), Case((-3,), Raises("ValueError")))
    assert found[REVERSE].hidden == (Case(("ab",), "ba"),)
    assert found[DOUBLE].public == tuple(exercises[DOUBLE].public_cases)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("90-double.json", "{", "不是一列用例"),
        ("90-double.json", '[{"expected": 1}]', "不是一列用例"),
        ("90-doubel.json", "[]", "不认识的练习"),
        ("notes.txt", "", "没有用例"),
    ],
)
def test_own_cases_that_cannot_be_used_are_named(exercises, tmp_path, name, text, said):
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        draw_cases(exercises, 1, tmp_path)


def test_exercises_are_chosen_by_how_their_names_begin(tmp_path):
    own = write_exercises(tmp_path)
    assert list(choose_exercises([own], ["90-d"])) == [DOUBLE]
    assert {"00-bits-per-character", DOUBLE} <= choose_exercises([own]).keys()
    with pytest.raises(InputError, match="没有以 91 开头的练习"):
        choose_exercises([own], ["91"])
    with pytest.raises(InputError, match="有两份"):
        choose_exercises([own, own])
