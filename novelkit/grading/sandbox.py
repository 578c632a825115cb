"""The grader's side of a worker: starts servers, opens workers, calls them, learns how they end.

A `Sandbox` runs one job at a time; several of them work side by side. What a worker may see and
take is set up in `worker/`, and `Sandbox.isolation` says what of it this host allows. What none of
it stops: a fault of the kernel, and whatever `Isolation.missing` names.
"""

import contextlib
import itertools
import os
import secrets
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from novelkit.errors import InputError
from novelkit.grading.records import Isolation, Limits, Statement
from novelkit.grading.servers import Server
from novelkit.grading.worker import frames, values

PACKAGE = Path(__file__).resolve().parents[1]
END_SECONDS = 30.0
LOAD_SECONDS = 4.0
# Users that no system gives away (systemd keeps the range for units of a moment).
FIRST_USER, USERS = 61_184, 4_000
# What a program may want that is slow to load; loaded once, in the server.
PRELOADS = ("numpy", "torch")

# What is kept of what a worker says of an exception.
LONGEST_NAME, LONGEST_MESSAGE, MOST_KINDS, LAST_LINE = 80, 300, 20, 10**6

_numbers = itertools.count()


@dataclass(frozen=True)
class Reply:
    """What came of loading or of one call.

    `outcome` is "value", "raised", "too large" (an honest worker's word: there was a value),
    "forbidden", "timeout" or "broken" (no or no valid answer: the worker ended, or wrote what it
    was not asked for). After the last three it answers no more.
    """

    outcome: str
    value: Any = None
    raised: tuple[str, ...] = ()
    message: str = ""
    place: str = ""
    line: int = 0


@dataclass(frozen=True)
class Ending:
    """How a worker ended: its exit code, 128 + the signal that ended it, None if it was killed.

    `failure` says why its surroundings could not be set up: the host's fault, not the student's.
    """

    code: int | None
    out_of_memory: bool
    server_lost: bool = False
    failure: str = ""


@dataclass(frozen=True)
class Job:
    """A program to run: its statements in order, then calls of `function`."""

    statements: Sequence[Statement]
    function: str
    imports: frozenset[str] = frozenset()
    forbidden: Sequence[str] = ()
    seed: int = 0
    cpu_seconds: float = Limits.cpu_seconds  # for all calls together


def check_platform(trusted: bool) -> None:
    """Raise `InputError` where a student's code could not be limited at all."""
    if not hasattr(os, "fork") or not hasattr(socket, "AF_UNIX"):
        raise InputError(
            "评分要在 Linux 或 macOS 上运行：Windows 没有 fork，学生的代码没法限制。"
            "请用 WSL、Docker 或 Colab。"
        )
    if sys.platform != "linux" and not trusted:
        raise InputError(
            "这不是 Linux：学生的代码会以你的用户运行，能读写你的文件，也没有内存上限。"
            "请换到 Linux（WSL、Docker、Colab 都行）；确实信得过这些代码，就加 --trust。"
        )


def _check_isolation(isolation: Isolation) -> None:
    """Raise `InputError` where a student's code could end the grader, or write what it writes."""
    if not isolation.user and not isolation.processes:
        raise InputError(
            "不是 root，这台机器也不允许命名空间：学生的代码能读写你的文件，能结束评分程序。"
            "请用 root 运行（Docker、Colab 都行）；确实信得过这些代码，就加 --trust。"
        )


def _own_folder() -> Path:
    """The repository, or the package alone where it lies among those of an interpreter."""
    root = PACKAGE.parent
    return root if (root / "pyproject.toml").is_file() else PACKAGE


class Sandbox:
    """Servers of workers for one job at a time; `hidden` are folders that no worker may see."""

    def __init__(
        self, hidden: Sequence[Path] = (), limits: Limits | None = None, trusted: bool = False
    ) -> None:
        check_platform(trusted)
        self.limits = limits or Limits()
        self.trusted = trusted
        self.hidden = [str(_own_folder()), str(Path.home()), "/home", "/root", *map(str, hidden)]
        self.user = FIRST_USER + (os.getpid() * 7 + next(_numbers)) % USERS
        self._servers: dict[tuple[str, ...], Server] = {}

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def isolation(self) -> Isolation:
        """What this host allows; starts a server if there is none yet."""
        return self._server(()).isolation

    def open(self, job: Job) -> "Worker":
        """Start a worker for a job. Raises `WorkError` where none can be started."""
        wanted = job.imports - set(job.forbidden)
        preload = PRELOADS if "torch" in wanted else ("numpy",) if "numpy" in wanted else ()
        # A server that somebody killed is replaced once.
        try:
            return Worker(self._server(preload), job, self.limits)
        except (frames.BrokenFrameError, OSError):
            self._drop(preload)
            return Worker(self._server(preload), job, self.limits)

    def close(self) -> None:
        """End all servers and what runs in them."""
        for preload in list(self._servers):
            self._drop(preload)

    def _server(self, preload: tuple[str, ...]) -> "Server":
        server = self._servers.get(preload)
        if server is None or not server.alive:
            self._drop(preload)
            server = self._servers[preload] = Server(preload, self.hidden, self.user)
            if not self.trusted:
                _check_isolation(server.isolation)
        return server

    def _drop(self, preload: tuple[str, ...]) -> None:
        if server := self._servers.pop(preload, None):
            server.close()


