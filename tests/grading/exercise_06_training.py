"""The exercises of notebook 06: next-token loss, accumulation, a schedule, two units of a loss."""

import math
from collections.abc import Sequence
from random import Random

from novelkit.exercises import Case, Exercise, Raises

IGNORED = -100

# ---- the loss of predicting the next token

SHIFT = (
    "第 i 个位置的分数猜的是第 i+1 个词元：logits[0] 对 tokens[1]，最后一个位置没有目标，不算。"
    "忘了挪一位，模型学的就是照抄，损失很低，写出来却是乱码。"
)
LOG_SUM = "一个目标的损失 = log(Σ exp(所有分数)) − 目标的分数。"
OVERFLOW = "exp(1000) 会溢出：先把所有分数减去其中最大的，结果不变，再取 exp。"
SKIPPED = "目标是 -100 的位置不算损失，也不算进平均的分母。"
NO_TARGET = "一个目标也没有，就没有平均：请 raise ValueError。"


def next_token_loss(logits: list[list[float]], tokens: list[int]) -> float:
    """Mean cross entropy in nats: row i predicts token i + 1; targets of -100 are left out."""
    pairs = zip(logits[:-1], tokens[1:], strict=True)
    losses = [_loss(row, target) for row, target in pairs if target != IGNORED]
    if not losses:
        raise ValueError("no target")
    return math.fsum(losses) / len(losses)


def _loss(row: list[float], target: int) -> float:
    highest = max(row)
    total = math.fsum(math.exp(value - highest) for value in row)
    return highest + math.log(total) - row[target]


def _scored(logits: list[list[float]], tokens: list[int], hint: str) -> Case:
    return Case((logits, tokens), next_token_loss(logits, tokens), 1e-9, hint)


LOSS_PUBLIC = (
    # Equal scores: ln V, whatever the target.
    _scored([[0.0, 0.0, 0.0, 0.0]] * 3, [3, 0, 1], LOG_SUM),
    # Sure of the next token, as a right answer is; the reader who does not shift is sure of it not.
    _scored([[0.0, 8.0, 0.0], [0.0, 0.0, 8.0], [8.0, 0.0, 0.0]], [0, 1, 2], SHIFT),
    _scored([[1.0, 2.0], [0.5, 0.0], [3.0, 1.0], [0.0, 0.0]], [0, 1, IGNORED, 0], SKIPPED),
    _scored([[1000.0, 0.0, 999.0], [0.0, 0.0, 0.0]], [2, 2], OVERFLOW),
    Case(([[0.0, 1.0], [1.0, 0.0]], [0, IGNORED]), Raises("ValueError"), hint=NO_TARGET),
)


def hidden_loss_cases(random: Random) -> Sequence[Case]:
    """Random scores; some ignored targets, some scores too large for exp, one without a target."""
    cases = []
    for number in range(random.randint(8, 10)):
        length, vocabulary = random.randint(3, 9), random.randint(3, 12)
        size = 900.0 if number % 4 == 3 else 4.0
        logits = [
            [round(random.uniform(-size, size), 3) for _ in range(vocabulary)]
            for _ in range(length)
        ]
        tokens = [random.randrange(vocabulary) for _ in range(length)]
        if number % 2:
            tokens[random.randrange(2, length)] = IGNORED
        hint = OVERFLOW if size > 4 else (SKIPPED if number % 2 else SHIFT)
        cases.append(_scored(logits, tokens, hint))
    # The first token is nobody's target.
    nothing = [random.randrange(3), IGNORED, IGNORED]
    rows = [[0.0, round(random.uniform(-3, 3), 2), 1.0] for _ in nothing]
    cases.append(Case((rows, nothing), Raises("ValueError"), hint=NO_TARGET))
    return cases


# ---- the loss of a step that is taken in parts

BY_TOKENS = (
    "各小批的词元数不一样：先把所有词元的损失加起来，再除以所有词元的个数。"
    "先各自平均、再平均，词元少的小批就占了便宜。"
)
ALL_PARTS = "一步的损失是所有小批一起的平均，不是最后一个小批的。"
LEFT_OUT = (
    "None 表示这个位置没有目标（被忽略）：不加进和里，也不算个数。"
    "0.0 是猜得完全对的目标，照样算一个。"
)
EMPTY_PART = "有的小批可能一个目标也没有：别除以 0，它什么也不贡献。"
NOTHING_LEFT = "整步一个目标也没有：请 raise ValueError。"


def accumulated_loss(micro_batches: list[list[float | None]]) -> float:
    """The mean over every target of the step, as one batch of all micro-batches has it."""
    losses = [loss for part in micro_batches for loss in part if loss is not None]
    if not losses:
        raise ValueError("no target")
    return math.fsum(losses) / len(losses)


