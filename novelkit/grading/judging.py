"""One answer against the cases of its exercise: calls in a worker, verdicts here.

Points come from the hidden cases: their share, less what the luckiest constant answer would get, so
that guessing earns nothing. A public case that fails costs its part of all cases; those that pass
earn nothing, since they can be copied down. A worker that ends in the middle of its cases is
replaced if it had answered any, so that one endless loop does not cost what else is right.
"""

import builtins
import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from novelkit.errors import WorkError
from novelkit.exercises import Case, Exercise, Raises, same_value, shown, type_advice
from novelkit.grading.cases import Cases
from novelkit.grading.records import Answer, CaseResult, Result, Status
from novelkit.grading.sandbox import Ending, Job, Reply, Sandbox, Worker
from novelkit.grading.worker.values import Array, MalformedError, Other, decode, encode

# Workers that one answer may use up.
MOST_WORKERS = 3
SIGNAL, CPU_SIGNAL = 128, 24
FATAL = {
    "timeout": Status.TIMEOUT,
    "out of memory": Status.OUT_OF_MEMORY,
    "crashed": Status.CRASHED,
    "forbidden": Status.FORBIDDEN,
}
WORDS = {
    "timeout": "超时",
    "out of memory": "内存超过上限",
    "crashed": "进程意外结束",
}
BUILT_IN_EXCEPTIONS = frozenset(
    name
    for name, found in vars(builtins).items()
    if isinstance(found, type) and issubclass(found, BaseException)
)
KNOWN_TYPES = frozenset(
    [name for name, found in vars(builtins).items() if isinstance(found, type)]
    + ["NoneType", "function", "generator", "coroutine", "ndarray", "Tensor", "Counter"]
    + ["defaultdict", "deque", "Fraction", "Decimal", "float32", "float64", "int32", "int64"]
)
# Of several fates of one answer the one that is told.
GRAVEST = (Status.FORBIDDEN, Status.OUT_OF_MEMORY, Status.TIMEOUT, Status.CRASHED)


class GraderError(Exception):
    """The grader's own fault: the student must not pay for it."""


def grade_answer(
    sandbox: Sandbox, student: str, exercise: Exercise, answer: Answer, cases: Cases, seed: int = 0
) -> Result:
    """The result of one student's answer; never raises for anything that a student wrote."""
    began = time.monotonic()
    key = result_key(exercise, answer, cases)
    found: dict[str, Any]
    if answer.function is None:
        found = {"status": answer.status or Status.MISSING, "points": 0.0, "notes": answer.notes}
    else:
        try:
            found = _run(sandbox, exercise, answer, cases, seed)
        except (GraderError, WorkError) as error:
            note = f"评分程序出了问题，不扣分，请老师处理：{error}"
            found = {"status": Status.NOT_GRADABLE, "points": 0.0, "notes": (note,)}
    return Result(
        student=student,
        exercise=exercise.name,
        possible=exercise.points,
        source=answer.source,
        seconds=round(time.monotonic() - began, 3),
        key=key,
        **found,
    )


def result_key(exercise: Exercise, answer: Answer, cases: Cases) -> str:
    """Of all that a result depends on: the program, the exercise and its cases."""
    facts = [
        exercise.points,
        exercise.function,
        exercise.forbidden_imports,
        exercise.partial_credit,
        exercise.cpu_seconds,
        cases.identity,
        answer.function,
        answer.statements,
        answer.status,
        answer.notes,
    ]
    return hashlib.sha256(repr(facts).encode("utf-8", "surrogatepass")).hexdigest()


