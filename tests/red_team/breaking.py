"""Submissions that end or crash their process, or return what is no answer."""

from novelkit.grading.records import Status
from red_team.attempts import BITS, Attempt, hostile

ENDS = "It answers nothing, and the next worker is well."

ATTEMPTS: list[Attempt] = [
    hostile(
        "huge-answer",
        "返回 100 MB 的字符串",
        "returns 100 MB of text",
        """
        def name_cause(signs):
            return "a" * (100 << 20)
        """,
        Status.FAILED,
        Status.OUT_OF_MEMORY,
        Status.TIMEOUT,
        Status.CRASHED,
        why="Too large.",
    ),
    hostile(
        "input",
        "等键盘输入",
        "waits for the keyboard",
        """
        def name_cause(signs):
            return input("原因？")
        """,
        Status.ERROR,
        why="There is no keyboard: EOFError.",
    ),
    hostile(
        "widget",
        "控件的回调结束内核",
        "a widget whose callback ends the kernel, clicked in the function",
        """
        import os
        import ipywidgets
        def name_cause(signs):
            button = ipywidgets.Button(description="结束")
            button.on_click(lambda _: os._exit(1))
            button.click()
            return "healthy"
        """,
        Status.CRASHED,
        Status.ERROR,
        Status.TIMEOUT,
        why="It leaves the process; or there is no kernel for a widget, or none in time.",
    ),
    hostile(
        "deep-recursion",
        "递归到段错误",
        "recursion until the stack is gone",
        """
        import sys
        def name_cause(signs):
            sys.setrecursionlimit(10**9)
            deep = []
            for _ in range(10**6):
                deep = [deep]
            return str(deep) + name_cause(signs)
        """,
        Status.CRASHED,
        Status.OUT_OF_MEMORY,
        Status.TIMEOUT,
        why=ENDS,
    ),
    hostile(
        "plain-recursion",
        "没有尽头的递归",
        "recursion without end",
        """
        def name_cause(signs):
            return name_cause(signs)
        """,
        Status.ERROR,
        why="RecursionError.",
    ),
    hostile(
        "ctypes-crash",
        "用 ctypes 读地址 0",
        "reads address 0",
        """
        import ctypes
        def name_cause(signs):
            return ctypes.string_at(0)
        """,
        Status.CRASHED,
        why=ENDS,
    ),
    hostile(
        "abort",
        "os.abort()",
        "aborts",
        """
        import os
        def name_cause(signs):
            os.abort()
        """,
        Status.CRASHED,
        why=ENDS,
    ),
    hostile(
        "exit-in-call",
        "函数里 os._exit(0)",
        "leaves the process in the function",
        """
        import os
        def name_cause(signs):
            os._exit(0)
        """,
        Status.CRASHED,
        why=ENDS,
    ),
    hostile(
        "exit-at-import",
        "定义时 os._exit(0)",
        "leaves the process while the definitions run",
        """
        import os
        def name_cause(signs, gone=os._exit(0)):
            return "unknown"
        """,
        Status.CRASHED,
        why=ENDS,
    ),
    hostile(
        "sys-exit",
        "sys.exit(0)",
        "sys.exit in the function",
        """
        import sys
        def name_cause(signs):
            sys.exit(0)
        """,
        Status.ERROR,
        why="SystemExit is an exception.",
    ),
    hostile(
        "raise-system-exit",
        "定义时抛出 SystemExit",
        "raises SystemExit while the definitions run",
        """
        def leave():
            raise SystemExit(0)
        def name_cause(signs, gone=leave()):
            return "unknown"
        """,
        Status.ERROR,
        why="SystemExit is an exception.",
    ),
    hostile(
        "channel-closed",
        "关掉通道",
        "closes the channel",
        """
        import os
        def name_cause(signs):
            os.closerange(0, 256)
            return "unknown"
        """,
        Status.CRASHED,
        why=ENDS,
    ),
    hostile(
        "returns-nan",
        "返回 NaN、无穷",
        "returns NaN and infinities",
        """
        def bits_per_character(nats_per_token, tokens, characters):
            return float("nan") if tokens % 2 else float("inf")
        """,
        Status.FAILED,
        exercise=BITS,
        why="NaN is equal to nothing.",
    ),
    hostile(
        "returns-huge-int",
        "返回几百万位的整数",
        "returns an integer of millions of digits",
        """
        def bits_per_character(nats_per_token, tokens, characters):
            return 1 << 10**7
        """,
        Status.FAILED,
        Status.TIMEOUT,
        exercise=BITS,
        why="It is no number that was asked for.",
    ),
    hostile(
        "returns-surrogates",
        "返回单独的代理项、NUL",
        "returns lone surrogates and NUL",
        """
        def name_cause(signs):
            return "\\ud800healthy\\x00\\udfff"
        """,
        Status.FAILED,
        why="It is another text.",
    ),
    hostile(
        "returns-nested",
        "返回套了几千层的列表",
        "returns deeply nested lists",
        """
        def name_cause(signs):
            deep = []
            for _ in range(5000):
                deep = [deep]
            return deep
        """,
        Status.FAILED,
        Status.ERROR,
        why="It is no text.",
    ),
    hostile(
        "returns-itself",
        "返回装着自己的列表",
        "returns a list that contains itself",
        """
        def name_cause(signs):
            found = []
            found.append(found)
            return found
        """,
        Status.FAILED,
        why="It is no text.",
    ),
    hostile(
        "returns-itself-twice",
        "返回两次装着自己的列表",
        "a list that contains itself twice, which takes 2**40 steps to write",
        """
        def name_cause(signs):
            found = []
            found += [found, found]
            return found
        """,
        Status.TIMEOUT,
        Status.FAILED,
        Status.OUT_OF_MEMORY,
        why="It is no text.",
    ),
    hostile(
        "returns-generator",
        "写成了生成器",
        "returns a generator",
        """
        def name_cause(signs):
            while True:
                yield "unknown"
        """,
        Status.FAILED,
        why="It is no text.",
    ),
    hostile(
        "returns-coroutine",
        "写成了协程",
        "is a coroutine",
        """
        async def name_cause(signs):
            return "unknown"
        """,
        Status.FAILED,
        why="It is no text.",
    ),
]
