"""The exercises of notebook 05: right answers pass, usual mistakes fail with a helpful hint."""

import math
from random import Random

import pytest
from helpers_exercises import assert_right, assert_wrong, exercises_of

torch = pytest.importorskip("torch")

from novelkit.model import GPT2, ModelConfig, attention  # noqa: E402
from novelkit.model.sizes import count_parameters  # noqa: E402

EXERCISES = exercises_of("05_model")


def hidden_cases(function, seed):
    return EXERCISES[function].hidden_cases(Random(seed))


def test_there_are_five():
    assert len(EXERCISES) == 5


# The expected answers are those of the library and of PyTorch.


@pytest.mark.parametrize("seed", range(10))
def test_the_probabilities_of_all_followers_sum_to_one(seed):
    reference = EXERCISES["bigram_probability"].reference
    for case in hidden_cases("bigram_probability", seed):
        text, before, _ = case.arguments
        assert math.isclose(sum(reference(text, before, c) for c in set(text)), 1)


@pytest.mark.parametrize("seed", range(10))
def test_softmax_is_that_of_torch(seed):
    for case in hidden_cases("softmax_row", seed):
        expected = torch.tensor(case.arguments[0], dtype=torch.float64).softmax(0)
        assert case.expected == pytest.approx(expected.tolist(), abs=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_attention_is_that_of_the_library(seed):
    for case in hidden_cases("causal_attention", seed):
        query, key, value = (
            torch.tensor(table, dtype=torch.float64)[None, None] for table in case.arguments
        )
        expected = attention(query, key, value)[0, 0]
        torch.testing.assert_close(torch.tensor(case.expected, dtype=torch.float64), expected)


@pytest.mark.parametrize("seed", range(10))
def test_layer_norm_is_that_of_torch(seed):
    for case in hidden_cases("layer_norm", seed):
        x, weight, bias = (torch.tensor(part, dtype=torch.float64) for part in case.arguments)
        expected = torch.nn.functional.layer_norm(x, x.shape, weight, bias)
        assert case.expected == pytest.approx(expected.tolist(), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_the_parameters_are_those_of_a_model(seed):
    cases = hidden_cases("count_gpt2_parameters", seed)
    for case in cases:
        assert count_parameters(ModelConfig(**case.arguments[0])).total == case.expected
    with torch.device("meta"):
        model = GPT2(ModelConfig(**cases[0].arguments[0]))
    assert model.count_parameters() == cases[0].expected


def test_the_published_size_of_gpt2_is_a_public_case():
    expected = [case.expected for case in EXERCISES["count_gpt2_parameters"].public_cases]
    assert 124_439_808 in expected and 1_557_611_200 in expected


BIGRAM_RIGHT = """
def bigram_probability(text, before, character):
    single = text.count(character) / len(text)
    followers = [text[i + 1] for i in range(len(text) - 1) if text[i] == before]
    kinds = len(set(followers))
    if not followers:
        return single
    return (followers.count(character) + kinds * single) / (len(followers) + kinds)
"""
BIGRAM = {
    "no smoothing": (
        BIGRAM_RIGHT.replace(" + kinds * single", "").replace(" + kinds)", ")"),
        "几种不同的字",
    ),
    "count for kinds": (BIGRAM_RIGHT.replace("len(set(followers))", "len(followers)"), "几种"),
    "the last character counts": (
        BIGRAM_RIGHT.replace("/ (len(followers)", "/ (text.count(before)"),
        "文末的最后一个字",
    ),
    "str.count": (
        BIGRAM_RIGHT.replace("followers.count(character)", "text.count(before + character)"),
        "不数重叠的",
    ),
    "nothing for the unseen": (BIGRAM_RIGHT.replace("return single", "return 0.0"), "单字的概率"),
    "singles of pairs": (BIGRAM_RIGHT.replace("/ len(text)", "/ (len(text) - 1)"), "几种"),
}
SOFTMAX_RIGHT = """
import math
def softmax_row(scores):
    top = max(scores)
    powers = [math.exp(s - top) for s in scores]
    return [p / sum(powers) for p in powers]
"""
SOFTMAX = {
    "overflow": (SOFTMAX_RIGHT.replace("max(scores)", "0"), "溢出"),
    "underflow": (SOFTMAX_RIGHT.replace("max(scores)", "max(0, *scores)"), "除以 0"),
    "minimum": (SOFTMAX_RIGHT.replace("max(scores)", "min(scores)"), "减去最大的一个"),
    "not normalised": (SOFTMAX_RIGHT.replace(" / sum(powers)", ""), "加起来是 1"),
    "by the largest": (SOFTMAX_RIGHT.replace("sum(powers)", "max(powers)"), "加起来是 1"),
    "no power": (SOFTMAX_RIGHT.replace("math.exp(s - top)", "abs(s - top) + 1"), "e 的幂"),
}
ATTENTION_RIGHT = """
import math
def causal_attention(query, key, value):
    out = []
    for t in range(len(query)):
        see = range(t + 1)
        scores = [sum(a * b for a, b in zip(query[t], key[s])) for s in see]
        scores = [s / math.sqrt(len(query[0])) for s in scores]
        powers = [math.exp(s) for s in scores]
        weights = [p / sum(powers) for p in powers]
        out.append(
            [sum(w * value[s][e] for w, s in zip(weights, see)) for e in range(len(value[0]))]
        )
    return out
"""
ATTENTION = {
    "not scaled": (ATTENTION_RIGHT.replace("/ math.sqrt(len(query[0]))", ""), "√D"),
    "by D": (ATTENTION_RIGHT.replace("math.sqrt(len(query[0]))", "len(query[0])"), "√D"),
    "by T": (ATTENTION_RIGHT.replace("len(query[0])", "len(query)"), "√D"),
    "sees all": (ATTENTION_RIGHT.replace("range(t + 1)", "range(len(query))"), "后面的不许看"),
    "not itself": (ATTENTION_RIGHT.replace("range(t + 1)", "range(max(t, 1))"), "自己可以看"),
    "future at 0": (
        ATTENTION_RIGHT.replace("range(t + 1)", "range(len(query))").replace(
            "powers = [math.exp(s) for s in scores]",
            "powers = [math.exp(s if i <= t else 0.0) for i, s in enumerate(scores)]",
        ),
        "后面的不许看",
    ),
    "masked after softmax": (
        ATTENTION_RIGHT.replace("range(t + 1)", "range(len(query))").replace(
            "weights = [p / sum(powers) for p in powers]",
            "weights = [p / sum(powers) * (i <= t) for i, p in enumerate(powers)]",
        ),
        "后面的不许看",
    ),
    "keys for values": (
        ATTENTION_RIGHT.replace("value[s][e]", "key[s][e]").replace("value[0]", "key[0]"),
        "value 的第一行",
    ),
}
NORM_RIGHT = """
import math
def layer_norm(x, weight, bias):
    n = len(x)
    mean = sum(x) / n
    variance = sum((v - mean) ** 2 for v in x) / n
    scale = math.sqrt(variance + 1e-5)
    return [(v - mean) / scale * w + b for v, w, b in zip(x, weight, bias)]
"""
NORM = {
    "n - 1": (NORM_RIGHT.replace("for v in x) / n", "for v in x) / (n - 1)"), "不是 n - 1"),
    "no mean": (NORM_RIGHT.replace("(v - mean) / scale", "v / scale"), "减去平均数"),
    "variance": (NORM_RIGHT.replace("math.sqrt(variance + 1e-5)", "variance + 1e-5"), "再开方"),
    "no epsilon": (
        NORM_RIGHT.replace("math.sqrt(variance + 1e-5)", "math.sqrt(variance) or 1.0"),
        "加在方差上",
    ),
    "epsilon outside": (
        NORM_RIGHT.replace("math.sqrt(variance + 1e-5)", "math.sqrt(variance) + 1e-5"),
        "加在方差上",
    ),
    "bias first": (
        NORM_RIGHT.replace("/ scale * w + b", "/ scale + b) * w").replace(
            "return [(v", "return [((v"
        ),
        "顺序不能换",
    ),
    "no weight": (NORM_RIGHT.replace("* w + b", "+ b"), "weight"),
}
COUNT_RIGHT = """
def count_gpt2_parameters(config):
    c = config["n_embd"]
    block = (c * 3 * c + 3 * c) + (c * c + c) + (c * 4 * c + 4 * c) + (4 * c * c + c) + 4 * c
    embeddings = config["vocab_size"] * c + config["n_ctx"] * c
    return embeddings + config["n_layer"] * block + 2 * c
"""
COUNT = {
    "no biases": (COUNT_RIGHT.replace("c * 3 * c + 3 * c", "c * 3 * c"), "四个线性层"),
    "head twice": (COUNT_RIGHT.replace('config["vocab_size"]', '2 * config["vocab_size"]'), "块"),
    "no last norm": (COUNT_RIGHT.replace(" + 2 * c\n", "\n"), "块"),
    "no positions": (COUNT_RIGHT.replace(' + config["n_ctx"] * c', ""), "块"),
    "times heads": (
        COUNT_RIGHT.replace('config["n_layer"]', 'config["n_layer"] * config["n_head"]'),
        "线性层",
    ),
    "rounded": (COUNT_RIGHT.replace("2 * c\n", "2.0 * c\n"), "int"),
}


@pytest.mark.parametrize(
    ("code", "said"),
    [
        pytest.param(*wrong, id=f"{function}: {mistake}")
        for function, mistakes in (
            ("bigram_probability", BIGRAM),
            ("softmax_row", SOFTMAX),
            ("causal_attention", ATTENTION),
            ("layer_norm", NORM),
            ("count_gpt2_parameters", COUNT),
        )
        for mistake, wrong in mistakes.items()
    ],
)
def test_a_usual_mistake_fails_with_a_helpful_hint(code, said):
    assert_wrong(code, said, EXERCISES, seeds=5)


@pytest.mark.parametrize(
    "code", [BIGRAM_RIGHT, SOFTMAX_RIGHT, ATTENTION_RIGHT, NORM_RIGHT, COUNT_RIGHT]
)
def test_the_answers_that_the_mistakes_are_made_from_are_right(code):
    assert_right(code, EXERCISES)
