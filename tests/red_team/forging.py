"""Marks by pretending: answers equal to everything, forged messages."""

from novelkit.grading.records import Status
from red_team.attempts import BITS, Attempt, hostile

FAILED, ERROR, CRASHED = Status.FAILED, Status.ERROR, Status.CRASHED
TIMEOUT, FORBIDDEN, PARTIAL = Status.TIMEOUT, Status.FORBIDDEN, Status.PARTIAL
VALUE = "The answer is judged in another process, by exact type, as JSON."
NONCE = "A message of its own is no answer to the question, or only a wrong one."

# Finds the request of the running call in the harness's frame.
REQUEST = """
import json, os, struct, sys
def request():
    frame = sys._getframe()
    while frame is not None:
        found = frame.f_locals.get("request")
        if isinstance(found, dict) and "nonce" in found:
            return found
        frame = frame.f_back
    return {"nonce": ""}
def frame_of(message):
    data = json.dumps(message).encode()
    return struct.pack("!I", len(data)) + data
"""

PRETENDERS = [
    hostile(
        "equal-text",
        "str 的子类，和什么都相等",
        "a str that is equal to everything",
        """
        class Equal(str):
            __eq__ = lambda self, other: True
            __ne__ = lambda self, other: False
            __hash__ = str.__hash__
        def name_cause(signs):
            return Equal("healthy")
        """,
        FAILED,
        why=VALUE,
    ),
    hostile(
        "equal-float",
        "float 和 int 的子类，和什么都相等",
        "floats and ints that are equal and near to everything",
        """
        class Equal(float):
            __eq__ = lambda self, other: True
            __sub__ = __rsub__ = lambda self, other: 0.0
            __le__ = __ge__ = __lt__ = __gt__ = lambda self, other: True
            __abs__ = lambda self: 0.0
        class Whole(int):
            __eq__ = lambda self, other: True
        def bits_per_character(nats_per_token, tokens, characters):
            return Equal(3.0) if tokens % 2 else Whole(3)
        """,
        FAILED,
        exercise=BITS,
        why=VALUE,
    ),
    hostile(
        "lying-class",
        "用 __class__ 谎报类型",
        "an object whose __class__ says str",
        """
        class Liar:
            __class__ = property(lambda self: str)
            __eq__ = lambda self, other: True
            __reduce__ = lambda self: (str, ("restarted",))
            __str__ = __repr__ = lambda self: "restarted"
        def name_cause(signs):
            return Liar()
        """,
        FAILED,
        why=VALUE,
    ),
    hostile(
        "answer-in-del",
        "对象消失时（__del__）自己写一条答案",
        "an object whose __del__ writes an answer of its own",
        REQUEST
        + """
class Parting:
    def __del__(self):
        os.write(3, frame_of({"nonce": NONCE, "value": True, "passed": True}))
def name_cause(signs):
    global NONCE
    NONCE = request()["nonce"]
    return Parting()
""",
        CRASHED,
        FAILED,
        why=NONCE,
    ),
    hostile(
        "own-value-error",
        "自己定义一个假的 ValueError",
        "raises a class of its own that claims to be the built-in ValueError",
        """
        class ValueError(BaseException):
            __module__ = "builtins"
        def name_cause(signs):
            raise ValueError("restarted")
        """,
        ERROR,
        why="It raises where an answer is asked for.",
    ),
    hostile(
        "leaking-names",
        "把隐藏用例的输入写进类名和异常名里带出来",
        "carries hidden inputs out in names of types and exceptions",
        """
        calls = []
        def name_cause(signs):
            calls.append(1)
            secret = "LEAK" + repr(sorted(signs.items(), key=str))
            if len(calls) % 2:
                raise type(secret, (Exception,), {"__module__": "builtins"})(secret)
            return type(secret, (), {"__repr__": lambda self: secret})()
        """,
        FAILED,
        ERROR,
        why="Nothing of a hidden case is told, not even through a name that the student chose.",
    ),
]

