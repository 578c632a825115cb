"""The program of an answer: the function, and what it needs of the rest of the notebook.

A statement is taken when it binds a name that is read by what is taken already, so that training,
plots and calls of `check` do not run again. Does not cover: running it (`Statement.source`, in
order, in one namespace; flags of `from __future__` hold for all that follows, as in Jupyter).
"""

import ast
import builtins
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from novelkit.grading.parsing import Piece
from novelkit.grading.records import Statement
from novelkit.grading.scopes import Binding, Uses, uses_of

# Names that a notebook's kernel and a module have beside the built-in ones.
_GIVEN = frozenset(dir(builtins)) | {
    "__name__",
    "__file__",
    "__doc__",
    "__class__",
    "__builtins__",
    "display",
    "get_ipython",
    "In",
    "Out",
    "_",
    "exit",
    "quit",
}
MOST_SHOWN = 3
MOST_CELLS = 10
LONGEST_SHOWN = 60


@dataclass(frozen=True, eq=False)
class Program:
    """Pieces in the order in which they run; `skipped` would do something else, and do not run.

    `unknown` are names that nothing in the file binds; `redefined` helper functions of which
    several different definitions stand there, with the place of the one that counts.
    """

    pieces: tuple[Piece, ...]
    skipped: tuple[Piece, ...]
    unknown: tuple[str, ...]
    redefined: tuple[tuple[str, str], ...]

    @property
    def statements(self) -> tuple[Statement, ...]:
        """What a worker executes."""
        return tuple(Statement(one.source, one.place, one.line) for one in self.pieces)


class CodeMap:
    """The statements of one file with their names, made once for all of its exercises."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.pieces = tuple(pieces)

    @cached_property
    def uses(self) -> tuple[Uses, ...]:
        """The names of each statement; made when a program is built, since most files need none."""
        lazy = any(is_future(piece.node, "annotations") for piece in self.pieces)
        return tuple(
            Uses() if is_main_block(piece.node) else _uses(_Key(piece.source, lazy, piece.node))
            for piece in self.pieces
        )

    @cached_property
    def binders(self) -> dict[str, list[int]]:
        """The statements that bind a name, by their place in `pieces`."""
        found: defaultdict[str, list[int]] = defaultdict(list)
        for index, uses in enumerate(self.uses):
            for name in uses.binds:
                found[name].append(index)
        return dict(found)


@dataclass(frozen=True)
class _Key:
    """A statement by its source: most of them stand in the notebook of every student."""

    source: str
    lazy: bool
    node: ast.stmt = field(compare=False)


@lru_cache(maxsize=1 << 13)
def _uses(key: _Key) -> Uses:
    return uses_of(key.node, key.source, key.lazy)


def is_main_block(node: ast.stmt) -> bool:
    """Whether it is `if __name__ == "__main__":`."""
    if not isinstance(node, ast.If) or not isinstance(node.test, ast.Compare):
        return False
    sides = [node.test.left, *node.test.comparators]
    return any(isinstance(side, ast.Name) and side.id == "__name__" for side in sides)


def build_program(code: CodeMap, answer: Piece, function: str) -> Program:
    """The statements that `function`, as `answer` defines it, needs of the file of `code`.

    A name has the value that it has at the end of the file; what runs before sees what is bound
    before it. A helper that another exercise's answer cell defines counts only when no other cell
    defines it, since two answers may each bring a helper of one name.
    """
    search = _Search(code, code.pieces.index(answer), function)
    search.run()
    taken = search.taken
    unknown = sorted(search.unknown)
    pieces = [code.pieces[index] for index in sorted(taken, key=search.order)]
    skipped = [
        piece
        for index, piece in enumerate(code.pieces)
        if index not in taken and _does_something(piece.node)
    ]
    return Program(tuple(pieces), tuple(skipped), tuple(unknown), tuple(search.redefined()))


def _does_something(node: ast.stmt) -> bool:
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
    docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return not isinstance(node, (*definitions, ast.Pass)) and not docstring


class _Search:
    """What is taken so far, and what that needs."""

    def __init__(self, code: CodeMap, answer: int, function: str) -> None:
        self.code, self.answer, self.function = code, answer, function
        self.taken: set[int] = set()
        self.unknown: set[str] = set()
        # Binding statements by name, for those that were asked for; and which were followed.
        self.own: dict[str, list[int]] = {}
        self.walked: set[tuple[str, int]] = set()
        self.exercise = code.pieces[answer].exercise

    def run(self) -> None:
        self._take([self.answer, *self._changes_of_answer()])
        self._take(index for index in self._all() if is_future(self.code.pieces[index].node))
        if self.unknown:
            self._take(self._setters())
        if self.unknown:
            stars = [index for index in self._all() if is_star(self.code.pieces[index].node)]
            self._take(stars)
            self.unknown = set() if stars else self.unknown

    def order(self, index: int) -> tuple[bool, int]:
        """`from __future__` comes first: in one file, Python allows it nowhere else."""
        return not is_future(self.code.pieces[index].node), index

    def redefined(self) -> Iterator[tuple[str, str]]:
        """Helpers with several different definitions, and the place of the one that is taken."""
        for name in sorted(self.own):
            every = [self.code.pieces[index] for index in self._definitions(name)]
            kept = [self.code.pieces[i] for i in self._definitions(name) if i in self.taken]
            if kept and len({same_code_key(piece.node) for piece in every}) > 1:
                yield name, kept[-1].place

    def _definitions(self, name: str) -> list[int]:
        return [
            index
            for index in self.code.binders.get(name, [])
            if self.code.uses[index].binds[name] is Binding.DEFINITION
        ]

    def _all(self) -> range:
        return range(len(self.code.pieces))

    def _changes_of_answer(self) -> list[int]:
        """`f.cache = {}` behind the answer; another value of its name is not the answer."""
        return [
            index
            for index in self.code.binders.get(self.function, [])
            if index > self.answer
            and self.code.uses[index].binds[self.function] is Binding.CHANGE
            and not isinstance(self.code.pieces[index].node, ast.AugAssign)
        ]

    def _take(self, indexes: Sequence[int] | Iterator[int]) -> None:
        waiting = list(indexes)
        while waiting:
            index = waiting.pop()
            if index in self.taken:
                continue
            self.taken.add(index)
            uses = self.code.uses[index]
            for name in uses.now:
                waiting += self._bindings(name, index)
            for name in uses.later:
                waiting += self._bindings(name, None)

    def _setters(self) -> list[int]:
        """Calls of functions that bind, by `global`, what nothing else binds."""
        found = []
        for index in self._all():
            for name in _called(self.code.pieces[index].node):
                every = self.code.binders.get(name, []) if name != self.function else []
                sets = {one for other in every for one in self.code.uses[other].sets}
                if bound := sets & self.unknown:
                    self.unknown -= bound
                    found.append(index)
        return found

    def _bindings(self, name: str, before: int | None) -> list[int]:
        """The statements that give a name its value at the end of the file, or at `before`."""
        if name == self.function:
            return [self.answer]
        if name not in self.own:
            self.own[name] = self._own(self.code.binders.get(name, []), name)
        every = self.own[name]
        if not every:
            if name not in _GIVEN:
                self.unknown.add(name)
            return []
        end = len(every) if before is None else bisect_left(every, before)
        # Cells are not always run from top to bottom: what is bound only later was so as well.
        return self._last_value(name, every, end or len(every))

    def _own(self, indexes: Sequence[int], name: str) -> list[int]:
        """Without other exercises' answer cells, where the name is bound elsewhere."""
        own = [
            index for index in indexes if self.code.pieces[index].exercise in (None, self.exercise)
        ]
        bound = any(self.code.uses[index].binds[name] is not Binding.CHANGE for index in own)
        return own if bound else list(indexes)

    def _last_value(self, name: str, every: Sequence[int], end: int) -> list[int]:
        """The last binding that stands alone of `every[:end]`, and all that follow it."""
        found = []
        for place in range(end - 1, -1, -1):
            index = every[place]
            if (name, index) in self.walked:
                break  # and so is all before it
            self.walked.add((name, index))
            found.append(index)
            if self.code.uses[index].binds[name] in (Binding.WHOLE, Binding.DEFINITION):
                break
        return found


