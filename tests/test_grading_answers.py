"""Which function of a submission counts as the answer to an exercise, and what is said of it."""

import json
from pathlib import Path

import pytest
from helpers_exercises import passes
from helpers_submissions import (
    DOUBLE,
    RIGHT,
    TEMPLATE,
    code,
    exercise,
    find,
    load,
    notebook,
    run,
    submission,
    text,
)

from novelkit.errors import InputError
from novelkit.exercises import load_exercises
from novelkit.grading.answers import (
    course_functions,
    course_templates,
    find_answers,
    reference_answer,
)
from novelkit.grading.records import Status, Submission, SubmittedFile

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
OTHER = RIGHT.replace("* 2", "* 20")  # 120 where RIGHT gives 12


def said(answer) -> str:
    return "\n".join(answer.notes)


# ---- by name


def test_the_answer_cell_of_the_exercise_is_found_without_a_note():
    answer = find(notebook(text("# 05"), code("print(1)"), code(RIGHT, DOUBLE)))
    assert (answer.function, answer.status, answer.exercise) == ("double", None, DOUBLE)
    assert answer.statements[-1].place == "第 3 格"
    assert answer.source == RIGHT.strip() and load(answer)(3, 2) == 12
    assert "不在练习的答题格" not in said(answer)


def test_a_function_in_another_cell_counts_and_is_noted():
    answer = find(notebook(code(TEMPLATE, DOUBLE), code(RIGHT)))
    assert load(answer)(3, 2) == 12
    assert "第 2 格" in answer.notes[0] and "答题格" in answer.notes[0]


def test_the_tagged_cell_wins_over_later_cells_and_the_others_are_noted():
    answer = find(notebook(code(RIGHT, DOUBLE), code(OTHER)))
    assert load(answer)(3, 2) == 12
    assert "2 个不同的定义" in said(answer) and "第 1 格" in said(answer)


def test_without_a_tagged_answer_the_last_definition_that_is_not_the_template_counts():
    answer = find(notebook(code(OTHER), code(RIGHT), code(TEMPLATE)))
    assert load(answer)(3, 2) == 12


def test_copies_of_one_answer_are_not_called_different():
    assert "不同的定义" not in said(find(notebook(code(RIGHT, DOUBLE), code(RIGHT + "# 抄"))))


@pytest.mark.parametrize(
    "source",
    [
        "double = lambda value, times: value * 2 * times",
        "double: object = lambda value, times: value * 2 * times",
        "def mine(a, b):\n    return a * 2 * b\ndouble = mine",
        "if True:\n    def double(value, times):\n        return value * 2 * times",
        "async def helper():\n    pass\n" + RIGHT,
    ],
)
def test_other_ways_to_define_a_function_count(source):
    assert run(notebook(code(source, DOUBLE))) == 12


def test_a_value_of_the_functions_name_behind_it_is_not_the_answer():
    assert run(notebook(code(RIGHT, DOUBLE), code("double = double(3, 2)"))) == 12


# ---- cells that were retyped


@pytest.mark.parametrize("kind", ["markdown", "raw"])
def test_an_answer_in_a_text_cell_is_graded_with_a_note(kind):
    answer = find(notebook(code("FACTOR = 2"), text(RIGHT.replace("2", "FACTOR"), kind)))
    assert load(answer)(3, 2) == 12
    assert "第 2 格不是代码格" in said(answer)


def test_an_answer_in_a_fence_of_a_text_cell_is_graded():
    fenced = f"我的答案：\n\n```python\n{RIGHT}```\n\n完。"
    assert run(notebook(code(TEMPLATE, DOUBLE), text(fenced))) == 12


def test_a_template_in_a_text_cell_is_no_answer():
    answer = find(notebook(text(TEMPLATE)))
    assert answer.status is Status.MISSING and "没有改动" in said(answer)


# ---- by parameters, by a near name


def test_a_function_of_another_name_with_the_same_parameters_is_graded_with_a_note():
    answer = find(notebook(code(RIGHT.replace("double", "my_answer"))))
    assert answer.function == "my_answer" and load(answer)(3, 2) == 12
    assert answer.notes[0] == ("题目要的函数名是 double，你写的是 my_answer（是不是想写 double？）")