def _accumulated(micro_batches: list[list[float | None]], hint: str) -> Case:
    return Case((micro_batches,), accumulated_loss(micro_batches), 1e-9, hint)


ACCUMULATION_PUBLIC = (
    _accumulated([[3.0, 5.0], [4.0, 8.0]], ALL_PARTS),
    _accumulated([[2.0, 2.0, 2.0], [6.0]], BY_TOKENS),
    _accumulated([[4.0, None, None, None], [2.0, 2.0, 2.0, 2.0]], LEFT_OUT),
    _accumulated([[0.0, None, 3.0]], LEFT_OUT),
    _accumulated([[None, None], [5.0, 1.0]], EMPTY_PART),
    Case(([[None], [None, None]],), Raises("ValueError"), hint=NOTHING_LEFT),
)


def hidden_accumulation_cases(random: Random) -> Sequence[Case]:
    """Parts of unequal length with holes; one part empty, one step without any target."""
    cases = []
    for number in range(random.randint(8, 10)):
        parts = [
            [_maybe(random, 0.3 * (number % 3)) for _ in range(random.randint(2, 7))]
            for _ in range(random.randint(2, 5))
        ]
        parts[0][0] = round(random.uniform(6.0, 8.0), 3)
        if number % 3 == 1:
            parts[-1][-1] = 0.0  # a target that was certain counts like any other
        cases.append(_accumulated(parts, BY_TOKENS if number % 3 == 0 else LEFT_OUT))
    whole = [round(random.uniform(2.0, 7.0), 3) for _ in range(random.randint(1, 4))]
    cases.append(_accumulated([[None] * random.randint(1, 3), whole], EMPTY_PART))
    holes = [[None] * random.randint(1, 4) for _ in range(random.randint(1, 3))]
    cases.append(Case((holes,), Raises("ValueError"), hint=NOTHING_LEFT))
    return cases


def _maybe(random: Random, holes: float) -> float | None:
    return None if random.random() < holes else round(random.uniform(1.0, 7.0), 3)


# ---- warm-up, stable, cooldown

WARM = "预热：第 step 步（从 1 数起）是 peak × step / warmup，第 warmup 步正好到顶。"
STABLE = "预热之后、收尾之前，一直是 peak。"
COOL = (
    "收尾：从 start = total − cooldown 之后开始，第 step 步走了 "
    "(step − start) / cooldown，乘 peak ×（1 − 它）；第 total 步是 0。"
)
NO_WARMUP = "warmup 是 0 就没有预热，别除以 0；cooldown 是 0 同理。"
OUTSIDE = "步数从 1 到 total；在外面的步没有学习率：请 raise ValueError。"


def rate_at(step: int, peak: float, warmup: int, cooldown: int, total: int) -> float:
    """Linear warm-up, then `peak`, then a linear cooldown to 0 at the last step; from step 1."""
    if not 1 <= step <= total:
        raise ValueError(f"step must be 1 to {total}, got {step}")
    start = total - cooldown
    if step < warmup:
        return peak * step / warmup
    if step > start:
        return peak * (1 - (step - start) / cooldown)
    return float(peak)


def _rated(arguments: tuple[int, float, int, int, int], hint: str) -> Case:
    return Case(arguments, rate_at(*arguments), 1e-12, hint)


RATE_PUBLIC = (
    _rated((1, 0.001, 10, 20, 100), WARM),
    _rated((10, 0.001, 10, 20, 100), WARM),
    _rated((50, 0.001, 10, 20, 100), STABLE),
    _rated((80, 0.001, 10, 20, 100), STABLE),
    _rated((81, 0.001, 10, 20, 100), COOL),
    _rated((100, 0.001, 10, 20, 100), COOL),
    _rated((1, 0.5, 0, 4, 8), NO_WARMUP),
    _rated((8, 0.5, 2, 0, 8), NO_WARMUP),
    Case((0, 0.001, 10, 20, 100), Raises("ValueError"), hint=OUTSIDE),
    Case((101, 0.001, 10, 20, 100), Raises("ValueError"), hint=OUTSIDE),
)