MESSAGES = [
    hostile(
        "forged-answer",
        "在框架的栈帧里找到这一问的编号，抢先回答",
        "finds the question's number in the harness's frame and answers first, twice",
        REQUEST
        + """
def name_cause(signs):
    message = frame_of({"nonce": request()["nonce"], "value": "unknown", "status": "passed"})
    os.write(3, message + message)
    return "unknown"
""",
        CRASHED,
        why=NONCE,
    ),
    hostile(
        "early-answer",
        "还没有提问就先写好答案",
        "an answer before the question",
        REQUEST
        + """
import threading, time
def early():
    time.sleep(0.05)
    while True:
        os.write(3, frame_of({"nonce": "0" * 32, "value": "unknown"}))
        time.sleep(0.01)
def name_cause(signs, started=threading.Thread(target=early, daemon=True).start()):
    time.sleep(0.3)
    return "unknown"
""",
        CRASHED,
        why=NONCE,
    ),
    hostile(
        "huge-frame",
        "宣布一条 4 GB 的答案",
        "announces an answer of 4 GB",
        """
        import os
        def name_cause(signs):
            os.write(3, b"\\xff\\xff\\xff\\xff" + b"x" * 1000)
            return "unknown"
        """,
        FAILED,
        CRASHED,
        why=NONCE,
    ),
    hostile(
        "half-frame",
        "只写半条答案，然后睡觉",
        "half an answer, then silence",
        """
        import os, time
        def name_cause(signs):
            os.write(3, b"\\0\\0\\1\\0{")
            time.sleep(1000)
        """,
        TIMEOUT,
        why=NONCE,
    ),
    hostile(
        "dripping-frame",
        "一个字节一个字节地写，想让时限不停往后推",
        "drips bytes so that the deadline would move",
        """
        import os, time
        def name_cause(signs):
            os.write(3, b"\\0\\0\\1\\0")
            for _ in range(256):
                os.write(3, b" ")
                time.sleep(0.5)
            return "unknown"
        """,
        TIMEOUT,
        why="The deadline is of the whole answer.",
    ),
    hostile(
        "forged-fault",
        "冒充评分程序说“出了故障，不扣分”",
        "claims to be the grader's own fault, which no student pays for",
        REQUEST
        + """
def name_cause(signs):
    os.write(3, frame_of({"keeper": "OSError: no space left on device"}))
    os._exit(1)
""",
        CRASHED,
        why="Only the keeper may say so, on a pipe that the worker does not have.",
    ),
    hostile(
        "forged-ready",
        "把“准备好了”“禁止导入”“太大”当答案发",
        "sends the harness's other messages as answers",
        REQUEST
        + """
kinds = [{"ready": True}, {"too_large": True}, {"value": {"other": ["str", "'unknown'"]}}]
def name_cause(signs):
    nonce = request()["nonce"]
    message = {"nonce": nonce, **kinds[len(signs) % 3], "passed": True}
    os.write(3, frame_of(message))
    os._exit(0)
""",
        CRASHED,
        FAILED,
        why=NONCE,
    ),
    hostile(
        "forged-long-texts",
        "伪造一条很长的异常说明，想撑爆成绩文件",
        "forges exceptions with texts of a megabyte to bloat the results",
        REQUEST
        + """
def name_cause(signs):
    nonce = request()["nonce"]
    message = {"nonce": nonce, "raised": ["X" * 300000] * 3, "message": "y" * 500000,
               "place": "z" * 300000, "line": 10**3000}
    os.write(3, frame_of(message))
    os.close(3)
    os._exit(0)
""",
        CRASHED,
        FAILED,
        ERROR,
        why="What a worker says is cut to what a reader can use.",
    ),
    hostile(
        "damaged-values",
        "发送格式不对的值，想让评分程序自己出错",
        "sends values that are damaged in each way, to make the grader itself fail",
        REQUEST
        + """
VALUES = [{"float": "zero"}, {"float": ["nan"]}, {"int": "1" * 5000}, {"dict": [[1, 2, 3]]},
          {"array": ["numpy", "int64", [2, -1], []]}, {"tuple": 3}, {"bytes": "x"}, {}]
def name_cause(signs):
    value = VALUES[int(sum(map(ord, str(signs)))) % len(VALUES)]
    os.write(3, frame_of({"nonce": request()["nonce"], "value": value}))
    os._exit(0)
""",
        CRASHED,
        why=NONCE,
    ),
    hostile(
        "nested-json",
        "答案是套了一百万层的 JSON",
        "an answer of deeply nested JSON and of numbers that no reader takes",
        REQUEST
        + """
def name_cause(signs):
    data = b"[" * 900000 if len(signs) % 2 else b'{"nonce":' + b"9" * 900000 + b"}"
    os.write(3, struct.pack("!I", len(data)))
    while data:
        data = data[os.write(3, data):]
    return "unknown"
""",
        CRASHED,
        why=NONCE,
    ),
]

ATTEMPTS: list[Attempt] = [*PRETENDERS, *MESSAGES]
