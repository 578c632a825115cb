"""The exercise of notebook 00: from a loss in nats per token to bits per character."""

from collections.abc import Sequence
from random import Random

from novelkit.exercises import Case, Exercise, Raises
from novelkit.scores import bits_per_character

UNIT = "单位换了吗，乘除用对了吗？1 比特等于 ln 2 奈特（nat），math.log 给的是自然对数。"
DIVIDE_BY_LN2 = "1 比特 = ln 2 奈特，所以是除以 ln 2，不是乘。"
RATIO = "先求总损失 = 每词元的损失 × 词元数，再平摊到每个字符：除以字符数。比值别写反了。"
EMPTY = "没有字符就谈不上“每个字符”：characters <= 0 时请 raise ValueError。"

PUBLIC_CASES = (
    # One nat over one token that is one character: nothing but the change of unit.
    Case((1.0, 1, 1), 1.4426950408889634, 1e-9, UNIT),
    # A uniform choice between 8 characters is 3 bits.
    Case((2.0794415416798357, 10, 10), 3.0, 1e-9, DIVIDE_BY_LN2),
    # The same text in half as many tokens: the loss of a token is shared by two characters.
    Case((2.0794415416798357, 50, 100), 1.5, 1e-9, RATIO),
    Case((0.0, 5, 8), 0.0, 1e-9, "损失为 0 就是 0 比特。"),
    Case((1.0, 5, 0), Raises("ValueError"), hint=EMPTY),
)


def hidden_cases(random: Random) -> Sequence[Case]:
    """Losses of a real range with tokens of one to four characters, then two refusals."""
    cases = []
    for _ in range(random.randint(8, 12)):
        tokens = random.randint(1, 10**6)
        arguments = (
            random.uniform(0.01, 12.0),
            tokens,
            max(1, round(tokens * random.uniform(0.3, 4.0))),
        )
        cases.append(Case(arguments, bits_per_character(*arguments), 1e-9, RATIO))
    for characters in (0, -random.randint(1, 10**6)):
        arguments = (random.uniform(0.01, 12.0), random.randint(1, 10**6), characters)
        cases.append(Case(arguments, Raises("ValueError"), hint=EMPTY))
    random.shuffle(cases)
    return cases


EXERCISES = (
    Exercise(
        name="00-bits-per-character",
        notebook="00_start",
        function="bits_per_character",
        title="把每词元的损失换算成每字符比特数",
        points=5,
        public_cases=PUBLIC_CASES,
        hidden_cases=hidden_cases,
        reference=bits_per_character,
        hints=(UNIT, DIVIDE_BY_LN2, RATIO, EMPTY),
        # The library has this very function.
        forbidden_imports=("novelkit",),
    ),
)
