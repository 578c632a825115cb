"""What a worker may not do to the grader, each found by the red team (tests/red_team)."""

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from novelkit.exercises import Case, Exercise
from novelkit.grading.cases import Cases
from novelkit.grading.judging import grade_answer
from novelkit.grading.records import Answer, Limits, Statement, Status
from novelkit.grading.sandbox import Job, Sandbox

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="workers are limited on Linux"),
    pytest.mark.skipif(os.geteuid() != 0, reason="without root it depends on the host"),
]
LIMITS = Limits(cpu_seconds=1, wall_seconds=2, total_seconds=4, memory_bytes=200 << 20)
SENDS = """
import json, os, struct, sys
def send(message):
    data = json.dumps(message).encode()
    os.write(3, struct.pack("!I", len(data)) + data)
"""


@pytest.fixture(scope="module")
def box():
    with Sandbox((), LIMITS) as found:
        yield found


def program(code):
    return (Statement(SENDS, "第 1 格"), Statement(textwrap.dedent(code), "第 2 格"))


def ask(box, code, *arguments, forbidden=()):
    """The reply to one call, and how the worker ended."""
    worker = box.open(Job(program(code), "f", frozenset(), forbidden, 0, 1.0))
    assert worker.loaded.outcome == "value", worker.loaded
    reply = worker.call(arguments or (0,))
    return reply, worker.close()


def graded(box, code, hidden=3):
    """The result of an exercise that wants 1 for everything."""
    cases = Cases((Case((0,), 1),), tuple(Case((f"secret {n}",), 1) for n in range(hidden)))
    exercise = Exercise("00-one", "00_start", "f", "一", 4, cases.public, lambda _: (), abs)
    answer = Answer("00-one", "f", program(code), frozenset())
    return grade_answer(box, "somebody", exercise, answer, cases)


def test_no_code_of_an_earlier_student_is_left_in_memory(box):
    secret = "remember_me_" + "x" * 40
    ask(box, f"SECRET = {secret!r}\ndef f(x):\n    return 1\n")
    code = """
    import ctypes
    def f(start):
        found = 0
        for line in open("/proc/self/maps"):
            place, rights, *rest = line.split()
            first, last = (int(one, 16) for one in place.split("-"))
            if rights.startswith("rw") and (len(rest) < 4 or rest[3] == "[heap]"):
                found += ctypes.string_at(first, last - first).count(start.encode() + b"x" * 40)
        return found
    """
    reply, _ = ask(box, code, "remember_me_")
    with Sandbox((), LIMITS) as fresh:
        alone, _ = ask(fresh, code, "remember_me_")
    # What it finds is the needle that it has just put together itself.
    assert reply.outcome == "value" and reply.value == alone.value


def test_a_worker_cannot_claim_a_fault_of_the_grader(box):
    code = """
    def f(x):
        send({"keeper": "no space left"})
        os._exit(1)
    """
    assert graded(box, code).status is Status.CRASHED


def test_a_fault_of_the_grader_costs_nothing(box):
    # More than the host can give: the keeper cannot mount it.
    with Sandbox((), Limits(disk_bytes=-1)) as broken:
        result = graded(broken, "def f(x):\n    return 1\n")
    assert result.status is Status.NOT_GRADABLE
    assert "OSError" in result.notes[0]


def test_hidden_inputs_cannot_leave_through_names(box):
    code = """
    turns = []
    def f(x):
        turns.append(x)
        name = "LEAK" + str(x)
        if len(turns) % 2:
            raise type(name, (Exception,), {"__module__": "builtins"})(name)
        return type(name, (), {})()
    """
    hidden = [case for case in graded(box, code).cases if case.hidden]
    assert [case.outcome for case in hidden] == ["wrong", "raised", "wrong"]
    assert not any("LEAK" in case.got or "secret" in case.got for case in hidden)
    assert hidden[1].got == "抛出 Exception"


