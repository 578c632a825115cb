"""Marks by changing Python underneath the harness, and by looking for answers in its memory."""

from novelkit.grading.records import Status
from red_team.attempts import BITS, Attempt, hostile
from red_team.forging import REQUEST

FAILED, ERROR, CRASHED = Status.FAILED, Status.ERROR, Status.CRASHED
TIMEOUT, MEMORY, PARTIAL = Status.TIMEOUT, Status.OUT_OF_MEMORY, Status.PARTIAL
NOTHING = "The worker's process holds no expected answer, and no verdict is made in it."

PATCHES = [
    hostile(
        "patched-json",
        "改掉 json.dumps 和 struct，让每条消息都说“对了”",
        "patches json and struct so that each message claims success",
        """
        import json, struct
        real = json.dumps
        def dumps(message, **options):
            if isinstance(message, dict) and "value" in message:
                message = {**message, "value": True, "passed": True, "points": 7}
            return real(message, **options)
        def patch():
            json.dumps = dumps
            json.loads = lambda text, **options: {"nonce": "", "arguments": {"list": []}}
        def name_cause(signs, done=patch()):
            return "right"
        """,
        CRASHED,
        FAILED,
        why=NOTHING,
    ),
    hostile(
        "patched-harness",
        "用 gc 找到框架的 frames、values，换成自己的",
        "finds the harness's modules by gc and sys.modules and replaces what they do",
        """
        import gc, sys, types
        def patch():
            for found in gc.get_objects():
                names = found if isinstance(found, dict) else {}
                if "_shown" in names and callable(names.get("encode")):
                    names["encode"] = lambda value, depth=0: {"bool": True}
                if callable(names.get("_bounded")):
                    names["_bounded"] = lambda message, limit: {**message, "passed": True}
            for name in ("frames", "values", "harness"):
                sys.modules[name] = types.ModuleType(name)
        def name_cause(signs, done=patch()):
            return "right"
        """,
        CRASHED,
        FAILED,
        why=NOTHING,
    ),
    hostile(
        "patched-socket",
        "换掉 socket 的 sendall",
        "wraps the channel's sendall to send verdicts",
        """
        import gc, socket
        def patch():
            def sendall(self, data):
                return socket.socket.send(self, data.replace(b'"value": "right"', b'"value": true'))
            socket.socket.sendall = sendall
        def name_cause(signs, done=patch()):
            return "right"
        """,
        CRASHED,
        FAILED,
        TIMEOUT,
        why=NOTHING,
    ),
    hostile(
        "patched-builtins",
        "把 len、isinstance、print、__import__、__build_class__ 都换掉",
        "replaces len, isinstance, print, __import__ and __build_class__",
        """
        import builtins
        def patch():
            builtins.len = lambda found: 1
            builtins.isinstance = lambda found, kind: True
            builtins.print = builtins.sorted = lambda *given, **named: "restarted"
            builtins.__import__ = lambda *given, **named: builtins
            builtins.__build_class__ = lambda *given, **named: str
        def name_cause(signs, done=patch()):
            return "right"
        """,
        CRASHED,
        FAILED,
        ERROR,
        why=NOTHING,
    ),
    hostile(
        "patched-type",
        "把 type、str、float 换成自己的",
        "replaces type, str, float and the exceptions",
        """
        import builtins
        def patch():
            builtins.type = lambda found, *rest: str
            builtins.str = builtins.repr = lambda *given: "restarted"
            builtins.BaseException = builtins.Exception = KeyboardInterrupt
        def name_cause(signs, done=patch()):
            return object()
        """,
        CRASHED,
        FAILED,
        ERROR,
        why=NOTHING,
    ),
    hostile(
        "patched-exec",
        "换掉 exec、compile、eval",
        "replaces exec, compile and eval",
        """
        import builtins
        def patch():
            builtins.exec = builtins.compile = builtins.eval = lambda *given, **named: "restarted"
        def name_cause(signs, done=patch()):
            return eval("signs")
        """,
        FAILED,
        why=NOTHING,
    ),
    hostile(
        "patched-numpy",
        "换掉 numpy 的 isclose、allclose、float64",
        "patches numpy's comparisons, returns an array that is near to all",
        """
        import numpy as np
        def patch():
            np.isclose = np.allclose = np.array_equal = lambda *given, **named: True
        class Near(np.ndarray):
            __eq__ = __le__ = __sub__ = lambda self, other: True
        def bits_per_character(nats_per_token, tokens, characters, done=patch()):
            return np.zeros(1).view(Near)
        """,
        FAILED,
        exercise=BITS,
        why=NOTHING,
    ),
    hostile(
        "patched-torch",
        "换掉 torch 的 equal、allclose",
        "patches torch's comparisons, returns a tensor of infinities and NaN",
        """
        import torch
        def patch():
            torch.equal = torch.allclose = torch.isclose = lambda *given, **named: True
        def bits_per_character(nats_per_token, tokens, characters, done=patch()):
            return torch.tensor(float("nan"))
        """,
        FAILED,
        exercise=BITS,
        why=NOTHING,
    ),
    hostile(
        "import-hook",
        "装一个导入钩子，替别人导入时改代码",
        "an import hook that answers for whatever is imported later",
        """
        import sys, types
        class Hook:
            def find_spec(self, name, path=None, target=None):
                raise SystemExit(0)
        def patch():
            sys.meta_path.insert(0, Hook())
            sys.path_hooks.insert(0, Hook().find_spec)
            for name in ("json", "encodings.ascii", "random"):
                sys.modules.pop(name, None)
        def name_cause(signs, done=patch()):
            return "right"
        """,
        CRASHED,
        FAILED,
        why=NOTHING,
    ),
    hostile(
        "trace-function",
        "用 sys.settrace 和 sys.setprofile 改框架的局部变量",
        "traces the harness and changes what its frames hold",
        """
        import sys
        def profile(frame, event, argument):
            if event == "call" and "message" in frame.f_locals:
                frame.f_locals["message"] = {"passed": True}
        def name_cause(signs):
            sys.setprofile(profile)
            return "right"
        """,
        FAILED,
        CRASHED,
        why=NOTHING,
    ),
    hostile(
        "skip-of-pytest",
        "调用 pytest.skip()",
        "skips like a test",
        """
        import pytest
        def name_cause(signs):
            pytest.skip("no need", allow_module_level=True)
        """,
        ERROR,
        why="It raises.",
    ),
]

