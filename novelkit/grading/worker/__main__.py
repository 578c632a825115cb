"""A server of workers: `python -I -B worker SETTINGS`, its control channel on file descriptor 3.

It loads what the exercises may need once, hides the repository, and then forks one worker for each
job that comes with a channel of its own. It holds no cases and no expected values. The grader ends
a job by asking for it; the server then kills all that descends from it and says how it ended.

    grader -> {"function": ..., ...} and a socket    server -> {"started": true}
    grader -> {"end": true, "kill": ...}             server -> {"ended": {...}}

The program itself goes over the job's own channel: what the server has once held, all later
workers could find in their memory. Between grader and worker see harness.py. Stands alone, without
novelkit.
"""

import contextlib
import fcntl
import importlib.util
import json
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import filters
import frames
import harness
import isolation
import processes
import values

CONTROL = 3
CONTROL_BYTES = 1 << 16
# In the worker, until its code begins: where a failure of ours is told.
FAILURE = CONTROL + 1
WATCH_SECONDS = 0.1
OURS = ("filters", "frames", "harness", "isolation", "processes", "values")


class Server:
    """One host's way to run workers, found out once at the start."""

    def __init__(self, control: socket.socket, settings: dict[str, Any]) -> None:
        self.control, self.settings = control, settings
        self.user = settings["user"] if os.geteuid() == 0 else None
        # A user's limit of processes counts what else this user runs.
        self.processes = 0 if self.user is not None else processes.count_of_user(os.geteuid())
        self.packages: dict[str, str | None] = {}
        isolation.control(isolation.PR_SET_CHILD_SUBREAPER, 1)
        # Before it cannot be looked into: an ordinary user must write its own /proc/self/uid_map.
        self.namespaces = self._hide()
        isolation.control(isolation.PR_SET_DUMPABLE, 0)
        self.network = self._try_namespaces()
        for name in settings["preload"]:
            importlib.import_module(name)
        _forget_novelkit()
        self.memory = processes.own_memory(os.getpid())

    def _hide(self) -> bool:
        try:
            if self.user is None:
                isolation.become_root_of_own_namespace()
            isolation.hide(self.settings["hidden"], self.settings["keep"])
        except OSError:
            return False
        return True

    def _try_namespaces(self) -> bool:
        """Whether a worker gets processes and network of its own; tried in a process that ends."""
        if not self.namespaces:
            return False
        process = os.fork()
        if process == 0:
            with contextlib.suppress(OSError):
                isolation.unshare(isolation.CLONE_NEWPID | isolation.CLONE_NEWNET)
                os._exit(0)
            os._exit(1)
        return os.waitpid(process, 0)[1] == 0

    def describe(self) -> dict[str, Any]:
        return {
            "user": self.user is not None,
            "processes": self.namespaces and self.network,
            "files": self.namespaces,
            "network": self.network,
            "memory": Path("/proc/self/status").exists(),
        }

    def serve(self) -> None:
        frames.send(self.control, {"isolation": self.describe()})
        while True:
            try:
                message, channel = self._next_job()
            except frames.BrokenFrameError:
                return
            # Not on the job's channel, where a student's code can write as well.
            told, failure = os.pipe()
            child = os.fork()
            if child == 0:
                os.close(told)
                self._become_keeper(channel, message, failure)
            channel.close()
            os.close(failure)
            frames.send(self.control, {"started": True})
            ended = self._watch(child, message)
            if ended is None:
                return
            # All that could write are gone.
            with os.fdopen(told, "rb") as reader:
                ended["failure"] = reader.read(1000).decode("utf-8", "replace")
            frames.send(self.control, {"ended": ended})

    def _next_job(self) -> tuple[dict[str, Any], socket.socket]:
        """A byte with the job's channel, then the job."""
        _, descriptors, _, _ = socket.recv_fds(self.control, 1, 1)
        if not descriptors:
            raise frames.BrokenFrameError("the grader is gone")
        channel = socket.socket(fileno=descriptors[0])
        return frames.receive(self.control, CONTROL_BYTES), channel

    def _watch(self, child: int, job: dict[str, Any]) -> dict[str, Any] | None:
        """Until the grader asks for the end: whether the memory is kept to."""
        exceeded = False
        while True:
            ready, _, _ = select.select([self.control], [], [], WATCH_SECONDS)
            if ready:
                break
            if not exceeded and self._memory(child) > job["memory_bytes"]:
                exceeded = True
                processes.kill_all(processes.descendants(child))
        try:
            patient = not frames.receive(self.control, CONTROL_BYTES)["kill"]
        except frames.BrokenFrameError:
            self._end(child, patient=False)
            return None
        status = self._end(child, patient)
        return {**status, "out_of_memory": exceeded}

    def _memory(self, child: int) -> int:
        """Bytes that a job's processes have beyond what they share with the server."""
        found = map(processes.own_memory, processes.descendants(child))
        return sum(max(0, size - self.memory) for size in found)

    def _end(self, child: int, patient: bool) -> dict[str, Any]:
        """Kill a job with all its descendants, and say how its worker ended by itself."""
        # The keeper tells by its own exit status; a moment for one that is just about to.
        patience = time.monotonic() + (0.5 if patient else 0)
        code: int | None = None
        while code is None:
            process, status = os.waitpid(child, os.WNOHANG)
            if process == child:
                code = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > patience:
                break
            else:
                time.sleep(0.002)
        while found := processes.descendants(os.getpid()):
            processes.kill_all(found)
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            time.sleep(0.001)
        if self.user is not None:
            self._kill_user()
        return {"code": code}

    def _kill_user(self) -> None:
        """What has the workers' user and is no descendant any more (without a namespace)."""
        if self.namespaces and self.network:
            return
        process = os.fork()
        if process == 0:
            with contextlib.suppress(OSError):
                os.setresuid(self.user, self.user, self.user)  # type: ignore[arg-type]
                os.kill(-1, signal.SIGKILL)
            os._exit(0)
        os.waitpid(process, 0)

    # ---- in the children

    def _become_keeper(self, channel: socket.socket, job: dict[str, Any], failure: int) -> None:
        """The parent of a worker: sets up its surroundings, waits, and passes on how it ended."""
        try:
            os.setsid()
            isolation.control(isolation.PR_SET_PDEATHSIG, signal.SIGKILL)
            isolation.usual_signals()
            self.control.close()
            self._enter_namespaces()
            code = self._keep(channel, job, failure)
        except BaseException as error:
            _tell(failure, error)
            code = 1
        os._exit(code)

    def _enter_namespaces(self) -> None:
        if not self.network:
            return
        flags = isolation.CLONE_NEWPID | isolation.CLONE_NEWNET | isolation.CLONE_NEWNS
        isolation.unshare(flags | isolation.CLONE_NEWIPC | isolation.CLONE_NEWUTS)
        # The first process of the new namespace; when it ends, all others in it end.
        first = os.fork()
        if first:
            code = os.waitstatus_to_exitcode(os.waitpid(first, 0)[1])
            os._exit(code if code >= 0 else 1)
        isolation.control(isolation.PR_SET_PDEATHSIG, signal.SIGKILL)
        isolation.control(isolation.PR_SET_DUMPABLE, 0)

    def _keep(self, channel: socket.socket, job: dict[str, Any], failure: int) -> int:
        """Fork the worker and wait for it; a signal that ended it is told as 128 + its number."""
        if self.namespaces:
            if self.network:
                isolation.mount("proc", "/proc", "proc", isolation.MS_NOSUID)
                isolation.cover(self._locations(job["forbidden"]))
            isolation.fresh_scratch(job["disk_bytes"], self.user)
        else:
            self._plain_scratch(job)
        worker = os.fork()
        if worker == 0:
            self._become_worker(channel, job, failure)
        channel.close()
        code = 0
        while True:
            try:
                process, status, used = os.wait4(-1, 0)
            except ChildProcessError:
                break
            if process == worker:
                code = os.waitstatus_to_exitcode(status)
                break
        allowed = job["cpu_seconds"]
        if code == -signal.SIGKILL and used.ru_utime + used.ru_stime >= allowed:
            # It ignored SIGXCPU.
            code = -signal.SIGXCPU
        return code if code >= 0 else 128 - code

    def _plain_scratch(self, job: dict[str, Any]) -> None:
        """Without namespaces: a folder that the grader made and removes."""
        folder = job["folder"]
        if self.user is not None:
            os.chown(folder, self.user, self.user)
        os.chdir(folder)

    def _locations(self, names: list[str]) -> list[str]:
        """Where forbidden packages lie: they are absent for the worker, not only refused."""
        found = []
        for name in names:
            if name not in self.packages:
                spec = None
                with contextlib.suppress(Exception):
                    spec = importlib.util.find_spec(name)
                origin = spec.origin if spec and spec.has_location else None
                if origin and origin.endswith("__init__.py"):
                    origin = str(Path(origin).parent)
                self.packages[name] = origin
            if location := self.packages[name]:
                found += [location, *_byte_code(location)]
        return found

    def _become_worker(self, channel: socket.socket, job: dict[str, Any], failure: int) -> None:
        code = 1
        try:
            os.setsid()
            channel = _keep_only(channel, failure)
            most = job["processes"] + 2 * self.processes
            seconds = round(job["load_seconds"] + 0.5)
            isolation.limit(seconds + round(job["cpu_seconds"] + 0.5), job["file_bytes"], most)
            isolation.drop_rights(self.user)
            filters.forbid_calls()
            os.environ.update(dict.fromkeys(("HOME", "TMPDIR"), str(Path.cwd())))
            isolation.lower_cpu(seconds)
            for name in (*OURS, "__main__"):
                sys.modules.pop(name, None)
            os.close(FAILURE)
        except BaseException as error:
            _tell(FAILURE, error)
            os._exit(code)
        try:
            harness.serve(channel, job)
            code = 0
        finally:
            os._exit(code)