def _run(
    sandbox: Sandbox, exercise: Exercise, answer: Answer, cases: Cases, seed: int
) -> dict[str, Any]:
    job = Job(
        answer.statements,
        answer.function or "",
        answer.imports,
        exercise.forbidden_imports,
        seed,
        exercise.cpu_seconds,
    )
    queue = [(False, n, case) for n, case in enumerate(cases.public, start=1)]
    queue += [(True, n, case) for n, case in enumerate(cases.hidden, start=1)]
    results: list[CaseResult] = []
    notes, fates = list(answer.notes), []
    for _ in range(MOST_WORKERS):
        done = len(results)
        fate, note = _work(sandbox, job, exercise, queue, results)
        if fate:
            fates.append(fate)
            notes.append(note)
        if not fate or len(results) - done < 2 or fate is Status.FORBIDDEN:
            break
    rest = [_not_run(hidden, number) for hidden, number, _ in queue[len(results) :]]
    results += rest
    points = 0.0 if Status.FORBIDDEN in fates else _points(exercise, cases, results)
    return {
        "status": _status(exercise, points, results, fates),
        "points": points,
        "cases": tuple(results),
        "notes": tuple(dict.fromkeys(notes)),
        "hints": tuple(dict.fromkeys(one.hint for one in results if one.hint)),
    }


def _not_run(hidden: bool, number: int) -> CaseResult:
    return CaseResult(hidden, number, "not run")


def _work(
    sandbox: Sandbox,
    job: Job,
    exercise: Exercise,
    queue: Sequence[tuple[bool, int, Case]],
    results: list[CaseResult],
) -> tuple[Status | None, str]:
    """Append results until the queue is done or the worker ends; says what ended it, and a line."""
    worker = sandbox.open(job)
    try:
        if worker.loaded.outcome != "value":
            return _failed_to_load(worker, worker.loaded)
        for hidden, number, case in queue[len(results) :]:
            reply = worker.call(case.arguments)
            if reply.outcome in ("value", "raised", "too large"):
                results.append(_judge(exercise, hidden, number, case, reply))
                continue
            outcome, note = _end(worker, reply)
            hint = "" if outcome == "forbidden" else case.hint
            call = "" if hidden else _call(exercise, case)
            results.append(CaseResult(hidden, number, outcome, call, hint=hint))
            return FATAL[outcome], note
        return None, ""
    finally:
        worker.close()


def _failed_to_load(worker: Worker, reply: Reply) -> tuple[Status, str]:
    if reply.outcome == "raised":
        if "MemoryError" in reply.raised:
            return Status.OUT_OF_MEMORY, "定义还没有运行完，内存就不够了"
        return Status.ERROR, f"定义运行不了：{_described(reply)}"
    outcome, note = _end(worker, reply)
    return FATAL[outcome], f"定义还没有运行完：{note}"


def _end(worker: Worker, reply: Reply) -> tuple[str, str]:
    """Close a worker that gave no answer: what became of it, and a line for the student."""
    if reply.outcome == "forbidden":
        return "forbidden", f"这道题不能导入 {reply.message}"
    ending = worker.close()
    if ending.failure:
        raise GraderError(ending.failure)
    outcome = _outcome(reply, ending)
    told = WORDS[outcome]
    if outcome == "crashed" and ending.code and ending.code > SIGNAL:
        told += f"（信号 {ending.code - SIGNAL}）"
    elif outcome == "crashed" and reply.message:
        told += f"（{reply.message}）"
    return outcome, told


def _outcome(reply: Reply, ending: Ending) -> str:
    if ending.out_of_memory:
        return "out of memory"
    if reply.outcome == "timeout" or ending.code == SIGNAL + CPU_SIGNAL:
        return "timeout"
    return "crashed"


def _judge(exercise: Exercise, hidden: bool, number: int, case: Case, reply: Reply) -> CaseResult:
    if is_right(reply, case):
        return CaseResult(hidden, number, "passed", "" if hidden else _call(exercise, case))
    if reply.outcome == "raised":
        outcome = "raised"
        got = f"抛出 {_known_exception(reply)}" if hidden else f"抛出 {_described(reply)}"
    else:
        outcome, got = "wrong", _got(reply, case, hidden)
    if hidden:
        return CaseResult(True, number, outcome, got=got, hint=case.hint)
    return CaseResult(
        False, number, outcome, _call(exercise, case), shown(case.expected), got, case.hint
    )


