"""The part that shares a process with a student's code: runs it, and answers calls.

Nothing here is a secret or a judgement: whoever takes it over can only answer with other values,
and has no right ones to answer with. Stands alone, without novelkit.
"""

import codeop
import contextlib
import random
import resource
import socket
import sys
import types
from importlib.abc import MetaPathFinder
from typing import Any

import frames
import values

LONGEST_MESSAGE = 300
REQUEST_BYTES = 1 << 26
FORBIDDEN = "forbidden"


class ForbiddenImportError(ImportError):
    """An import that the exercise does not allow."""


class _Blocker(MetaPathFinder):
    """Refuses some top-level modules; first in sys.meta_path."""

    def __init__(self, names: frozenset[str]) -> None:
        self.names = names

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        top = name.partition(".")[0]
        if top in self.names:
            raise ForbiddenImportError(f"这道题不能导入 {top}", name=top)


def serve(channel: socket.socket, job: dict[str, Any]) -> None:
    """Run the program of a job, say whether it stands, then answer one call after another.

    The program is the first message: {"statements": [[source, place, line], ...]}.
    """
    _forbid(frozenset(job["forbidden"]))
    _seed(job["seed"])
    module = types.ModuleType("__main__")
    module.__dict__["__name__"] = "submission"
    # Both: inspect and pickle ask for __main__.
    sys.modules["submission"] = sys.modules["__main__"] = module
    failure = _load(module.__dict__, frames.receive(channel, REQUEST_BYTES)["statements"])
    function = module.__dict__.get(job["function"])
    if failure is None and not callable(function):
        failure = {"raised": ["NameError"], "message": f"{job['function']} 不是函数"}
    frames.send(channel, {"nonce": job["nonce"], **(failure or {"ready": True})})
    if failure is not None:
        return
    _allow_more_cpu(job["cpu_seconds"])
    while True:
        try:
            request = frames.receive(channel, REQUEST_BYTES)
        except frames.BrokenFrameError:
            return
        arguments = [values.as_argument(one) for one in values.decode(request["arguments"])]
        _seed(request["seed"])
        answer = _call(function, arguments)
        frames.send(channel, _bounded({"nonce": request["nonce"], **answer}, job["answer_bytes"]))


def _load(namespace: dict[str, Any], statements: list[list[Any]]) -> dict[str, Any] | None:
    # What `from __future__` switches on holds for the statements after it.
    translate = codeop.Compile()
    for source, place, line in statements:
        try:
            # Line numbers as in the reader's cell.
            exec(translate("\n" * (line - 1) + source, place, "exec"), namespace)
        except BaseException as error:
            return _described(error)
    return None


def _call(function: Any, arguments: list[Any]) -> dict[str, Any]:
    try:
        return {"value": values.encode(function(*arguments))}
    except BaseException as error:
        return _described(error)


def _described(error: BaseException) -> dict[str, Any]:
    if isinstance(error, ForbiddenImportError):
        return {FORBIDDEN: str(error.name)}
    kinds = [kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "builtins"]
    found: dict[str, Any] = {"raised": [type(error).__name__[:80], *kinds]}
    with contextlib.suppress(BaseException):
        found["message"] = str(error)[:LONGEST_MESSAGE]
    with contextlib.suppress(BaseException):
        place, line = _where(error)
        found |= {"place": place, "line": line}
    return found


def _where(error: BaseException) -> tuple[str, int]:
    """The last line of the student's code that an exception passed through."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return error.filename[:80], error.lineno
    found, trace = ("", 0), error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if trace.tb_frame.f_globals.get("__name__") == "submission":
            found = (name[:80], trace.tb_lineno)
        trace = trace.tb_next
    return found


def _bounded(message: dict[str, Any], limit: int) -> dict[str, Any]:
    import json

    if len(json.dumps(message)) <= limit:
        return message
    return {"nonce": message["nonce"], "too_large": True}


def _forbid(names: frozenset[str]) -> None:
    for name in list(sys.modules):
        if name.partition(".")[0] in names:
            del sys.modules[name]
    sys.meta_path.insert(0, _Blocker(names))


def _seed(seed: int) -> None:
    random.seed(seed)
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    with contextlib.suppress(Exception):
        if numpy is not None:
            numpy.random.seed(seed % 2**32)
        if torch is not None:
            torch.manual_seed(seed)


def _allow_more_cpu(seconds: float) -> None:
    """From what was used until now; the hard limit was set before any code of a student ran."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = max(1, round(used.ru_utime + used.ru_stime + seconds))
    resource.setrlimit(resource.RLIMIT_CPU, (min(soft, hard), hard))
