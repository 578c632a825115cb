"""A first reading of a run: what its history says, with the numbers it says it by.

Reads the loss curve against the anchors of the corpus: is it learning at all, does it swing, does
it overfit, is it still falling, did a resume start anew? Each finding carries its evidence and the
one experiment to do next. What a curve cannot tell is listed as unchecked. Active probes and the
full list of causes are not here yet.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from novelkit import layouts
from novelkit.scores import ANCHOR_NAMES, running_median
from novelkit.training.history import Record, read_history

# A curve of fewer steps says nothing about its trend.
MINIMUM_STEPS = 20
# Validation above its best by this share, while training falls, is no noise of the evaluation.
OVERFITTING_SHARE = 0.03
# Steps swing by this many nats where the learning rate, not the batch, is the cause: a batch of
# 2,048 characters alone gives about 0.1.
SWING_NATS = 0.35
# A loss that a resume lifts by this much was not resumed but begun again.
RESTART_NATS = 1.0
# Within so many steps a healthy run may still be on its way down to the unigram line.
EARLY_STEPS = 100


@dataclass(frozen=True)
class Finding:
    """A cause, how sure we are (0 to 1), the numbers that say so, and the next experiment."""

    cause: str
    title: str
    confidence: float
    evidence: tuple[str, ...]
    next_experiment: str


@dataclass(frozen=True)
class Diagnosis:
    """Findings, most certain first, and what could not be checked, with the reason."""

    findings: tuple[Finding, ...]
    unchecked: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "findings": [asdict(finding) for finding in self.findings],
            "unchecked": list(self.unchecked),
        }


def diagnose(run: Path) -> Diagnosis:
    """Read a RUN folder; raises `InputError` if it holds no history."""
    ledger = layouts.read_header(Path(run) / layouts.RUN_FILE, "novelkit-run")
    return diagnose_history(read_history(run), ledger["data"])


def diagnose_history(history: Sequence[Record], data: dict[str, Any]) -> Diagnosis:
    """The same from records (see `training.history`) and a ledger's `data`, with its anchors."""
    curve, anchors = _Curve.of(history, data["tokens_per_character"]), data["anchors"]
    unchecked = [
        "标签是否错位、续写时的词表是否与训练时相同：只看曲线看不出，要用模型重新打分",
        "留出的章节是否与训练文本重复：请看 data.json 的 preflight",
    ]
    if len(curve.loss) < MINIMUM_STEPS:
        unchecked.insert(0, f"趋势：只有 {len(curve.loss)} 步，至少要 {MINIMUM_STEPS} 步才看得出")
        return Diagnosis((), tuple(unchecked))
    if len(curve.validation) < 2:
        unchecked.insert(0, f"过拟合：只有 {len(curve.validation)} 次验证，无从比较")
    restarted = _restarted(curve, anchors)
    # A curve with a break in it fools every rule that looks at its whole.
    rules = () if restarted else (_not_learning, _diverged, _swings, _overfits, _unfinished)
    findings = [restarted] if restarted else []
    findings += [finding for rule in rules if (finding := rule(curve, anchors))]
    if not findings and (healthy := _healthy(curve, anchors)):
        findings.append(healthy)
    findings.sort(key=lambda finding: -finding.confidence)
    return Diagnosis(tuple(findings), tuple(unchecked))


