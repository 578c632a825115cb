"""Submissions that take all there is: time, memory, processes, disk, output."""

from novelkit.grading.records import Status
from red_team.attempts import BITS, Attempt, hostile

ENDS = "It ends at its limits, and nothing else does."

ATTEMPTS: list[Attempt] = [
    hostile(
        "loop-in-call",
        "函数里的死循环",
        "an endless loop in the function",
        """
        def name_cause(signs):
            while True:
                pass
        """,
        Status.TIMEOUT,
        why=ENDS,
    ),
    hostile(
        "loop-at-import",
        "定义时的死循环",
        "an endless loop while the definitions run",
        """
        def forever():
            while True:
                pass
        def name_cause(signs, ready=forever()):
            return "unknown"
        """,
        Status.TIMEOUT,
        why=ENDS,
    ),
    hostile(
        "loop-in-repr",
        "返回的对象的 __repr__ 是死循环",
        "a returned object with an endless __repr__, __eq__, __hash__ and __len__",
        """
        class Slow:
            def __repr__(self):
                while True:
                    pass
            __eq__ = __hash__ = __len__ = __iter__ = __bool__ = __float__ = __repr__
        def name_cause(signs):
            return Slow()
        """,
        Status.TIMEOUT,
        why=ENDS,
    ),
    hostile(
        "loop-in-eq",
        "返回的对象的 __eq__、__hash__、__len__ 是死循环",
        "an endless __eq__, __hash__, __len__, __bool__ and __float__, but not __repr__",
        """
        class Slow:
            def __eq__(self, other):
                while True:
                    pass
            __hash__ = __len__ = __iter__ = __bool__ = __float__ = __str__ = __eq__
            __repr__ = lambda self: "slow"
        def name_cause(signs):
            return [Slow(), {"a": Slow()}]
        """,
        Status.FAILED,
        why="The harness asks only for its repr.",
    ),
    hostile(
        "loop-in-regex",
        "一个指数时间的正则表达式（C 代码）",
        "a catastrophic regular expression, which no signal handler interrupts",
        """
        import re
        def name_cause(signs):
            return "unknown" if re.match("(a+)+$", "a" * 60 + "!") else "healthy"
        """,
        Status.TIMEOUT,
        why=ENDS,
    ),
    hostile(
        "huge-power",
        "10 ** 10 ** 8",
        "a power that is never done",
        """
        def name_cause(signs):
            return str(10 ** 10 ** 8)
        """,
        Status.TIMEOUT,
        Status.FAILED,
        Status.ERROR,
        why=ENDS,
    ),
    hostile(
        "warning-ignored",
        "忽略 SIGXCPU 和 SIGTERM 的死循环",
        "ignores SIGXCPU and SIGTERM, and loops",
        """
        import signal
        def name_cause(signs):
            for number in range(1, 65):
                try:
                    signal.signal(number, signal.SIG_IGN)
                except (OSError, ValueError):
                    pass
            while True:
                pass
        """,
        Status.TIMEOUT,
        why=ENDS,
    ),
    hostile(
        "warning-caught",
        "在 SIGXCPU 的处理函数里继续循环",
        "catches SIGXCPU and goes on in the handler",
        """
        import signal
        def again(*_):
            while True:
                pass
        def name_cause(signs):
            signal.signal(signal.SIGXCPU, again)
            again()
        """,
        Status.TIMEOUT,
        why=ENDS,
    ),
    hostile(
        "sleep",
        "一直睡觉",
        "sleeps for ever",
        """
        import time
        def name_cause(signs):
            time.sleep(10**6)
        """,
        Status.TIMEOUT,
        why=ENDS,
    ),
    hostile(
        "sleep-in-each",
        "每次调用都睡到快超时",
        "sleeps in each call until just before its deadline",
        """
        import time
        def name_cause(signs):
            time.sleep(3)
            return "unknown"
        """,
        Status.TIMEOUT,
        steady=False,
        why="The wall time of all its calls together is limited as well.",
    ),
    hostile(
        "fork-bomb",
        "fork 炸弹",
        "a fork bomb",
        """
        import os
        def name_cause(signs):
            while True:
                try:
                    os.fork()
                except OSError:
                    pass
        """,
        Status.TIMEOUT,
        Status.CRASHED,
        Status.OUT_OF_MEMORY,
        steady=False,
        why=ENDS,
    ),
    hostile(
        "thread-bomb",
        "线程炸弹",
        "a bomb of threads",
        """
        import threading, time
        def name_cause(signs):
            while True:
                try:
                    threading.Thread(target=time.sleep, args=(1000,)).start()
                except RuntimeError:
                    pass
        """,
        Status.TIMEOUT,
        why=ENDS,
    ),
    hostile(
        "memory-list",
        "列表占满内存",
        "fills memory with lists",
        """
        def name_cause(signs):
            held = []
            while True:
                held.append(bytearray(1 << 20))
        """,
        Status.OUT_OF_MEMORY,
        why="More than its memory.",
    ),
    hostile(
        "memory-at-once",
        "一次要 100 GB",
        "asks for 100 GB at once",
        """
        def name_cause(signs):
            return "x" * (100 << 30)
        """,
        Status.ERROR,
        Status.OUT_OF_MEMORY,
        Status.TIMEOUT,
        why=ENDS,
    ),
    hostile(
        "memory-numpy",
        "numpy 占满内存",
        "fills memory with arrays",
        """
        import numpy as np
        def bits_per_character(nats_per_token, tokens, characters):
            held = []
            while True:
                held.append(np.ones(1 << 20))
        """,
        Status.OUT_OF_MEMORY,
        exercise=BITS,
        why=ENDS,
    ),
    hostile(
        "memory-shared",
        "共享内存占满，再让页面不算在自己头上",
        "shared memory, its pages no longer mapped and so not its own",
        """
        import mmap
        def name_cause(signs):
            held = []
            while len(held) < 200:
                held.append(mmap.mmap(-1, 8 << 20))
                for at in range(0, 8 << 20, 4096):
                    held[-1][at] = 1
                held[-1].madvise(mmap.MADV_DONTNEED)
            return "held"
        """,
        Status.OUT_OF_MEMORY,
        Status.ERROR,
        Status.TIMEOUT,
        why="Shared memory counts, mapped or not.",
    ),
    hostile(
        "memory-files",
        "memfd 占满内存",
        "files in memory that no process maps",
        """
        import os
        def name_cause(signs):
            held = []
            for number in range(100):
                held.append(os.memfd_create(str(number)))
                for _ in range(15):
                    os.write(held[-1], bytes(1 << 20))
            return "held"
        """,
        Status.OUT_OF_MEMORY,
        Status.ERROR,
        Status.TIMEOUT,
        why="A worker may make no file in memory.",
    ),
    hostile(
        "memory-children",
        "内存分给许多子进程",
        "memory held by many children, each with little",
        """
        import os, time
        def name_cause(signs):
            for _ in range(20):
                if os.fork() == 0:
                    held = bytearray(40 << 20)
                    for at in range(0, len(held), 4096):
                        held[at] = 1
                    time.sleep(1000)
            time.sleep(1000)
        """,
        Status.OUT_OF_MEMORY,
        why="What all its processes hold is added up.",
    ),
    hostile(
        "disk-filler",
        "写满磁盘",
        "fills the disk",
        """
        import os
        def name_cause(signs):
            number = 0
            while True:
                number += 1
                with open(f"part{number}", "wb") as file:
                    file.write(bytes(1 << 20))
        """,
        Status.ERROR,
        why="Its disk is small: OSError.",
    ),
    hostile(
        "sparse-file",
        "巨大的稀疏文件",
        "a huge file with holes",
        """
        def name_cause(signs):
            with open("sparse", "wb") as file:
                file.truncate(1 << 40)
            return "unknown"
        """,
        Status.ERROR,
        Status.CRASHED,
        why="Its files are small.",
    ),
    hostile(
        "many-files",
        "一百万个空文件",
        "a million empty files",
        """
        def name_cause(signs):
            for number in range(10**6):
                open(str(number), "w").close()
            return "unknown"
        """,
        Status.ERROR,
        Status.TIMEOUT,
        why="Its disk has few inodes.",
    ),
    hostile(
        "endless-print",
        "不停地 print",
        "prints without end",
        """
        import sys
        def name_cause(signs):
            while True:
                print("x" * 10000)
                print("y" * 10000, file=sys.stderr)
        """,
        Status.TIMEOUT,
        why=ENDS,
    ),
]
