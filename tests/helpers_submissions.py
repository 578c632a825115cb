"""Notebooks and submissions as the tests of the grader make them, and programs run in the test."""

import codeop
import copy
import io
import json
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import Any

from novelkit.exercises import Case, Exercise
from novelkit.grading.answers import find_answers
from novelkit.grading.records import Answer, Submission, SubmittedFile

DOUBLE = "05-double"
TEMPLATE = "def double(value, times):\n    return value  # 改这里\n"
RIGHT = "def double(value, times):\n    return value * 2 * times\n"


def _double(value: int, times: int) -> int:
    return value * 2 * times


def _no_cases(random: Random) -> list[Case]:
    return []


def exercise(name: str = DOUBLE, function: str = "double", **others: Any) -> Exercise:
    """An exercise that asks for `double(value, times)`."""
    given: dict[str, Any] = {
        "notebook": "05_model",
        "title": name,
        "points": 1,
        "public_cases": (Case((3, 2), 12),),
        "hidden_cases": _no_cases,
        "reference": _double,
        "forbidden_imports": ("novelkit", "torch"),
    }
    return Exercise(name=name, function=function, **{**given, **others})


def code(source: str | list[str], tag: str | None = None, **more: Any) -> dict[str, Any]:
    """A code cell, tagged as the answer cell of an exercise where one is named."""
    metadata: dict[str, Any] = {}
    if tag:
        metadata = {"tags": ["exercise"], "novelkit": {"exercise": tag}}
    return {"cell_type": "code", "source": source, "metadata": metadata, "outputs": [], **more}


def text(source: str, kind: str = "markdown") -> dict[str, Any]:
    """A markdown (or raw) cell."""
    return {"cell_type": kind, "source": source, "metadata": {}}


def notebook(*cells: dict[str, Any]) -> bytes:
    """A notebook of nbformat 4 in UTF-8."""
    return json.dumps(
        {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5},
        ensure_ascii=False,
    ).encode("utf-8")


def submission(**files: bytes) -> Submission:
    """Files by name, in which "__" stands for the dot before the ending; the last is newest."""
    return Submission(
        "alice",
        tuple(
            SubmittedFile(name.replace("__", "."), content, float(number))
            for number, (name, content) in enumerate(files.items())
        ),
    )


def find(
    handed_in: Submission | bytes,
    exercises: Iterable[Exercise] = (exercise(),),
    templates: dict[str, str] | None = None,
    **more: Any,
) -> Answer:
    """The answer to the first of the exercises, in a submission or a single notebook."""
    if isinstance(handed_in, bytes):
        handed_in = submission(work__ipynb=handed_in)
    by_name = {one.name: one for one in exercises}
    given = {DOUBLE: TEMPLATE} if templates is None else templates
    return find_answers(handed_in, by_name, given, **more)[next(iter(by_name))]


def load(answer: Answer) -> Callable[..., Any]:
    """The function of an answer, its program executed; for code that the tests wrote."""
    assert answer.function is not None, answer
    whole: dict[str, Any] = {}
    exec(compile("\n".join(s.source for s in answer.statements), "<program>", "exec"), whole)
    # A worker may also run one statement after the other, with the flags of `from __future__`.
    namespace: dict[str, Any] = {"__name__": "student"}
    compiler = codeop.Compile()
    for statement in answer.statements:
        exec(compiler(statement.source, statement.place, "exec"), namespace)
    return namespace[answer.function]


def run(handed_in: Submission | bytes, *arguments: Any) -> Any:
    """What the answer to `double` returns."""
    return load(find(handed_in))(*copy.deepcopy(arguments or (3, 2)))


SMALL = notebook(code(RIGHT))


def put(path: Path, content: bytes = SMALL) -> Path:
    """Write a submitted file, and the folders that it stands in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def names(handed_in: Submission) -> list[str]:
    """The names of its files."""
    return [file.name for file in handed_in.files]


def zipped(members: dict[str, bytes], mode: int = 0o100644) -> bytes:
    """A .zip of members by name, all of one Unix mode."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, (2024, 5, 6, 7, 8, 10))
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = mode << 16
            archive.writestr(info, content)
    return stream.getvalue()
