"""torch.compile where the run is long enough to pay for it, decided once by measurement.

Compiling takes the better part of a minute before the first step. Whether it pays is known once
a few steps have been timed and what is left of the run is known, too; then both ways are timed on
the same batch, and the choice goes into the ledger with its step, as every choice of a clock.
"""

import statistics
import time
from collections.abc import Callable

import torch

from novelkit.training.batches import Batch
from novelkit.training.ledger import Ledger
from novelkit.training.planning import Plan
from novelkit.training.step import Learner

# Steps of a session before the question is asked: the first ones are slow.
STEPS_BEFORE = 20
# Shorter runs are over before the compiler has paid for itself.
WORTHWHILE_SECONDS = 600.0
WORTHWHILE_SPEEDUP = 1.05
TIMED_PASSES = 3


class CompileWatch:
    """Decides once in a run, and obeys the ledger from then on."""

    def __init__(self, ledger: Ledger, plan: Plan, wanted: bool | None) -> None:
        """`wanted` obeys (True, False) or measures (None)."""
        self.ledger, self.plan, self.wanted = ledger, plan, wanted
        self._seconds: list[float] = []

    def after(self, seconds: float) -> None:
        """Note how long a step of this session took."""
        self._seconds.append(seconds)

    def before(
        self, step: int, learner: Learner, batch: Batch, notice: Callable[[str], None]
    ) -> None:
        """Let `learner` do this step compiled or not, as was decided for it."""
        if learner.processes.count > 1:
            return
        if self.ledger.decided("compile") is None and (self.wanted or self._pays(step)):
            if not self.wanted:
                notice("剩下的训练够长：正在编译模型并比较快慢，约一分钟……")
            compiled, reason = choose_by_time(learner, batch, obey=bool(self.wanted))
            self.ledger.decide(step - 1, "compile", compiled, reason)
            notice(reason)
        learner.use_compiled(self.ledger.value_at("compile", step, False))

    def _pays(self, step: int) -> bool:
        """Whether what is left of the run is long enough to be worth a try."""
        if self.wanted is False or len(self._seconds) < STEPS_BEFORE:
            return False
        left = self.plan.seconds_left(step, statistics.median(self._seconds))
        return left is not None and left >= WORTHWHILE_SECONDS


def choose_by_time(learner: Learner, batch: Batch, obey: bool = False) -> tuple[bool, str]:
    """Whether a compiled pass is faster on this machine, and the reason in Chinese.

    With `obey`, compiled unless that fails. Changes no weight and no random number of the run.
    """
    eager = _time_passes(learner, batch)
    learner.use_compiled(True)
    began = time.monotonic()
    try:
        learner.rehearse(batch)
    # The compiler fails in many ways: no C++ compiler, an unknown GPU, a graph it cannot read.
    except Exception as error:
        learner.use_compiled(False)
        reason = " ".join(str(error).split())[:80]
        return False, f"torch.compile 在这台机器上不能用（{reason}），照原来的方式训练。"
    compiling = time.monotonic() - began
    speedup = eager / _time_passes(learner, batch)
    found = f"编译用了 {compiling:.0f} 秒，编译后的速度是原来的 {speedup:.2f} 倍"
    if obey or speedup >= WORTHWHILE_SPEEDUP:
        return True, f"{found}：用编译过的模型训练。"
    learner.use_compiled(False)
    return False, f"{found}，不够快：照原来的方式训练。"


def _time_passes(learner: Learner, batch: Batch) -> float:
    """Median seconds of forward and backward on `batch`."""
    seconds = []
    for _ in range(TIMED_PASSES):
        began = time.perf_counter()
        learner.rehearse(batch)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)
