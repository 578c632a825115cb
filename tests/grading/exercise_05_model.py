"""The exercises of notebook 05: a smoothed bigram, softmax, attention, layer norm, parameters."""

import math
from collections import Counter
from collections.abc import Sequence
from random import Random

from novelkit.exercises import Case, Exercise

# ---- the next character from counts

PAIRS = (
    "前一个字出现几次，要数它后面跟着字的那几次：文末的最后一个字后面什么也没有，不能算。"
    "（可以数 text[:-1] 里的。）"
)
KINDS = "T 是前一个字后面跟过几种不同的字，不是跟过几次。"
OVERLAP = (
    "text.count('哈哈') 不数重叠的：'哈哈哈' 里有两个“哈哈”，它只数出一个。请一个位置一个位置地数。"
)
BACK_OFF = "前一个字没有出现过（或者只在文末），就没有上文可用：直接返回单字的概率。"
SINGLE = "单字的概率是它在全文出现的次数除以全文的字数，全文包括最后一个字。"


def bigram_probability(text: str, before: str, character: str) -> float:
    """Witten-Bell: (pairs + kinds * P(character)) / (followed + kinds); P alone where unseen."""
    single = text.count(character) / len(text)
    followers = Counter(b for a, b in zip(text, text[1:], strict=False) if a == before)
    kinds, followed = len(followers), followers.total()
    if not followed:
        return single
    return (followers[character] + kinds * single) / (followed + kinds)


def _bigram(text: str, before: str, character: str, hint: str) -> Case:
    arguments = (text, before, character)
    return Case(arguments, bigram_probability(*arguments), 1e-9, hint)


BIGRAM_PUBLIC = (
    # 灯 is followed three times by two kinds.
    _bigram("灯亮灯灭灯亮了", "灯", "亮", KINDS),
    _bigram("灯亮灯灭灯亮了", "灯", "了", KINDS),
    _bigram("灯亮灯灭灯", "灯", "亮", PAIRS),
    _bigram("哈哈哈哈，笑", "哈", "哈", OVERLAP),
    _bigram("灯亮了", "雁", "了", BACK_OFF),
    _bigram("灯亮了", "了", "了", BACK_OFF),
    _bigram("风风雨", "风", "雨", SINGLE),
)
BIGRAM_CHARACTERS = "天地人山水"


def hidden_bigram_cases(random: Random) -> Sequence[Case]:
    """Texts of few characters; in some the asked one ends the text or is not there."""
    cases = []
    for _ in range(random.randint(6, 8)):
        known = BIGRAM_CHARACTERS[: random.randint(2, 5)]
        text = "".join(random.choices(known, k=random.randint(5, 30)))
        cases.append(_bigram(text, random.choice(known), random.choice(known), KINDS))
        cases.append(_bigram(text, text[-1], random.choice(known), PAIRS))
    character = random.choice(BIGRAM_CHARACTERS)
    text = character * random.randint(4, 9) + random.choice("风雨") + character
    cases.append(_bigram(text, character, character, OVERLAP))
    text = "".join(random.choices(BIGRAM_CHARACTERS, k=random.randint(3, 9)))
    cases.append(_bigram(text, "雁", random.choice(text), BACK_OFF))
    return cases


# ---- softmax of a row of scores

SUM = "每个分数取 e 的幂，再除以所有幂的和：结果加起来是 1。"
LARGE = "math.exp(1000) 放不下（溢出）。每个分数先减去最大的一个：比例不变，最大的幂是 e⁰ = 1。"
SMALL = "很小的分数取幂都成了 0，和也成了 0，就要除以 0。减去的要是最大的分数，不能是 0 或平均数。"
ONE = "只有一个分数，概率就是 1.0。"


def softmax_row(scores: list[float]) -> list[float]:
    """Probabilities that sum to 1; never overflows."""
    most = max(scores)
    powers = [math.exp(score - most) for score in scores]
    total = math.fsum(powers)
    return [power / total for power in powers]


