"""Submitted bytes as cells: notebooks of nbformat 3 and 4, and .py files with `# %%` or without.

Only sources and the exercise that a cell is tagged with are kept, so that outputs of 100 MB do not
stay in memory. Nothing raises but `Unreadable`, whatever the bytes. Does not cover: whether a
cell's source is Python (`parsing`).
"""

import ast
import json
import re
import threading
import tokenize
import warnings
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from novelkit.exercises import exercise_cells
from novelkit.grading.archives import MEGABYTE
from novelkit.grading.names import shown_path
from novelkit.grading.records import SubmittedFile

# What Python raises for source that is no program: also NUL bytes and lone surrogates
# (ValueError), and nesting that no parser follows.
NO_PROGRAM = (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError)
CODE = "code"
CACHED = 20_000  # characters of a cell
# A course notebook with its pictures is 1 MB; above this the outputs are dropped when read.
KEPT_WHOLE = MEGABYTE // 4
# A longer file is cut without being parsed: no single cell may be as long.
MOST_PARSED = 300_000
NOT_A_NOTEBOOK = "{} 不是有效的 notebook（{}），没有评分：请在 Jupyter 里重新保存再交。"
# Encodings that a Chinese student's editor may write; others (rot13, idna) are no text encodings
# or take quadratic time.
_COOKIES = {"gbk", "gb2312", "gb18030", "big5", "cp936", "cp950", "iso-8859-1", "cp1252"}
_MARKER = re.compile(r"^# ?%%(.*)$")
_TAGGED = re.compile(r'novelkit\s*=\s*\{\s*"exercise"\s*:\s*"([^"]+)"')
_NEW_PIECE = re.compile(r"^(?:@|def |class |async |import |from |if __name__)")


class Unreadable(ValueError):
    """The file is no notebook or no text; the message is a Chinese line for the student."""


@dataclass(frozen=True)
class Cell:
    """One cell: `number` counts all cells from 1, `line` is that of its first line in the file.

    `kind` is "code", "markdown" or "raw"; `exercise` the exercise whose answer cell it is.
    """

    number: int
    kind: str
    source: str
    exercise: str | None = None
    line: int = 1


def parsed(source: str) -> ast.Module:
    """The tree of a program, not to be changed; raises one of NO_PROGRAM, and warns of nothing."""
    # Most cells stand in the notebook of every student.
    return _parsed_once(source) if len(source) < CACHED else _parsed(source)


@lru_cache(maxsize=1 << 12)
def _parsed_once(source: str) -> ast.Module:
    return _parsed(source)


# Python 3.11.7, and others near it, count the depth of a tree for all threads together: two that
# build one at the same time may raise a SystemError, "recursion depth mismatch" (see CPython issue
# 106905). Filters of warnings are shared, too.
_ONE_PARSER = threading.Lock()


def _parsed(source: str) -> ast.Module:
    with _ONE_PARSER, warnings.catch_warnings():
        # A student's "\d" is no concern of the grader, and must not end it where warnings do.
        warnings.simplefilter("ignore")
        return ast.parse(source)


def is_program(source: str) -> bool:
    """Whether Python can parse it."""
    try:
        parsed(source)
    except NO_PROGRAM:
        return False
    return True


def read_cells(file: SubmittedFile) -> tuple[Cell, ...]:
    """The cells of a notebook or a .py file; raises Unreadable."""
    if file.name.lower().endswith(".py"):
        return _program_cells(_unix_lines(_decoded(file)))
    return tuple(_notebook_cells(_loaded(file), file.name))


def without_outputs(file: SubmittedFile) -> SubmittedFile:
    """The same file; a notebook above 256 kB with nothing but sources, tags and kinds of cells.

    Raises Unreadable.
    """
    if file.name.lower().endswith(".py") or len(file.content) <= KEPT_WHOLE:
        return file
    cells = []
    for cell in read_cells(file):
        kept: dict[str, Any] = {"cell_type": cell.kind, "source": cell.source, "metadata": {}}
        if cell.exercise is not None:
            kept["metadata"] = {"tags": ["exercise"], "novelkit": {"exercise": cell.exercise}}
        cells.append(kept)
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}
    return replace(file, content=json.dumps(notebook).encode("ascii"))


# ---- notebooks