def hidden_rate_cases(random: Random) -> Sequence[Case]:
    """Every part of runs of random length, their borders, and steps outside."""
    cases = []
    for _ in range(3):
        warmup, cooldown = random.randint(3, 20), random.randint(3, 30)
        total = warmup + cooldown + random.randint(5, 60)
        peak = random.choice((0.0003, 0.001, 0.003, 0.02))
        settings = (peak, warmup, cooldown, total)
        start = total - cooldown
        for step, hint in (
            (random.randint(1, warmup - 1), WARM),
            (warmup, WARM),
            (random.randint(warmup + 1, start), STABLE),
            (start, STABLE),
            (random.randint(start + 1, total), COOL),
        ):
            cases.append(_rated((step, *settings), hint))
    peak, total = random.choice((0.001, 0.01)), random.randint(5, 50)
    cases.append(_rated((random.randint(1, total), peak, 0, 0, total), NO_WARMUP))
    outside = random.choice((-random.randint(0, 5), total + random.randint(1, 9)))
    cases.append(Case((outside, peak, 2, 2, total), Raises("ValueError"), hint=OUTSIDE))
    return cases


# ---- a loss in other units

EXP = "困惑度是每个词元平均损失的指数：math.exp(nats)；它等于“平均在多少个里面等概率地猜”。"
BITS = "1 nat = 1 / ln 2 比特：除以 math.log(2)，不是乘。"
PER_CHARACTER = "总代价 = 每个词元的损失 × 词元数；摊到每个字上，再除以字数，不是词元数。"
NO_TEXT = "没有词元或没有字，就没有平均：请 raise ValueError。"


def describe_loss(nats: float, tokens: int, characters: int) -> dict[str, float]:
    """Perplexity per token, and bits per character, of a mean loss in nats per token."""
    if tokens < 1 or characters < 1:
        raise ValueError("no text")
    return {
        "perplexity": math.exp(nats),
        "bits_per_character": nats * tokens / math.log(2) / characters,
    }


def _described(nats: float, tokens: int, characters: int, hint: str) -> Case:
    return Case((nats, tokens, characters), describe_loss(nats, tokens, characters), 1e-9, hint)


UNITS_PUBLIC = (
    _described(math.log(4), 10, 10, EXP + BITS),
    _described(3.0, 1000, 1000, BITS),
    _described(4.5, 600, 1000, PER_CHARACTER),
    _described(0.0, 5, 5, "损失是 0，就是次次猜中：困惑度 1，比特 0。"),
    Case((3.0, 0, 5), Raises("ValueError"), hint=NO_TEXT),
    Case((3.0, 5, -1), Raises("ValueError"), hint=NO_TEXT),
)


def hidden_units_cases(random: Random) -> Sequence[Case]:
    """Tokenizers that join characters and ones that split them; no text."""
    cases = []
    for number in range(random.randint(8, 10)):
        characters = random.randint(50, 5000)
        share = random.uniform(0.4, 0.9) if number % 2 else random.uniform(1.01, 1.5)
        tokens, nats = max(1, round(characters * share)), round(random.uniform(0.01, 8.0), 4)
        cases.append(_described(nats, tokens, characters, PER_CHARACTER))
    missing = random.choice(((0, random.randint(1, 9)), (random.randint(1, 9), -1)))
    cases.append(Case((3.0, *missing), Raises("ValueError"), hint=NO_TEXT))
    return cases


EXERCISES = (
    Exercise(
        name="06-next-token-loss",
        notebook="06_training",
        function="next_token_loss",
        title="下一个词元的损失",
        points=6,
        public_cases=LOSS_PUBLIC,
        hidden_cases=hidden_loss_cases,
        reference=next_token_loss,
        hints=(SHIFT, LOG_SUM, SKIPPED, OVERFLOW, NO_TARGET),
        forbidden_imports=("novelkit", "torch", "transformers"),
    ),
    Exercise(
        name="06-accumulated-loss",
        notebook="06_training",
        function="accumulated_loss",
        title="分几次过的一步，损失怎样平均",
        points=5,
        public_cases=ACCUMULATION_PUBLIC,
        hidden_cases=hidden_accumulation_cases,
        reference=accumulated_loss,
        hints=(ALL_PARTS, BY_TOKENS, LEFT_OUT, EMPTY_PART, NOTHING_LEFT),
        forbidden_imports=("novelkit",),
    ),
    Exercise(
        name="06-rate-at",
        notebook="06_training",
        function="rate_at",
        title="学习率：预热、平稳、收尾",
        points=6,
        public_cases=RATE_PUBLIC,
        hidden_cases=hidden_rate_cases,
        reference=rate_at,
        hints=(WARM, STABLE, COOL, NO_WARMUP, OUTSIDE),
        forbidden_imports=("novelkit", "torch", "transformers"),
    ),
    Exercise(
        name="06-describe-loss",
        notebook="06_training",
        function="describe_loss",
        title="同一个损失的两种说法",
        points=4,
        public_cases=UNITS_PUBLIC,
        hidden_cases=hidden_units_cases,
        reference=describe_loss,
        hints=(EXP, BITS, PER_CHARACTER, NO_TEXT),
        forbidden_imports=("novelkit",),
    ),
)
