"""The process that workers are forked from, as the grader starts it and hears of it.

What it does itself is in `worker/`. Does not cover: jobs and their answers (`sandbox`).
"""

import json
import os
import platform
import site
import socket
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import Any

from novelkit.errors import WorkError
from novelkit.grading.records import Isolation
from novelkit.grading.worker import filters, frames

WORKER = Path(__file__).with_name("worker")
START_SECONDS, END_SECONDS = 120.0, 30.0

MISSING = {
    "user": "评分程序不是 root：学生的代码以你的用户运行，能读你读得到的文件",
    "files": "这台机器不允许挂载命名空间：学生的代码看得到磁盘上对它可读的文件",
    "processes": "这台机器不允许进程命名空间：学生的代码看得到别的进程",
    "network": "这台机器不允许网络命名空间：学生的代码能上网",
    "memory": "这台机器没有 /proc：内存用量没有上限",
}


class Server:
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
    missing = [lines[name] for name in names if not allowed[name]]
    if platform.machine() not in filters.MACHINES:
        missing.append("这种处理器上没有系统调用的过滤：学生的代码能占用没有算进去的内存")
    return Isolation(**allowed, missing=tuple(missing))
