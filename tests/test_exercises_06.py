"""The exercises of notebook 06: right answers pass, usual mistakes fail with a helpful hint."""

import math
from random import Random

import numpy as np
import pytest
from helpers_exercises import assert_right, assert_wrong, exercises_of

EXERCISES = exercises_of("06_training")


def test_there_are_four():
    assert len(EXERCISES) == 4


# Properties of the answers themselves, which the reference must have as any answer.


@pytest.mark.parametrize("seed", range(10))
def test_the_loss_is_what_numpy_makes_of_the_probabilities(seed):
    for case in EXERCISES["next_token_loss"].hidden_cases(Random(seed)):
        if not isinstance(case.expected, float):
            continue
        logits, tokens = case.arguments
        scores = np.array(logits[:-1])
        log_sums = np.logaddexp.reduce(scores, axis=1)
        kept = [(row, token) for row, token in enumerate(tokens[1:]) if token >= 0]
        losses = [log_sums[row] - scores[row, token] for row, token in kept]
        assert case.expected == pytest.approx(np.mean(losses))
        assert case.expected >= 0


def test_the_loss_in_torch_is_the_same():
    torch = pytest.importorskip("torch")
    for case in EXERCISES["next_token_loss"].hidden_cases(Random(1)):
        if isinstance(case.expected, float):
            logits, tokens = case.arguments
            scores, targets = torch.tensor(logits[:-1]).double(), torch.tensor(tokens[1:])
            loss = torch.nn.functional.cross_entropy(scores, targets)
            assert case.expected == pytest.approx(loss.item(), rel=1e-6)


@pytest.mark.parametrize("seed", range(10))
def test_the_mean_of_the_means_is_another_number(seed):
    different = 0
    for case in EXERCISES["accumulated_loss"].hidden_cases(Random(seed)):
        (parts,) = case.arguments
        kept = [[loss for loss in part if loss is not None] for part in parts]
        means = [sum(part) / len(part) for part in kept if part]
        if means:
            assert min(means) <= case.expected <= max(means) or len(means) == 1
            different += abs(sum(means) / len(means) - case.expected) > 1e-6
    assert different >= 4


@pytest.mark.parametrize("seed", range(10))
def test_the_rate_is_never_above_its_peak_and_some_steps_are_outside(seed):
    cases = EXERCISES["rate_at"].hidden_cases(Random(seed))
    inside = [case for case in cases if isinstance(case.expected, float)]
    assert all(0 <= case.expected <= case.arguments[1] for case in inside)
    assert 0 < len(cases) - len(inside) < 3
    assert {case.expected == case.arguments[1] for case in inside} == {True, False}


@pytest.mark.parametrize("seed", range(10))
def test_perplexity_and_bits_tell_the_same_loss(seed):
    for case in EXERCISES["describe_loss"].hidden_cases(Random(seed)):
        if not isinstance(case.expected, dict):
            continue
        _, tokens, characters = case.arguments
        bits = math.log2(case.expected["perplexity"]) * tokens / characters
        assert bits == pytest.approx(case.expected["bits_per_character"])


