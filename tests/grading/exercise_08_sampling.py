"""The exercises of notebook 08: temperature, top-k, top-p, and the penalty of CTRL."""

import math
from collections.abc import Sequence
from random import Random

from novelkit.exercises import Case, Exercise, Raises

FORBIDDEN = ("novelkit", "torch", "transformers", "numpy", "scipy")

# ---- softmax at a temperature

DIVIDE = "每个分数先除以温度，再 softmax：exp 之后除以总和。乘上温度就反了：温度高的该更平。"
ONE_HOT = "温度 0 不能除：它的意思是只取分数最大的那个，概率 1，其余 0（并列就取最前面的）。"
LARGE = (
    "exp(1000) 会溢出，除以很小的温度也会变得很大："
    "先减去最大的分数，再除以温度，最大的是 0，就不会溢出。"
)
NO_TEMPERATURE = "温度不能是负数（最不可能的词元会变成最可能的）：请 raise ValueError。"


def probabilities_at(logits: list[float], temperature: float) -> list[float]:
    """Softmax of logits / temperature; at 0 all of it for the first of the largest."""
    if temperature < 0:
        raise ValueError(f"temperature must not be negative, got {temperature}")
    highest = max(logits)
    if temperature == 0:
        first = logits.index(highest)
        return [float(place == first) for place in range(len(logits))]
    powers = [math.exp((value - highest) / temperature) for value in logits]
    total = math.fsum(powers)
    return [power / total for power in powers]


def _heated(logits: list[float], temperature: float, hint: str) -> Case:
    return Case((logits, temperature), probabilities_at(logits, temperature), 1e-9, hint)


TEMPERATURE_PUBLIC = (
    _heated([1.0, 2.0, 3.0], 1.0, DIVIDE),
    _heated([1.0, 2.0, 3.0], 2.0, DIVIDE),
    _heated([1.0, 2.0, 3.0], 0.5, DIVIDE),
    _heated([-1.0, 2.5, 0.0], 0.0, ONE_HOT),
    _heated([0.0, 4.0, 4.0], 0.0, ONE_HOT),
    _heated([1000.0, 999.0, -1000.0], 0.7, LARGE),
    _heated([1.0, 3.0, 2.0], 1e-300, LARGE),
    _heated([-2000.0, -2001.0], 1.0, LARGE),
    Case(([1.0, 2.0], -1.0), Raises("ValueError"), hint=NO_TEMPERATURE),
)


def hidden_temperature_cases(random: Random) -> Sequence[Case]:
    """Usual temperatures, 0 with and without ties, scores and temperatures that overflow."""
    cases = []
    for number in range(random.randint(7, 9)):
        size = 2000.0 if number % 3 == 2 else 5.0
        logits = [round(random.uniform(-size, size), 3) for _ in range(random.randint(2, 9))]
        temperature = round(random.uniform(0.3, 2.5), 2)
        cases.append(_heated(logits, temperature, LARGE if size > 5 else DIVIDE))
    tied = [float(random.randint(-3, 3)) for _ in range(random.randint(3, 8))]
    tied += [4.0, round(random.uniform(-3, 3), 2), 4.0]
    cases.append(_heated(tied, 0.0, ONE_HOT))
    low = [round(random.uniform(-5, 5), 2) for _ in range(4)]
    cases.append(_heated(low, random.choice((1e-200, 1e-300, 5e-324)), LARGE))
    negative = -round(random.uniform(0.1, 3), 2)
    cases.append(Case((low, negative), Raises("ValueError"), hint=NO_TEMPERATURE))
    return cases


# ---- top-k

RENORMALISE = "切掉的概率变成 0，留下的要除以它们的和，加起来才又是 1。"
EXACTLY = (
    "正好留 k 个：按“不小于第 k 大的”来留，遇到并列会多留。并列时编号小的先留下。"
    "可以给编号排序：sorted(range(n), key=lambda i: -probabilities[i])，相等时它保持原来的先后。"
)
IN_PLACE = "结果的长度和次序都不变：第 i 个数还是第 i 个词元的概率。"
KEEP_ALL = "k 是 0 表示不切；k 比词表还大，也是全都留下。"


def keep_best(probabilities: list[float], k: int) -> list[float]:
    """The k most probable tokens, renormalised, at their places; of equals the first. 0: all."""
    order = sorted(range(len(probabilities)), key=lambda place: -probabilities[place])
    kept = set(order[:k] if k else order)
    total = math.fsum(probabilities[place] for place in kept)
    return [value / total if place in kept else 0.0 for place, value in enumerate(probabilities)]


def _best(probabilities: list[float], k: int, hint: str) -> Case:
    return Case((probabilities, k), keep_best(probabilities, k), 1e-9, hint)


