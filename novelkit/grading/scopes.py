"""Which global names a top-level statement binds, and which it reads, now or when called.

Python's own symbol table tells local names from global ones, through nested functions, classes and
comprehensions. Does not cover: names bound by `globals()[...]`, or `exec`.
"""

import ast
import symtable
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TypeGuard

from novelkit.grading.cells import NO_PROGRAM

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_OWN_SCOPE = (*_DEFINITIONS, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.TryStar, ast.With, ast.Match)
_CONDITIONAL = (ast.If, ast.Try, ast.TryStar, ast.Match, ast.IfExp, ast.BoolOp)
_NAMES_AS_TEXT = (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)
# Methods that change what they are called on, of the built-in containers.
_CHANGING = frozenset(
    [
        "append",
        "extend",
        "insert",
        "add",
        "update",
        "setdefault",
        "remove",
        "discard",
        "pop",
        "popitem",
        "clear",
        "sort",
        "reverse",
        "appendleft",
        "extendleft",
        "rotate",
        "subtract",
        "difference_update",
        "intersection_update",
        "symmetric_difference_update",
    ]
)


class Binding(Enum):
    """What a statement does to a name that it binds."""

    DEFINITION = auto()  # def or class: nothing before it matters
    WHOLE = auto()  # an assignment or an import: nothing before it matters
    MAYBE = auto()  # inside if, for, try, with: what the name was before may stay
    CHANGE = auto()  # += , x[...] = , x.append(...): changes what the name was before


@dataclass(frozen=True)
class Uses:
    """Global names of one statement: bound, read while it runs, read by what it defines.

    `sets` are those that a call of what it defines binds (`global`).
    """

    binds: dict[str, Binding] = field(default_factory=dict)
    now: frozenset[str] = frozenset()
    later: frozenset[str] = frozenset()
    sets: frozenset[str] = frozenset()


def own_nodes(statement: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those inside functions, lambdas and classes that it defines."""
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.Lambda):
            continue
        if isinstance(node, _OWN_SCOPE):
            waiting += getattr(node, "decorator_list", [])
            continue
        waiting += reversed(list(ast.iter_child_nodes(node)))


def definitions_in(statement: ast.stmt) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Functions that the statement defines at top level, also inside if, try, with and loops."""
    for node in own_nodes(statement):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def uses_of(node: ast.stmt, source: str, lazy_annotations: bool = False) -> Uses:
    """What a statement binds and reads; never raises, whatever the source.

    With `lazy_annotations` (`from __future__ import annotations`), annotations read nothing.
    """
    bound, hidden = _bound(node)
    head = "from __future__ import annotations\n" if lazy_annotations else ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = symtable.symtable(head + source, "<cell>", "exec")
        now, later, sets = _by_table(table)
    except NO_PROGRAM:
        # Such a statement fails when it runs; more is taken than it needs.
        now, later, sets = set(), {one.id for one in ast.walk(node) if _is_load(one)}, set()
    now -= hidden
    binds = {name: _binding(node) for name in bound}
    if _only_annotates(node):
        binds = {}
    binds.update({name: Binding.CHANGE for name in _changed(node) if name not in binds})
    return Uses(
        binds, frozenset(now - _bound_first(node, bound)), frozenset(later), frozenset(sets)
    )


def _is_load(node: ast.AST) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)


def _bound(statement: ast.stmt) -> tuple[set[str], set[str]]:
    """Names that a statement binds, and those that are local to a comprehension in it.

    Not by the symbol table: since Python 3.12 it takes the second for the first.
    """
    bound: set[str] = set()
    targets: set[str] = set()
    read: set[str] = set()
    inside: set[int] = set()  # nodes of comprehensions, and those of them that are targets
    own: set[int] = set()
    for node in own_nodes(statement):
        if isinstance(node, _COMPREHENSIONS) and id(node) not in inside:
            inside.update(map(id, ast.walk(node)))
        if isinstance(node, ast.comprehension):
            names = [one for one in ast.walk(node.target) if isinstance(one, ast.Name)]
            targets.update(one.id for one in names)
            own.update(map(id, names))
        if _is_load(node) and id(node) not in inside:
            read.add(node.id)
        if id(node) not in own:
            bound.update(_bound_by(node))
    return bound, targets - read


