"""Arguments and answers as JSON, by exact type: what travels between the grader and a worker.

    None, True, "text", 1.5        as they are; NaN and infinities {"float": "nan"}
    7                              {"int": "7"}, because JSON readers disagree on large integers
    [1, 2]                         {"list": [...]}
    (1, 2)                         {"tuple": [...]}
    {"a": 1}                       {"dict": [["a", ...]]}, keys of type str only
    b"ab"                          {"bytes": "6162"}
    an array or a tensor           {"array": [library, dtype, shape, flat list]}
    anything else                  {"other": [name of its type, what repr says]}

Subclasses are "anything else": no `__eq__`, `__iter__` or `__float__` of a student's class is ever
asked. Stands alone, without novelkit, since the worker may not find novelkit.
"""

import math
import sys
from dataclasses import dataclass
from typing import Any

DEPTH = 40
LONGEST_REPR = 200
# An int of more digits is refused by Python's own reader; no exercise needs one.
MOST_DIGITS = 4000
LIBRARIES = ("numpy", "torch")


@dataclass(frozen=True)
class Array:
    """An array or tensor as the grader sees it: `data` is flat, in row-major order."""

    library: str
    dtype: str
    shape: tuple[int, ...]
    data: tuple[Any, ...]


@dataclass(frozen=True)
class Other:
    """A value of no known type; equal to nothing that an exercise expects."""

    type_name: str
    shown: str


class MalformedError(ValueError):
    """What came from a worker is no encoded value."""


def encode(value: Any, depth: int = 0) -> Any:
    """The JSON form of a value; never raises for what `repr` of a student's class does."""
    kind = type(value)
    if value is None or kind is bool or kind is str:
        return value
    if kind is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if depth < DEPTH:
        if kind is int and value.bit_length() <= 3 * MOST_DIGITS:
            return {"int": str(value)}
        if kind is list or kind is tuple:
            return {kind.__name__: [encode(one, depth + 1) for one in value]}
        if kind is dict and all(type(key) is str for key in value):
            return {"dict": [[key, encode(one, depth + 1)] for key, one in value.items()]}
        if kind is bytes:
            return {"bytes": value.hex()}
        array = _encode_array(value)
        if array is not None:
            return {"array": array}
    return {"other": [_name(kind), _shown(value)]}


def _encode_array(value: Any) -> list[Any] | None:
    numpy, torch = (sys.modules.get(name) for name in LIBRARIES)
    if numpy is not None and type(value) is getattr(numpy, "ndarray", None):
        library, data = "numpy", value.reshape(-1).tolist()
    elif torch is not None and type(value) is getattr(torch, "Tensor", None):
        library, data = "torch", value.detach().cpu().reshape(-1).tolist()
    else:
        return None
    dtype = str(value.dtype).removeprefix("torch.")
    return [library, dtype, [int(size) for size in value.shape], [encode(one, 1) for one in data]]


def _name(kind: type) -> str:
    try:
        return str(type.__getattribute__(kind, "__name__"))[:80]
    except Exception:
        return "?"


def _shown(value: Any) -> str:
    try:
        return str(repr(value))[:LONGEST_REPR]
    except Exception as error:
        return f"repr: {_name(type(error))}"


def decode(found: Any, depth: int = 0) -> Any:
    """Undo `encode`; arrays become `Array`, unknown things `Other`. Raises `MalformedError`."""
    if found is None or type(found) in (bool, str):
        return found
    if type(found) is float and math.isfinite(found):
        return found
    if type(found) is not dict or len(found) != 1 or depth > DEPTH:
        raise MalformedError("no encoded value")
    ((name, content),) = found.items()
    read = _READERS.get(name)
    if read is None:
        raise MalformedError(f"no kind of value: {str(name)[:40]!r}")
    try:
        return read(content, depth + 1)
    except (TypeError, ValueError, LookupError, AttributeError, OverflowError) as error:
        raise MalformedError(f"a damaged {name}") from error


def _read_int(content: Any, depth: int) -> int:
    if type(content) is not str or len(content) > MOST_DIGITS + 1:
        raise ValueError(content)
    return int(content)


def _read_float(content: Any, depth: int) -> float:
    return {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[content]


def _read_items(content: Any, depth: int) -> list[Any]:
    if type(content) is not list:
        raise TypeError(type(content))
    return [decode(one, depth) for one in content]


def _read_dict(content: Any, depth: int) -> dict[str, Any]:
    found = {key: decode(value, depth) for key, value in content}
    if not all(type(key) is str for key in found):
        raise TypeError("a key that is no text")
    return found


def _read_array(content: Any, depth: int) -> Array:
    library, dtype, shape, data = content
    known = library in LIBRARIES and type(dtype) is str and type(shape) is list
    if not known or not all(type(size) is int for size in shape) or type(data) is not list:
        raise TypeError("no array")
    items = tuple(decode(one, depth) for one in data)
    if math.prod(shape) != len(items) or any(size < 0 for size in shape):
        raise ValueError("an array of another shape")
    return Array(library, dtype, tuple(shape), items)


def _read_other(content: Any, depth: int) -> Other:
    name, shown = content
    if type(name) is not str or type(shown) is not str:
        raise TypeError("no description")
    return Other(name[:80], shown[:LONGEST_REPR])


_READERS = {
    "int": _read_int,
    "float": lambda content, depth: _read_float(str(content), depth),
    "list": _read_items,
    "tuple": lambda content, depth: tuple(_read_items(content, depth)),
    "dict": _read_dict,
    "bytes": lambda content, depth: bytes.fromhex(content),
    "array": _read_array,
    "other": _read_other,
}


def as_argument(value: Any) -> Any:
    """A decoded value with each `Array` as a real array of its library, for the call."""
    if type(value) is list or type(value) is tuple:
        return type(value)(as_argument(one) for one in value)
    if type(value) is dict:
        return {key: as_argument(one) for key, one in value.items()}
    if type(value) is not Array:
        return value
    if value.library == "numpy":
        import numpy

        return numpy.array(list(value.data), dtype=value.dtype).reshape(value.shape)
    import torch

    return torch.tensor(list(value.data), dtype=getattr(torch, value.dtype)).reshape(value.shape)