class Worker:
    """A student's program that answers calls, until `close`."""

    def __init__(self, server: Server, job: Job, limits: Limits) -> None:
        self.server, self.limits = server, limits
        self.channel, theirs = socket.socketpair()
        self.folder = None if server.isolation.files else tempfile.mkdtemp(prefix="novelkit-grade-")
        self.ending: Ending | None = None
        self.killed = False
        nonce = secrets.token_hex(16)
        message = {
            "function": job.function,
            "forbidden": sorted({"novelkit", *job.forbidden}),
            "seed": job.seed,
            "nonce": nonce,
            "folder": self.folder,
            "load_seconds": LOAD_SECONDS,
            **vars(limits),
            "cpu_seconds": job.cpu_seconds,
        }
        try:
            with theirs:
                socket.send_fds(server.control, [b"j"], [theirs.fileno()])
                frames.send(server.control, message)
            frames.receive(server.control, 1 << 16, time.monotonic() + END_SECONDS)
        except BaseException:
            server.alive = False
            self._tidy()
            raise
        self.loaded = self._load(job, nonce)
        self.seed = job.seed
        # Sleeping until just before each call's deadline is no way out either.
        self.last = time.monotonic() + max(limits.total_seconds, 3 * job.cpu_seconds)

    def _load(self, job: Job, nonce: str) -> Reply:
        program = [[one.source, one.place, one.line] for one in job.statements]
        return self._asked({"statements": program}, nonce, self.limits.wall_seconds)

    def _asked(self, message: dict[str, Any], nonce: str, seconds: float) -> Reply:
        """Send a message and wait for its answer, both within so many seconds."""
        deadline = time.monotonic() + seconds
        try:
            self.channel.settimeout(max(0.001, seconds))
            frames.send(self.channel, message)
        except TimeoutError:
            self.killed = True
            return Reply("timeout")
        except OSError:
            return Reply("broken")
        return self._answer(nonce, deadline)

    def call(self, arguments: Sequence[Any]) -> Reply:
        """Call the function. See `Reply` on when it is the last one."""
        nonce = secrets.token_hex(16)
        request = {
            "nonce": nonce,
            "seed": self.seed,
            "arguments": values.encode(list(arguments)),
        }
        if frames.pending(self.channel):
            return Reply("broken", message="答案在提问之前就到了")
        left = self.last - time.monotonic()
        return self._asked(request, nonce, min(self.limits.wall_seconds, left))

    def _answer(self, nonce: str, deadline: float) -> Reply:
        try:
            found = frames.receive(self.channel, 2 * self.limits.answer_bytes, deadline)
        except TimeoutError:
            self.killed = True
            return Reply("timeout")
        except frames.TooLongError:
            self.killed = True
            return Reply("broken", message="回答超过了约定的长度")
        except frames.NoMessageError:
            return Reply("broken", message="答案不是约定的格式")
        except (frames.BrokenFrameError, OSError):
            return Reply("broken")
        if found.get("nonce") != nonce:
            return Reply("broken", message="收到的不是这一问的答案")
        return _reply(found)

    def close(self) -> Ending:
        """End the worker and all that it started; how it ended."""
        if self.ending is not None:
            return self.ending
        self.channel.close()
        try:
            frames.send(self.server.control, {"end": True, "kill": self.killed})
            deadline = time.monotonic() + END_SECONDS
            found = frames.receive(self.server.control, 1 << 16, deadline)["ended"]
            self.ending = Ending(
                found["code"], found["out_of_memory"], failure=found["failure"][:200]
            )
        except (TimeoutError, frames.BrokenFrameError, OSError):
            self.server.alive = False
            self.ending = Ending(None, False, server_lost=True)
        self._tidy()
        return self.ending

    def _tidy(self) -> None:
        self.channel.close()
        if self.folder:
            _remove(self.folder)


def _remove(folder: str) -> None:
    """A folder of a worker's; it may have taken the rights from itself."""

    def again(function: Any, path: str, *_: Any) -> None:
        with contextlib.suppress(OSError):
            Path(path).parent.chmod(0o700)
            Path(path).chmod(0o700)
            function(path)

    # `onerror` is deprecated since Python 3.12; both hand on a function and a path.
    if sys.version_info >= (3, 12):
        shutil.rmtree(folder, onexc=again)
    else:
        shutil.rmtree(folder, onerror=again)


def _reply(found: dict[str, Any]) -> Reply:
    if found.get("too_large") is True:
        return Reply("too large")
    if found.get("ready") is True:
        return Reply("value")
    if type(found.get(FORBIDDEN)) is str:
        return Reply("forbidden", message=found[FORBIDDEN][:80])
    if "value" in found:
        try:
            return Reply("value", values.decode(found["value"]))
        except (values.MalformedError, RecursionError):
            return Reply("broken", message="答案不是约定的格式")
    raised, line = found.get("raised"), found.get("line", 0)
    texts = [found.get(name, "") for name in ("message", "place")]
    if (
        type(raised) is not list
        or not raised
        or not all(type(one) is str for one in [*raised, *texts])
        or type(line) is not int
    ):
        return Reply("broken", message="答案不是约定的格式")
    # An honest worker keeps to these lengths by itself.
    kinds = tuple(one[:LONGEST_NAME] for one in raised[:MOST_KINDS])
    message, place = texts[0][:LONGEST_MESSAGE], texts[1][:LONGEST_NAME]
    return Reply("raised", None, kinds, message, place, min(abs(line), LAST_LINE))


FORBIDDEN = "forbidden"
