"""Workers: what a student's program may do, what it may not, and that nothing of it stays."""

import os
import signal
import sys
import textwrap
import time
from pathlib import Path

import pytest

from novelkit.errors import InputError
from novelkit.grading import sandbox as sandbox_module
from novelkit.grading.records import Isolation, Limits, Statement
from novelkit.grading.sandbox import Job, Sandbox, check_platform

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are limited on Linux")

LIMITS = Limits(cpu_seconds=1, wall_seconds=3, memory_bytes=200 << 20, disk_bytes=8 << 20)


@pytest.fixture(scope="module")
def secret(tmp_path_factory):
    folder = tmp_path_factory.mktemp("submissions")
    (folder / "answers.txt").write_text("the right answers", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def box(secret):
    with Sandbox([secret], LIMITS) as found:
        yield found


def job(code, *, imports=(), forbidden=(), cpu_seconds=1.0):
    source = textwrap.dedent(code)
    statement = Statement(source, "第 1 格")
    return Job([statement], "f", frozenset(imports), forbidden, 0, cpu_seconds)


def ask(box, code, *calls, **options):
    """The replies to the calls, and how the worker ended."""
    worker = box.open(job(code, **options))
    assert worker.loaded.outcome == "value", worker.loaded
    replies = []
    for call in calls or ([0],):
        replies.append(worker.call(call))
        if replies[-1].outcome not in ("value", "raised"):
            break
    return replies, worker.close()


def value(box, code, *arguments, **options):
    (reply,), ending = ask(box, code, arguments or [0], **options)
    assert reply.outcome == "value", reply
    assert ending.code == 0
    return reply.value


needs_namespaces = pytest.mark.skipif(
    os.geteuid() != 0, reason="without root it depends on the host"
)


def test_calls_are_answered_one_after_another(box):
    code = """
    count = 0
    def f(x):
        global count
        count += 1
        return [x, count]
    """
    replies, ending = ask(box, code, [5], ["a"], [None])
    assert [reply.value for reply in replies] == [[5, 1], ["a", 2], [None, 3]]
    assert ending.code == 0 and not ending.out_of_memory


def test_an_exception_tells_its_kinds_and_its_place(box):
    (reply, after), _ = ask(box, "def f(x):\n    y = 1\n    return y / x\n", [0], [2])
    assert reply.outcome == "raised" and reply.raised[0] == "ZeroDivisionError"
    assert "ArithmeticError" in reply.raised and "division" in reply.message
    assert (reply.place, reply.line) == ("第 1 格", 3)
    assert after.value == 0.5


def test_a_class_with_the_name_of_an_exception_is_not_that_exception(box):
    code = """
    class ValueError(Exception):
        pass
    def f(x):
        raise ValueError("mine")
    """
    (reply,), _ = ask(box, code)
    assert reply.raised[0] == "ValueError" and "ValueError" not in reply.raised[1:]


def test_what_does_not_load_says_why(box):
    for code, said in (
        ("def f(x:\n    pass\n", "SyntaxError"),
        ("y = 1 / 0\ndef f(x): return 1\n", "ZeroDivisionError"),
        ("raise SystemExit(0)\ndef f(x): return 1\n", "SystemExit"),
        ("g = 1\n", "NameError"),
        ("f = 3\n", "NameError"),
    ):
        worker = box.open(job(code))
        assert worker.loaded.outcome == "raised" and worker.loaded.raised[0] == said
        worker.close()


def test_random_numbers_are_the_same_in_every_worker(box):
    code = "import random\ndef f(x):\n    return random.random()\n"
    first, again = (value(box, code) for _ in range(2))
    assert first == again


def test_numpy_and_torch_are_there_when_the_program_needs_them(box):
    pytest.importorskip("torch")
    code = "import numpy as np\ndef f(x):\n    return np.array(x, dtype='int64') * 2\n"
    assert value(box, code, [1, 2], imports=["numpy"]).data == (2, 4)
    code = "import torch\ndef f(x):\n    return torch.rand(2) * 0 + x\n"
    found = value(box, code, 3, imports=["torch"])
    assert (found.library, found.data) == ("torch", (3.0, 3.0))


# ---- what is forbidden


def test_a_forbidden_import_is_told_and_not_possible(box):
    code = "def f(x):\n    import statistics\n    return statistics.mean([x])\n"
    (reply,), _ = ask(box, code, forbidden=["statistics"])
    assert (reply.outcome, reply.message) == ("forbidden", "statistics")
    assert value(box, code, 3) == 3


@needs_namespaces
def test_a_forbidden_package_is_absent_also_without_the_guard(box):
    code = """
    def f(x):
        import sys
        sys.meta_path.pop(0)
        try:
            import torch
            return torch.tensor([1.0]).tolist()
        except Exception as error:
            return type(error).__name__
    """
    # An empty folder is a package without anything in it.
    assert value(box, code, forbidden=["torch"]) in ("AttributeError", "ModuleNotFoundError")


def test_novelkit_cannot_be_imported(box):
    code = "def f(x):\n    import novelkit.scores\n    return 1\n"
    (reply,), _ = ask(box, code)
    assert (reply.outcome, reply.message) == ("forbidden", "novelkit")


# ---- limits


def test_an_endless_loop_ends_and_the_next_job_works(box):
    (reply,), ending = ask(box, "def f(x):\n    while True:\n        pass\n")
    assert reply.outcome in ("timeout", "broken")
    assert reply.outcome == "timeout" or ending.code == 128 + signal.SIGXCPU
    assert value(box, "def f(x):\n    return x\n", 4) == 4


def test_a_loop_that_ignores_the_warning_ends_as_well(box):
    code = """
    import signal
    def f(x):
        signal.signal(signal.SIGXCPU, signal.SIG_IGN)
        while True:
            pass
    """
    (reply,), ending = ask(box, code)
    assert reply.outcome == "timeout" or ending.code == 128 + signal.SIGXCPU


def test_sleeping_is_no_way_out(box):
    began = time.monotonic()
    (reply,), _ = ask(box, "import time\ndef f(x):\n    time.sleep(1000)\n")
    assert reply.outcome == "timeout"
    assert time.monotonic() - began < 20


def test_too_much_memory_ends_the_worker(box):
    code = """
    def f(x):
        held = []
        while True:
            held.append(bytearray(4 << 20))
    """
    (reply,), ending = ask(box, code, cpu_seconds=8)
    assert reply.outcome == "broken" and ending.out_of_memory


@needs_namespaces
def test_the_disk_is_small_and_fresh(box):
    code = """
    import os
    def f(x):
        before = os.listdir(".")
        try:
            for number in range(100):
                with open(f"part{number}", "wb") as file:
                    file.write(b"x" * (1 << 20))
        except OSError as error:
            return [before, error.errno]
    """
    assert value(box, code) == [[], 28]
    assert value(box, code) == [[], 28]


def test_a_long_answer_is_refused(box):
    (reply,), _ = ask(box, "def f(x):\n    return 'a' * (3 << 20)\n")
    assert reply.outcome == "too large"


@needs_namespaces
def test_a_fork_bomb_stays_small_and_dies(box):
    code = """
    import os, time
    def f(x):
        count = 0
        try:
            while True:
                if os.fork() == 0:
                    time.sleep(1000)
                count += 1
        except OSError:
            return count
    """
    assert value(box, code) <= LIMITS.processes
    assert not of_user(box.user)


def of_user(user):
    """Processes of a worker's user."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if path.stat().st_uid == user:
                found.append(path.name)
        except OSError:
            continue
    return found


@needs_namespaces
def test_daemons_end_with_their_worker(box):
    code = """
    import os, threading, time
    def f(x):
        threading.Thread(target=time.sleep, args=(1000,)).start()
        if os.fork() == 0:
            os.setsid()
            if os.fork():
                os._exit(0)
            while True:
                time.sleep(0.1)
        return 1
    """
    assert value(box, code) == 1
    assert not of_user(box.user)


# ---- what a worker sees


@needs_namespaces
def test_neither_submissions_nor_the_repository_nor_processes_can_be_seen(box, secret):
    code = """
    import os
    def f(paths):
        found = [os.listdir(path) if os.path.isdir(path) else None for path in paths]
        processes = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
        return [found, processes, os.getuid(), sorted(os.environ)]
    """
    here = str(Path(__file__).resolve().parents[1])
    found, processes, user, environment = value(box, code, [str(secret), here])
    # Of the repository no more is left than the way to the interpreter, where that lies in it.
    interpreter = Path(sys.prefix)
    way = [interpreter.relative_to(here).parts[0]] if interpreter.is_relative_to(here) else []
    assert not found[0]
    assert (found[1] or []) == way
    assert processes == [1, 2]
    assert user == box.user
    assert not {"HF_TOKEN", "PYTHONPATH", "VIRTUAL_ENV", "USER"} & set(environment)


@needs_namespaces
def test_there_is_no_network(box):
    code = """
    import socket
    def f(port):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1)
        except OSError as error:
            return error.errno
    """
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        assert value(box, code, server.getsockname()[1]) in (101, 111)


def test_nothing_is_open_but_its_own_channel(box):
    code = """
    import os
    def f(x):
        found = []
        for number in range(200):
            try:
                os.fstat(number)
                found.append(number)
            except OSError:
                pass
        return found
    """
    assert value(box, code) == [0, 1, 2, 3]


@needs_namespaces
def test_rights_cannot_be_taken_back(box):
    code = """
    import os
    def f(x):
        found = []
        for action in (lambda: os.setuid(0), lambda: os.kill(1, 9), lambda: os.kill(-1, 9) or 1,
                       lambda: os.mkdir("/new"), lambda: open("/etc/passwd", "a")):
            try:
                action()
                found.append("done")
            except OSError as error:
                found.append(error.errno)
        return found
    """
    (reply,), ending = ask(box, code)
    # kill(-1) reaches nobody else: a process does not signal itself by it.
    assert reply.outcome == "value", (reply, ending)
    assert reply.value[:2] == [1, 1] and set(reply.value[3:]) <= {13, 30}


def test_an_answer_that_nobody_asked_for_is_refused(box):
    code = """
    import os, struct, json
    def f(x):
        data = json.dumps({"nonce": "0" * 32, "value": x}).encode()
        os.write(3, struct.pack("!I", len(data)) + data)
        return x
    """
    replies, _ = ask(box, code, [1], [2])
    assert [reply.outcome for reply in replies] == ["broken"]


def test_a_worker_that_leaves_is_noticed_and_the_next_one_is_well(box):
    for code in (
        "import os\ndef f(x):\n    os._exit(0)\n",
        "import os\ndef f(x):\n    os.kill(os.getpid(), 9)\n",
        "import ctypes\ndef f(x):\n    ctypes.string_at(0)\n",
        "import os\ndef f(x):\n    os.close(3)\n",
    ):
        (reply,), ending = ask(box, code)
        assert reply.outcome == "broken" and not ending.out_of_memory
    assert value(box, "def f(x):\n    return x\n", 1) == 1


def test_a_server_that_was_killed_is_replaced(box):
    assert value(box, "def f(x):\n    return x\n", 1) == 1
    worker = box.open(job("def f(x):\n    return x\n"))
    os.kill(worker.server.process.pid, signal.SIGKILL)
    worker.server.process.wait()
    ending = worker.close()
    assert ending.server_lost
    assert value(box, "def f(x):\n    return x\n", 2) == 2


def test_where_nothing_can_be_limited_it_refuses(monkeypatch):
    monkeypatch.delattr(os, "fork")
    with pytest.raises(InputError, match="Windows"):
        check_platform(trusted=True)
    monkeypatch.undo()
    monkeypatch.setattr(sandbox_module.sys, "platform", "darwin")
    with pytest.raises(InputError, match="--trust"):
        check_platform(trusted=False)
    check_platform(trusted=True)


def test_without_any_wall_it_refuses_unless_told_to(monkeypatch):
    with Sandbox() as found:
        assert found.isolation.user or found.isolation.processes

    class Bare:
        alive, isolation = True, Isolation(memory=True)

        def __init__(self, *_):
            pass

        def close(self):
            pass

    monkeypatch.setattr(sandbox_module, "Server", Bare)
    with Sandbox() as found, pytest.raises(InputError, match="--trust"):
        _ = found.isolation
    with Sandbox(trusted=True) as found:
        assert not found.isolation.user


def test_of_an_installed_package_only_itself_is_hidden(monkeypatch, tmp_path):
    package = tmp_path / "site-packages" / "novelkit"
    package.mkdir(parents=True)
    monkeypatch.setattr(sandbox_module, "PACKAGE", package)
    assert Sandbox().hidden[0] == str(package)
    (tmp_path / "site-packages" / "pyproject.toml").write_text("", encoding="utf-8")
    assert Sandbox().hidden[0] == str(package.parent)
