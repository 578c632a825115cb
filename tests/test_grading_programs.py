"""The program of an answer: what it takes from the notebook, and what it leaves alone."""

import json
import time

import pytest
from helpers_submissions import DOUBLE, RIGHT, code, exercise, find, load, notebook, run, text
from hypothesis import given, settings
from hypothesis import strategies as st

from novelkit.grading.records import Status

BOOM = "raise SystemExit('ran what it should not')"


def program(*cells: str) -> list[str]:
    """The statements for `double` of a notebook of these code cells, the last of them tagged."""
    *others, last = cells
    answer = find(notebook(*(code(cell) for cell in others), code(last, DOUBLE)))
    return [statement.source for statement in answer.statements]


def using(expression: str) -> str:
    return f"def double(value, times):\n    return {expression}"


# ---- what an answer needs


@pytest.mark.parametrize(
    ("setup", "expression"),
    [
        ("FACTOR = 2", "value * FACTOR * times"),
        ("FACTOR: int = 2", "value * FACTOR * times"),
        ("FACTOR = 1\nFACTOR += 1", "value * FACTOR * times"),
        ("FACTOR = 1\nFACTOR = FACTOR + 1", "value * FACTOR * times"),
        ("one, (FACTOR, *rest) = 1, (2, 3)", "value * FACTOR * times"),
        ("print(FACTOR := 2)", "value * FACTOR * times"),
        ("for FACTOR in range(3):\n    pass", "value * FACTOR * times"),
        ("if True:\n    FACTOR = 2\nelse:\n    FACTOR = 3", "value * FACTOR * times"),
        ("FACTOR = 2\nif False:\n    FACTOR = 3", "value * FACTOR * times"),
        ("try:\n    import no_such as m\nexcept ImportError:\n    m = 2", "value * m * times"),
        ("import contextlib\nwith contextlib.nullcontext(2) as F:\n    pass", "value * F * times"),
        ("from math import *", "int(floor(2.5)) * value * times"),
        ("import os.path\nimport math as m", "int(m.floor(2.5)) * value * times"),
        ("T = {}\nT['a'] = 2", "value * T['a'] * times"),
        ("T = []\nT.append(2)", "value * T[0] * times"),
        ("T = {}\nfor i in range(3):\n    T[i] = i", "value * T[2] * times"),
        ("class Box:\n    side = 2\n    def get(self): return other()", "value * Box.side * times"),
        ("def two(): return deeper()\ndef deeper(): return 2", "value * two() * times"),
        ("two = lambda: TWO\nTWO = 2", "value * two() * times"),
        ("N = 2", "sum(value * times for _ in range(N))"),
        ("N = 2", "(lambda x=N: x * value * times)()"),
        ("match 2:\n    case FACTOR:\n        pass", "value * FACTOR * times"),
        ("def two(): return 5\ndef two(): return 2", "value * two() * times"),
        ("from math import ceil as two\ndef two(): return 2", "value * two() * times"),
        ("model = 2\nprint(model)\ndel model", "value * model * times"),
        ("try:\n    F = 2\nexcept ValueError as e:\n    F = str(e)", "value * F * times"),
    ],
)
def test_what_the_answer_reads_is_part_of_its_program(setup, expression):
    assert run(notebook(code(setup), code(using(expression), DOUBLE))) == 12


def test_defaults_decorators_and_annotations_are_needed():
    source = (
        "import functools\nfrom collections.abc import Sequence\nONE = 1\n"
        "@functools.lru_cache(maxsize=ONE)\n"
        "def double(value: Sequence, times: int, more=ONE) -> 'Unknown':\n"
        "    return value * 2 * times * more"
    )
    assert run(notebook(code(source, DOUBLE))) == 12


def test_annotations_that_are_not_evaluated_are_not_needed():
    source = "def double(value: torch.Tensor, times):\n    return value * 2 * times"
    later = "from __future__ import annotations\nimport torch\n"
    assert run(notebook(code(later + source, DOUBLE))) == 12
    assert find(notebook(code("import torch\n" + source, DOUBLE))).status is Status.FORBIDDEN


def test_global_statements_need_what_they_change():
    source = "def double(value, times):\n    global calls\n    calls += 1\n    return calls * 12"
    assert run(notebook(code("calls = 0"), code(source, DOUBLE))) == 12


def test_a_call_that_binds_by_global_what_nothing_else_binds_is_run():
    setup = "def prepare():\n    global FACTOR\n    FACTOR = 2"
    found = program(setup, "print(prepare)", "prepare()", "double(3, 2)", using("FACTOR"))
    assert found == [setup, "prepare()", using("FACTOR")]