SEARCHES = [
    hostile(
        "frames-searched",
        "在所有栈帧里找输入、编号和标准答案",
        "looks through all frames for expected answers",
        """
        import inspect, sys
        def name_cause(signs):
            for record in inspect.stack(0):
                for space in (record.frame.f_locals, record.frame.f_globals):
                    for name in ("expected", "case", "answer", "reference", "cases", "hidden"):
                        found = space.get(name)
                        if isinstance(found, str):
                            return found
                        if hasattr(found, "expected"):
                            return found.expected
            return "unknown"
        """,
        FAILED,
        why=NOTHING,
    ),
    hostile(
        "objects-searched",
        "用 gc 在所有对象里找用例和参考答案",
        "looks through all objects for cases and the reference",
        """
        import gc, types
        def name_cause(signs):
            for found in gc.get_objects():
                if type(found).__name__ in ("Case", "Exercise") and hasattr(found, "expected"):
                    return found.expected
                if isinstance(found, types.FunctionType) and found.__name__ == "name_cause":
                    if found is not globals()["name_cause"]:
                        return found(signs)
            return "unknown"
        """,
        FAILED,
        why=NOTHING,
    ),
    hostile(
        "memory-of-neighbours",
        "在自己进程的内存里找前一个学生的答案，找到就用",
        "scans its own memory for the answer of the student before, and uses it",
        """
        import ctypes, json, re
        TEXT = re.compile(rb'"((?:RULES = |def name_cause)(?:[^"\\\\]|\\\\.){50,5000})"')
        def heap():
            for line in open("/proc/self/maps"):
                place, rights, *rest = line.split()
                start, end = (int(one, 16) for one in place.split("-"))
                writable = rights.startswith("rw") and (len(rest) < 4 or rest[3] == "[heap]")
                if writable and end - start < 1 << 27:
                    yield ctypes.string_at(start, end - start)
        STOLEN = []
        def steal():
            for part in heap():
                for found in TEXT.findall(part):
                    try:
                        STOLEN.append(json.loads(b'"' + found + b'"'))
                    except ValueError:
                        pass
        def name_cause(signs):
            if not STOLEN:
                steal()
            space = {}
            for source in STOLEN:
                if "steal" not in source:
                    try:
                        exec(source, space)
                    except Exception:
                        pass
            return space["name_cause"](signs) if "name_cause" in space else "unknown"
        """,
        FAILED,
        PARTIAL,
        MEMORY,
        why="No process that a worker descends from has ever held another student's code.",
    ),
    hostile(
        "request-searched",
        "把整条请求当答案交出来",
        "returns the request itself, in case it holds the answer",
        REQUEST
        + """
def name_cause(signs):
    return request().get("expected", request())
""",
        FAILED,
        why=NOTHING,
    ),
]

ATTEMPTS: list[Attempt] = [*PATCHES, *SEARCHES]