def _byte_code(location: str) -> list[str]:
    """What Python has compiled from a module of one file, with any version."""
    path = Path(location)
    return list(map(str, (path.parent / "__pycache__").glob(f"{path.stem}.*")))


def _tell(failure: int, error: BaseException) -> None:
    """Report a failure of ours, for which no student pays."""
    with contextlib.suppress(BaseException):
        os.write(failure, f"{type(error).__name__}: {error}".encode()[:1000])


def _keep_only(channel: socket.socket, failure: int) -> socket.socket:
    """The worker's channel as descriptor 3, an empty stdin, no output, and FAILURE for a moment."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    # Aside first: either may lie where the other is to go.
    ours = [fcntl.fcntl(one, fcntl.F_DUPFD, FAILURE + 1) for one in (channel.fileno(), failure)]
    os.dup2(ours[0], CONTROL)
    os.dup2(ours[1], FAILURE)
    channel.detach()
    os.closerange(FAILURE + 1, 4096)
    return socket.socket(fileno=CONTROL)


def _forget_novelkit() -> None:
    """Nothing on the path that leads to novelkit, nor the finders of an editable install."""
    sys.path[:] = [
        folder
        for folder in sys.path
        if folder
        and not (Path(folder) / "novelkit").is_dir()
        and Path(folder) != Path(__file__).parent
    ]
    sys.meta_path[:] = [
        finder
        for finder in sys.meta_path
        if "editable" not in getattr(finder, "__module__", "") + getattr(finder, "__name__", "")
    ]


def main() -> None:
    settings = json.loads(sys.argv[1])
    control = socket.socket(fileno=CONTROL)
    _ = values  # loaded before anything is hidden
    Server(control, settings).serve()


if __name__ == "__main__":
    main()
