"""Submitted bytes as cells and statements: every way to save a notebook, and to break one."""

import codecs
import gc
import json
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
from helpers_submissions import (
    DOUBLE,
    RIGHT,
    TEMPLATE,
    code,
    find,
    load,
    notebook,
    run,
    submission,
    text,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from novelkit.grading import parsing
from novelkit.grading.cells import Unreadable, is_program, read_cells
from novelkit.grading.records import Status, SubmittedFile

WHOLE = notebook(text("字"), code(RIGHT.splitlines(keepends=True), DOUBLE))


def said(answer) -> str:
    return "\n".join(answer.notes)


def double_in(file: bytes):
    """The answer in a .py file of these bytes."""
    return find(submission(work__py=file))


# ---- notebooks as they are saved


@pytest.mark.parametrize(
    "content",
    [
        WHOLE,
        codecs.BOM_UTF8 + WHOLE,
        WHOLE.decode("utf-8").encode("utf-16"),
        codecs.BOM_UTF16_BE + WHOLE.decode("utf-8").encode("utf-16-be"),
        WHOLE.decode("utf-8").encode("gb18030"),
        json.dumps(json.loads(WHOLE)).encode("ascii"),
        WHOLE.replace(b"\\n", b"\\r\\n"),
    ],
)
def test_a_notebook_is_read_in_every_encoding(content):
    assert run(content) == 12


def test_a_notebook_of_nbformat_3_is_read():
    old = {"cell_type": "code", "input": ["# 一\n", RIGHT], "metadata": {}, "language": "python"}
    sheets = {"worksheets": [{"cells": [text("一"), old]}], "nbformat": 3, "metadata": {}}
    answer = find(json.dumps(sheets).encode())
    assert load(answer)(3, 2) == 12 and answer.statements[0].place == "第 2 格"


def test_cells_of_unexpected_types_are_counted_and_empty():
    strange = [None, 3, {}, {"cell_type": 3, "source": {"a": 1}}, {"source": [1, None]}]
    tags = [code("x", None) | {"metadata": value} for value in (None, [], {"tags": 3})]
    answer = find(notebook(*strange, *tags, code(RIGHT)))
    assert load(answer)(3, 2) == 12 and answer.statements[0].place == "第 9 格"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "空的"),
        (b" \n", "空的"),
        (bytes(1000), "不是 JSON"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"\xff\xff\xff", "UTF-8"),
        (b'{"cells": [', "不是 JSON"),
        (b'{"cells": ["a\0b"]}', "不是 JSON"),
        (b"[" * 100_000, "嵌套太深"),
        (b'{"cells": [], "a": ' + b"9" * 5000 + b"}", "整数"),
        (b"[]", "单元格"),
        (b"{}", "单元格"),
        (b"null", "单元格"),
        (b'{"cells": 3}', "单元格"),
        (b'{"worksheets": [3]}', "单元格"),
    ],
)
def test_what_is_no_notebook_is_named(content, why):
    answer = find(content)
    assert answer.status is Status.ERROR
    assert "work.ipynb 不是有效的 notebook" in said(answer) and why in said(answer)