def test_two_functions_with_the_same_parameters_are_not_chosen_between():
    one, two = RIGHT.replace("double", "mine"), OTHER.replace("double", "other")
    assert find(notebook(code(one), code(two))).status is Status.MISSING


def test_parameters_that_two_exercises_ask_for_identify_neither():
    both = (exercise(), exercise("05-triple", "triple"))
    assert find(notebook(code(RIGHT.replace("double", "mine"))), both).status is Status.MISSING


def test_a_function_that_another_exercise_asks_for_is_not_taken():
    both = (exercise(), exercise("05-triple", "triple", reference=lambda other: other))
    assert find(notebook(code(RIGHT.replace("double", "triple"))), both).status is Status.MISSING


def test_a_near_name_with_as_many_parameters_is_graded_with_a_note():
    answer = find(notebook(code("def duoble(a, b):\n    return a * 2 * b")))
    assert load(answer)(3, 2) == 12 and "你写的是 duoble" in said(answer)


@pytest.mark.parametrize(
    "source",
    ["def doubles(a):\n    return a", "def doubling_it(a, b):\n    return a"],
)
def test_a_name_that_only_resembles_is_missing_with_a_question(source):
    answer = find(notebook(code(source)))
    assert answer.status is Status.MISSING and answer.function is None
    assert "没有找到函数 double" in said(answer)
    assert "doubles" not in source or "是不是想写 double" in said(answer)


def test_functions_that_the_course_gives_are_no_answers():
    helper = "def helper(value, times):\n    return 0\n"
    assert find(notebook(code(helper))).function == "helper"
    assert find(notebook(code(helper)), given=[helper]).status is Status.MISSING


def test_a_method_is_missing_and_the_note_says_where_it_is():
    answer = find(notebook(code("class Mine:\n    def double(self, a, b):\n        pass")))
    assert answer.status is Status.MISSING and "类 Mine 的方法" in said(answer)


# ---- no answer


def test_a_template_with_other_comments_and_format_is_missing():
    changed = "# 我\ndef double(value,times):\n\n    return (value)\n"
    answer = find(notebook(code(changed, DOUBLE)))
    assert answer.status is Status.MISSING and "没有改动" in said(answer)


def test_an_answer_that_does_not_parse_is_an_error_that_names_cell_and_line():
    answer = find(notebook(code("x = 1"), code("def double(value, times):\n    return (", DOUBLE)))
    assert answer.status is Status.ERROR and answer.statements == ()
    assert "第 2 格" in said(answer) and "第 2 行有语法错误" in said(answer)


def test_a_conflict_is_not_gradable_and_no_files_are_missing():
    answer = find(Submission("alice", conflict="两份作业"))
    assert (answer.status, answer.notes) == (Status.NOT_GRADABLE, ("两份作业",))
    assert find(Submission("alice")).status is Status.MISSING


def test_a_notebook_that_cannot_be_read_is_an_error_alone_and_a_note_beside_others():
    assert find(b"{").status is Status.ERROR
    answer = find(submission(broken__ipynb=b"{", right__ipynb=notebook(code(RIGHT, DOUBLE))))
    assert load(answer)(3, 2) == 12
    assert "broken.ipynb 不是有效的 notebook" in said(answer)


def test_every_exercise_gets_an_answer():
    both = {one.name: one for one in (exercise(), exercise("05-triple", "triple"))}
    handed_in = submission(a__ipynb=notebook(code(RIGHT, DOUBLE)))
    found = find_answers(handed_in, both, {})
    assert found[DOUBLE].function == "double" and found["05-triple"].status is Status.MISSING


# ---- several files


def test_the_file_named_as_the_notebook_comes_first():
    files = submission(
        me_05_model__ipynb=notebook(code(RIGHT, DOUBLE)),
        newer__ipynb=notebook(code(OTHER, DOUBLE)),
    )
    answer = find(files)
    assert load(answer)(3, 2) == 12
    assert answer.statements[-1].place == "me_05_model.ipynb 第 1 格"
    assert "2 个不同的定义" in said(answer)


