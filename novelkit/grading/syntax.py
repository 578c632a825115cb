"""A program as a row of tokens in which a disguise leaves no trace.

Comments, layout, names of the student's own, docstrings, annotations, imports and the values of
constants are gone; what is called and how the code is built remain. `a > b` reads as `b < a`, and
`x += 1` as `x = x + 1`.
"""

import ast
import builtins
import warnings
from collections.abc import Iterator

# A longer answer is no answer to an exercise, and its tree would cost minutes.
LONGEST = 200_000
BUILTINS = frozenset(dir(builtins))
_NAMED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler)
_FLIPPED = {ast.Gt: ast.Lt, ast.GtE: ast.LtE}


def syntax_tokens(source: str) -> list[str] | None:
    """The tokens of a source in reading order, None where Python cannot read it.

    Names bound in the source are "name" wherever they stand; built-ins and names of attributes and
    modules stay. Constants are their type, but True, False and None.
    """
    if len(source) > LONGEST:
        return None
    try:
        with warnings.catch_warnings():
            # A wrong escape sequence in a student's string is not the instructor's concern.
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    # MemoryError and RecursionError: brackets nested by the thousand; ValueError: null bytes.
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return list(_linear(tree, _bound(tree)))


def _bound(tree: ast.AST) -> frozenset[str]:
    """Names that the source gives itself: variables, parameters, functions, classes."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, _NAMED) and node.name:
            found.add(node.name)
    return frozenset(found)


def _linear(tree: ast.AST, bound: frozenset[str]) -> Iterator[str]:
    """The tokens of a tree in order; without recursion, since trees may be deep."""
    waiting: list[ast.AST | str] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            yield node
            continue
        token, parts = _taken_apart(node, bound)
        if token:
            yield token
        waiting.extend(reversed(parts))


def _taken_apart(node: ast.AST, bound: frozenset[str]) -> tuple[str, list[ast.AST | str]]:
    """The token of a node ("" for none) and what follows it."""
    match node:
        case ast.Import() | ast.ImportFrom() | ast.Pass() | ast.expr_context():
            return "", []
        case ast.Expr(value=ast.Constant(value=str())):
            return "", []
        case ast.Constant():
            return _constant(node), []
        case ast.Name():
            known = node.id in BUILTINS and node.id not in bound
            return f"builtin {node.id}" if known else "name", []
        case ast.Attribute():
            return f"attribute {node.attr}", [node.value]
        case ast.arg():
            return "name", []
        case ast.AnnAssign():
            return ("Assign", [node.target, node.value]) if node.value else ("", [])
        case ast.AugAssign():
            return "Assign", [node.target, "BinOp", node.target, node.op, node.value]
        case ast.Compare(ops=[ast.Gt() | ast.GtE() as found]):
            return "Compare", [node.comparators[0], _FLIPPED[type(found)](), node.left]
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return "FunctionDef", [*node.decorator_list, node.args, *node.body, "end"]
    # A block has an end, so that a line behind a loop differs from one inside it.
    end = ["end"] if isinstance(node, ast.For | ast.While | ast.If | ast.With | ast.Try) else []
    return type(node).__name__, [*ast.iter_child_nodes(node), *end]


def _constant(node: ast.Constant) -> str:
    if node.value is None or isinstance(node.value, bool):
        return repr(node.value)
    return type(node.value).__name__