TOP_K_PUBLIC = (
    _best([0.5, 0.25, 0.125, 0.125], 2, RENORMALISE),
    _best([0.1, 0.2, 0.6, 0.1], 2, IN_PLACE),
    _best([0.25, 0.25, 0.25, 0.25], 2, EXACTLY),
    _best([0.1, 0.3, 0.3, 0.3], 1, EXACTLY),
    _best([0.2, 0.8], 0, KEEP_ALL),
    _best([0.2, 0.8], 5, KEEP_ALL),
)


def hidden_top_k_cases(random: Random) -> Sequence[Case]:
    """Distributions of sixty-fourths, half of them with equals at the border."""
    cases = []
    for number in range(random.randint(8, 10)):
        probabilities = _sixty_fourths(random, random.randint(4, 9), number % 2 == 0)
        k = random.randint(1, len(probabilities) - 1)
        cases.append(_best(probabilities, k, EXACTLY if number % 2 == 0 else RENORMALISE))
    even = [1 / 8] * 8
    cases.append(_best(even, random.randint(1, 7), EXACTLY))
    probabilities = _sixty_fourths(random, random.randint(3, 6), False)
    cases.append(_best(probabilities, random.choice((0, 50)), KEEP_ALL))
    return cases


def _sixty_fourths(random: Random, count: int, tied: bool) -> list[float]:
    """Probabilities that are exact as floats, so that sums of them are; `tied`: few values."""
    if tied:
        parts = [random.choice((4, 4, 8)) for _ in range(count - 1)]
        rest = 64 - sum(parts)
    else:
        borders = sorted(random.sample(range(1, 64), count - 1))
        parts = [high - low for low, high in zip([0, *borders], borders, strict=False)]
        rest = 64 - borders[-1]
    values = [part / 64 for part in [*parts, rest] if part > 0]
    random.shuffle(values)
    return values


# ---- top-p

SMALLEST = "从最大的加起，一加到 p 就停：刚好等于 p 也够了，不再多留一个。"
REACH = "要够到 p：让总和达到 p 的那个词元也要留下，不能在它前面停。"
AT_LEAST_ONE = "至少留一个：最大的那个自己就超过 p 时，也要留下它。"
ORDER = "返回编号，最可能的在前；概率相等时编号小的在前。"
ALL_OF_IT = "p 是 1 就全都留下。"
NO_SHARE = "p 要大于 0、不超过 1，别的请 raise ValueError。"


def nucleus(probabilities: list[float], p: float) -> list[int]:
    """The smallest set of most probable tokens that reaches p, most probable first."""
    if not 0 < p <= 1:
        raise ValueError(f"p must be above 0 and at most 1, got {p}")
    order = sorted(range(len(probabilities)), key=lambda place: -probabilities[place])
    total = 0.0
    for count, place in enumerate(order, 1):
        total += probabilities[place]
        if total >= p and p < 1:
            return order[:count]
    return order


def _nucleus(probabilities: list[float], p: float, hint: str) -> Case:
    return Case((probabilities, p), nucleus(probabilities, p), hint=hint)


TOP_P_PUBLIC = (
    _nucleus([0.5, 0.25, 0.125, 0.125], 0.75, SMALLEST),
    _nucleus([0.5, 0.25, 0.125, 0.125], 0.625, REACH),
    _nucleus([0.125, 0.25, 0.5, 0.125], 0.7, ORDER),
    _nucleus([0.25, 0.25, 0.25, 0.25], 0.5, ORDER),
    _nucleus([0.0625, 0.9375], 0.1, AT_LEAST_ONE),
    _nucleus([0.25, 0.5, 0.25], 1.0, ALL_OF_IT),
    Case(([0.5, 0.5], 0.0), Raises("ValueError"), hint=NO_SHARE),
    Case(([0.5, 0.5], 1.5), Raises("ValueError"), hint=NO_SHARE),
)


def hidden_top_p_cases(random: Random) -> Sequence[Case]:
    """Distributions of sixty-fourths: a p that is reached exactly, between two, or by the first."""
    cases = []
    for number in range(random.randint(8, 10)):
        probabilities = _sixty_fourths(random, random.randint(4, 9), number % 3 == 0)
        ordered = sorted(probabilities, reverse=True)
        exact = sum(ordered[: random.randint(1, len(ordered) - 1)])
        if number % 2:
            cases.append(_nucleus(probabilities, exact, SMALLEST))
        else:
            cases.append(_nucleus(probabilities, exact + 1 / 128, REACH))
    sure = [1 / 64, 61 / 64, 1 / 64, 1 / 64]
    random.shuffle(sure)
    cases.append(_nucleus(sure, random.choice((0.25, 0.5, 0.9)), AT_LEAST_ONE))
    cases.append(_nucleus(_sixty_fourths(random, 5, False), 1.0, ALL_OF_IT))
    wrong = random.choice((0.0, -0.5, 1.25, 50.0))
    cases.append(Case((sure, wrong), Raises("ValueError"), hint=NO_SHARE))
    return cases