def test_what_a_worker_says_is_cut(box):
    code = """
    def f(x):
        send({"nonce": sys._getframe(2).f_locals["request"]["nonce"], "message": "y" * 99999,
              "raised": ["X" * 99999] * 10, "place": "z" * 99999, "line": 10**4000})
        os._exit(0)
    """
    reply, _ = ask(box, code)
    assert reply.outcome == "raised"
    assert len(repr(reply)) < 3000


@pytest.mark.parametrize(
    "action",
    [
        "os.memfd_create('x')",
        "mmap.mmap(-1, 1 << 20)",
        "check(libc.shmget(0, 1 << 20, 0o1600))",
        "check(libc.unshare(0x10000000))",
        "check(libc.ptrace(0, 0, 0, 0))",
        "check(libc.syscall(425, 1, 0))",
    ],
)
def test_calls_that_escape_the_count_are_refused(box, action):
    code = f"""
    import ctypes, mmap, os
    libc = ctypes.CDLL(None, use_errno=True)
    def check(result):
        if result == -1:
            raise OSError(ctypes.get_errno(), "no")
    def f(x):
        try:
            {action}
        except OSError as error:
            return error.errno
    """
    reply, _ = ask(box, code)
    assert reply.value == 1


def test_threads_and_programs_start_in_spite_of_the_filter(box):
    code = """
    import subprocess, sys, threading
    def f(x):
        found = []
        thread = threading.Thread(target=found.append, args=(1,))
        thread.start()
        thread.join()
        done = subprocess.run([sys.executable, "-c", "print(2)"], capture_output=True)
        return [*found, int(done.stdout)]
    """
    reply, _ = ask(box, code)
    assert reply.value == [1, 2]


def test_sleeping_a_little_in_each_call_is_no_way_out(box):
    began = time.monotonic()
    result = graded(box, "import time\ndef f(x):\n    time.sleep(1.5)\n    return 2\n", hidden=30)
    assert result.status is Status.TIMEOUT
    # Three workers of four seconds each, with what it takes to start them; 46 without a limit.
    assert time.monotonic() - began < 30


def test_byte_code_of_a_forbidden_module_cannot_be_read(box):
    code = """
    import glob, os
    def f(name):
        folder = os.path.dirname(os.__file__) + "/__pycache__/"
        found = glob.glob(folder + name + ".*")
        return [len(found) > 0, sum(len(open(path, "rb").read()) for path in found)]
    """
    allowed, _ = ask(box, code, "statistics")
    refused, _ = ask(box, code, "statistics", forbidden=["statistics"])
    assert allowed.value[1] > 0 or not allowed.value[0]
    assert refused.value == [allowed.value[0], 0]


ELSEWHERE = """
import sys
from novelkit.grading.records import Limits, Statement
from novelkit.grading.sandbox import Job, Sandbox
from novelkit.grading.worker import isolation
isolation.unshare(isolation.CLONE_NEWNS)
isolation.mount("none", "/", flags=isolation.MS_REC | isolation.MS_PRIVATE)
isolation.mount("none", "/srv", "tmpfs", data="mode=777")
code = "def f(x):\\n    open('/srv/left', 'w').close()\\n    return x\\n"
with Sandbox((), Limits()) as box:
    print(box.open(Job([Statement(code, "")], "f")).call([1]).message)
"""


@pytest.mark.skipif(not Path("/srv").is_dir(), reason="a folder to mount a disk on")
def test_a_disk_mounted_below_the_root_is_read_only_as_well():
    root = Path(__file__).resolve().parents[1]
    command = [sys.executable, "-c", ELSEWHERE]
    done = subprocess.run(command, cwd=root, capture_output=True, encoding="utf-8", check=True)
    assert "Errno 30" in done.stdout


def test_modules_that_ask_for_main_work(box):
    reply, _ = ask(box, "import inspect\ndef f(x):\n    return inspect.stack()[0].function\n")
    assert reply.value == "f"
