"""The exercises of notebook 08: right answers pass, usual mistakes fail with a helpful hint."""

from random import Random

import pytest
from helpers_exercises import assert_right, assert_wrong, exercises_of

EXERCISES = exercises_of("08_sampling")


def test_there_are_four():
    assert len(EXERCISES) == 4


# Properties of the answers themselves, which the reference must have as any answer.


def answered(function, seed):
    """Hidden cases that expect an answer and no exception."""
    cases = EXERCISES[function].hidden_cases(Random(seed))
    return [case for case in cases if isinstance(case.expected, list)]


@pytest.mark.parametrize("seed", range(10))
def test_temperatures_and_cuts_are_those_of_the_library(seed):
    torch = pytest.importorskip("torch")
    from novelkit.sampling import apply_temperature, keep_top_k, keep_top_p, penalise_repetition

    for case in answered("probabilities_at", seed):
        logits, temperature = case.arguments
        scores = torch.tensor(logits, dtype=torch.double)
        found = apply_temperature(scores, temperature).softmax(-1)
        # Among equals the library leaves it open which one stays.
        assert sorted(found.tolist()) == pytest.approx(sorted(case.expected), abs=1e-9)
    for case in answered("keep_best", seed):
        probabilities, k = case.arguments
        scores = torch.tensor(probabilities, dtype=torch.double).log()
        found = keep_top_k(scores, k).softmax(-1)
        assert sorted(found.tolist()) == pytest.approx(sorted(case.expected), abs=1e-9)
    for case in answered("nucleus", seed):
        probabilities, p = case.arguments
        # Rounding decides at a p that is reached exactly; a hair less asks for the same set.
        scores = torch.tensor(probabilities, dtype=torch.double).log()
        found = keep_top_p(scores, p if p == 1 else p - 1e-9).isfinite().sum()
        assert found == len(case.expected)
    for case in answered("penalised", seed):
        logits, history, penalty = case.arguments
        scores = torch.tensor([logits], dtype=torch.double)
        seen = torch.tensor([history], dtype=torch.long)
        found = penalise_repetition(scores, seen, penalty)[0]
        assert found.tolist() == pytest.approx(case.expected)


@pytest.mark.parametrize("seed", range(10))
def test_probabilities_sum_to_one_and_some_cases_have_equals(seed):
    for function in ("probabilities_at", "keep_best"):
        assert all(sum(case.expected) == pytest.approx(1) for case in answered(function, seed))
    tied = [
        case
        for case in answered("keep_best", seed)
        if len(set(case.arguments[0])) < len(case.arguments[0])
    ]
    assert len(tied) >= 3
    assert all(sum(p) == 1 for p, _ in (case.arguments for case in answered("nucleus", seed)))


@pytest.mark.parametrize("seed", range(10))
def test_penalties_above_one_never_raise_a_score(seed):
    for case in answered("penalised", seed):
        logits, _, penalty = case.arguments
        pairs = list(zip(case.expected, logits, strict=True))
        if penalty >= 1:
            assert all(new <= old for new, old in pairs)
        assert any(old < 0 for _, old in pairs)