def _softmax(scores: list[float], hint: str) -> Case:
    return Case((scores,), softmax_row(scores), 1e-9, hint)


SOFTMAX_PUBLIC = (
    _softmax([0.0, 1.0, 2.0], SUM),
    _softmax([-1.5, 3.0, 0.0, 3.0], SUM),
    _softmax([1000.0, 1001.0], LARGE),
    _softmax([-1000.0, -1001.0, -1003.0], SMALL),
    _softmax([-1200.0, 0.0, 1200.0], LARGE),
    _softmax([7.0], ONE),
)


def hidden_softmax_cases(random: Random) -> Sequence[Case]:
    """Rows around 0, and rows so far from it that a power alone is infinite or 0."""
    cases = [_softmax([round(random.uniform(-9, 9), 3)], ONE)]
    for middle, hint in ((0.0, SUM), (0.0, SUM), (2000.0, LARGE), (-2000.0, SMALL)):
        for _ in range(2):
            length = random.randint(2, 9)
            scores = [round(middle + random.uniform(-4, 4), 3) for _ in range(length)]
            cases.append(_softmax(scores, hint))
    far = [random.choice((-1.0, 1.0)) * random.uniform(800, 2000) for _ in range(4)]
    cases.append(_softmax([*far, 0.0], LARGE))
    return cases


# ---- causal scaled dot-product attention

SCALE = "点积要除以 √D，D 是一个向量有几个数（不是句子有几个字，也不是 D 本身）。"
FUTURE = (
    "第 t 个字只能看第 0 到第 t 个：后面的不许看，自己可以看；看得见的几个，权重加起来是 1。"
    "把不许看的分数改成 0 不行（e⁰ = 1，照样看见），softmax 之后再抹掉也不行（加起来不到 1）。"
)
MASK = "不许看的位置要在 softmax 之前去掉：看得见的分数可能全是负的，改成 0 反而成了最大的。"
MIX = "结果是 value 各行按权重的平均，不是 key 的，也不是权重本身。"
FIRST = "第一个字只看得见自己，所以结果的第一行就是 value 的第一行。"


def causal_attention(
    query: list[list[float]], key: list[list[float]], value: list[list[float]]
) -> list[list[float]]:
    """Every row of `query` (T, D) mixes the rows 0..t of `value` (T, E)."""
    scale = math.sqrt(len(query[0]))
    mixed = []
    for t, wanted in enumerate(query):
        scores = [
            sum(q * k for q, k in zip(wanted, offered, strict=True)) / scale
            for offered in key[: t + 1]
        ]
        weights = softmax_row(scores)
        columns = zip(*value[: t + 1], strict=True)
        mixed.append([sum(w * v for w, v in zip(weights, c, strict=True)) for c in columns])
    return mixed


def _attended(
    query: list[list[float]], key: list[list[float]], value: list[list[float]], hint: str
) -> Case:
    return Case((query, key, value), causal_attention(query, key, value), 1e-6, hint)


ATTENTION_PUBLIC = (
    _attended([[3.0, 1.0]], [[2.0, 0.5]], [[5.0, 7.0]], FIRST),
    # All scores are equal, so every row is a plain average of what it may see.
    _attended([[0.0, 0.0]] * 3, [[1.0, 0.0]] * 3, [[1.0], [3.0], [8.0]], FUTURE),
    # A vector is as long as the square of its root: 4 numbers, divided by 2.
    _attended(
        [[1.0, 1.0, 1.0, 1.0], [1.0, 0.0, 0.0, 1.0]],
        [[0.5, 0.5, 0.5, 0.5], [1.0, 0.0, 1.0, 1.0]],
        [[10.0, 0.0, 1.0], [0.0, 10.0, 1.0]],
        SCALE,
    ),
    # The scores are all negative: a future set to 0 would win.
    _attended([[1.0, 0.0], [1.0, 0.0]], [[-3.0, 0.0], [-2.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]], MASK),
    _attended(
        [[1.0, 2.0], [0.0, -1.0], [2.0, 0.0]],
        [[0.0, 1.0], [1.0, 1.0], [-1.0, 2.0]],
        [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]],
        MIX,
    ),
)


