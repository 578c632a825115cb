"""How an outcome is named, drawn and coloured: one table for pages and figures.

Colours are those of Okabe and Ito, which colour-blind people can tell apart, darkened where they
stand as text on white (contrast 4.5 and more); a symbol says the same without colour.
"""

from dataclasses import dataclass

from novelkit.grading.records import Status


@dataclass(frozen=True)
class Word:
    """A status for people: Chinese and English word, symbol, colour as text, colour of its group.

    `group` is the Chinese and the English name of what a figure counts together.
    """

    chinese: str
    english: str
    symbol: str
    colour: str
    group: tuple[str, str]


PASSED, PARTIAL, WRONG = ("通过", "passed"), ("部分通过", "partial"), ("答案不对", "wrong")
BROKEN, MISSING, HUMAN = ("没能运行", "did not run"), ("未作答", "missing"), ("待人工", "to decide")
# The colours of the bars, in the order in which they are stacked.
GROUPS: dict[tuple[str, str], str] = {
    PASSED: "#009E73",
    PARTIAL: "#56B4E9",
    WRONG: "#E69F00",
    BROKEN: "#D55E00",
    MISSING: "#BBBBBB",
    HUMAN: "#7A4FA3",
}
WORDS: dict[Status, Word] = {
    Status.PASSED: Word("通过", "passed", "✓", "#00664A", PASSED),
    Status.PARTIAL: Word("部分通过", "partial", "◐", "#0B5C8A", PARTIAL),
    Status.FAILED: Word("答案不对", "wrong", "✗", "#8A5A00", WRONG),
    Status.ERROR: Word("运行出错", "error", "!", "#A33C00", BROKEN),
    Status.TIMEOUT: Word("超时", "timeout", "◔", "#A33C00", BROKEN),
    Status.OUT_OF_MEMORY: Word("内存超限", "out of memory", "■", "#A33C00", BROKEN),
    Status.CRASHED: Word("进程中断", "crashed", "⊗", "#A33C00", BROKEN),
    Status.FORBIDDEN: Word("禁用模块", "forbidden import", "⊘", "#A33C00", BROKEN),
    Status.MISSING: Word("未作答", "missing", "–", "#555555", MISSING),
    Status.NOT_GRADABLE: Word("待人工评定", "needs a human", "?", "#5E3A85", HUMAN),
}
OUTCOMES = {
    "passed": ("✓", "通过"),
    "wrong": ("✗", "答案不对"),
    "raised": ("!", "抛出异常"),
    "timeout": ("◔", "超时"),
    "out of memory": ("■", "内存超限"),
    "crashed": ("⊗", "进程中断"),
    "not run": ("–", "没有运行"),
}
