"""What can be known before the first step: the texts, and what the settings make of them.

The first layer of the doctor. It needs no run and takes seconds; what it finds is cheap to mend
before a training and costs hours after it.
"""

import math
from collections import Counter
from dataclasses import dataclass
from itertools import zip_longest

from novelkit.copying import find_copies
from novelkit.diagnosis.causes import Text
from novelkit.diagnosis.probe_pieces import is_strange
from novelkit.diagnosis.setup import TrainingSetup
from novelkit.scores import substituted_share

# Characters of a text that are looked at.
CHARACTERS = 200_000
# Beyond these a check is not passed.
MOST_STRANGE = 0.02
MOST_SUBSTITUTED = 0.04
MOST_REPEATED = 0.1
MOST_LEAKED = 0.1
LONGEST_WARMUP = 0.3
MOST_PASSES = 20.0
FEWEST_STEPS = 100
# Tokens of text by parameter: with fewer a model that starts from nothing can learn all by heart.
FEWEST_TOKENS = 0.02


@dataclass(frozen=True)
class Check:
    """One check: a number, whether it is within its limit, and what it says."""

    name: str
    value: float
    passed: bool
    text: Text


def preflight(setup: TrainingSetup) -> list[Check]:
    """Checks of texts and settings, in the order in which a training meets them.

    A text that repeats too little to be compared with itself is not checked for replaced
    characters.
    """
    return [*_check_texts(setup), *_check_settings(setup)]


def _check_texts(setup: TrainingSetup) -> list[Check]:
    train, validation = (setup.texts[name][:CHARACTERS] for name in ("train", "validation"))
    tokenizer = setup.tokenizer
    again = tokenizer.decode(tokenizer.encode(train))
    lost = sum(one != other for one, other in zip_longest(train, again))
    strange = sum(map(is_strange, train)) / max(1, len(train))
    repeated = _repeated(train)
    leaked = find_copies(validation, setup.texts["train"]).share
    return [
        Check(
            "round_trip",
            float(lost),
            lost == 0,
            (
                f"编码再解码，{lost} 个字变了样",
                f"encoded and decoded again, {lost} characters differ",
            ),
        ),
        Check(
            "strange_characters",
            strange,
            strange <= MOST_STRANGE,
            (
                f"训练文本里 {strange:.2%} 是不该出现的字符",
                f"{strange:.2%} of the training text are characters that do not belong there",
            ),
        ),
        *_check_substituted(train),
        Check(
            "repeated_paragraphs",
            repeated,
            repeated <= MOST_REPEATED,
            (
                f"训练文本里 {repeated:.1%} 的文字在重复的段落里",
                f"{repeated:.1%} of the training text stand in paragraphs that are repeated",
            ),
        ),
        Check(
            "leaked_validation",
            leaked,
            leaked <= MOST_LEAKED,
            (
                f"验证文本有 {leaked:.1%} 一字不差地在训练文本里",
                f"{leaked:.1%} of the validation text stands word for word in the training text",
            ),
        ),
    ]


def _check_substituted(train: str) -> list[Check]:
    share = substituted_share(train)
    if math.isnan(share):
        return []
    text = (
        f"文本反复这样写的地方，有 {share:.1%} 换成了搭不上的字",
        f"{share:.1%} of what the text writes again and again has a character that does not fit",
    )
    return [Check("substituted_characters", share, share <= MOST_SUBSTITUTED, text)]


def _repeated(text: str) -> float:
    """The share of characters in paragraphs of twenty and more that came before."""
    lines = [line for line in text.split("\n") if len(line) >= 20]
    extra = sum(len(line) * (count - 1) for line, count in Counter(lines).items())
    return extra / max(1, sum(map(len, lines)))


def _check_settings(setup: TrainingSetup) -> list[Check]:
    tokens = len(setup.tokens("train"))
    by_step = setup.config.batch_size * setup.model_config.n_ctx
    passes = setup.steps * by_step / max(1, tokens)
    warmup = setup.config.warmup_steps / max(1, setup.steps)
    by_parameter = tokens / max(1, setup.new_model().count_parameters())
    return [
        Check(
            "steps",
            float(setup.steps),
            setup.steps >= FEWEST_STEPS,
            (
                f"一共 {setup.steps} 步，每步 {by_step:,} 个词元",
                f"{setup.steps} steps of {by_step:,} tokens",
            ),
        ),
        Check(
            "warmup_share",
            warmup,
            warmup <= LONGEST_WARMUP,
            (f"warm-up 占全程的 {warmup:.0%}", f"the warm-up takes {warmup:.0%} of the run"),
        ),
        Check(
            "passes",
            passes,
            passes <= MOST_PASSES,
            (f"文本要读 {passes:.1f} 遍", f"the text is read {passes:.1f} times"),
        ),
        Check(
            "tokens_per_parameter",
            by_parameter,
            by_parameter >= FEWEST_TOKENS or passes <= MOST_PASSES,
            (
                f"每个参数只分到 {by_parameter:.3g} 个词元的文本",
                f"there are {by_parameter:.3g} tokens of text for a parameter",
            ),
        ),
    ]
