"""Submissions that are small to store and long to read: what is read of them is bounded."""

import json
import time

import pytest

from novelkit.exercises import Case, Exercise
from novelkit.grading import cells as cells_module
from novelkit.grading import parsing
from novelkit.grading.answers import find_answers
from novelkit.grading.candidates import LONGEST_SUBMISSION, MOST_FENCES, read_files
from novelkit.grading.records import Submission, SubmittedFile


@pytest.fixture
def parsed_characters(monkeypatch):
    """The lengths of all that is parsed."""
    lengths = []
    real = cells_module.parsed

    def counted(source):
        lengths.append(len(source))
        return real(source)

    for module in (cells_module, parsing):
        monkeypatch.setattr(module, "parsed", counted)
    return lengths


def notebook(*sources, kind="code", name="07_diagnosis.ipynb"):
    cells = [{"cell_type": kind, "metadata": {}, "source": source} for source in sources]
    content = json.dumps({"nbformat": 4, "cells": cells}).encode()
    return SubmittedFile(name, content, 0.0)


def exercise():
    case = Case((1,), 1)
    return Exercise("07-f", "07_diagnosis", "f", "一", 1, (case,), lambda random: (), abs)


def answer(*files):
    found = find_answers(Submission("somebody", files), {"07-f": exercise()}, {})
    return found["07-f"]


def test_cells_that_are_no_program_are_not_tried_with_a_long_neighbour_for_ever(parsed_characters):
    found = answer(notebook("a = 1\n" * 20_000, *["("] * 3_000, "def f(x):\n    return x"))
    assert sum(parsed_characters) < 2_000_000
    # Behind so many cells, nothing is read; the student is told.
    assert found.function is None and any("没有读" in note for note in found.notes)


def test_a_few_broken_cells_cost_no_other_cell():
    found = answer(notebook(*["("] * 50, "def f(x):", "    y = x", "    return y", *["("] * 50))
    assert found.function == "f"


def test_of_very_many_files_only_the_first_are_parsed(parsed_characters):
    files = [SubmittedFile(f"part{n}.py", b"a=1\n" * 25_000, 0.0) for n in range(40)]
    read, unreadable = read_files(files)
    assert len(read) == LONGEST_SUBMISSION // 100_000
    assert sum(parsed_characters) < 4 * LONGEST_SUBMISSION
    assert len(unreadable) == 6 and unreadable[-1] == "另外还有 29 个文件没有读。"


def test_statements_that_need_one_another_are_followed_once():
    began = time.process_time()
    found = answer(notebook("if a:\n    a = a\n" * 7_000, "def f(x):\n    return a"))
    assert len(found.statements) == 7_001
    # Asked again for each of them, it takes twenty seconds.
    assert time.process_time() - began < 10


def test_more_statements_than_any_course_has_are_told():
    found = answer(notebook("a = 1\n" * 12_000, "def f(x):\n    return x"))
    assert found.function is None
    assert any("起的代码太多" in note for note in found.notes)


def test_of_very_many_code_fences_only_the_first_are_parsed(parsed_characters):
    fence = "```\nf = 1  # def\n```\n"
    found = answer(notebook(fence * 5_000, kind="markdown"))
    assert found.function is None
    assert len(parsed_characters) < 10 * MOST_FENCES


def test_a_long_program_in_one_file_is_still_read():
    parts = [f"x{n} = {n}\n" + "# 说明\n" * 2_000 + f"def g{n}():\n    pass\n" for n in range(40)]
    text = ("".join(parts) + "def f(x):\n    return x + x7\n").encode()
    found = answer(SubmittedFile("answers.py", text, 0.0))
    assert found.function == "f" and len(found.statements) == 2
