"""The training loop: a DATA folder and a model in, a RUN folder out, resumable after any kill.

Read `train` first. On one device; several processes, EMA and recovery from an out-of-memory
error are not here yet.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from novelkit import checkpoint, layouts
from novelkit.environment import Compute, choose_compute, seed_everything
from novelkit.errors import InputError, WorkError
from novelkit.model import GPT2, ModelConfig, describe, load_model
from novelkit.training.batches import BatchStream
from novelkit.training.config import Budget, TrainConfig
from novelkit.training.data import TrainingData, evaluate
from novelkit.training.export import Scores, export_model
from novelkit.training.history import HistoryWriter, Record
from novelkit.training.interrupt import catch_interrupts
from novelkit.training.ledger import Ledger
from novelkit.training.schedule import Cycle, learning_rate
from novelkit.training.state import State, load_state, save_best, save_state
from novelkit.training.step import Learner

# Without a budget: this many passes over the data, ended earlier by `patience`.
DEFAULT_EPOCHS = 20

OnStep = Callable[[Record, int | None], None]


@dataclass(frozen=True)
class TrainResult:
    """What a run came to; `scores` are those of the best weights on the whole held-out splits."""

    run: Path
    model: Path
    steps: int
    loss: float | None  # of the last step, nats per token
    best_step: int | None
    scores: Scores
    stopped: str  # "finished", "no improvement", "interrupted", "nothing to do"
    resumed_from: int | None
    skipped: tuple[str, ...]  # why newer checkpoints were not used
    seconds: float


def train(
    data: Path,
    out: Path,
    model: ModelConfig | Path,
    config: TrainConfig | None = None,
    budget: Budget | None = None,
    resume: bool = False,
    on_step: OnStep | None = None,
    compute: Compute | None = None,
) -> TrainResult:
    """Train `model` (a size, or a model folder to go on from) on a prepared DATA folder.

    `on_step` receives each step's record and the last step if it is known. With `resume`, a run
    in `out` goes on; without, a folder that holds one is refused. `compute` is the device and
    precision of a new run, chosen by capability and measurement if it is None. Raises
    `InputError` for what cannot be trained, `WorkError` for a loss that is no number or a full
    disk.
    """
    began = time.monotonic()
    config = config or TrainConfig()
    run = _Run(Path(data), Path(out), model, config, resume, compute)
    run.plan(budget or Budget())
    history = HistoryWriter(run.out)
    stopped = "nothing to do"
    try:
        with catch_interrupts() as interrupted:
            while not run.finished:
                record = run.one_step()
                history.append(record)
                if on_step:
                    on_step(record, run.cycle.end)
                stopped = run.after_step(time.monotonic() - began, bool(interrupted))
                if stopped != "going on":
                    break
    finally:
        history.close()
    if run.ledger.sessions:
        run.ledger.close_session(run.state.step, stopped)
    scores = export_model(run.out, run.data, run.learner.model, run.state.best_step)
    return TrainResult(
        run=run.out,
        model=run.out / layouts.MODEL_FOLDER,
        steps=run.state.step,
        loss=run.state.last_loss,
        best_step=run.state.best_step,
        scores=scores,
        stopped=stopped,
        resumed_from=run.resumed_from,
        skipped=run.skipped,
        seconds=time.monotonic() - began,
    )


class _Run:
    """A run in its folder, new or taken up again: the pieces that `train` puts in order."""

    cycle: Cycle

    def __init__(
        self,
        data: Path,
        out: Path,
        model: ModelConfig | Path,
        config: TrainConfig,
        resume: bool,
        compute: Compute | None,
    ) -> None:
        self.out, self.config, self.data = out, config, TrainingData.read(data)
        seed_everything(config.seed)
        gpt = load_model(model) if isinstance(model, Path) else GPT2(model)
        self.data.check(gpt.config)
        self.ledger = self._open_ledger(gpt, resume)
        folder, skipped = checkpoint.newest_valid(out / layouts.CHECKPOINTS_FOLDER)
        self.skipped = tuple(skipped)
        self.resumed_from = checkpoint.checkpoint_step(folder) if folder else None
        self.learner = Learner(gpt, config, self._choose_compute(compute))
        self.state = load_state(folder, self.learner) if folder else State()
        self.stream = BatchStream(
            self.data.tokens("train"), gpt.config.n_ctx, config.batch_size, config.seed
        )
        self.minutes: float | None = None
        self._last_save = self._last_step = time.monotonic()

    def _open_ledger(self, gpt: GPT2, resume: bool) -> Ledger:
        config, size, data = self.config.as_dict(), describe(gpt), self.data.identity
        if not (self.out / layouts.RUN_FILE).exists():
            return Ledger(self.out, config, size, data)
        if not resume:
            raise InputError(
                f"{self.out} 里已经有一次训练：继续它请加 --resume，重新开始请换一个文件夹。"
            )
        ledger = Ledger.read(self.out)
        ledger.refuse_other(config=config, model=size, data=data)
        return ledger

    def _choose_compute(self, wanted: Compute | None) -> Compute:
        """Device and precision: as the ledger says, unless the device is another one now."""
        decided = self.ledger.decided("compute")
        if decided and decided["value"]["device"] == (wanted or choose_compute()).device:
            return Compute(**decided["value"], reason=decided["reason"])
        found = wanted or choose_compute(measure=True)
        value = {name: getattr(found, name) for name in ("device", "dtype", "use_grad_scaler")}
        self.ledger.decide(self.resumed_from or 0, "compute", value, found.reason)
        return found

    def plan(self, budget: Budget) -> None:
        """Find the cycle to work in: the one in the ledger, a longer one, or a new one."""
        self.minutes = budget.minutes
        step, decided = self.state.step, self.ledger.decided("cycle")
        cycle = Cycle(**decided["value"]) if decided else None
        end = budget.max_steps
        if cycle is None and end is None and budget.minutes is None:
            sequences = len(self.data.tokens("train")) / self.learner.model.config.n_ctx
            end = max(100, math.ceil(DEFAULT_EPOCHS * sequences / self.config.batch_size))
        stable = cycle is not None and (
            cycle.cooldown_start is None or step <= cycle.cooldown_start
        )
        if cycle is None or (step == cycle.end and self._asks_for_more(cycle, budget)):
            self._decide_cycle(Cycle(step), end, "新的一轮")
        elif end is not None and end != cycle.end and end > step:
            # Before the cooldown the end can still move; after it a new cycle warms up again.
            self._decide_cycle(cycle if stable else Cycle(step), end, "步数改变")
        else:
            self.cycle = cycle
        if not self.finished:
            self.ledger.open_session(self.resumed_from, self.learner.compute.device)

    def _asks_for_more(self, cycle: Cycle, budget: Budget) -> bool:
        if budget.max_steps is None or cycle.end is None:
            return budget.minutes is not None
        return budget.max_steps > cycle.end

    def _decide_cycle(self, cycle: Cycle, end: int | None, reason: str) -> None:
        self.cycle = cycle if end is None else cycle.with_end(end, self.config.cooldown_share)
        # A new cycle may find a better place: it gets its whole patience again.
        self.state.evaluations_without_gain = 0
        self.ledger.decide(self.state.step, "cycle", self.cycle.as_dict(), reason)

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

    def one_step(self) -> Record:
        """Do the next step and evaluate where it is due; returns its line of the history."""
        step = self.state.step + 1
        record: Record = {"step": step}
        batch = self.stream.batch(step)
        record |= self.learner.update(batch, learning_rate(step, self.cycle, self.config))
        if not math.isfinite(record["loss"]):
            where = f"第 {batch.epoch} 轮第 {batch.position} 块"
            raise WorkError(
                f"第 {step} 步的损失是 {record['loss']}（{where}）：训练已停，之前的检查点完好。"
                "请降低学习率，从头重新训练。"
            )
        self.state.step, self.state.last_loss = step, record["loss"]
        self.state.tokens += record["tokens"]
        if step % self.config.evaluate_every == 0 or step == self.cycle.end:
            record |= self._evaluate()
        now = time.monotonic()
        seconds, self._last_step = now - self._last_step, now
        return record | {
            "tokens_seen": self.state.tokens,
            "seconds": round(seconds, 4),
            "tokens_per_second": round(record["tokens"] / max(seconds, 1e-9)),
            "session": self.ledger.sessions[-1]["id"],
        }

    def _evaluate(self) -> Record:
        tokens = self.data.tokens("validation")
        loss = evaluate(self.learner.model, tokens, self.config.evaluation_blocks)
        if self.state.best_loss is None or loss < self.state.best_loss:
            self.state.best_step, self.state.best_loss = self.state.step, loss
            self.state.evaluations_without_gain = 0
            save_best(self.out, self.state, self.learner)
        else:
            self.state.evaluations_without_gain += 1
        return {
            "validation_loss": loss,
            "bits_per_character": self.data.bits_per_character("validation", loss),
        }

    def after_step(self, elapsed: float, interrupted: bool) -> str:
        """Save if due; says why the run stops here, or "going on"."""
        self._watch_the_clock(elapsed)
        if self.finished:
            stopped = "no improvement" if self.out_of_patience else "finished"
        else:
            stopped = "interrupted" if interrupted else "going on"
        since_save = (time.monotonic() - self._last_save) / 60
        due = self.state.step % self.config.checkpoint_steps == 0
        if due or stopped != "going on" or since_save >= self.config.checkpoint_minutes:
            self.save()
        return stopped

    def save(self) -> None:
        """Write a checkpoint; a failing disk ends the run with the older ones whole."""
        try:
            save_state(self.out, self.state, self.learner, self.config.keep_checkpoints)
        except OSError as error:
            raise WorkError(
                f"第 {self.state.step} 步的检查点写不下（{error}）：训练已停，之前的检查点完好。"
                "请腾出磁盘空间，再用 --resume 继续。"
            ) from error
        self._last_save = time.monotonic()

    def _watch_the_clock(self, elapsed: float) -> None:
        """Begin the cooldown once only its share of the minutes is left; decided once."""
        if self.cycle.end is not None or self.minutes is None:
            return
        if elapsed >= self.minutes * 60 * (1 - self.config.cooldown_share):
            share = self.config.cooldown_share
            self.cycle = self.cycle.cool_down_after(self.state.step, share)
            reason = f"{self.minutes:g} 分钟的时间还剩 {share:.0%}"
            self.ledger.decide(self.state.step, "cycle", self.cycle.as_dict(), reason)