TEMPERATURE_RIGHT = """
import math
def probabilities_at(logits, temperature):
    if temperature < 0:
        raise ValueError("negative")
    top = max(logits)
    if temperature == 0:
        i = logits.index(top)
        return [1.0 if j == i else 0.0 for j in range(len(logits))]
    powers = [math.exp((x - top) / temperature) for x in logits]
    return [x / sum(powers) for x in powers]
"""
TEMPERATURE = {
    "multiplied": (
        TEMPERATURE_RIGHT.replace("(x - top) / temperature", "(x - top) * temperature"),
        "乘上温度就反了",
    ),
    "zero divides": (
        TEMPERATURE_RIGHT.replace("temperature == 0", "False"),
        "温度 0 不能除",
    ),
    "a small number for zero": (
        TEMPERATURE_RIGHT.replace(
            "if temperature == 0:", "temperature = temperature or 1e-6\n    if False:"
        ),
        "并列就取最前面的",
    ),
    "both of the equals": (
        TEMPERATURE_RIGHT.replace("if j == i", "if logits[j] == top"),
        "并列就取最前面的",
    ),
    "overflow": (TEMPERATURE_RIGHT.replace("(x - top)", "x"), "先减去最大的分数"),
    "the least taken off": (
        TEMPERATURE_RIGHT.replace("(x - top)", "(x - min(logits))"),
        "先减去最大的分数",
    ),
    "no refusal": (TEMPERATURE_RIGHT.replace("temperature < 0", "False"), "raise ValueError"),
}
TOP_K_RIGHT = """
def keep_best(probabilities, k):
    order = sorted(range(len(probabilities)), key=lambda i: -probabilities[i])
    kept = order[:k] if k else order
    total = sum(probabilities[i] for i in kept)
    return [p / total if i in kept else 0.0 for i, p in enumerate(probabilities)]
"""
TOP_K = {
    "not renormalised": (TOP_K_RIGHT.replace("p / total", "p"), "加起来才又是 1"),
    "ties kept": (
        """
def keep_best(probabilities, k):
    border = sorted(probabilities)[-k] if 0 < k <= len(probabilities) else 0.0
    kept = [p if p >= border else 0.0 for p in probabilities]
    return [p / sum(kept) for p in kept]
""",
        "遇到并列会多留",
    ),
    "the last of equals": (
        TOP_K_RIGHT.replace("-probabilities[i])", "probabilities[i])[::-1]"),
        "编号小的先留下",
    ),
    "sorted": (
        TOP_K_RIGHT.replace(
            "for i, p in enumerate(probabilities)]",
            "for i, p in ((i, probabilities[i]) for i in order)]",
        ),
        "长度和次序都不变",
    ),
    "only the kept": (
        TOP_K_RIGHT.replace("p / total if i in kept else 0.0", "p / total").replace(
            "for i, p in enumerate(probabilities)]",
            "for i, p in enumerate(probabilities) if i in kept]",
        ),
        "切掉的概率变成 0",
    ),
    "zero keeps none": (TOP_K_RIGHT.replace(" if k else order", ""), "k 是 0 表示不切"),
}
TOP_P_RIGHT = """
def nucleus(probabilities, p):
    if not 0 < p <= 1:
        raise ValueError("p")
    order = sorted(range(len(probabilities)), key=lambda i: -probabilities[i])
    kept, total = [], 0.0
    for i in order:
        kept.append(i)
        total += probabilities[i]
        if total >= p:
            break
    return kept
"""
TOP_P = {
    "one more": (TOP_P_RIGHT.replace("total >= p", "total > p"), "刚好等于 p 也够了"),
    "stops before": (
        TOP_P_RIGHT.replace(
            "        kept.append(i)\n        total += probabilities[i]\n        if total >= p:\n",
            "        total += probabilities[i]\n        if total > p:\n",
        ).replace("            break\n", "            break\n        kept.append(i)\n"),
        "要够到 p",
    ),
    "in the order of ids": (
        TOP_P_RIGHT.replace("return kept", "return sorted(kept)"),
        "最可能的在前",
    ),
    "not ordered": (
        TOP_P_RIGHT.replace(", key=lambda i: -probabilities[i])", ")"),
        "最可能的在前",
    ),
    "the last of equals first": (
        TOP_P_RIGHT.replace("-probabilities[i])", "probabilities[i])[::-1]"),
        "编号小的在前",
    ),
    "none": (
        TOP_P_RIGHT.replace("return kept", "return kept if max(probabilities) <= p else []"),
        "至少留一个",
    ),
    "no refusal": (TOP_P_RIGHT.replace("not 0 < p <= 1", "False"), "raise ValueError"),
}
PENALTY_RIGHT = """
def penalised(logits, history, penalty):
    out = list(logits)
    for i in set(history):
        out[i] = out[i] * penalty if out[i] < 0 else out[i] / penalty
    return out
"""
PENALTY = {
    "negative divided": (
        PENALTY_RIGHT.replace("out[i] * penalty if out[i] < 0 else ", ""),
        "负的要乘以 penalty",
    ),
    "every time": (PENALTY_RIGHT.replace("set(history)", "history"), "只罚一次"),
    "multiplied": (
        PENALTY_RIGHT.replace("out[i] / penalty", "out[i] * penalty"),
        "正的就除以 penalty",
    ),
    "all tokens": (
        PENALTY_RIGHT.replace("set(history)", "range(len(out))"),
        "就除以 penalty",
    ),
    "subtracted": (
        PENALTY_RIGHT.replace("out[i] * penalty if out[i] < 0 else out[i] / penalty", "out[i] - 2"),
        "乘以 penalty",
    ),
}
MISTAKES = {
    "probabilities_at": TEMPERATURE,
    "keep_best": TOP_K,
    "nucleus": TOP_P,
    "penalised": PENALTY,
}


@pytest.mark.parametrize(
    ("code", "said"),
    [
        pytest.param(*wrong, id=f"{function}: {mistake}")
        for function, mistakes in MISTAKES.items()
        for mistake, wrong in mistakes.items()
    ],
)
def test_a_usual_mistake_fails_with_a_helpful_hint(code, said):
    assert_wrong(code, said, EXERCISES, seeds=5)


@pytest.mark.parametrize("code", [TEMPERATURE_RIGHT, TOP_K_RIGHT, TOP_P_RIGHT, PENALTY_RIGHT])
def test_the_answers_that_the_mistakes_are_made_from_are_right(code):
    assert_right(code, EXERCISES)
