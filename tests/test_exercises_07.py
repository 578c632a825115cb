"""The exercises of notebook 07: right answers pass, usual mistakes fail with a helpful hint."""

from random import Random

import numpy as np
import pytest
from helpers_exercises import assert_right, assert_wrong, exercises_of

EXERCISES = exercises_of("07_diagnosis")


def test_there_are_three():
    assert len(EXERCISES) == 3


def answered(function, seed):
    """Hidden cases that expect an answer and no exception."""
    cases = EXERCISES[function].hidden_cases(Random(seed))
    return [case for case in cases if isinstance(case.expected, (float, str))]


@pytest.mark.parametrize("seed", range(10))
def test_a_trend_of_all_pairs_is_that_of_the_library(seed):
    pytest.importorskip("torch")
    from novelkit.diagnosis.curve import theil_sen

    trend = EXERCISES["robust_trend"].reference
    for case in answered("robust_trend", seed):
        steps, losses, _ = case.arguments
        known = [(s, loss) for s, loss in zip(steps, losses, strict=True) if loss is not None]
        x, y = (np.array(part, dtype=float) for part in zip(*known, strict=True))
        assert trend(steps, losses, 1) == pytest.approx(100 * theil_sen(x, y))


@pytest.mark.parametrize("seed", range(10))
def test_every_word_is_asked_for(seed):
    words = {case.expected for case in answered("name_swing", seed)}
    assert words == {"calm", "batch", "beyond", "drift"}
    causes = {case.expected for case in answered("name_cause", seed)}
    assert causes >= {"healthy", "unknown", "restarted", "overfitting", "unshuffled"}


def test_the_signs_are_those_of_the_library():
    """The notebook hands them over as they are."""
    pytest.importorskip("torch")
    from novelkit.diagnosis import CAUSES
    from novelkit.diagnosis.wording import SIGN_TEXTS

    for case in EXERCISES["name_cause"].public_cases:
        assert set(case.arguments[0]) <= SIGN_TEXTS.keys()
    words = {case.expected for seed in range(5) for case in answered("name_cause", seed)}
    assert words - {"unknown"} <= CAUSES.keys()


TREND_RIGHT = """
def robust_trend(steps, losses, apart):
    known = [(s, x) for s, x in zip(steps, losses) if x is not None]
    slopes = sorted(
        (y - x) / (t - s) for s, x in known for t, y in known if t - s >= apart and t > s
    )
    if not slopes:
        raise ValueError("none")
    n = len(slopes)
    return 100 * (slopes[(n - 1) // 2] + slopes[n // 2]) / 2
"""
TREND = {
    "mean": (
        TREND_RIGHT.replace("(slopes[(n - 1) // 2] + slopes[n // 2]) / 2", "sum(slopes) / n"),
        "中位数",
    ),
    "per step": (TREND_RIGHT.replace("100 * ", ""), "乘以 100"),
    "places": (
        TREND_RIGHT.replace(
            "for s, x in known for t, y in known if t - s >= apart and t > s",
            "for i, (s, x) in enumerate(known) for j, (t, y) in enumerate(known) if j - i >= apart",
        ),
        "相差至少 apart",
    ),
    "more than apart": (TREND_RIGHT.replace(">= apart", "> apart"), "正好等于也算"),
    "none is zero": (
        TREND_RIGHT.replace(
            "[(s, x) for s, x in zip(steps, losses) if x is not None]",
            "[(s, x or 0.0) for s, x in zip(steps, losses)]",
        ),
        "不能当成 0",
    ),
    "upper median": (
        TREND_RIGHT.replace("(slopes[(n - 1) // 2] + slopes[n // 2]) / 2", "slopes[n // 2]"),
        "中位数",
    ),
    "zero for none": (TREND_RIGHT.replace('raise ValueError("none")', "return 0.0"), "ValueError"),
}
SWING_RIGHT = """
import math
def median(values):
    values = sorted(values)
    n = len(values)
    return (values[(n - 1) // 2] + values[n // 2]) / 2
def name_swing(losses, spread, rows):
    if len(losses) < 8:
        raise ValueError("few")
    m = median(losses)
    swing = 1.4826 * median([abs(x - m) for x in losses])
    if swing < 0.1:
        return "calm"
    if swing > 2 * spread / math.sqrt(rows):
        return "beyond"
    mean = sum(losses) / len(losses)
    d = sum((b - a) ** 2 for a, b in zip(losses, losses[1:]))
    v = sum((x - mean) ** 2 for x in losses)
    return "drift" if d / (2 * v) < 0.8 else "batch"
"""
SWING = {
    "standard deviation": (
        SWING_RIGHT.replace(
            "1.4826 * median([abs(x - m) for x in losses])",
            "(sum((x - m) ** 2 for x in losses) / len(losses)) ** 0.5",
        ),
        "尖峰不该改变它",
    ),
    "no root": (SWING_RIGHT.replace("math.sqrt(rows)", "rows"), "√rows"),
    "not divided": (SWING_RIGHT.replace(" / math.sqrt(rows)", ""), "√rows"),
    "calm last": (SWING_RIGHT.replace("swing < 0.1", "False"), "calm"),
    "not halved": (SWING_RIGHT.replace("(2 * v)", "v"), "互不相干时约为 1"),
    "drift first": (
        SWING_RIGHT.replace(
            '    if swing > 2 * spread / math.sqrt(rows):\n        return "beyond"\n', ""
        ).replace(
            'else "batch"', 'else "beyond" if swing > 2 * spread / math.sqrt(rows) else "batch"'
        ),
        "先中的算",
    ),
    "no refusal": (SWING_RIGHT.replace("len(losses) < 8", "not losses"), "ValueError"),
}
CAUSE_RIGHT = """
def name_cause(signs):
    rules = [("jump_of_swing", 5, 1e9, "restarted"), ("echo", 4, 1e9, "batches_repeated"),
             ("gap", 1.5, 1e9, "overfitting"), ("memory", 0.25, 1e9, "unshuffled"),
             ("noise_of_spread", 0.7, 5, "one_micro_batch_logged")]
    found = []
    for sign, low, high, cause in rules:
        value = signs.get(sign)
        if value is not None and low <= value < high:
            found.append(cause)
    if len(found) > 1:
        return "unknown"
    return found[0] if found else "healthy"
"""
CAUSE = {
    "first wins": (CAUSE_RIGHT.replace("len(found) > 1", "False"), "不要猜"),
    "above only": (CAUSE_RIGHT.replace("low <= value", "low < value"), "等于下限也算"),
    "no upper border": (CAUSE_RIGHT.replace("value < high", "value < 1e9"), "5 以上不算"),
    "missing key": (CAUSE_RIGHT.replace("signs.get(sign)", "signs[sign]"), "什么也不说明"),
    "none compared": (CAUSE_RIGHT.replace("value is not None and ", ""), "什么也不说明"),
    "unknown for none": (CAUSE_RIGHT.replace('"healthy"', '"unknown"'), "healthy"),
}


@pytest.mark.parametrize(
    ("code", "said"),
    [
        pytest.param(*wrong, id=f"{name}: {mistake}")
        for name, mistakes in {"trend": TREND, "swing": SWING, "cause": CAUSE}.items()
        for mistake, wrong in mistakes.items()
    ],
)
def test_a_usual_mistake_fails_with_a_helpful_hint(code, said):
    assert_wrong(code, said, EXERCISES, seeds=5)


@pytest.mark.parametrize("code", [TREND_RIGHT, SWING_RIGHT, CAUSE_RIGHT])
def test_the_answers_that_the_mistakes_are_made_from_are_right(code):
    assert_right(code, EXERCISES)
