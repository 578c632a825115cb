"""When a run ends and at which learning rate a step learns, each decided once in the ledger.

A run works in cycles (see `schedule`). A cycle's end comes from a number of steps, from the clock,
or from a validation loss that no longer improves.
"""

from dataclasses import replace

from novelkit.errors import InputError
from novelkit.training.config import Budget, TrainConfig
from novelkit.training.ledger import Ledger
from novelkit.training.schedule import Cycle, learning_rate
from novelkit.training.state import State


class Plan:
    """The cycle that a run works in; `state` is the run's own and is read as it changes."""

    cycle: Cycle

    def __init__(
        self, config: TrainConfig, ledger: Ledger, state: State, budget: Budget, default_steps: int
    ) -> None:
        """Find the cycle: the one in the ledger, a longer one, or a new one.

        `default_steps` is the length of a new run that has no budget.
        """
        self.config, self.ledger, self.state = config, ledger, state
        self.minutes, self.max_steps = budget.minutes, budget.max_steps
        self._first_step = state.step
        if self.minutes is not None and config.schedule in ("cosine", "linear"):
            raise InputError(
                f"{config.schedule} 要先知道总步数才能安排学习率，不能按分钟训练："
                "请改用 --max-steps，或用 wsd。"
            )
        cycle = ledger.cycle_at(state.step)
        if self.max_steps is None and self.minutes is None:
            self._plan_without_budget(cycle, default_steps)
        if self.minutes is not None:
            # Before the cycle, whose end only these minutes will decide.
            ledger.decide(state.step, "minutes", self.minutes, "这次训练的时间")
        self._choose_cycle(cycle)

    def _plan_without_budget(self, cycle: Cycle | None, default_steps: int) -> None:
        """A new run takes the default; an old one keeps its end or its minutes."""
        if cycle is None:
            self.max_steps = default_steps
        elif cycle.end is None and not self.out_of_patience:
            decided = self.ledger.decided("minutes")
            self.minutes = decided["value"] if decided else None

    def _choose_cycle(self, cycle: Cycle | None) -> None:
        step, end = self.state.step, self.max_steps
        if end is not None and step >= end:
            # Not written down: a run that has what was asked for keeps its plan.
            self.cycle = replace(cycle or Cycle(0), end=step)
        elif cycle is None:
            self._decide_cycle(Cycle(step), end, "新的一轮")
        elif end is not None and end != cycle.end and not self._clock_decided(cycle, end):
            # Before the cooldown the end can still move; after it a new cycle warms up again.
            # (cosine and linear bend from the first step on).
            stable = cycle.cooldown_start is None or step <= cycle.cooldown_start
            stable = stable and self.config.schedule in ("wsd", "constant")
            self._decide_cycle(cycle if stable else Cycle(step), end, "步数改变")
        elif self.minutes is not None and (step == cycle.end or self.out_of_patience):
            self._decide_cycle(Cycle(step), end, "新的一轮")
        else:
            self.cycle = cycle
            self._grant_patience_again()

    def _clock_decided(self, cycle: Cycle, end: int) -> bool:
        """Whether the clock has cut this unfinished cycle short of `end` steps."""
        unfinished = cycle.end is not None and self.state.step < cycle.end < end
        return self.minutes is not None and unfinished

    def _decide_cycle(self, cycle: Cycle, end: int | None, reason: str) -> None:
        self.cycle = cycle if end is None else cycle.with_end(end, self.config.cooldown_share)
        self.ledger.decide(self.state.step, "cycle", self.cycle.as_dict(), reason)
        # A new cycle may find a better place: it gets its whole patience again.
        self.ledger.decide(self.state.step, "patience", self.config.patience, reason)
        self._grant_patience_again()

    def _grant_patience_again(self) -> None:
        """Obey the ledger: a kill may have come before a checkpoint that knew of the new count."""
        decided = self.ledger.decided("patience")
        if decided and decided["step"] == self.state.step:
            self.state.evaluations_without_gain = 0

    @property
    def finished(self) -> bool:
        """True at the end of the cycle, and once the validation loss has stopped to improve."""
        return self.out_of_patience or (
            self.cycle.end is not None and self.state.step >= self.cycle.end
        )

    @property
    def out_of_patience(self) -> bool:
        patience = self.config.patience
        return bool(patience) and self.state.evaluations_without_gain >= patience

    def learning_rate(self, step: int) -> float:
        """The learning rate of a step of this cycle."""
        return learning_rate(step, self.cycle, self.config)

    def seconds_left(self, step: int, seconds_per_step: float) -> float | None:
        """An estimate of how long steps from `step` on will take; None if nobody knows."""
        left = []
        if self.cycle.end is not None:
            left.append((self.cycle.end - step + 1) * seconds_per_step)
        if self.minutes is not None:
            left.append(self.minutes * 60 - (step - self._first_step) * seconds_per_step)
        return min(left, default=None)

    def watch_the_clock(self, elapsed: float) -> None:
        """Begin the cooldown once only its share of the minutes is left; decided once.

        `elapsed` is the time since this session began, in seconds.
        """
        step, share = self.state.step, self.config.cooldown_share
        # An end that is not the budget's own is an earlier decision of the clock.
        open_end = self.cycle.end in (None, self.max_steps)
        begun = self.cycle.cooldown_start is not None and step >= self.cycle.cooldown_start
        if self.minutes is None or not open_end or begun:
            return
        if elapsed >= self.minutes * 60 * (1 - share):
            cycle = self.cycle.cool_down_after(step, share, since=self._first_step)
            if self.cycle.end is None or (cycle.end or 0) < self.cycle.end:
                self.cycle = cycle
                reason = f"{self.minutes:g} 分钟的时间还剩 {share:.0%}"
                self.ledger.decide(step, "cycle", cycle.as_dict(), reason)