def _loaded(file: SubmittedFile) -> Any:
    if not file.content.strip():
        raise Unreadable(NOT_A_NOTEBOOK.format(file.name, "文件是空的"))
    try:
        return json.loads(_notebook_text(file.content))
    except json.JSONDecodeError as error:
        why = f"第 {error.lineno} 行不是 JSON"
    except UnicodeError:
        why = "编码不是 UTF-8"
    except (RecursionError, MemoryError):
        why = "嵌套太深"
    except ValueError:
        why = "含有过长的整数"
    raise Unreadable(NOT_A_NOTEBOOK.format(file.name, why))


def _notebook_text(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Notepad's "ANSI" of a Chinese Windows.
        return content.decode("gb18030")


def _notebook_cells(notebook: Any, name: str) -> list[Cell]:
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if cells is None and isinstance(notebook, dict):
        sheets = notebook.get("worksheets")
        sheets = sheets if isinstance(sheets, list) else []
        lists = [sheet.get("cells") for sheet in sheets if isinstance(sheet, dict)]
        cells = [cell for one in lists if isinstance(one, list) for cell in one] if lists else None
    if not isinstance(cells, list):
        raise Unreadable(NOT_A_NOTEBOOK.format(name, "没有单元格列表"))
    return [_cell(number, cell) for number, cell in enumerate(cells, start=1)]


def _cell(number: int, cell: Any) -> Cell:
    """One cell; what is not of the expected type reads as a raw cell without text."""
    if not isinstance(cell, dict):
        return Cell(number, "raw", "")
    kind = cell.get("cell_type")
    # nbformat 3 calls a code cell's source "input".
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    text = _unix_lines(source) if isinstance(source, str) else ""
    found = exercise_cells({"cells": [{**cell, "source": ""}]})
    return Cell(
        number, kind if kind in (CODE, "raw") else "markdown", text, next(iter(found), None)
    )


def _unix_lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


# ---- .py files


def _decoded(file: SubmittedFile) -> str:
    """The text: UTF-8 before what the cookie says, since most cookies outlive a conversion."""
    tried = ["utf-16"] if file.content.startswith((b"\xff\xfe", b"\xfe\xff")) else ["utf-8-sig"]
    try:
        lines = iter(file.content[:2000].splitlines(keepends=True))
        cookie, _ = tokenize.detect_encoding(lambda: next(lines, b""))
        tried += [cookie] if cookie.lower() in _COOKIES else []
    except SyntaxError:
        pass  # an unknown cookie, or bytes that are not UTF-8 without any
    for encoding in (*tried, "gb18030"):
        try:
            return file.content.decode(encoding)
        except (UnicodeError, LookupError):
            continue
    raise Unreadable(f"{file.name} 的编码认不出来，没有评分：请存成 UTF-8 再交。")


def _program_cells(text: str) -> tuple[Cell, ...]:
    """The cells of `# %%` (jupytext too); without such lines the whole file.

    A file that is no program, or long, is cut where statements begin, so that one error does not
    lose all.
    """
    lines = text.split("\n")
    starts = [at for at, line in enumerate(lines) if _MARKER.match(line)]
    if not starts and (len(text) > MOST_PARSED or not is_program(text)):
        starts = [
            at
            for at, line in enumerate(lines)
            if _NEW_PIECE.match(line) and not (at and lines[at - 1].startswith("@"))
        ]
    borders = sorted({0, *starts, len(lines)})
    return tuple(
        _program_cell(number, lines[start:end], start + 1)
        for number, (start, end) in enumerate(zip(borders, borders[1:], strict=False), start=1)
    )


def _program_cell(number: int, lines: list[str], line: int) -> Cell:
    found = _MARKER.match(lines[0])
    header = found[1] if found else ""
    if not re.search(r"\[(markdown|md|raw)\]", header):
        tagged = _TAGGED.search(header)
        return Cell(number, CODE, "\n".join(lines), tagged[1] if tagged else None, line)
    text = "\n".join(line.removeprefix("#").removeprefix(" ") for line in lines[1:])
    return Cell(number, "markdown", text, None, line)


def shown_cell_name(file: str, number: int, alone: bool) -> str:
    """How a reader finds a cell: "第 5 格", a .py file's name, with several files both."""
    if file.lower().endswith(".py"):
        return shown_path(file)
    return f"第 {number} 格" if alone else f"{shown_path(file)} 第 {number} 格"