def test_between_other_files_the_newest_counts():
    files = submission(a__py=OTHER.encode(), b__py=RIGHT.encode())
    answer = find(files)
    assert load(answer)(3, 2) == 12 and answer.statements[-1].place == "b.py"


def test_a_program_takes_nothing_from_another_file():
    files = submission(a__py=b"FACTOR = 2", b__py=RIGHT.replace("2", "FACTOR").encode())
    assert len(find(files).statements) == 1


# ---- forbidden imports


@pytest.mark.parametrize(
    "source",
    [
        "import torch.nn as nn\ndef double(value, times):\n    return nn",
        "from torch import nn\ndef double(value, times):\n    return nn",
        "def double(value, times):\n    import torch\n    return 1",
        "def double(value, times):\n    return __import__('torch')",
        "import importlib\ndef double(value, times):\n    importlib.import_module('torch.nn')",
        "try:\n    import torch as t\nexcept: pass\ndef double(value, times):\n    return t",
        "from torch import *\ndef double(value, times):\n    return tensor(value)",
    ],
)
def test_an_answer_that_needs_a_forbidden_module_is_refused(source):
    answer = find(notebook(text("一"), code(source, DOUBLE)))
    assert (answer.status, answer.function, answer.statements) == (Status.FORBIDDEN, None, ())
    assert "torch" in answer.imports
    assert "第 2 格导入了 torch" in said(answer)


def test_imports_that_the_answer_does_not_need_are_not_forbidden():
    setup = "import torch, novelkit\nfrom novelkit.exercises import check\nmodel = torch.zeros(1)"
    answer = find(
        notebook(code(setup), code("import math\n" + RIGHT, DOUBLE), code("check(double)"))
    )
    assert answer.status is None and answer.imports == frozenset()


# ---- the course


def test_the_references_of_all_exercises_run_and_answer_their_public_cases():
    exercises = load_exercises()
    assert len(exercises) >= 30
    for one in exercises.values():
        answer = reference_answer(one)
        function = load(answer)
        assert all(passes(function, case) for case in one.public_cases), one.name
        assert "novelkit" not in answer.imports, one.name


def test_a_reference_without_source_is_refused():
    with pytest.raises(InputError, match="参考答案"):
        reference_answer(exercise(reference=len))


def test_the_course_notebooks_as_they_are_hold_templates_and_no_answers():
    exercises, templates = load_exercises(), course_templates(NOTEBOOKS)
    assert set(templates) == set(exercises)
    files = [(path.name, path.read_bytes()) for path in sorted(NOTEBOOKS.glob("*.ipynb"))]
    handed_in = Submission("course", tuple(SubmittedFile(n, c, 0.0) for n, c in files))
    found = find_answers(handed_in, exercises, templates, course_functions(NOTEBOOKS))
    assert {answer.status for answer in found.values()} == {Status.MISSING}


def test_a_folder_without_exercises_has_no_templates(tmp_path):
    with pytest.raises(InputError, match="没有带练习"):
        course_templates(tmp_path)
    (tmp_path / "a.ipynb").write_text(json.dumps([]), encoding="utf-8")
    with pytest.raises(InputError, match="不能作为 notebook"):
        course_templates(tmp_path)


def test_the_course_notebooks_with_the_references_in_their_answer_cells_are_right():
    exercises, templates = load_exercises(), course_templates(NOTEBOOKS)
    answered = {
        name: "\n".join(statement.source for statement in reference_answer(one).statements)
        for name, one in exercises.items()
    }
    files = []
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        content = json.loads(path.read_text(encoding="utf-8"))
        for cell in content["cells"]:
            tag = cell["metadata"].get("novelkit", {}).get("exercise")
            cell["source"] = answered.get(tag, cell["source"])
        files.append(SubmittedFile(path.name, json.dumps(content).encode(), 0.0))
    found = find_answers(Submission("a", tuple(files)), exercises, templates)
    for name, one in exercises.items():
        # A reference may import what a student may not.
        if set(one.forbidden_imports) & reference_answer(one).imports:
            assert found[name].status is Status.FORBIDDEN, name
            continue
        assert found[name].function == one.function, found[name]
        function = load(found[name])
        assert all(passes(function, case) for case in one.public_cases), name
