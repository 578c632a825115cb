"""The grader's side of a worker: starts servers, opens workers, calls them, learns how they end.

A `Sandbox` runs one job at a time; several of them work side by side. What a worker may see and
take is set up in `worker/`, and `Sandbox.isolation` says what of it this host allows. What none of
it stops: a fault of the kernel, and whatever `Isolation.missing` names.
"""

import contextlib
import itertools
import json
import os
import secrets
import shutil
import site
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from novelkit.errors import InputError, WorkError
from novelkit.grading.records import Isolation, Limits, Statement
from novelkit.grading.worker import frames, values

WORKER = Path(__file__).with_name("worker")
ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120.0
END_SECONDS = 30.0
LOAD_SECONDS = 4.0
# Users that no system gives away (systemd keeps the range for units of a moment).
FIRST_USER, USERS = 61_184, 4_000
# What a program may want that is slow to load; loaded once, in the server.
PRELOADS = ("numpy", "torch")

_numbers = itertools.count()

MISSING = {
    "user": "评分程序不是 root：学生的代码以你的用户运行，能读你读得到的文件",
    "files": "这台机器不允许挂载命名空间：学生的代码看得到磁盘上对它可读的文件",
    "processes": "这台机器不允许进程命名空间：学生的代码看得到别的进程",
    "network": "这台机器不允许网络命名空间：学生的代码能上网",
    "memory": "这台机器没有 /proc：内存用量没有上限",
}


@dataclass(frozen=True)
class Reply:
    """What came of loading or of one call.

    `outcome` is "value", "raised", "too large" (an honest worker's word: there was a value),
    "forbidden", "timeout", "broken" (no or no valid answer: the worker ended, or wrote what it was
    not asked for) or "keeper" (the server's fault). After the last four it answers no more.
    """

    outcome: str
    value: Any = None
    raised: tuple[str, ...] = ()
    message: str = ""
    place: str = ""
    line: int = 0


@dataclass(frozen=True)
class Ending:
    """How a worker ended: its exit code, 128 + the signal that ended it, None if it was killed."""

    code: int | None
    out_of_memory: bool
    server_lost: bool = False


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


class Sandbox:
    """Servers of workers for one job at a time; `hidden` are folders that no worker may see."""

    def __init__(
        self, hidden: Sequence[Path] = (), limits: Limits | None = None, trusted: bool = False
    ) -> None:
        check_platform(trusted)
        self.limits = limits or Limits()
        self.hidden = [str(ROOT), str(Path.home()), "/home", "/root", *map(str, hidden)]
        self.user = FIRST_USER + (os.getpid() * 7 + next(_numbers)) % USERS
        self._servers: dict[tuple[str, ...], _Server] = {}

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

    def _server(self, preload: tuple[str, ...]) -> "_Server":
        server = self._servers.get(preload)
        if server is None or not server.alive:
            self._drop(preload)
            server = self._servers[preload] = _Server(preload, self.hidden, self.user)
        return server

    def _drop(self, preload: tuple[str, ...]) -> None:
        if server := self._servers.pop(preload, None):
            server.close()


class _Server:
    """One process that forks workers."""

    def __init__(self, preload: tuple[str, ...], hidden: list[str], user: int) -> None:
        self.control, theirs = socket.socketpair()
        settings = {"user": user, "preload": preload, "hidden": hidden, "keep": _interpreter()}
        # As descriptor 3: the only thing that it inherits.
        starter = (
            f"import os; os.dup2({theirs.fileno()}, 3); "
            f"os.closerange(4, 4096); os.execv({sys.executable!r}, {[*_command(settings)]!r})"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", starter],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=_environment(),
            cwd="/",
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()
        try:
            first = frames.receive(self.control, 1 << 16, time.monotonic() + START_SECONDS)
            found = first["isolation"]
        except (TimeoutError, frames.BrokenFrameError, KeyError) as error:
            self.process.kill()
            said = self.process.communicate()[1].decode("utf-8", "replace")[-500:]
            raise WorkError(f"评分用的进程没有启动：{said or error}") from error
        self.isolation = _isolation(found)
        self.alive = True

    def close(self) -> None:
        """The server ends when its channel does, after it has killed what it started."""
        self.alive = False
        self.control.close()
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stderr:
            self.process.stderr.close()


def _command(settings: dict[str, Any]) -> list[str]:
    return [sys.executable, "-I", "-B", str(WORKER), json.dumps(settings)]


def _environment() -> dict[str, str]:
    """Nothing of the grader's own; one thread each, so that several workers share the cores."""
    single = dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
    )
    # On some processors an OpenBLAS is wrong or slow without being told which it is on.
    kept = {name: value for name, value in os.environ.items() if name.startswith("OPENBLAS_")}
    return {"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONUTF8": "1", **kept, **single}


def _interpreter() -> list[str]:
    """Folders that Python and its packages are in."""
    paths = sysconfig.get_paths()
    found = [sys.prefix, sys.base_prefix, sys.exec_prefix, *site.getsitepackages()]
    found += [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    found.append(str(Path(os.path.realpath(sys.executable)).parent.parent))
    return sorted({os.path.realpath(path) for path in found if path} | set(map(str, found)))


def _isolation(found: dict[str, Any]) -> Isolation:
    names = ("user", "files", "processes", "network", "memory")
    allowed = {name: bool(found.get(name)) for name in names}
    # A mount namespace of an ordinary user hides the files all the same.
    if allowed["files"] and not allowed["user"]:
        lines = {**MISSING, "user": "评分程序不是 root：学生的代码以你的用户运行（文件已经隐藏）"}
    else:
        lines = MISSING
    return Isolation(**allowed, missing=tuple(lines[name] for name in names if not allowed[name]))


class Worker:
    """A student's program that answers calls, until `close`."""

    def __init__(self, server: _Server, job: Job, limits: Limits) -> None:
        self.server, self.limits = server, limits
        self.channel, theirs = socket.socketpair()
        self.folder = None if server.isolation.files else tempfile.mkdtemp(prefix="novelkit-grade-")
        self.ending: Ending | None = None
        self.killed = False
        nonce = secrets.token_hex(16)
        message = {
            "statements": [[one.source, one.place, one.line] for one in job.statements],
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
        self.loaded = self._answer(nonce, time.monotonic() + limits.wall_seconds)
        self.seed = job.seed

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
        deadline = time.monotonic() + self.limits.wall_seconds
        try:
            self.channel.settimeout(self.limits.wall_seconds)
            frames.send(self.channel, request)
        except TimeoutError:
            return Reply("timeout")
        except OSError:
            return Reply("broken", message="进程结束了")
        return self._answer(nonce, deadline)

    def _answer(self, nonce: str, deadline: float) -> Reply:
        try:
            found = frames.receive(self.channel, 2 * self.limits.answer_bytes, deadline)
        except TimeoutError:
            self.killed = True
            return Reply("timeout")
        except frames.TooLongError:
            self.killed = True
            return Reply("broken", message="回答超过了约定的长度")
        except (frames.BrokenFrameError, OSError) as error:
            return Reply("broken", message=str(error))
        if type(found.get("keeper")) is str:
            return Reply("keeper", message=found["keeper"])
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
            self.ending = Ending(found["code"], found["out_of_memory"])
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
        or not all(type(one) is str for one in [*raised, *texts])
        or type(line) is not int
    ):
        return Reply("broken", message="答案不是约定的格式")
    return Reply("raised", None, tuple(raised), texts[0], texts[1], line)


FORBIDDEN = "forbidden"
