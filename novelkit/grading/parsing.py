"""Cells as top-level statements: IPython's lines replaced, cells that belong together joined.

Nothing raises, whatever the source: a cell that is no program is left out and named. Does not
cover: which statements an answer needs (`programs`).
"""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from novelkit.grading.cells import CODE, NO_PROGRAM, Cell, is_program, parsed, shown_cell_name
from novelkit.grading.scopes import own_nodes

# Trees take 600 bytes for each character; a cell of a course is below 10 thousand.
LONGEST_CELL = 300_000
LONGEST_FILE = 500_000
# Each try to join costs as much as to read.
LONGEST_JOINED = 50_000
MOST_JOINED = 5
# Characters of a file that are parsed once more to see which cells belong together.
MOST_PARSED_AGAIN = 500_000
# A course notebook has 90 cells and some hundred statements.
MOST_CELLS, MOST_STATEMENTS = 2_000, 10_000
# Cell magics whose body IPython runs as Python of the same namespace.
_RUNS_PYTHON = ("time", "timeit", "capture", "prun", "memit", "mprun", "lprun")
_CELL_MAGIC = re.compile(r"^\s*%%(\w+|!)?")
_LINE_MAGIC = re.compile(
    r"^\s*(?:[%!]|\?|(?:[^\W\d][\w.]*(?:\s*,\s*[^\W\d][\w.]*)*\s*=\s*[%!])"
    # IPython knows these without a % ("automagic").
    r"|(?:pip3?|conda|mamba|apt|apt-get)\s+(?:-\S+\s+)*(?:install|uninstall|list|show|freeze)\b"
    r"|(?:cd|ls|mkdir|wget|unzip|cat)\s+[\w./~-])"
)
_HELP = re.compile(r"^\s*[^\s#\"'][^#\"']*\?\s*$")
# In place of a source that is not read; no program.
TOO_LONG = "\0"
_QUOTE = re.compile(r"'''|\"\"\"|'|\"")


@dataclass(frozen=True, eq=False)
class Piece:
    """One top-level statement and where it stands: `cell` its number, `line` from 1 in `place`.

    `exercise` is the exercise whose answer cell it stands in.
    """

    node: ast.stmt
    source: str
    place: str
    line: int
    cell: int
    exercise: str | None = None


@dataclass(frozen=True)
class Broken:
    """A cell that was left out, with the Chinese line that says so."""

    cell: Cell
    note: str