@dataclass(frozen=True)
class _Curve:
    """A history as arrays; losses in nats per character, as the anchors are."""

    steps: np.ndarray
    loss: np.ndarray
    smooth: np.ndarray
    validation_steps: np.ndarray
    validation: np.ndarray
    sessions: np.ndarray
    clipped: float
    learning_rates: np.ndarray

    @classmethod
    def of(cls, history: Sequence[Record], tokens_per_character: dict[str, float]) -> "_Curve":
        """Records in nats per token, with each split's ratio of tokens to characters."""
        loss = np.array([record["loss"] for record in history], dtype=float)
        loss *= tokens_per_character["train"]
        evaluated = [record for record in history if "validation_loss" in record]
        return cls(
            steps=np.array([record["step"] for record in history]),
            loss=loss,
            smooth=running_median(loss),
            validation_steps=np.array([record["step"] for record in evaluated]),
            validation=np.array([record["validation_loss"] for record in evaluated], dtype=float)
            * tokens_per_character["validation"],
            sessions=np.array([record.get("session", 1) for record in history]),
            clipped=float(np.mean([record.get("clipped", False) for record in history] or [0])),
            learning_rates=np.array([record.get("learning_rate", 0.0) for record in history]),
        )

    @property
    def learning_rate(self) -> float:
        """The highest learning rate of the run."""
        return float(self.learning_rates.max())

    @property
    def cooldown_start(self) -> int:
        """The last step at the highest learning rate; the run's last step without a cooldown."""
        return int(self.steps[np.flatnonzero(self.learning_rates >= 0.99 * self.learning_rate)[-1]])

    @property
    def still_falling(self) -> bool:
        """Whether the last third of the run lies below the third before it by more than noise."""
        third = len(self.loss) // 3
        fall = np.median(self.loss[-2 * third : -third]) - np.median(self.loss[-third:])
        return float(fall) > max(0.2, self.swing)

    @property
    def last(self) -> float:
        """The loss over the last tenth of the run."""
        return float(np.median(self.loss[-max(5, len(self.loss) // 10) :]))

    @property
    def swing(self) -> float:
        """Robust spread of the steps, around the smooth line or from one to the next.

        A line that leaps up and down at every step has a running median that leaps with it, and
        only the differences see it; independent noise gives both the same value.
        """
        late = len(self.loss) // 4
        around = (self.loss - self.smooth)[late:]
        leaps = np.diff(self.loss[late:]) / math.sqrt(2)
        return max(_spread(around - np.median(around)), _spread(leaps))


def _spread(values: np.ndarray) -> float:
    """1.4826 x the median distance from 0: a normal distribution's standard deviation."""
    return float(1.4826 * np.median(np.abs(values)))


def _restarted(curve: _Curve, anchors: dict[str, float]) -> Finding | None:
    boundaries = np.flatnonzero(np.diff(curve.sessions)) + 1
    for at in boundaries:
        before = float(np.median(curve.loss[max(0, at - 10) : at]))
        after = float(np.median(curve.loss[at : at + 3]))
        if after - before > RESTART_NATS:
            return Finding(
                "restarted",
                "恢复训练时丢了权重，其实是从头开始",
                0.9,
                (f"第 {curve.steps[at]} 步是中断后恢复的，损失从 {before:.2f} 跳到 {after:.2f}",),
                "检查 --out 是否还是原来的文件夹、checkpoints 里有没有完整的检查点，再加 --resume",
            )
    return None


def _not_learning(curve: _Curve, anchors: dict[str, float]) -> Finding | None:
    if curve.last < 0.98 * anchors["unigram"]:
        return None
    if curve.still_falling and len(curve.loss) < EARLY_STEPS:
        return None
    return Finding(
        "not_learning",
        "没有学到上下文：损失停在单字频率线上",
        0.8,
        (
            f"最后的损失 {curve.last:.2f} nats／字，只统计单字频率就有 {anchors['unigram']:.2f}",
            f"最高学习率 {curve.learning_rate:g}，梯度被裁剪的步数占 {curve.clipped:.0%}",
        ),
        "--learning-rate 乘以 0.1 和 10 各跑 100 步：太大和太小都会这样，看哪一边降得动",
    )


def _diverged(curve: _Curve, anchors: dict[str, float]) -> Finding | None:
    best = float(curve.smooth.min())
    # The lowest point of a line that swings lies below its end by chance.
    if curve.last - best < max(0.5, 2 * curve.swing):
        return None
    at = int(curve.steps[int(curve.smooth.argmin())])
    return Finding(
        "diverged",
        "发散：训练损失降下去又升上来",
        0.8,
        (f"训练损失第 {at} 步低到 {best:.2f} nats／字，最后是 {curve.last:.2f}",),
        f"--learning-rate 从 {curve.learning_rate:g} 减半，重新训练，看还升不升",
    )


def _swings(curve: _Curve, anchors: dict[str, float]) -> Finding | None:
    if curve.swing < SWING_NATS:
        return None
    return Finding(
        "oscillation",
        "震荡：一步与一步差得太多",
        0.6,
        (
            f"步与步之间的波动是 {curve.swing:.2f} nats／字（正常约 0.1）",
            f"梯度被裁剪的步数占 {curve.clipped:.0%}",
        ),
        "--batch-size 乘以 4、学习率不变，跑 100 步：波动减半说明批太小，不变说明学习率太大",
    )


def _overfits(curve: _Curve, anchors: dict[str, float]) -> Finding | None:
    if len(curve.validation) < 2:
        return None
    best = int(curve.validation.argmin())
    rise = curve.validation[-1] / curve.validation[best] - 1
    gap = curve.validation[-1] - curve.last
    at, lowest = int(curve.validation_steps[best]), curve.validation[best]
    training_then = float(curve.smooth[int(np.searchsorted(curve.steps, at))])
    if rise < OVERFITTING_SHARE or curve.last >= training_then:
        return None
    return Finding(
        "overfitting",
        "过拟合：开始背书，而不是学写",
        min(0.95, 0.6 + 5 * rise),
        (
            f"验证损失（nats／字）第 {at} 步最低 {lowest:.2f}，最后 {curve.validation[-1]:.2f}",
            f"同时训练损失从 {training_then:.2f} 降到 {curve.last:.2f}，两者相差 {gap:.2f}",
        ),
        "用最好的那一步（导出的就是它）；想再低，要更多文本，或加大 --dropout、--weight-decay",
    )


def _unfinished(curve: _Curve, anchors: dict[str, float]) -> Finding | None:
    title = "还没训练完：损失仍在下降"
    experiment = "加 --resume 和更大的 --max-steps 继续训练"
    if curve.last >= 0.98 * anchors["unigram"] and curve.still_falling:
        if len(curve.loss) >= EARLY_STEPS:
            return None  # `_not_learning` has said so
        line = f"才 {len(curve.loss)} 步，训练损失 {curve.last:.2f} nats／字，还在快速下降"
        return Finding("unfinished", title, 0.7, (line,), experiment)
    if len(curve.validation) < 3 and curve.still_falling:
        line = f"只验证过 {len(curve.validation)} 次，训练损失 {curve.last:.2f} nats／字，还在下降"
        return Finding("unfinished", title, 0.7, (line,), experiment)
    if len(curve.validation) < 3 or curve.validation.argmin() != len(curve.validation) - 1:
        return None
    # The cooldown makes every loss fall: what counts is whether it fell before.
    steady = curve.validation[curve.validation_steps <= curve.cooldown_start]
    if len(steady) < 3 or (gain := steady[-3] - steady[-1]) < 0.01 * steady[-1]:
        return None
    line = f"学习率下降之前的最后三次验证又降了 {gain:.2f}，最低点就是最后一步"
    return Finding("unfinished", title, 0.7, (line,), experiment)


def _healthy(curve: _Curve, anchors: dict[str, float]) -> Finding | None:
    if len(curve.validation) < 2:
        return None  # nothing was found, and nothing could have been
    best = curve.validation.min()
    below = [ANCHOR_NAMES[name][0] for name, value in anchors.items() if best < value]
    return Finding(
        "healthy",
        "没有发现毛病",
        0.6,
        (
            f"训练损失 {curve.last:.2f} nats／字，步与步之间的波动 {curve.swing:.2f}",
            f"验证损失最低 {best:.2f}，低于这些参考线：{'、'.join(below) or '一条也没有'}",
        ),
        "续写一段留出的章节，再看抄了多少原文",
    )
