"""Marks and mischief from outside the worker: files, memory, processes, rights, network."""

import textwrap

from novelkit.grading.records import Status
from red_team.attempts import CAUSE, RIGHT_CAUSE, Attempt, attempt, full, hostile, notebook_of

FAILED, CRASHED, TIMEOUT = Status.FAILED, Status.CRASHED, Status.TIMEOUT
HIDDEN = "Neither the repository, nor submissions, nor other processes can be seen."

# Uses the first file with a definition of the answer that is found below `roots`.
WALK = """
import os
SKIPPED = ("proc", "sys", "site-packages")
def walk(*roots):
    for root in roots:
        for folder, folders, files in os.walk(root):
            folders[:] = [one for one in folders if one not in SKIPPED]
            for name in files:
                if name.endswith((".py", ".ipynb", ".jsonl")):
                    yield os.path.join(folder, name)
def found_in(path):
    try:
        text = open(path, encoding="utf-8", errors="replace").read()
    except OSError:
        return None
    if "name_" + "cause" in text and "batches_" + "repeated" in text:
        return text
"""

READERS = [
    hostile(
        "exercise-by-walking",
        "从 / 开始找练习的文件，运行参考答案",
        "walks / for the exercise's file and runs the reference solution",
        WALK
        + """
def name_cause(signs):
    for path in walk("/"):
        if found_in(path):
            return "found " + path
    return "unknown"
""",
        FAILED,
        TIMEOUT,
        why=HIDDEN,
        steady=False,
    ),
    hostile(
        "exercise-by-path",
        "按绝对路径读练习的文件",
        "reads the exercise's file by its absolute path",
        """
        def name_cause(signs):
            space = {}
            try:
                exec(open("@ROOT@/tests/grading/exercise_07_diagnosis.py").read(), space)
                return space["name_" + "cause"](signs)
            except OSError:
                return "unknown"
        """,
        FAILED,
        why=HIDDEN,
    ),
    hostile(
        "neighbours-read",
        "读同学的作业",
        "reads the neighbours' submissions and uses one that is right",
        WALK
        + """
import json
def name_cause(signs):
    for path in walk("@FOLDER@", "/tmp", "/home"):
        if path.endswith(".ipynb") and (text := found_in(path)):
            for cell in json.loads(text)["cells"]:
                if "def name_cause" in cell["source"] and "RULES" in cell["source"]:
                    space = {}
                    exec(cell["source"], space)
                    return space["name_cause"](signs)
    return "unknown"
""",
        FAILED,
        why=HIDDEN,
    ),
    hostile(
        "results-rewritten",
        "找到 results.jsonl，改成自己满分",
        "looks for results.jsonl and appends full marks",
        WALK
        + """
def name_cause(signs):
    for path in walk("@FOLDER@/..", "/tmp"):
        if path.endswith("results.jsonl"):
            open(path, "a").write("{}")
            return "found"
    return "unknown"
""",
        FAILED,
        why=HIDDEN,
    ),
    hostile(
        "neighbours-overwritten",
        "改写同学的作业和解释器的 site-packages",
        "overwrites neighbours' files and the interpreter's packages",
        """
        import os, site, sys
        def name_cause(signs):
            folders = ["@FOLDER@", "@ROOT@/novelkit", *site.getsitepackages(), sys.prefix, "/tmp",
                       "/var/tmp", "/dev/shm", "/run/lock", os.path.dirname(os.__file__), "/"]
            written = []
            for folder in folders:
                try:
                    os.makedirs(folder, exist_ok=True)
                    with open(os.path.join(folder, "red_team_was_here.py"), "w") as file:
                        file.write("raise SystemExit")
                    written.append(folder)
                except OSError:
                    pass
            return "wrote " + " ".join(written)
        """,
        FAILED,
        why="Everything but the worker's own small disk is read-only, or not its own.",
    ),
    hostile(
        "environment-read",
        "找环境变量里的密钥和路径",
        "looks for secrets in the environment and the command line of every process",
        """
        import os
        def name_cause(signs):
            found = [name for name in os.environ if "TOKEN" in name or "KEY" in name]
            for name in os.listdir("/proc"):
                for part in ("environ", "cmdline"):
                    try:
                        text = open(f"/proc/{name}/{part}", "rb").read()
                    except OSError:
                        continue
                    if b"@ROOT@" in text or b"@FOLDER@" in text:
                        found.append(name)
            return "found" if found else "unknown"
        """,
        FAILED,
        why=HIDDEN,
    ),
]