def hidden_attention_cases(random: Random) -> Sequence[Case]:
    """Random tables whose T, D and width of the values differ from one another."""
    hints = (SCALE, FUTURE, MASK, MIX)
    cases = []
    for number in range(random.randint(7, 9)):
        length, depth, width = random.sample(range(2, 7), 3)

        def table(rows: int, columns: int) -> list[list[float]]:
            return [[round(random.uniform(-3, 3), 2) for _ in range(columns)] for _ in range(rows)]

        drawn = (table(length, depth), table(length, depth), table(length, width))
        cases.append(_attended(*drawn, hints[number % len(hints)]))
    return cases


# ---- layer norm

SPREAD = "先减去平均数，再除以标准差：平方的平均数再开方。平方和除以 n，不是 n - 1。"
EPSILON = "1e-5 加在方差上，在开方之前：所有数都一样时方差是 0，没有它就要除以 0。"
AFFINE = "最后一步：每个数乘上自己的 weight，再加上自己的 bias。顺序不能换。"


def layer_norm(x: list[float], weight: list[float], bias: list[float]) -> list[float]:
    """Mean 0 and variance 1, then scaled and moved; epsilon 1e-5 as in GPT-2."""
    mean = math.fsum(x) / len(x)
    variance = math.fsum((value - mean) ** 2 for value in x) / len(x)
    scale = math.sqrt(variance + 1e-5)
    return [(v - mean) / scale * w + b for v, w, b in zip(x, weight, bias, strict=True)]


def _normed(
    x: list[float], weight: list[float], bias: list[float], hint: str, tolerance: float = 1e-9
) -> Case:
    return Case((x, weight, bias), layer_norm(x, weight, bias), tolerance, hint)


NORM_PUBLIC = (
    # Loose enough that an answer without epsilon comes as far as the cases that explain it.
    _normed([1.0, 2.0, 3.0], [1.0] * 3, [0.0] * 3, SPREAD, 1e-4),
    _normed([100.0, 104.0, 96.0, 100.0], [1.0] * 4, [0.0] * 4, SPREAD, 1e-4),
    _normed([2.0, 2.0, 2.0], [1.0] * 3, [0.5, 0.0, -0.5], EPSILON),
    # A spread as small as epsilon: where it is added is seen.
    _normed([0.001, -0.001], [1.0, 1.0], [0.0, 0.0], EPSILON),
    _normed([1.0, -1.0, 3.0], [2.0, 1.0, 0.5], [1.0, 0.0, -1.0], AFFINE),
)


def hidden_norm_cases(random: Random) -> Sequence[Case]:
    """Vectors of any size of number, with their own scales and shifts."""
    cases = []
    for spread, hint in ((3.0, SPREAD), (1000.0, SPREAD), (0.003, EPSILON), (0.0, EPSILON)):
        for _ in range(random.randint(2, 3)):
            length, middle = random.randint(2, 8), random.uniform(-5, 5)
            x = [round(middle + random.uniform(-spread, spread), 6) for _ in range(length)]
            weight = [round(random.uniform(-2, 2), 2) for _ in x]
            bias = [round(random.uniform(-2, 2), 2) for _ in x]
            cases.append(_normed(x, weight, bias, hint))
    return cases


# ---- the parameters of a GPT-2

EMBEDDINGS = "词表每个编号一个向量：V × C；每个位置一个向量：n_ctx × C。"
BIASES = "每个线性层除了矩阵还有偏置，一个输出一个数：C → 3C 的那层是 3C·C + 3C。"
BLOCK = "一个块：C → 3C、C → C、C → 4C、4C → C 四个线性层，加两个归一化（各 2C 个数）。"
LAST_NORM = "所有的块之后还有一个归一化，它不在块里：2C 个数，只有一份。"
TIED = "输出层和词向量是同一张表（绑定），不再算一遍。"
HEADS = "头数不影响参数的个数：C 个通道分给几个头，矩阵还是那么大。"