def _got(reply: Reply, case: Case, hidden: bool) -> str:
    """What a wrong answer was; of a hidden case only its type, if that is what is wrong."""
    if reply.outcome == "too large":
        return "返回的东西太大"
    value = reply.value
    name = _type_name(value)
    if isinstance(case.expected, Raises):
        return "没有抛出异常" if hidden else f"没有抛出异常，返回了 {_shown(value)}"
    other = name != type(case.expected).__name__
    if hidden and name not in KNOWN_TYPES:
        # A student chooses the name of a class, and could write a hidden input into it.
        name = "别的类型"
    advice = type_advice(case.expected, name) if other else ""
    return advice if hidden else f"{_shown(value)}{'　' if advice else ''}{advice}"


def _known_exception(reply: Reply) -> str:
    """The built-in exception that was raised; no name that a student chose."""
    known = (name for name in reply.raised if name in BUILT_IN_EXCEPTIONS)
    return next(known, "异常")


def _type_name(value: Any) -> str:
    if isinstance(value, Other):
        return value.type_name
    if isinstance(value, Array):
        return "ndarray" if value.library == "numpy" else "Tensor"
    return type(value).__name__


def _shown(value: Any) -> str:
    if isinstance(value, Other):
        return value.shown
    if isinstance(value, Array):
        return f"{_type_name(value)}，{value.dtype}，形状 {value.shape}：{shown(list(value.data))}"
    return shown(value)


def _call(exercise: Exercise, case: Case) -> str:
    return f"{exercise.function}({', '.join(map(shown, case.arguments))})"


def _described(reply: Reply) -> str:
    where = f"（{reply.place}第 {reply.line} 行）" if reply.place else ""
    return f"{reply.raised[0]}：{reply.message}{where}"


def is_right(reply: Reply, case: Case) -> bool:
    """Whether a reply is what a case expects, by exact type; see `novelkit.exercises.same_value`.

    Arrays: the same library, dtype and shape, and every number within the tolerance.
    """
    if isinstance(case.expected, Raises):
        # Only built-in exceptions stand behind the first name.
        return reply.outcome == "raised" and case.expected.exception in reply.raised[1:]
    if reply.outcome != "value":
        return False
    try:
        expected = decode(encode(case.expected))
    except MalformedError as error:
        raise GraderError(f"用例的答案不能写成 JSON：{error}") from error
    got = reply.value
    if not isinstance(expected, Array):
        return same_value(got, expected, case.tolerance)
    if not isinstance(got, Array):
        return False
    kinds = [(one.library, one.dtype, one.shape) for one in (got, expected)]
    return kinds[0] == kinds[1] and same_value(list(got.data), list(expected.data), case.tolerance)


def _points(exercise: Exercise, cases: Cases, results: Sequence[CaseResult]) -> float:
    passed = [one.outcome == "passed" for one in results if one.hidden]
    share = sum(passed) / len(passed)
    if share < 1:
        guessed = cases.guessed
        share = max(0.0, (share - guessed) / (1 - guessed)) if guessed < 1 else 0.0
    public = [one for one in results if not one.hidden]
    share -= sum(one.outcome != "passed" for one in public) / len(results)
    if share < 1 and not exercise.partial_credit:
        return 0.0
    return round(exercise.points * max(0.0, share), 2)


def _status(
    exercise: Exercise, points: float, results: Sequence[CaseResult], fates: Sequence[Status]
) -> Status:
    for fate in GRAVEST:
        if fate in fates:
            return fate
    if Status.ERROR in fates:
        return Status.ERROR
    outcomes = {one.outcome for one in results}
    if outcomes == {"passed"}:
        return Status.PASSED
    if points > 0:
        return Status.PARTIAL
    return Status.ERROR if outcomes == {"raised"} else Status.FAILED


def failures(results: Mapping[str, Result]) -> Iterator[str]:
    """A line for each reference solution that does not get all its points."""
    for name, result in results.items():
        if result.status is not Status.PASSED:
            wrong = [f"{one.outcome} {one.call or one.number}" for one in result.cases]
            wrong = [line for line in wrong if not line.startswith("passed")]
            yield f"{name}：{result.status}；{'；'.join([*result.notes, *wrong[:2]])}"
