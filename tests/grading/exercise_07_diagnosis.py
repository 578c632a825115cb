"""The exercises of notebook 07: a robust trend, where a swing comes from, a cause from signs."""

import math
import statistics
from collections.abc import Sequence
from random import Random

from novelkit.exercises import Case, Exercise, Raises

FORBIDDEN = ("numpy", "scipy", "statistics", "torch", "novelkit")

# ---- the median of slopes between points that stand far apart

MEDIAN_OF_SLOPES = "对每一对点算斜率，再取所有斜率的中位数。平均数会被一个尖峰带偏。"
FAR_APART = "两点的步数要相差至少 apart（正好等于也算），不是在列表里相隔 apart 个。"
PER_HUNDRED = "单位是每 100 步变化多少 nats：每步的斜率乘以 100。"
NO_NUMBER = "None 表示那一步没有损失：连同它的步数一起去掉，不能当成 0。"
EVEN = "斜率有偶数个时，中位数是中间两个的平均。"
NO_PAIR = "一对相隔够远的点也没有，就没有趋势：请 raise ValueError。"


def robust_trend(steps: list[int], losses: list[float | None], apart: int) -> float:
    """The median slope, in nats per 100 steps, of pairs at least `apart` steps apart."""
    known = [(s, loss) for s, loss in zip(steps, losses, strict=True) if loss is not None]
    slopes = [
        (loss - before) / (step - start)
        for place, (step, loss) in enumerate(known)
        for start, before in known[:place]
        if step - start >= apart
    ]
    if not slopes:
        raise ValueError("no pair of points is that far apart")
    return 100 * statistics.median(slopes)


def _trend(steps: list[int], losses: list[float | None], apart: int, hint: str) -> Case:
    return Case((steps, losses, apart), robust_trend(steps, losses, apart), 1e-9, hint)


TREND_PUBLIC = (
    _trend([0, 10, 20, 30], [5.0, 4.9, 4.8, 4.7], 1, PER_HUNDRED),
    _trend([0, 10, 20, 30, 40], [5.0, 9.9, 4.8, 4.7, 4.6], 1, MEDIAN_OF_SLOPES),
    _trend([0, 10, 30, 70], [5.0, 4.0, 3.5, 3.25], 20, FAR_APART),
    _trend([1, 2, 3, 40, 41, 42], [5.0, 5.6, 5.2, 4.0, 4.5, 4.1], 30, FAR_APART),
    _trend([0, 10, 20, 30, 40], [5.0, None, 4.6, 4.5, None], 1, NO_NUMBER),
    _trend([0, 20, 40, 100], [5.0, 4.0, 4.5, 3.0], 20, EVEN),
    Case(([1, 2, 3], [5.0, 4.0, 3.0], 5), Raises("ValueError"), hint=NO_PAIR),
)