def _bound_by(node: ast.AST) -> list[str]:
    """The names that this very node binds.

    `del` is nothing: a model deleted to free memory was there when the student checked the answer.
    """
    if isinstance(node, ast.Name):
        return [node.id] if isinstance(node.ctx, ast.Store) else []
    if isinstance(node, ast.alias):
        return [node.asname or node.name.split(".")[0]]
    if isinstance(node, ast.MatchMapping):
        return [node.rest] if node.rest else []
    if isinstance(node, (*_DEFINITIONS, *_NAMES_AS_TEXT)):
        return [node.name] if node.name else []
    return []


def _by_table(table: symtable.SymbolTable) -> tuple[set[str], set[str], set[str]]:
    """Global names read by code that runs at once, read in functions, bound in functions."""
    now = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_referenced()}
    later: set[str] = set()
    sets: set[str] = set()
    waiting = [(child, False) for child in table.get_children()]
    while waiting:
        scope, in_function = waiting.pop()
        deferred = in_function or (scope.get_type() == "function" and not _is_comprehension(scope))
        names = {s.get_name() for s in scope.get_symbols() if s.is_global()}
        (later if deferred else now).update(names)
        symbols = [s for s in scope.get_symbols() if s.is_declared_global() and s.is_assigned()]
        sets.update(s.get_name() for s in symbols)
        waiting += [(child, deferred) for child in scope.get_children()]
    return now, later, sets


def _is_comprehension(scope: symtable.SymbolTable) -> bool:
    return scope.get_name() in ("listcomp", "setcomp", "dictcomp", "genexpr")


def _binding(node: ast.stmt) -> Binding:
    if isinstance(node, _DEFINITIONS):
        return Binding.DEFINITION
    if isinstance(node, ast.AugAssign):
        return Binding.CHANGE
    return Binding.MAYBE if isinstance(node, _BLOCKS) else Binding.WHOLE


def _only_annotates(node: ast.stmt) -> bool:
    return isinstance(node, ast.AnnAssign) and node.value is None


def _changed(statement: ast.stmt) -> set[str]:
    """Names whose value is changed in place: TABLE["a"] = 1, STOP.add("的"), f.cache = {}."""
    found = set()
    for node in own_nodes(statement):
        target: ast.expr | None = None
        if isinstance(node, (ast.Subscript, ast.Attribute)) and isinstance(node.ctx, ast.Store):
            target = node.value
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in _CHANGING
        ):
            target = node.func.value
        while isinstance(target, (ast.Subscript, ast.Attribute)):
            target = target.value
        if isinstance(target, ast.Name):
            found.add(target.id)
    return found


def _bound_first(statement: ast.stmt, bound: set[str]) -> set[str]:
    """Names that a block binds before it reads them: the i of `for i in ...: table[i] = ...`.

    Without this, every other loop over i would be part of the answer.
    """
    if not isinstance(statement, _BLOCKS):
        return set()
    stored: dict[str, tuple[int, int]] = {}
    loaded: dict[str, tuple[int, int]] = {}
    # The name of `except ... as` and of `case` is bound where it stands, and nowhere else is asked.
    nodes = list(own_nodes(statement))
    caught = {node.name for node in nodes if isinstance(node, _NAMES_AS_TEXT) and node.name}
    for node, certain, end in _names_in_blocks(statement):
        if isinstance(node.ctx, ast.Store) and certain:
            stored[node.id] = min(stored.get(node.id, end), end)
        elif isinstance(node.ctx, ast.Load):
            place = (node.lineno, node.col_offset)
            loaded[node.id] = min(loaded.get(node.id, place), place)
    return caught | {
        name
        for name in bound
        if name in stored and (name not in loaded or stored[name] <= loaded[name])
    }


def _names_in_blocks(statement: ast.stmt) -> Iterator[tuple[ast.Name, bool, tuple[int, int]]]:
    """Names, whether they are reached in any case, and where their binding is done."""
    waiting: list[tuple[ast.AST, bool, tuple[int, int] | None]] = [(statement, True, None)]
    while waiting:
        node, certain, end = waiting.pop()
        if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            # The value is read before the target on its left is bound.
            end = (node.end_lineno or node.lineno, node.end_col_offset or 0)
        if isinstance(node, ast.Name):
            yield node, certain, end or (node.lineno, node.col_offset)
        if isinstance(node, _OWN_SCOPE):
            continue
        inside = certain and not isinstance(node, _CONDITIONAL)
        waiting += [(child, inside, end) for child in ast.iter_child_nodes(node)]