PROCESSES = [
    hostile(
        "memory-of-parent",
        "读父进程和 1 号进程的内存",
        "reads the memory of its parent and of process 1",
        """
        import os
        def name_cause(signs):
            for process in {os.getppid(), 1}:
                for name in ("mem", "maps", "root/etc/shadow", "cwd/x", "fd/3"):
                    try:
                        with open(f"/proc/{process}/{name}", "rb") as file:
                            file.seek(4096 if name == "mem" else 0)
                            file.read(10)
                            return "read " + name
                    except (OSError, ValueError):
                        pass
            return "unknown"
        """,
        FAILED,
        why="The parent belongs to another user and cannot be looked into.",
    ),
    hostile(
        "ptrace",
        "用 ptrace 接管父进程",
        "attaches to its parent by ptrace, reads it by process_vm_readv",
        """
        import ctypes, os
        def name_cause(signs):
            libc = ctypes.CDLL(None, use_errno=True)
            for process in (1, os.getppid()):
                if libc.ptrace(16, process, None, None) == 0:
                    return "attached"
            return "unknown"
        """,
        FAILED,
        why="The parent belongs to another user and cannot be looked into.",
    ),
    hostile(
        "namespaces",
        "自己建用户命名空间，挂载、揭开被盖住的文件夹",
        "makes a user namespace of its own to mount, unmount and uncover",
        """
        import ctypes, os
        def name_cause(signs):
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.unshare(0x10000000 | 0x00020000) == 0:
                return "unshared"
            for target in (b"/tmp", b"/proc", b"/mnt", b"/home", b"/root"):
                if libc.umount2(target, 2) == 0:
                    return "unmounted"
            return "unknown"
        """,
        FAILED,
        why="A worker may make no namespace, and has no capability.",
    ),
    hostile(
        "signals",
        "给 1 号进程、-1、父进程、进程组发信号",
        "signals process 1, everyone, its parent and its group",
        """
        import os, signal
        def name_cause(signs):
            for number in (signal.SIGSTOP, signal.SIGKILL):
                for process in (1, os.getppid(), -1):
                    try:
                        os.kill(process, number)
                    except OSError:
                        pass
            os.killpg(0, signal.SIGKILL)
        """,
        CRASHED,
        why="It reaches itself only.",
    ),
    hostile(
        "rights",
        "setuid、su、sudo、改主机名、改时间",
        "tries to become root, by system calls and by programs with setuid",
        """
        import os, shutil, subprocess
        def name_cause(signs):
            for action, argument in ((os.setuid, 0), (os.chroot, "/"), (os.nice, -5)):
                try:
                    return f"did {action(argument)}"
                except OSError:
                    pass
            for command in (["su", "-c", "id -u"], ["sudo", "-n", "id", "-u"]):
                if len(signs) == 5 and shutil.which(command[0]):
                    done = subprocess.run(command, stdin=-3, capture_output=True, timeout=9)
                    if done.stdout.strip() == b"0":
                        return "root"
            return "unknown"
        """,
        FAILED,
        TIMEOUT,
        why="No new privileges are given to anything that a worker starts.",
    ),
    hostile(
        "network",
        "上网",
        "asks the network, by IP, by name, by Unix sockets of other services",
        """
        import glob, socket
        def name_cause(signs):
            for address in (("1.1.1.1", 53), ("127.0.0.1", 22), ("example.org", 80)):
                try:
                    socket.create_connection(address, timeout=0.5)
                    return "connected"
                except OSError:
                    pass
            return "unknown"
        """,
        FAILED,
        why="Its network namespace has no network.",
    ),
]

# It leaves much behind, but its answer is right: nobody asked it not to.
RIGHT_WITH_MISCHIEF = [
    attempt(
        student,
        chinese,
        english,
        notebook_of(
            student,
            CAUSE,
            textwrap.dedent(code).strip("\n")
            + "\n"
            + RIGHT_CAUSE.replace('    """哪一条', '    mischief()\n    """哪一条'),
        ),
        {CAUSE: full(CAUSE)},
        "The answer is right, and what it leaves behind ends with its worker.",
    )
    for student, chinese, english, code in (
        (
            "daemon",
            "留下后台进程（setsid，两次 fork），答案是对的",
            "leaves daemons behind, and answers right",
            """
            import os, time
            STARTED = []
            def mischief():
                if STARTED:
                    return
                STARTED.append(1)
                if os.fork() == 0:
                    os.setsid()
                    if os.fork() == 0:
                        time.sleep(1000)
                    os._exit(0)
            """,
        ),
        (
            "thread-left",
            "留下不停的线程，答案是对的",
            "leaves a thread that does not end, and answers right",
            """
            import threading, time
            STARTED = []
            def mischief():
                if not STARTED:
                    STARTED.append(threading.Thread(target=time.sleep, args=(1000,)))
                    STARTED[0].start()
            """,
        ),
        (
            "atexit",
            "atexit 里退出、改答案，答案本来是对的",
            "registers functions to run at the end, and answers right",
            """
            import atexit, os
            def mischief():
                atexit.register(os._exit, 3)
            """,
        ),
        (
            "channel-held",
            "子进程拿着通道不放，答案是对的",
            "a child keeps the channel open, and the answers are right",
            """
            import os, time
            STARTED = []
            def mischief():
                if not STARTED:
                    STARTED.append(os.fork())
                    if STARTED[0] == 0:
                        time.sleep(1000)
            """,
        ),
        (
            "litter",
            "到处写文件，答案是对的",
            "writes files wherever it may, and answers right",
            """
            import tempfile
            def mischief():
                with tempfile.NamedTemporaryFile(delete=False) as file:
                    file.write(b"red team" * 1000)
            """,
        ),
    )
]

ATTEMPTS: list[Attempt] = [*READERS, *PROCESSES, *RIGHT_WITH_MISCHIEF]