def test_countless_bindings_of_one_name_take_no_countless_time():
    cells = ["X = 0", "X = X + 1\n" * 3000, "X += 1\n" * 3000]
    before = time.process_time()
    assert len(program(*cells, using("X"))) == 6002
    assert time.process_time() - before < 20


def test_a_memory_on_the_function_is_kept():
    source = "def double(value, times):\n    return double.memory[0] * value * times"
    assert run(notebook(code(source, DOUBLE), code("double.memory = [2]"))) == 12


def test_a_recursive_answer_needs_itself_once():
    source = "def double(value, times):\n    return times and 2 * value + double(value, times - 1)"
    assert run(notebook(code(source, DOUBLE))) == 12
    assert len(program(source)) == 1


def test_names_that_are_local_are_not_needed():
    body = (
        "def double(value, times):\n"
        "    total = [i for i in range(2)]\n"
        "    def inner(k):\n        nonlocal total\n        total = k\n"
        "    class Box:\n        j = 1\n        side = j\n"
        "    with open(value) as file: pass\n"
        "    return total, file"
    )
    junk = "\n".join(f"{name} = {BOOM[6:]}" for name in ("i", "total", "k", "j", "side", "file"))
    assert program(junk, body) == [body]


def test_future_imports_are_kept_and_come_first():
    found = program("X = 2", "from __future__ import annotations\n" + using("X"))
    assert found[0] == "from __future__ import annotations" and len(found) == 3


# ---- what it does not


@pytest.mark.parametrize(
    "junk",
    [
        BOOM,
        f"assert False, {BOOM[6:]!r}",
        "import torch\nmodel = torch.zeros(3)\nmodel.train()",
        f"for step in range(3):\n    {BOOM}",
        f"if __name__ == '__main__':\n    FACTOR = 3\n    {BOOM}",
        "check(double)",
        "double(3, 2)",
        f"def main():\n    {BOOM}\nmain()",
        "plt.plot([1, 2]); plt.show()",
        f"with open('x') as file:\n    {BOOM}",
        "FACTOR: int",
    ],
)
def test_what_the_answer_does_not_read_is_not_run(junk):
    found = notebook(code("FACTOR = 2"), code(using("FACTOR"), DOUBLE), code(junk))
    assert [s.source for s in find(found).statements] == ["FACTOR = 2", using("FACTOR")]


def test_statements_that_do_not_run_are_summarised_in_one_note():
    cells = [code(f"print({number})\nprint(0)") for number in range(20)]
    answer = find(notebook(*cells, code(RIGHT, DOUBLE)))
    notes = [note for note in answer.notes if "没有执行与答案无关" in note]
    assert len(notes) == 1
    assert "40 条" in notes[0] and "第 1、2、3" in notes[0] and "print(1)" in notes[0]
    assert len(notes[0]) < 200


@pytest.mark.parametrize(
    "junk",
    [
        "print([N for N in range(3)])",
        "sizes = [N for N in range(3)]",
        "print({N: 1 for N, _ in [(1, 2)]}, sum(N for N in (1, 2)))",
    ],
)
def test_a_name_of_a_comprehension_is_neither_bound_nor_read(junk):
    assert program("N = 2", junk, using("N")) == ["N = 2", using("N")]
    listed = "sizes = [N for N in range(3)]"
    assert program(f"N = {BOOM[6:]}", listed, using("sizes")) == [listed, using("sizes")]


def test_a_loop_over_the_same_name_is_not_needed():
    table = "T = {}\nfor i in range(3):\n    T[i] = i"
    assert len(program(f"for i in range(9):\n    {BOOM}", table, using("T[2]"))) == 3


def test_an_exception_of_the_same_name_is_not_needed():
    tried = "try:\n    FACTOR = 2\nexcept Exception as e:\n    print(e)"
    first = tried.replace("FACTOR = 2", BOOM)
    assert program(first, tried, using("FACTOR")) == [tried, using("FACTOR")]


def test_a_value_before_the_last_is_not_needed():
    assert program(f"X = {BOOM[6:]}", "X = 2", using("X")) == ["X = 2", using("X")]


def test_a_function_reads_the_last_value_and_a_statement_the_one_before_it():
    answer = code(using("value * F * times"), DOUBLE)
    assert run(notebook(code("F = 5"), answer, code("F = 2"))) == 12
    cells = ("F = 2", "T = F", "F = 5", using("value * T * times"))
    assert run(notebook(*map(code, cells))) == 12
    # Cells are not always run from top to bottom: what is bound only later is needed as well.
    assert program("F = 1 + G", "G = 1", using("F")) == ["F = 1 + G", "G = 1", using("F")]