def _called(node: ast.stmt) -> list[str]:
    """The function of a statement that is nothing but a call of it."""
    if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Call):
        return []
    return [node.value.func.id] if isinstance(node.value.func, ast.Name) else []


def is_future(node: ast.stmt, feature: str | None = None) -> bool:
    """Whether it is `from __future__ import ...`, of that feature if one is named."""
    if not isinstance(node, ast.ImportFrom) or node.module != "__future__":
        return False
    return feature is None or any(alias.name == feature for alias in node.names)


def is_star(node: ast.stmt) -> bool:
    """Whether it is `from x import *`."""
    return isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)


def same_code_key(node: ast.AST) -> str | int:
    """Equal for code that differs in comments and formatting only; never raises."""
    try:
        return ast.dump(node)
    except (RecursionError, MemoryError):
        return id(node)


def imports_of(pieces: Sequence[Piece]) -> dict[str, Piece]:
    """Top-level modules that the pieces import, also inside functions: the first piece of each."""
    found: dict[str, Piece] = {}
    for piece in pieces:
        for node in ast.walk(piece.node):
            for module in _imported(node):
                found.setdefault(module.split(".")[0], piece)
    found.pop("__future__", None)
    return found


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module] if node.module and not node.level else []
    if isinstance(node, ast.Call):
        called = node.func
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        given = [*node.args[:1], *(k.value for k in node.keywords if k.arg == "name")]
        if name in ("__import__", "import_module"):
            texts = [one.value for one in given if isinstance(one, ast.Constant)]
            return [text for text in texts if isinstance(text, str) and not text.startswith(".")]
    return []


def skipped_note(pieces: Sequence[Piece]) -> str | None:
    """The one line on statements that do not run: their cells, and the first of them."""
    if not pieces:
        return None
    where = pieces[0].place
    if where.endswith("格"):
        cells = list(dict.fromkeys(str(piece.cell) for piece in pieces))
        more = " 等" if len(cells) > MOST_CELLS else ""
        where = f"{where.rpartition('第')[0]}第 {'、'.join(cells[:MOST_CELLS])}{more} 格"
    first = [piece.source.split("\n", 1)[0].strip() for piece in pieces[:MOST_SHOWN]]
    shown = "；".join(
        line if len(line) <= LONGEST_SHOWN else line[:LONGEST_SHOWN] + "……" for line in first
    )
    return f"没有执行与答案无关的 {len(pieces)} 条语句（{where}）：{shown}"
