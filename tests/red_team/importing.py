"""Forbidden modules in disguise: each could answer right with what it must not import."""

import textwrap

from novelkit.grading.records import Status
from red_team.attempts import Attempt, hostile

FAILED, TIMEOUT, FORBIDDEN = Status.FAILED, Status.TIMEOUT, Status.FORBIDDEN
DISGUISE = "The module is refused when it is imported, and is not there to be read."


def _disguised(student: str, chinese: str, english: str, code: str, *statuses: Status) -> Attempt:
    """Does what the exercise forbids; a right answer behind it would be in vain."""
    source = textwrap.dedent(code).strip("\n") + textwrap.dedent("""
        def right(signs, median):
            table = [("jump_of_swing", 5, 1e9, "restarted"), ("echo", 4, 1e9, "batches_repeated"),
                     ("gap", 1.5, 1e9, "overfitting"), ("memory", 0.25, 1e9, "unshuffled"),
                     ("noise_of_spread", 0.7, 5, "one_micro_batch_logged")]
            found = [why for sign, low, high, why in table
                     if signs.get(sign) is not None and low <= median([signs[sign]]) < high]
            return "healthy" if not found else found[0] if len(found) == 1 else "unknown"
        """)
    return hostile(student, chinese, english, source, *statuses, why=DISGUISE)


ATTEMPTS: list[Attempt] = [
    _disguised(
        "import-novelkit",
        "从 novelkit 导入参考答案",
        "imports the reference's name from novelkit",
        """
        from novelkit.exercises import load_exercises
        def name_cause(signs):
            return load_exercises()["07-name-cause"].reference(signs)
        """,
        FORBIDDEN,
    ),
    _disguised(
        "import-spelled",
        '__import__("sta" + "tistics")',
        "a forbidden name put together from two",
        """
        def name_cause(signs):
            return right(signs, __import__("sta" + "tistics").median)
        """,
        FORBIDDEN,
    ),
    _disguised(
        "import-importlib",
        "importlib 导入拼出来的名字",
        "importlib with a name that is made",
        """
        import importlib
        def name_cause(signs):
            return right(signs, importlib.import_module("scitsitats"[::-1]).median)
        """,
        FORBIDDEN,
    ),
    _disguised(
        "import-exec",
        "exec 一段字符串里的 import",
        "an import inside a string",
        """
        SPACE = {}
        def name_cause(signs):
            exec("import stat" + "istics", SPACE)
            return right(signs, SPACE["statistics"].median)
        """,
        FORBIDDEN,
    ),
    _disguised(
        "import-guard-cleared",
        "清掉 sys.meta_path 里的拦截器再导入",
        "clears the guard from sys.meta_path, adds to sys.path, then imports",
        """
        import sys, importlib.machinery
        def name_cause(signs):
            sys.meta_path[:] = [one for one in sys.meta_path if "Blocker" not in type(one).__name__]
            sys.path[:0] = ["@ROOT@", "@ROOT@/tests/grading"]
            for name in ("exercise_07_diagnosis", "novelkit", "statistics"):
                try:
                    return right(signs, getattr(__import__(name), "median", min))
                except ImportError:
                    pass
            return "unknown"
        """,
        FAILED,
    ),
    _disguised(
        "import-from-bytes",
        "从 __pycache__ 里的字节码载入禁用的模块",
        "loads the forbidden module from its byte code in __pycache__",
        """
        import glob, marshal, os
        def name_cause(signs):
            folder = os.path.join(os.path.dirname(os.__file__), "__pycache__")
            for path in glob.glob(folder + "/stat" + "istics.*"):
                content = open(path, "rb").read()
                if content:
                    space = {"__name__": "stat" + "istics"}
                    exec(marshal.loads(content[16:]), space)
                    return right(signs, space["median"])
            return "unknown"
        """,
        FAILED,
    ),
    _disguised(
        "import-in-a-child",
        "另起一个 Python 去导入",
        "starts another Python, which has no guard",
        """
        import subprocess, sys
        def name_cause(signs):
            code = "from stat" + "istics import median; print(median([1]))"
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=3)
            return right(signs, min) if done.stdout.strip() == b"1" else "unknown"
        """,
        FAILED,
        TIMEOUT,
    ),
]