# ---- the repetition penalty

POSITIVE = "出现过的词元，分数是正的就除以 penalty，变小。"
NEGATIVE = "分数是负的，除以 penalty 反而变大（−6 ÷ 2 = −3）：负的要乘以 penalty。"
ONCE = "一个词元不管出现过几次，只罚一次。可以先用 set(history) 去掉重复的。"
UNSEEN = "没出现过的词元，分数不变。"
NEW_LIST = "返回一个新的列表，长度和 logits 一样。"


def penalised(logits: list[float], history: list[int], penalty: float) -> list[float]:
    """CTRL's rule: seen tokens get x / penalty, or x * penalty where x < 0; each once."""
    seen = set(history)
    return [
        (value * penalty if value < 0 else value / penalty) if token in seen else value
        for token, value in enumerate(logits)
    ]


def _penalised(logits: list[float], history: list[int], penalty: float, hint: str) -> Case:
    return Case((logits, history, penalty), penalised(logits, history, penalty), 1e-9, hint)


PENALTY_PUBLIC = (
    _penalised([4.0, 2.0, 1.0], [0], 2.0, POSITIVE),
    _penalised([3.0, -6.0, 1.0], [1], 2.0, NEGATIVE),
    _penalised([3.0, -6.0, 1.5], [2, 2, 2, 1], 1.5, ONCE),
    _penalised([3.0, 0.0, -1.0], [1], 1.3, UNSEEN),
    _penalised([3.0, -1.0], [], 1.3, UNSEEN),
    _penalised([3.0, -1.0], [0, 1], 1.0, NEW_LIST),
)


def hidden_penalty_cases(random: Random) -> Sequence[Case]:
    """Scores of both signs, histories with repetitions, and penalties on both sides of 1."""
    cases = []
    for number in range(random.randint(9, 11)):
        size = random.randint(4, 9)
        logits = [round(random.uniform(1, 9) * random.choice((-1, 1)), 2) for _ in range(size)]
        # Both signs are seen, whatever the draw was.
        logits[0], logits[1] = abs(logits[0]), -abs(logits[1])
        history = [0, 1, *random.choices(range(size - 1), k=random.randint(1, 2 * size))]
        random.shuffle(history)
        penalty = random.choice((1.1, 1.2, 1.5, 2.0, 0.8))
        cases.append(_penalised(logits, history, penalty, ONCE if number % 2 else NEGATIVE))
    cases.append(_penalised(logits, [], 1.4, UNSEEN))
    return cases


EXERCISES = (
    Exercise(
        name="08-probabilities-at",
        notebook="08_sampling",
        function="probabilities_at",
        title="温度",
        points=5,
        public_cases=TEMPERATURE_PUBLIC,
        hidden_cases=hidden_temperature_cases,
        reference=probabilities_at,
        hints=(DIVIDE, ONE_HOT, LARGE, NO_TEMPERATURE),
        forbidden_imports=FORBIDDEN,
    ),
    Exercise(
        name="08-keep-best",
        notebook="08_sampling",
        function="keep_best",
        title="top-k：正好 k 个",
        points=5,
        public_cases=TOP_K_PUBLIC,
        hidden_cases=hidden_top_k_cases,
        reference=keep_best,
        hints=(RENORMALISE, IN_PLACE, EXACTLY, KEEP_ALL),
        forbidden_imports=FORBIDDEN,
    ),
    Exercise(
        name="08-nucleus",
        notebook="08_sampling",
        function="nucleus",
        title="top-p：够到 p 的最小一组",
        points=6,
        public_cases=TOP_P_PUBLIC,
        hidden_cases=hidden_top_p_cases,
        reference=nucleus,
        hints=(ORDER, SMALLEST, REACH, AT_LEAST_ONE, ALL_OF_IT, NO_SHARE),
        forbidden_imports=FORBIDDEN,
    ),
    Exercise(
        name="08-penalised",
        notebook="08_sampling",
        function="penalised",
        title="重复惩罚",
        points=4,
        public_cases=PENALTY_PUBLIC,
        hidden_cases=hidden_penalty_cases,
        reference=penalised,
        hints=(POSITIVE, NEGATIVE, ONCE, UNSEEN, NEW_LIST),
        forbidden_imports=FORBIDDEN,
    ),
)