def count_gpt2_parameters(config: dict[str, int]) -> int:
    """V C + n_ctx C + L (12 C^2 + 13 C) + 2 C."""
    c = config["n_embd"]
    embeddings = (config["vocab_size"] + config["n_ctx"]) * c
    return embeddings + config["n_layer"] * (12 * c * c + 13 * c) + 2 * c


def _counted(
    vocab_size: int, n_ctx: int, n_layer: int, n_head: int, n_embd: int, hint: str
) -> Case:
    config = {
        "vocab_size": vocab_size,
        "n_ctx": n_ctx,
        "n_layer": n_layer,
        "n_head": n_head,
        "n_embd": n_embd,
    }
    return Case((config,), count_gpt2_parameters(config), hint=hint)


COUNT_PUBLIC = (
    _counted(10, 4, 1, 1, 2, BLOCK),
    _counted(1300, 64, 2, 4, 256, BIASES),
    _counted(1300, 64, 2, 8, 256, HEADS),
    # GPT-2's own sizes, as published: small and XL.
    _counted(50257, 1024, 12, 12, 768, TIED),
    _counted(50257, 1024, 48, 25, 1600, LAST_NORM),
)


def hidden_count_cases(random: Random) -> Sequence[Case]:
    """Sizes without a pattern, so that no part can stand for another one."""
    hints = (EMBEDDINGS, BIASES, BLOCK, LAST_NORM, TIED)
    cases = []
    for number in range(random.randint(7, 9)):
        heads = random.choice((1, 2, 3, 4, 5))
        cases.append(
            _counted(
                random.randint(50, 9000),
                random.randint(8, 2000),
                random.randint(1, 30),
                heads,
                heads * random.randint(4, 60),
                hints[number % len(hints)],
            )
        )
    return cases


EXERCISES = (
    Exercise(
        name="05-bigram",
        notebook="05_model",
        function="bigram_probability",
        title="看前一个字，猜下一个字",
        points=6,
        public_cases=BIGRAM_PUBLIC,
        hidden_cases=hidden_bigram_cases,
        reference=bigram_probability,
        hints=(SINGLE, PAIRS, KINDS, OVERLAP, BACK_OFF),
        forbidden_imports=("novelkit", "nltk"),
    ),
    Exercise(
        name="05-softmax",
        notebook="05_model",
        function="softmax_row",
        title="不会溢出的 softmax",
        points=5,
        public_cases=SOFTMAX_PUBLIC,
        hidden_cases=hidden_softmax_cases,
        reference=softmax_row,
        hints=(SUM, LARGE, SMALL, ONE),
        forbidden_imports=("novelkit", "torch", "scipy", "transformers"),
    ),
    Exercise(
        name="05-attention",
        notebook="05_model",
        function="causal_attention",
        title="只看前面的注意力",
        points=8,
        public_cases=ATTENTION_PUBLIC,
        hidden_cases=hidden_attention_cases,
        reference=causal_attention,
        hints=(SCALE, FUTURE, MASK, MIX, FIRST),
        forbidden_imports=("novelkit", "torch", "transformers"),
    ),
    Exercise(
        name="05-layer-norm",
        notebook="05_model",
        function="layer_norm",
        title="归一化",
        points=5,
        public_cases=NORM_PUBLIC,
        hidden_cases=hidden_norm_cases,
        reference=layer_norm,
        hints=(SPREAD, EPSILON, AFFINE),
        forbidden_imports=("novelkit", "torch", "transformers"),
    ),
    Exercise(
        name="05-parameters",
        notebook="05_model",
        function="count_gpt2_parameters",
        title="数一数 GPT-2 的参数",
        points=6,
        public_cases=COUNT_PUBLIC,
        hidden_cases=hidden_count_cases,
        reference=count_gpt2_parameters,
        hints=(EMBEDDINGS, BLOCK, BIASES, LAST_NORM, TIED, HEADS),
        forbidden_imports=("novelkit", "torch", "transformers"),
    ),
)
