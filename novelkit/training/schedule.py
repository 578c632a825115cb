"""The learning rate as a pure function of the step.

wsd, the default: warm-up, stable, cooldown (Hu et al. 2024, arXiv:2404.06395). It needs no end
that is known in advance, and a run that has cooled down can go on: the next cycle starts from its
weights, as in WSD-S (Wen et al. 2024, arXiv:2410.05192). The cooldown is a straight line to zero
over 0.4 of the cycle: 1 - sqrt over a fifth (Hägele et al. 2024, 2405.18392) left some 0.02 nats
more with each of two seeds (tests/benchmarks/README.md). cosine falls to a tenth (nanoGPT's form),
linear to zero, both over the whole cycle after the warm-up; constant stays.
"""

import math
from dataclasses import asdict, dataclass, replace

from novelkit.training.config import TrainConfig

# Where cosine ends, as a share of the peak.
COSINE_FLOOR = 0.1


@dataclass(frozen=True)
class Cycle:
    """Steps `start + 1` to `end`; the end is None while only the clock will decide it."""

    start: int
    cooldown_start: int | None = None
    end: int | None = None

    def as_dict(self) -> dict[str, int | None]:
        return asdict(self)

    def with_end(self, end: int, cooldown_share: float) -> "Cycle":
        """The same cycle once its last step is known."""
        cooldown = round((end - self.start) * cooldown_share)
        return replace(self, cooldown_start=end - cooldown, end=end)

    def cool_down_after(self, step: int, cooldown_share: float, since: int = 0) -> "Cycle":
        """End the stable part after `step`; the cooldown takes its share of the whole cycle.

        `since` is the step at which the clock was set, where that is later than the start: the
        minutes that are left allow a share of the steps that it has seen.
        """
        steps = step - max(self.start, since)
        length = max(1, round(steps * cooldown_share / (1 - cooldown_share)))
        return replace(self, cooldown_start=step, end=step + length)


def learning_rate(step: int, cycle: Cycle, config: TrainConfig) -> float:
    """The learning rate of `step` (the first step of a run is 1)."""
    position = step - cycle.start
    # A warm-up longer than a tenth of the cycle would spend the run below its learning rate.
    known = None if cycle.end is None else max(1, (cycle.end - cycle.start) // 10)
    warmup = config.warmup_steps if known is None else min(config.warmup_steps, known)
    if position < warmup:
        return config.peak_rate * position / warmup
    if config.schedule == "constant" or cycle.end is None:
        return config.peak_rate
    if config.schedule == "wsd":
        return config.peak_rate * _cooldown(step, cycle)
    done = (position - warmup) / (cycle.end - cycle.start - warmup + 1)
    if config.schedule == "linear":
        return config.peak_rate * (1 - done)
    cosine = (1 + math.cos(math.pi * done)) / 2
    return config.peak_rate * (COSINE_FLOOR + (1 - COSINE_FLOOR) * cosine)


def _cooldown(step: int, cycle: Cycle) -> float:
    """The share of the peak that is left in the last part of a wsd cycle."""
    if cycle.end is None or cycle.cooldown_start is None or step <= cycle.cooldown_start:
        return 1.0
    done = (step - cycle.cooldown_start) / (cycle.end - cycle.cooldown_start + 1)
    return 1 - done