LOSS_RIGHT = """
import math
def next_token_loss(logits, tokens):
    losses = []
    for i in range(len(tokens) - 1):
        target = tokens[i + 1]
        if target == -100:
            continue
        top = max(logits[i])
        total = sum(math.exp(x - top) for x in logits[i])
        losses.append(math.log(total) + top - logits[i][target])
    if not losses:
        raise ValueError("no target")
    return sum(losses) / len(losses)
"""
LOSS = {
    "not shifted": (LOSS_RIGHT.replace("tokens[i + 1]", "tokens[i]"), "logits[0] 对 tokens[1]"),
    "no log of the sum": (LOSS_RIGHT.replace("math.log(total)", "total"), "log(Σ exp"),
    "bits": (LOSS_RIGHT.replace("math.log(total)", "math.log2(total)"), "log(Σ exp"),
    "ignored counted": (
        LOSS_RIGHT.replace("/ len(losses)", "/ (len(tokens) - 1)"),
        "不算损失",
    ),
    "overflow": (LOSS_RIGHT.replace("top = max(logits[i])", "top = 0.0"), "会溢出"),
    "no refusal": (
        LOSS_RIGHT.replace('raise ValueError("no target")', "return 0.0"),
        "raise ValueError",
    ),
}
ACCUMULATION_RIGHT = """
def accumulated_loss(micro_batches):
    total, count = 0.0, 0
    for part in micro_batches:
        for loss in part:
            if loss is not None:
                total += loss
                count += 1
    if not count:
        raise ValueError("no target")
    return total / count
"""
ACCUMULATION = {
    "mean of means": (
        """
def accumulated_loss(micro_batches):
    parts = [[x for x in part if x is not None] for part in micro_batches]
    means = [sum(part) / len(part) for part in parts if part]
    if not means:
        raise ValueError("no target")
    return sum(means) / len(means)
""",
        "先把所有词元的损失加起来",
    ),
    "last part only": (
        ACCUMULATION_RIGHT.replace("in micro_batches:", "in micro_batches[-1:]:"),
        "不是最后一个小批",
    ),
    "ignored as zero": (
        ACCUMULATION_RIGHT.replace("if loss is not None:", "if True:").replace(
            "+= loss", "+= loss or 0.0"
        ),
        "不算个数",
    ),
    "a loss of zero dropped": (
        ACCUMULATION_RIGHT.replace("if loss is not None:", "if loss:"),
        "没有目标",
    ),
    "no refusal": (
        ACCUMULATION_RIGHT.replace('raise ValueError("no target")', "return 0.0"),
        "raise ValueError",
    ),
}
RATE_RIGHT = """
def rate_at(step, peak, warmup, cooldown, total):
    if step < 1 or step > total:
        raise ValueError("step")
    if step <= warmup:
        return peak * step / warmup
    if step <= total - cooldown:
        return peak
    return peak * (total - step) / cooldown
"""
RATE = {
    "steps from 0": (
        RATE_RIGHT.replace("peak * step / warmup", "peak * (step - 1) / warmup"),
        "从 1 数起",
    ),
    "starts at the peak": (RATE_RIGHT.replace("step <= warmup", "step < 0"), "预热"),
    "no stable part": (
        RATE_RIGHT.replace("step <= total - cooldown", "step < warmup").replace(
            "/ cooldown", "/ (total - warmup)"
        ),
        "一直是 peak",
    ),
    "cooldown one step late": (RATE_RIGHT.replace("(total - step)", "(total - step + 1)"), "收尾"),
    "no warm-up divides by zero": (
        RATE_RIGHT.replace("if step <= warmup", "if step / warmup <= 1"),
        "别除以 0",
    ),
    "no refusal": (RATE_RIGHT.replace("step < 1 or step > total", "False"), "raise ValueError"),
}
UNITS_RIGHT = """
import math
def describe_loss(nats, tokens, characters):
    if tokens < 1 or characters < 1:
        raise ValueError("no text")
    bits = nats / math.log(2)
    return {"perplexity": math.exp(nats), "bits_per_character": bits * tokens / characters}
"""
UNITS = {
    "power of two": (UNITS_RIGHT.replace("math.exp(nats)", "2 ** nats"), "math.exp(nats)"),
    "multiplied": (UNITS_RIGHT.replace("nats / math.log(2)", "nats * math.log(2)"), "不是乘"),
    "per token": (UNITS_RIGHT.replace("bits * tokens / characters", "bits"), "再除以字数"),
    "upside down": (
        UNITS_RIGHT.replace("tokens / characters}", "characters / tokens}"),
        "再除以字数",
    ),
    "no refusal": (
        UNITS_RIGHT.replace('raise ValueError("no text")', "characters = tokens = 1"),
        "raise ValueError",
    ),
}


@pytest.mark.parametrize(
    ("code", "said"),
    [
        pytest.param(*wrong, id=f"{function}: {mistake}")
        for function, mistakes in (
            ("next_token_loss", LOSS),
            ("accumulated_loss", ACCUMULATION),
            ("rate_at", RATE),
            ("describe_loss", UNITS),
        )
        for mistake, wrong in mistakes.items()
    ],
)
def test_a_usual_mistake_fails_with_a_helpful_hint(code, said):
    assert_wrong(code, said, EXERCISES, seeds=5)


@pytest.mark.parametrize("code", [LOSS_RIGHT, ACCUMULATION_RIGHT, RATE_RIGHT, UNITS_RIGHT])
def test_the_answers_that_the_mistakes_are_made_from_are_right(code):
    assert_right(code, EXERCISES)