def test_a_star_import_is_taken_only_for_a_name_that_nothing_else_gives():
    assert "from math import *" not in program("from math import *", using("len(str(value))"))
    assert "from math import *" in program("from math import *", using("floor(value)"))


def test_a_name_without_definition_is_noted():
    answer = find(notebook(code(using("nowhere(value)"), DOUBLE)))
    assert any("答案用到了 nowhere" in note for note in answer.notes)


def test_a_helper_of_another_exercises_cell_does_not_replace_ones_own():
    cells = (
        code("def helper(): return 2\n" + using("helper() * value * times"), DOUBLE),
        code("def helper(): return 0", "05-other"),
    )
    both = (exercise(), exercise("05-other", "other"))
    answer = find(notebook(*cells), both)
    assert load(answer)(3, 2) == 12
    assert any("helper 有几个不同的定义" in note for note in answer.notes)
    alone = code(using("helper() * value * times"), DOUBLE)
    assert run(notebook(code("def helper(): return 2", "05-other"), alone)) == 12


def test_statements_on_one_line_are_cut_apart_and_know_their_line():
    source = f"# 一\n标记 = '字'; FACTOR = 2; {BOOM}\n\n@staticmethod\n" + using("value * FACTOR")
    answer = find(notebook(text("一"), code(source, DOUBLE)))
    assert [(s.source, s.line, s.place) for s in answer.statements] == [
        ("FACTOR = 2", 2, "第 2 格"),
        ("@staticmethod\n" + using("value * FACTOR"), 4, "第 2 格"),
    ]


def test_imports_are_those_of_the_program():
    source = "import os.path, math\nimport json\n" + using("math.floor(__import__('re').x)")
    answer = find(notebook(code(source, DOUBLE)))
    # One statement imports both.
    assert answer.imports == {"os", "math", "re"}


# ---- any notebook that holds the same code

BODY = (
    "import math",
    "FACTOR = 1\nFACTOR += 1",
    "TABLE = {}\nfor i in range(5):\n    TABLE[i] = i * FACTOR",
    "def helper(value):\n    return TABLE[value] + math.floor(0.5)",
)
ANSWER = "def double(value, times):\n    return sum(helper(value) for _ in range(times))"
JUNK = (
    code(BOOM),
    code("%matplotlib inline\n!pip install x"),
    code("%%bash\nrm -rf x"),
    code("this is no python"),
    code("i = 3\nfor i in range(3):\n    print(i)"),
    code("def helper_of_nobody(a, b, c):\n    return undefined"),
    code(""),
    text("# 说明\n\n```python\nprint(1)\n```"),
    text("double", "raw"),
    code("check(double)", None, id="abc", execution_count=None),
)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_arrangement_of_the_same_code_is_the_same_program(data):
    """Split, doubled, with other cells between, saved in any way; helpers may follow the answer."""
    pieces = [line for cell in BODY for line in _split(cell, data.draw(st.booleans()))]
    place = data.draw(st.integers(0, len(pieces)))
    tagged = data.draw(st.sampled_from([DOUBLE, None]))
    cells = [code(piece) for piece in pieces]
    cells.insert(place, code(ANSWER, tagged))
    for number in data.draw(st.lists(st.integers(0, len(cells) - 1), max_size=3)):
        if not cells[number]["source"].startswith(("FACTOR", "for", "TABLE")):
            cells.append(cells[number])
    for junk in data.draw(st.lists(st.sampled_from(JUNK), max_size=6)):
        cells.insert(data.draw(st.integers(0, len(cells))), junk)
    saved = []
    for cell in cells:
        lines = cell["source"].splitlines(keepends=True)
        saved.append({**cell, "source": lines if data.draw(st.booleans()) else cell["source"]})
    content = json.loads(notebook(*saved))
    if data.draw(st.booleans()):
        content["metadata"] = {"colab": {"provenance": [], "toc_visible": True}, "kernelspec": []}
        for cell in content["cells"]:
            cell["metadata"]["colab"] = {"base_uri": "https://localhost:8080/"}
    assert run(json.dumps(content).encode("utf-8")) == 12


def _split(cell: str, apart: bool) -> list[str]:
    """A cell's top-level statements as cells of their own."""
    if not apart or not cell.startswith(("FACTOR", "TABLE")):
        return [cell]
    first, rest = cell.split("\n", 1)
    return [first, rest]
