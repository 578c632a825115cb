"""The learning rate as a pure function of the step: warm-up, stable, cooldown.

Warmup-stable-decay (Hu et al. 2024, arXiv:2404.06395) needs no end that is known in advance, and
a run that has cooled down can go on: the next cycle starts from its weights, as in WSD-S (Wen et
al. 2024, arXiv:2410.05192). The cooldown's form is 1 - sqrt (Hägele et al. 2024, 2405.18392).
"""

import math
from dataclasses import asdict, dataclass, replace

from novelkit.training.config import TrainConfig


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
        return config.learning_rate * position / warmup
    if cycle.end is None or cycle.cooldown_start is None or step <= cycle.cooldown_start:
        return config.learning_rate
    done = (step - cycle.cooldown_start) / (cycle.end - cycle.cooldown_start + 1)
    return config.learning_rate * (1 - math.sqrt(done))
