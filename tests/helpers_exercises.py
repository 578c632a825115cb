"""What the tests of all exercises share: hidden cases, students' answers and their verdicts."""

from collections.abc import Callable
from random import Random

from novelkit.exercises import Case, Exercise, check, load_exercises, same_value


def exercises_of(notebook: str) -> dict[str, Exercise]:
    """The exercises of a notebook by the function that they ask for."""
    found = load_exercises().values()
    return {exercise.function: exercise for exercise in found if exercise.notebook == notebook}


def hidden(exercise: Exercise, at_least: int) -> list[Case]:
    """That many hidden cases, of several seeds."""
    cases: list[Case] = []
    seed = 0
    while len(cases) < at_least:
        cases += exercise.hidden_cases(Random(seed))
        seed += 1
    return cases


def passes(function: Callable, case: Case) -> bool:
    """Whether a function answers as the case expects, an exception by its name."""
    try:
        got = function(*case.arguments)
    except Exception as error:
        return getattr(case.expected, "exception", None) == type(error).__name__
    return same_value(got, case.expected, case.tolerance)


def answer(code: str, exercises: dict[str, Exercise]) -> Callable:
    """The function of an exercise that a student's code defines."""
    namespace: dict = {}
    exec(code, namespace)
    return next(namespace[name] for name in exercises if name in namespace)


def assert_right(code: str, exercises: dict[str, Exercise]) -> None:
    """The answer passes its public and 200 hidden cases."""
    function = answer(code, exercises)
    assert check(function).passed
    assert all(passes(function, case) for case in hidden(exercises[function.__name__], 200))


def assert_wrong(code: str, said: str, exercises: dict[str, Exercise], seeds: int) -> None:
    """`check` refuses the answer and says what helps, and the hidden cases find it as well."""
    function = answer(code, exercises)
    result = check(function)
    assert not result.passed
    assert said in result.message
    exercise = exercises[function.__name__]
    drawn = [case for seed in range(seeds) for case in exercise.hidden_cases(Random(seed))]
    assert not all(passes(function, case) for case in drawn)