def hidden_trend_cases(random: Random) -> Sequence[Case]:
    """Noisy lines with spikes and holes, at uneven steps; one without a pair."""
    cases = []
    for number in range(random.randint(7, 9)):
        count, gap = random.randint(8, 16), random.choice((1, 5, 10, 25))
        steps = [random.randint(0, 50)]
        while len(steps) < count:
            steps.append(steps[-1] + random.randint(1, 2 * gap))
        slope, start = random.uniform(-0.02, 0.005), random.uniform(3, 7)
        losses: list[float | None] = [
            round(start + slope * step + random.gauss(0, 0.05), 4) for step in steps
        ]
        for _ in range(random.randint(1, 2)):
            losses[random.randrange(count)] = round(random.uniform(9, 30), 2)
        if number % 2:
            losses[random.randrange(1, count - 1)] = None
        apart = max(1, (steps[-1] - steps[0]) // random.randint(2, 4))
        cases.append(_trend(steps, losses, apart, (MEDIAN_OF_SLOPES, FAR_APART)[number % 2]))
    hole: list[float | None] = [5.0, None, 4.0]
    cases.append(
        Case(([10, 20, 30], hole, random.randint(21, 90)), Raises("ValueError"), 0, NO_PAIR)
    )
    alone: list[float | None] = [None, round(random.uniform(2, 6), 2), None]
    cases.append(Case(([1, 2, 3], alone, 1), Raises("ValueError"), 0, NO_PAIR))
    return cases


# ---- where a swing comes from

# What the exercise's text says.
CALM, TWICE, DRIFTING, FEWEST = 0.1, 2.0, 0.8, 8

SWING = "波动 = 1.4826 × 各损失离中位数的距离的中位数（一个尖峰不该改变它）。"
SMALL = "波动不到 0.1 就是 calm，先查这一条：全都一样时，后面会除以 0。"
PREDICTED = "批预言的波动是 spread ÷ √rows；波动超过它的 2 倍是 beyond。"
SUCCESSIVE = (
    "漂移：相邻两步之差的平方和 ÷（2 × 离平均数的差的平方和）。"
    "互不相干时约为 1，小于 0.8 是 drift。"
)
IN_THIS_ORDER = "按 calm、beyond、drift、batch 的次序查，先中的算。"
TOO_FEW = "不到 8 个损失，看不出来：请 raise ValueError。"


def name_swing(losses: list[float], spread: float, rows: int) -> str:
    """ "calm", "beyond" what the batch predicts, "drift", or what the "batch" predicts."""
    if len(losses) < FEWEST:
        raise ValueError("too few losses")
    middle = statistics.median(losses)
    swing = 1.4826 * statistics.median(abs(loss - middle) for loss in losses)
    if swing < CALM:
        return "calm"
    if swing > TWICE * spread / math.sqrt(rows):
        return "beyond"
    return "drift" if _successive(losses) < DRIFTING else "batch"


def _successive(losses: list[float]) -> float:
    """Von Neumann's ratio, halved: 1 for losses that know nothing of one another."""
    mean = math.fsum(losses) / len(losses)
    steps = math.fsum((b - a) ** 2 for a, b in zip(losses, losses[1:], strict=False))
    return steps / (2 * math.fsum((loss - mean) ** 2 for loss in losses))


def _swing(losses: list[float], spread: float, rows: int, hint: str) -> Case:
    return Case((losses, spread, rows), name_swing(losses, spread, rows), hint=hint)


UP_AND_DOWN = [0.3, -0.2, 0.25, -0.3, 0.1, -0.25, 0.2, -0.1, 0.3, -0.3]
SLOW_WAVE = [0.0, 0.2, 0.35, 0.4, 0.3, 0.1, -0.1, -0.3, -0.4, -0.35, -0.2, 0.0]
HALF_DRIFTING = [0.4, 0.1, 0.5, 0.3, 0.0, -0.3, 0.1, -0.4, -0.1, -0.5, 0.0, 0.2]
SPIKE = [0.02, -0.03, 0.01, 9.0, -0.02, 0.03, -0.01, 0.02, -0.03, 0.0]

SWING_PUBLIC = (
    _swing([0.0] * 10, 0.5, 8, SMALL),
    _swing(SPIKE, 0.5, 8, SWING),
    _swing(UP_AND_DOWN, 1.0, 8, PREDICTED),
    _swing(UP_AND_DOWN, 0.35, 8, PREDICTED),
    _swing(SLOW_WAVE, 1.0, 8, SUCCESSIVE),
    _swing(HALF_DRIFTING, 1.0, 8, SUCCESSIVE),
    _swing(SLOW_WAVE, 0.4, 16, IN_THIS_ORDER),
    Case(([0.5, -0.5, 0.5], 1.0, 8), Raises("ValueError"), hint=TOO_FEW),
)


def hidden_swing_cases(random: Random) -> Sequence[Case]:
    """Each of the four, and too few; none of them near a border."""
    cases: list[Case] = []
    # How much of a step's loss the next one remembers.
    wanted = [("calm", 0.0), ("batch", 0.0), ("beyond", 0.0), ("beyond", 0.9)]
    wanted += [("drift", 0.9), ("drift", 0.45), ("drift", 0.45), ("batch", 0.0)]
    while len(cases) < len(wanted):
        word, memory = wanted[len(cases)]
        losses, spread, rows = _draw_swing(random, word, memory)
        if name_swing(losses, spread, rows) == word and not _near(losses, spread, rows):
            hint = {"calm": SMALL, "drift": SUCCESSIVE}.get(word, PREDICTED)
            cases.append(_swing(losses, spread, rows, hint))
    spiked = [*cases[0].arguments[0], round(random.uniform(5, 20), 1)]
    cases.append(_swing(spiked, cases[0].arguments[1], cases[0].arguments[2], SWING))
    few = [round(random.gauss(0, 1), 2) for _ in range(random.randint(1, 7))]
    cases.append(Case((few, 1.0, 4), Raises("ValueError"), hint=TOO_FEW))
    return cases


def _draw_swing(random: Random, word: str, memory: float) -> tuple[list[float], float, int]:
    count, rows = random.randint(24, 40), random.choice((1, 4, 8, 16))
    height = 0.03 if word == "calm" else random.uniform(0.3, 0.8)
    losses, level = [], 0.0
    for _ in range(count):
        level = memory * level + random.gauss(0, math.sqrt(1 - memory**2))
        losses.append(round(height * level, 3))
    middle = statistics.median(losses)
    swing = 1.4826 * statistics.median(abs(loss - middle) for loss in losses)
    # "beyond" by three times and more; the others are what the batch predicts, or less.
    share = random.uniform(3, 6) if word == "beyond" else random.uniform(0.7, 1.3)
    return losses, round(max(0.01, swing / share * math.sqrt(rows)), 3), rows


def _near(losses: list[float], spread: float, rows: int) -> bool:
    """Whether rounding, or another definition of the median, could change the word."""
    middle = statistics.median(losses)
    swing = 1.4826 * statistics.median(abs(loss - middle) for loss in losses)
    ratios = (swing / CALM, swing / (TWICE * spread / math.sqrt(rows)))
    return any(0.8 < r < 1.25 for r in ratios) or abs(_successive(losses) - DRIFTING) < 0.05


# ---- the cause of a blind curve, from five signs

# Sign, from, below, cause: what the table in the notebook says.
RULES = (
    ("jump_of_swing", 5.0, math.inf, "restarted"),
    ("echo", 4.0, math.inf, "batches_repeated"),
    ("gap", 1.5, math.inf, "overfitting"),
    ("memory", 0.25, math.inf, "unshuffled"),
    ("noise_of_spread", 0.7, 5.0, "one_micro_batch_logged"),
)

FROM_ON = "正好等于下限也算中。"
ONLY_ONE = "恰好中了一条，就返回那一条的原因。"
SEVERAL = '中了两条或更多，就是说不准：返回 "unknown"，不要猜。'
NONE_OF_THEM = '一条也没中：返回 "healthy"。'
ABSENT = "缺的信号（没有这个键，或者是 None）什么也不说明：跳过，不能当成 0，也不能报错。"
UPPER = "noise_of_spread 到了 5 以上不算：一步只有一段时，没有“各段的差别”可比。"


def name_cause(signs: dict[str, float | None]) -> str:
    """The one cause whose sign is in its range, "healthy" for none, "unknown" for several."""
    found = [
        cause
        for sign, low, high, cause in RULES
        if (value := signs.get(sign)) is not None and low <= value < high
    ]
    return "healthy" if not found else found[0] if len(found) == 1 else "unknown"


def _cause(signs: dict[str, float | None], hint: str) -> Case:
    return Case((signs,), name_cause(signs), hint=hint)


QUIET: dict[str, float | None] = {
    "jump_of_swing": 0.4,
    "echo": 0.3,
    "gap": 0.2,
    "memory": 0.05,
    "noise_of_spread": 0.36,
}
CAUSE_PUBLIC = (
    _cause(dict(QUIET), NONE_OF_THEM),
    _cause({**QUIET, "jump_of_swing": 9.5}, ONLY_ONE),
    _cause({**QUIET, "memory": 0.25}, FROM_ON),
    _cause({**QUIET, "gap": 2.5, "memory": 0.4}, SEVERAL),
    _cause({**QUIET, "jump_of_swing": None, "echo": 6.0}, ABSENT),
    _cause({"memory": -0.1, "noise_of_spread": 0.9}, ABSENT),
    _cause({**QUIET, "noise_of_spread": 9.0}, UPPER),
)


def hidden_cause_cases(random: Random) -> Sequence[Case]:
    """Each cause alone, several together, none, with signs left out at random."""
    cases = []
    for _, _, _, cause in RULES:
        cases.append(_cause(_draw_signs(random, {cause}), ONLY_ONE))
    for count in (0, 2, 3, random.randint(1, 5)):
        chosen = random.sample([cause for *_, cause in RULES], count)
        hint = (NONE_OF_THEM, ONLY_ONE)[count] if count < 2 else SEVERAL
        cases.append(_cause(_draw_signs(random, set(chosen)), hint))
    alone = _draw_signs(random, set())
    alone["noise_of_spread"] = round(random.uniform(5, 20), 2)
    cases.append(_cause(alone, UPPER))
    return cases


def _draw_signs(random: Random, fired: set[str]) -> dict[str, float | None]:
    """Signs that fire for these causes only; of the others some are None or absent."""
    signs: dict[str, float | None] = {}
    for sign, low, high, cause in RULES:
        top = min(high, 4 * low)
        if cause in fired:
            signs[sign] = round(random.choice((low, random.uniform(low, top - 0.01))), 3)
        elif (kind := random.random()) < 0.7:
            signs[sign] = round(random.uniform(-0.3, 0.9) * low, 3)
        elif kind < 0.85:
            signs[sign] = None
    return signs


EXERCISES = (
    Exercise(
        name="07-robust-trend",
        notebook="07_diagnosis",
        function="robust_trend",
        title="不怕尖峰的趋势",
        points=6,
        public_cases=TREND_PUBLIC,
        hidden_cases=hidden_trend_cases,
        reference=robust_trend,
        hints=(MEDIAN_OF_SLOPES, FAR_APART, PER_HUNDRED, NO_NUMBER, EVEN, NO_PAIR),
        forbidden_imports=FORBIDDEN,
    ),
    Exercise(
        name="07-name-swing",
        notebook="07_diagnosis",
        function="name_swing",
        title="震荡从哪里来",
        points=7,
        public_cases=SWING_PUBLIC,
        hidden_cases=hidden_swing_cases,
        reference=name_swing,
        hints=(SWING, SMALL, PREDICTED, SUCCESSIVE, IN_THIS_ORDER, TOO_FEW),
        forbidden_imports=FORBIDDEN,
    ),
    Exercise(
        name="07-name-cause",
        notebook="07_diagnosis",
        function="name_cause",
        title="盲诊：五个信号，一个原因",
        points=7,
        public_cases=CAUSE_PUBLIC,
        hidden_cases=hidden_cause_cases,
        reference=name_cause,
        hints=(ONLY_ONE, FROM_ON, SEVERAL, NONE_OF_THEM, ABSENT, UPPER),
        forbidden_imports=FORBIDDEN,
    ),
)