@dataclass(frozen=True, eq=False)
class Code:
    """The statements of a file in order, what was left out, and what was changed to read it.

    `changes` maps the number of a cell to Chinese lines.
    """

    pieces: tuple[Piece, ...] = ()
    broken: tuple[Broken, ...] = ()
    changes: dict[int, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Unit:
    """Cells that are one program together; `starts` are their first lines in it, from 1."""

    cells: tuple[Cell, ...]
    source: str
    starts: tuple[int, ...]
    tree: ast.Module


def parse_cells(cells: Sequence[Cell], file: str, alone: bool) -> Code:
    """The top-level statements of the code cells of `file`.

    `alone` says that the student handed in one file, so that a place need not name it.
    """
    changes: dict[int, tuple[str, ...]] = {}
    broken: list[Broken] = []
    wanted: list[Cell] = []
    for cell in cells:
        if cell.kind == CODE and cell.source.strip():
            place = shown_cell_name(file, cell.number, alone)
            plain, note = _plain_python(cell)
            if plain is None:
                broken.append(Broken(cell, f"{place}：{note}"))
                continue
            wanted.append(plain)
            if note:
                changes[cell.number] = (f"{place}：{note}",)
    units: list[_Unit] = []
    for cell_or_unit in _joined(_within_limit(wanted)):
        if isinstance(cell_or_unit, _Unit):
            units.append(cell_or_unit)
        else:
            broken.append(_explained(cell_or_unit, file, alone))
    for unit in units:
        if len(unit.cells) > 1:
            numbers = "、".join(str(cell.number) for cell in unit.cells)
            note = f"第 {numbers} 格单独都不是完整的代码，合在一起读。"
            for cell in unit.cells:
                changes[cell.number] = (*changes.get(cell.number, ()), note)
    every = (piece for unit in units for piece in _pieces(unit, file, alone))
    pieces = list(islice(every, MOST_STATEMENTS))
    if (more := next(every, None)) is not None:
        cell = next(cell for cell in wanted if cell.number == more.cell)
        broken.append(Broken(cell, f"{more.place}起的代码太多，没有读：请只交作业。"))
    return Code(tuple(pieces), tuple(broken), changes)


# ---- IPython


def _plain_python(cell: Cell) -> tuple[Cell | None, str]:
    """The cell without IPython's lines, and what was replaced; None for another language."""
    text, note = cell.source, ""
    lines = text.split("\n")
    first = next(at for at, line in enumerate(lines) if line.strip())
    if magic := _CELL_MAGIC.match(lines[first]):
        name = magic[1] or ""
        # In a .py file "%%" opens a cell only behind "#", so this is a notebook's.
        if name not in _RUNS_PYTHON:
            return None, f"以 %%{name} 开头，不是 Python 代码，没有读。"
        lines[first] = ""
        note = f"去掉了 %%{name}。"
        text = "\n".join(lines)
    if len(text) > LONGEST_CELL or not _may_hold_magic(text) or is_program(text):
        return _with_source(cell, text), note
    text, replaced = _without_magic(text)
    if replaced:
        shown = "；".join(line.strip()[:40] for line in replaced[:3])
        note += f"没有执行 IPython 命令 {shown}{' 等' if len(replaced) > 3 else ''}。"
    return _with_source(cell, text), note


def _with_source(cell: Cell, source: str) -> Cell:
    return Cell(cell.number, cell.kind, source, cell.exercise, cell.line)


def _may_hold_magic(text: str) -> bool:
    return any(_is_magic(line) for line in text.split("\n"))


def _is_magic(line: str) -> bool:
    return bool(_LINE_MAGIC.match(line) or _HELP.match(line))


def _without_magic(text: str) -> tuple[str, list[str]]:
    """`pass` in place of each IPython line that is not inside a string or brackets."""
    kept: list[str] = []
    replaced: list[str] = []
    state = _State()
    lines = iter(text.split("\n"))
    for line in lines:
        if not state.is_fresh or not _is_magic(line):
            state.read(line)
            kept.append(line)
            continue
        replaced.append(line)
        kept.append(line[: len(line) - len(line.lstrip())] + "pass")
        while line.rstrip().endswith("\\") and (line := next(lines, "")):
            kept.append("")
    return "\n".join(kept), replaced


class _State:
    """Whether the next line begins a statement, as far as quotes and brackets tell."""

    def __init__(self) -> None:
        self.quote, self.depth, self.continues = "", 0, False

    @property
    def is_fresh(self) -> bool:
        return not self.quote and self.depth == 0 and not self.continues

    def read(self, line: str) -> None:
        at = 0
        while at < len(line):
            at = self._in_quotes(line, at) if self.quote else self._outside(line, at)
        self.continues = line.endswith("\\")
        if len(self.quote) == 1 and not self.continues:
            self.quote = ""  # such a string ends with its line

    def _in_quotes(self, line: str, at: int) -> int:
        if line[at] == "\\":
            return at + 2
        if line.startswith(self.quote, at):
            end, self.quote = at + len(self.quote), ""
            return end
        return at + 1

    def _outside(self, line: str, at: int) -> int:
        if line[at] == "#":
            return len(line)
        if quote := _QUOTE.match(line, at):
            self.quote = quote[0]
            return quote.end()
        if line[at] in "([{":
            self.depth += 1
        elif line[at] in ")]}":
            self.depth = max(0, self.depth - 1)
        return at + 1


# ---- cells that are one program together


def _within_limit(cells: list[Cell]) -> Iterator[Cell]:
    """Cells up to the limit of a file; the source of what is above becomes no program."""
    total = 0
    for count, cell in enumerate(cells):
        size = len(cell.source)
        if size > LONGEST_CELL or total + size > LONGEST_FILE or count >= MOST_CELLS:
            yield _with_source(cell, TOO_LONG)
        else:
            total += size
            yield cell


def _joined(cells: Iterator[Cell]) -> list[_Unit | Cell]:
    """Units of one cell or more, and the cells that are no program with any neighbour."""
    found: list[_Unit | Cell] = []
    waiting, at, left = list(cells), 0, MOST_PARSED_AGAIN
    while at < len(waiting):
        cell = waiting[at]
        alone = None if cell.source == TOO_LONG else _unit((cell,)) or _dedented(cell)
        if alone or cell.source == TOO_LONG:
            found.append(alone or cell)
            at += 1
            continue
        before = found[-1] if found and isinstance(found[-1], _Unit) else None
        for count, group in _groups(before, waiting[at : at + MOST_JOINED]):
            size = sum(len(one.source) for one in group)
            left -= size if size <= LONGEST_JOINED else 0
            if left > 0 and (unit := _unit(group)):
                # With the cells before it, it takes their place.
                found[len(found) - (len(group) > count) :] = [unit]
                at += count
                break
        else:
            found.append(cell)
            at += 1
    return found


def _groups(before: _Unit | None, waiting: list[Cell]) -> Iterator[tuple[int, tuple[Cell, ...]]]:
    """What the first of the waiting cells may belong to, and how many of them that takes."""
    for count in range(1, len(waiting) + 1):
        if count > 1:
            yield count, tuple(waiting[:count])
        if before:
            yield count, (*before.cells, *waiting[:count])


def _unit(cells: tuple[Cell, ...]) -> _Unit | None:
    source = "\n".join(cell.source for cell in cells)
    if len(source) > (LONGEST_CELL if len(cells) == 1 else LONGEST_JOINED):
        return None
    try:
        tree = parsed(source)
    except NO_PROGRAM:
        return None
    starts = [1]
    for cell in cells[:-1]:
        starts.append(starts[-1] + cell.source.count("\n") + 1)
    return _Unit(cells, source, tuple(starts), tree)


def _dedented(cell: Cell) -> _Unit | None:
    """An indented cell as IPython reads it; None where it is the rest of a function."""
    lines = cell.source.split("\n")
    first = next((line for line in lines if line.strip()), "")
    indent = first[: len(first) - len(first.lstrip())]
    if not indent:
        return None
    unit = _unit((_with_source(cell, "\n".join(line.removeprefix(indent) for line in lines)),))
    outside = (ast.Return, ast.Yield, ast.YieldFrom)
    nodes = (node for statement in unit.tree.body for node in own_nodes(statement)) if unit else ()
    return None if any(isinstance(node, outside) for node in nodes) else unit


def _explained(cell: Cell, file: str, alone: bool) -> Broken:
    place = shown_cell_name(file, cell.number, alone)
    if cell.source == TOO_LONG:
        return Broken(cell, f"{place}：代码太长，没有读：请把数据放进文件，不要写在代码里。")
    try:
        parsed(cell.source)
        why = "有语法错误"
    except SyntaxError as error:
        why = f"第 {(error.lineno or 1) + cell.line - 1} 行有语法错误（{error.msg}）"
    except (RecursionError, MemoryError, OverflowError):
        why = "嵌套太深"
    except ValueError:
        why = "含有不能出现在代码里的字符"
    return Broken(cell, f"{place}：{why}，这一格没有读。请改好再交。")


# ---- statements


def _pieces(unit: _Unit, file: str, alone: bool) -> Iterator[Piece]:
    # Columns of a tree are bytes of UTF-8.
    lines = [line.encode("utf-8") for line in unit.source.split("\n")]
    places = [shown_cell_name(file, cell.number, alone) for cell in unit.cells]
    tag = next((cell.exercise for cell in unit.cells if cell.exercise), None)
    for node in unit.tree.body:
        decorators = getattr(node, "decorator_list", [])
        start = min([node.lineno, *(decorator.lineno for decorator in decorators)])
        column = node.col_offset if start == node.lineno else 0
        source = _cut(lines, start, column, node.end_lineno or start, node.end_col_offset)
        which = max(at for at, first in enumerate(unit.starts) if first <= start)
        cell = unit.cells[which]
        line = start - unit.starts[which] + cell.line
        yield Piece(node, source, places[which], line, cell.number, cell.exercise or tag)


def _cut(lines: list[bytes], start: int, column: int, end: int, end_column: int | None) -> str:
    chosen = lines[start - 1 : end]
    chosen[-1] = chosen[-1][:end_column]
    chosen[0] = chosen[0][column:]
    return b"\n".join(chosen).decode("utf-8", "replace")
