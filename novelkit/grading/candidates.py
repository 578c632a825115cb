"""The functions in a student's files: what may be an answer, and where it stands."""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice

from novelkit.grading.cells import CODE, Cell, Unreadable, read_cells
from novelkit.grading.parsing import LONGEST_CELL, LONGEST_FILE, Code, parse_cells
from novelkit.grading.programs import CodeMap, Piece, is_main_block, same_code_key
from novelkit.grading.records import SubmittedFile
from novelkit.grading.scopes import definitions_in, own_nodes

# Characters of code that are parsed of one submission: trees take 600 bytes for each. All ten
# notebooks of the course have 230 thousand.
LONGEST_SUBMISSION = 600_000
MOST_UNREADABLE, MOST_FENCES = 5, 50
_FENCE = re.compile(r"^ {0,3}(?:```|~~~)[^\n]*\n(.*?)^ {0,3}(?:```|~~~)", re.DOTALL | re.MULTILINE)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


@dataclass(frozen=True, eq=False)
class Candidate:
    """A function of that name: `node` is what it is, `piece` the statement that binds the name.

    `code` are the statements among which it stands, `file` the name of their file.
    """

    name: str
    node: ast.AST
    piece: Piece
    code: CodeMap
    file: str = ""

    @cached_property
    def key(self) -> str | int:
        """Equal for functions that differ in comments and formatting only."""
        return same_code_key(self.node)


@dataclass(frozen=True, eq=False)
class ReadFile:
    """One file of a submission, read."""

    name: str
    modified: float
    cells: tuple[Cell, ...]
    parsed: Code
    alone: bool

    @cached_property
    def map(self) -> CodeMap:
        """The statements of the code cells."""
        return CodeMap(self.parsed.pieces)

    @cached_property
    def retyped(self) -> tuple[Cell, ...]:
        """Text cells that may hold code; together no more than one long code cell."""
        found, left = [], LONGEST_CELL
        for cell in self.cells:
            if cell.kind != CODE and ("def " in cell.source or "lambda" in cell.source):
                left -= len(cell.source)
                if left >= 0:
                    found.append(cell)
        return tuple(found)

    @cached_property
    def candidates(self) -> tuple[Candidate, ...]:
        """The functions of the code cells, in order."""
        return tuple(replace(one, file=self.name) for one in candidates_in(self.map))


def read_files(files: Sequence[SubmittedFile]) -> tuple[list[ReadFile], list[str]]:
    """The files that can be read, and a Chinese line for each that cannot."""
    found: list[ReadFile] = []
    unreadable: list[str] = []
    left = LONGEST_SUBMISSION
    for file in files:
        try:
            if left <= 0:
                raise Unreadable(f"{file.name} 没有读：整份作业的代码太多，请只交要评分的文件。")
            cells = read_cells(file)
        except Unreadable as error:
            unreadable.append(str(error))
            continue
        left -= _weight(cells)
        alone = len(files) == 1
        parsed = parse_cells(cells, file.name, alone)
        found.append(ReadFile(file.name, file.modified, cells, parsed, alone))
    if len(unreadable) > MOST_UNREADABLE:
        rest = len(unreadable) - MOST_UNREADABLE
        unreadable = [*unreadable[:MOST_UNREADABLE], f"另外还有 {rest} 个文件没有读。"]
    return found, unreadable


def _weight(cells: Sequence[Cell]) -> int:
    """Characters that are parsed; a cell that is too long is not."""
    lengths = (len(cell.source) for cell in cells if cell.kind == CODE)
    return min(LONGEST_FILE, sum(length for length in lengths if length <= LONGEST_CELL))


def candidates_in(code: CodeMap) -> Iterator[Candidate]:
    """Functions by def, `name = lambda ...`, and `name = other` where other is one of them."""
    known: set[str] = set()
    for piece in code.pieces:
        if is_main_block(piece.node):
            continue
        for definition in definitions_in(piece.node):
            known.add(definition.name)
            yield Candidate(definition.name, definition, piece, code)
        for name, value in _assigned(piece.node):
            if isinstance(value, ast.Lambda) or (isinstance(value, ast.Name) and value.id in known):
                known.add(name)
                yield Candidate(name, value, piece, code)


def _assigned(node: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
        return
    for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
        if isinstance(target, ast.Name):
            yield target.id, node.value


def retyped_candidates(file: ReadFile, function: str) -> list[Candidate]:
    """Definitions of the function in markdown and raw cells: their text, or code fences in it.

    Their program sees the code cells as well, in the order of the notebook.
    """
    found: list[Candidate] = []
    for cell in file.retyped:
        if function not in cell.source:
            continue
        fences = islice(_FENCE.finditer(cell.source), MOST_FENCES)
        texts = [cell.source, *(fence[1] for fence in fences)]
        for text in texts:
            if function not in text:
                continue
            retyped = replace(cell, kind=CODE, source=text)
            pieces = parse_cells([retyped], file.name, file.alone).pieces
            if any(one.name == function for one in candidates_in(CodeMap(pieces))):
                merged = sorted((*file.parsed.pieces, *pieces), key=lambda piece: piece.cell)
                named = [
                    one
                    for one in candidates_in(CodeMap(merged))
                    if one.name == function and one.piece in pieces
                ]
                found.append(replace(named[-1], file=file.name))
                break
    return found


def parameters_of(node: ast.AST | None) -> tuple[str, ...] | None:
    """Names of a function's parameters in order; None for what is no function."""
    if not isinstance(node, _FUNCTIONS):
        return None
    given = node.args
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    stars = [one for one in (given.vararg, given.kwarg) if one]
    return tuple(one.arg for one in (*every, *stars))


def methods_named(code: CodeMap, function: str) -> Iterator[tuple[str, str]]:
    """Place and class of methods of that name."""
    for piece in code.pieces:
        for node in own_nodes(piece.node):
            if isinstance(node, ast.ClassDef) and any(
                getattr(inner, "name", None) == function for inner in node.body
            ):
                yield piece.place, node.name