@given(st.binary(max_size=300))
def test_random_bytes_never_raise(content):
    assert find(content).function is None
    assert double_in(content).function is None
    try:
        read_cells(SubmittedFile("a.ipynb", content, 0.0))
    except Unreadable as error:
        assert "不是有效的 notebook" in str(error)


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.just("code") | st.just(RIGHT),
    lambda inside: (
        st.lists(inside, max_size=3)
        | st.dictionaries(
            st.sampled_from(["cells", "cell_type", "source", "metadata", "tags", "novelkit"]),
            inside,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(VALUES, st.lists(VALUES, max_size=4))
def test_json_of_any_shape_never_raises(whole, cells):
    find(json.dumps(whole).encode())
    assert find(json.dumps({"cells": [*cells, code(RIGHT, DOUBLE)]}).encode()).function == "double"


@settings(max_examples=60)
@given(
    st.text(alphabet=st.characters(), max_size=60), st.text("()[]'\"\\\n\t :?!%#=ax", max_size=40)
)
def test_any_source_beside_the_answer_never_raises(one, other):
    cells = [code(one), code(RIGHT, DOUBLE), code(other), text(one + "double")]
    answer = find(json.dumps({"cells": cells}).encode())
    assert answer.function == "double" or answer.status in (Status.ERROR, Status.MISSING)


# ---- .py files


@pytest.mark.parametrize(
    "content",
    [
        RIGHT.encode(),
        codecs.BOM_UTF8 + RIGHT.encode(),
        ("# 中文\n" + RIGHT).encode("gb18030"),
        ("# -*- coding: gbk -*-\n# 中文\n" + RIGHT).encode("gbk"),
        ("# -*- coding: gbk -*-\n# 中文\n" + RIGHT).encode("utf-8"),
        ("# coding: big5\n# 漢字\n" + RIGHT).encode("big5"),
        ("# coding: rot13\n" + RIGHT).encode(),
        ("# coding: no-such\n" + RIGHT).encode(),
        RIGHT.encode("utf-16"),
        RIGHT.replace("\n", "\r\n").encode(),
        RIGHT.replace("\n", "\r").encode(),
    ],
)
def test_a_program_is_read_in_every_encoding(content):
    answer = double_in(content)
    assert load(answer)(3, 2) == 12 and answer.statements[-1].place == "work.py"


def test_the_text_of_a_program_with_a_cookie_is_that_of_its_encoding():
    source = "# coding: big5\ndef double(value, times):\n    return '漢字'\n"
    assert load(double_in(source.encode("big5")))(3, 2) == "漢字"


def test_cells_of_a_program_have_kinds_exercises_and_lines():
    source = (
        "# ---\n# jupyter: x\n# ---\n\n# %% [markdown]\n# # 标题\n\n# %%\nx = 1\n"
        f'# %% tags=["exercise"] novelkit={{"exercise": "{DOUBLE}"}}\n{RIGHT}'
        f"#%%\n{RIGHT.replace('* 2', '* 20')}"
    )
    cells = read_cells(SubmittedFile("a.py", source.encode(), 0.0))
    assert [cell.kind for cell in cells] == ["code", "markdown", "code", "code", "code"]
    assert cells[1].source == "# 标题\n" and cells[3].exercise == DOUBLE
    answer = double_in(source.encode())
    assert load(answer)(3, 2) == 12 and answer.statements[0].line == 11


def test_one_error_in_a_program_does_not_lose_the_rest():
    source = f"import math\n\n{RIGHT}\n\ndef other(:\n    pass\n\ndef last(a):\n    return 1\n"
    answer = double_in(source.encode())
    assert load(answer)(3, 2) == 12
    assert "work.py：第 7 行有语法错误" in said(answer)


# ---- IPython


@pytest.mark.parametrize(
    "line",
    [
        "%matplotlib inline",
        "!pip install 'x",
        "!pip install a \\\n  b",
        "files = !ls",
        "a, b = %magic",
        "pip install jieba",
        "double?",
        "?double",
        "double??",
        "%time print('?')",
        "cd ..",
    ],
)
def test_a_line_of_ipython_is_replaced_and_reported(line):
    answer = find(notebook(code(f"if True:\n    x = 1\n{line}\n{RIGHT}", DOUBLE)))
    assert load(answer)(3, 2) == 12
    assert "没有执行 IPython 命令" in said(answer)


def test_an_indented_line_of_ipython_leaves_its_block_whole():
    source = "if True:\n    %matplotlib inline\n" + RIGHT
    assert run(notebook(code(source, DOUBLE))) == 12


def test_text_and_continued_lines_that_look_like_ipython_stay():
    source = (
        "%pylab\nTEXT = '''\n%d 还是 %s\n!ls\n'''\n"
        "def double(value, times):\n    x = (7\n      % 5)  # 为什么?\n"
        "    y = 7 \\\n      % 5\n    return TEXT, x, y\n"
    )
    assert run(notebook(code(source, DOUBLE))) == ("\n%d 还是 %s\n!ls\n", 2, 2)


@pytest.mark.parametrize("magic", ["%%time", "%%timeit -n 3", "%%capture out", "\n%%time"])
def test_cells_that_run_python_lose_their_first_line_only(magic):
    answer = find(notebook(code(f"{magic}\n{RIGHT}", DOUBLE)))
    assert load(answer)(3, 2) == 12 and "去掉了 %%" in said(answer)
    assert answer.statements[0].line == magic.count("\n") + 2


@pytest.mark.parametrize("magic", ["%%bash", "%%writefile a.py", "%%html", "%%javascript", "%%!"])
def test_cells_of_other_magics_are_skipped_and_reported(magic):
    answer = find(notebook(code(TEMPLATE, DOUBLE), code(f"{magic}\n{RIGHT}")))
    assert answer.function is None and f"第 2 格：以 {magic.split()[0]}" in said(answer)


# ---- cells that are one program together


@pytest.mark.parametrize(
    "cells",
    [
        ["def double(value, times):", "    return value * 2 * times"],
        ["def double(value, times):\n    x = value", "    return x * 2 * times"],
        ["def double(value, times):\n    x = (value *", "    2)", "    return x * times"],
        [
            "def double(value, times):\n    x = 2",
            "    y = (value *",
            "    x)\n    return y * times",
        ],
        ["if True:\n    x = 2", "else:\n    x = 3", "def double(v, t):\n    return v * x * t"],
        ["'''\n%time", "'''\n" + RIGHT],
    ],
)
def test_a_cell_split_in_the_middle_of_a_function_is_joined(cells):
    answer = find(notebook(*(code(cell) for cell in cells)))
    assert load(answer)(3, 2) == 12
    assert "合在一起读" in said(answer)


def test_a_tagged_cell_that_was_split_stays_the_answer_cell():
    first, rest = RIGHT.split("\n", 1)
    answer = find(notebook(code(first, DOUBLE), text("二"), code(rest), code(RIGHT + "#")))
    assert answer.statements[0].place == "第 1 格" and "答题格里" not in said(answer)


def test_an_indented_cell_is_read_as_ipython_reads_it():
    indented = "".join("    " + line for line in RIGHT.splitlines(keepends=True))
    answer = find(notebook(code("for i in range(3):\n    print(i)"), code(indented, DOUBLE)))
    assert load(answer)(3, 2) == 12 and answer.statements[0].place == "第 2 格"


def test_a_broken_cell_costs_only_itself_and_is_reported_with_its_line():
    answer = find(notebook(code("x = 1\ny = = 2"), code(RIGHT, DOUBLE)))
    assert load(answer)(3, 2) == 12
    assert "第 1 格：第 2 行有语法错误" in said(answer)


# ---- hostile source


@pytest.mark.parametrize(
    "source",
    [
        "x = 'a\0b'",
        "x = '\ud800'",
        "x = " + "(" * 5000 + ")" * 5000,
        "x = " + "-" * 100_000 + "1",
        "x = " + "not " * 50_000 + "1",
        "x = " + "1+" * 50_000 + "1",
        "x = a" + ".b" * 50_000,
        "x = a" + "()" * 50_000,
        "x = " + "lambda: " * 30_000 + "1",
        "".join(" " * n + "if x:\n" for n in range(300)),
        "if x:\n  pass\n" + "elif x:\n  pass\n" * 8000,
        "x = " + "9" * 5000,
        "x = '\\N{no such name}'",
        "def f(:",
        "x = 1\n" * 2_000_000,
        "def f(a, a): nonlocal b; return",
        "return 3\nbreak\nawait x",
        "\x0c\x0bx = 1",
    ],
    ids=range(18),
)
def test_hostile_source_costs_only_its_cell(source):
    cells = [code(source), code(RIGHT, DOUBLE), text(source + "\ndouble"), code(RIGHT + source)]
    content = json.dumps({"cells": cells}).encode()
    assert run(content) == 12
    answer = find(json.dumps({"cells": [code(source + "\n" + RIGHT, DOUBLE)]}).encode())
    assert answer.function in ("double", None)


def test_source_that_is_too_long_is_named():
    answer = find(notebook(code("x = 1\n" * 100_000), code(RIGHT, DOUBLE)))
    assert "第 1 格：代码太长" in said(answer)
    many = [code("# " + "字" * 200_000)] * 7
    assert "代码太长" in said(find(notebook(*many, code(RIGHT, DOUBLE))))
    assert parsing.LONGEST_FILE < 7 * 200_000


def test_nothing_warns_whatever_the_students_write():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        answer = find(notebook(code('x = "\\d" is "\\d"\n' + RIGHT, DOUBLE)))
    assert answer.function == "double" and sys.flags.optimize == 0


def test_programs_are_parsed_in_several_threads():
    """Collecting garbage lets another thread in while a tree is built: Python 3.11.7 fails then."""

    def collecting(phase, info):
        sum(range(300))

    program = "\n".join(
        f"def f{n}(x):\n    return [x - {n} for x in range({n})]" for n in range(300)
    )
    programs = [f"{program}\nlast = {number}" for number in range(80)]
    interval, threshold = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-6)
    gc.set_threshold(50, 5, 5)
    gc.callbacks.append(collecting)
    try:
        with ThreadPoolExecutor(8) as threads:
            assert all(threads.map(is_program, programs))
    finally:
        gc.callbacks.remove(collecting)
        gc.set_threshold(*threshold)
        sys.setswitchinterval(interval)
