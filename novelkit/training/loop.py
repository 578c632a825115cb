"""The training loop: a DATA folder and a model in, a RUN folder out, resumable after any kill.

Read `train` first. On one device; several processes, EMA and recovery from an out-of-memory
error are not here yet.
"""

import contextlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from novelkit import checkpoint, layouts
from novelkit.environment import Compute, choose_compute, seed_everything
from novelkit.errors import InputError, WorkError
from novelkit.model import GPT2, ModelConfig, describe, load_model
from novelkit.training.batches import BatchStream
from novelkit.training.config import Budget, TrainConfig
from novelkit.training.data import TrainingData, evaluate
from novelkit.training.export import Scores, export_model
from novelkit.training.history import HistoryWriter, Record, read_history
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
    except WorkError:
        with contextlib.suppress(WorkError):  # the disk may be what failed
            run.ledger.close_session(run.state.step, "failed")
        raise
    finally:
        history.close()
    if stopped != "nothing to do":
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
        if isinstance(model, Path):
            self.data.check_tokenizer(model)
        self.ledger = self._open_ledger(gpt, resume)
        folder, self.skipped = self._find_checkpoint()
        self.resumed_from = checkpoint.checkpoint_step(folder) if folder else None
        self.learner = Learner(gpt, config, self._choose_compute(compute))
        self.state = load_state(folder, self.learner) if folder else State()
        self._check_best()
        self.stream = BatchStream(
            self.data.tokens("train"), gpt.config.n_ctx, config.batch_size, config.seed
        )
        self.minutes: float | None = None
        self.max_steps: int | None = None
        self._first_step = self.state.step
        self._last_save = self._last_step = time.monotonic()

    def _open_ledger(self, gpt: GPT2, resume: bool) -> Ledger:
        config, size, data = self.config.as_dict(), describe(gpt), self.data.identity
        if self.out.exists() and not self.out.is_dir():
            raise InputError(f"{self.out} 是一个文件，不是文件夹：请换一个 --out。")
        if not (self.out / layouts.RUN_FILE).exists():
            self._refuse_leftovers()
            return Ledger(self.out, config, size, data)
        if not resume:
            raise InputError(
                f"{self.out} 里已经有一次训练：继续它请加 --resume，重新开始请换一个文件夹。"
            )
        ledger = Ledger.read(self.out)
        ledger.refuse_other(config=config, model=size, data=data)
        return ledger

    def _refuse_leftovers(self) -> None:
        """Without its ledger nothing says what the checkpoints of a folder belong to."""
        leftovers = (layouts.HISTORY_FILE, layouts.CHECKPOINTS_FOLDER, layouts.BEST_FOLDER)
        found = [name for name in leftovers if (self.out / name).exists()]
        if found:
            raise InputError(
                f"{self.out} 里有 {'、'.join(found)}，却没有 {layouts.RUN_FILE}，"
                "说不清是哪次训练留下的：请找回它，或换一个文件夹。"
            )

    def _find_checkpoint(self) -> tuple[Path | None, tuple[str, ...]]:
        """The checkpoint to go on from; a run that has lost all of its own is refused."""
        folder, skipped = checkpoint.newest_valid(self.out / layouts.CHECKPOINTS_FOLDER)
        last = max((record["step"] for record in self._old_history()), default=0)
        # Step `checkpoint_steps` saves before the next one begins.
        if folder is None and (skipped or last > self.config.checkpoint_steps):
            problem = "；".join(skipped) or f"训练到过第 {last} 步，检查点却一个也没有"
            raise InputError(
                f"{self.out} 没有可用的检查点（{problem}）：继续就等于从头开始，所以停在这里。"
                f"请从备份找回 {layouts.CHECKPOINTS_FOLDER}，或换一个文件夹从头训练。"
            )
        if folder is None and last:
            return None, (f"：上次停在第 {last} 步，还没存过检查点，从第 1 步重来",)
        return folder, tuple(skipped)

    def _old_history(self) -> list[Record]:
        exists = (self.out / layouts.HISTORY_FILE).exists()
        return read_history(self.out) if exists else []

    def _check_best(self) -> None:
        """Forget best weights that are damaged, and say so: the next evaluation finds others."""
        if self.state.best_step is None:
            return
        best = checkpoint.checkpoint_path(self.out / layouts.BEST_FOLDER, self.state.best_step)
        problem = checkpoint.damage(best)
        if problem:
            self.skipped += (f"{layouts.BEST_FOLDER}/{problem}，最好的权重改从以后的验证里选",)
            self.state.best_step = self.state.best_loss = None

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
        self.minutes, self.max_steps = budget.minutes, budget.max_steps
        step, cycle = self.state.step, self.ledger.cycle_at(self.state.step)
        if self.max_steps is None and self.minutes is None:
            self._plan_without_budget(cycle)
        if self.minutes is not None:
            # Before the cycle, whose end only these minutes will decide.
            self.ledger.decide(step, "minutes", self.minutes, "这次训练的时间")
        end = self.max_steps
        if end is not None and step >= end:
            # Not written down: a run that has what was asked for keeps its plan.
            self.cycle = replace(cycle or Cycle(0), end=step)
        elif cycle is None:
            self._decide_cycle(Cycle(step), end, "新的一轮")
        elif end is not None and end != cycle.end and not self._clock_decided(cycle, end):
            # Before the cooldown the end can still move; after it a new cycle warms up again.
            stable = cycle.cooldown_start is None or step <= cycle.cooldown_start
            self._decide_cycle(cycle if stable else Cycle(step), end, "步数改变")
        elif self.minutes is not None and (step == cycle.end or self.out_of_patience):
            self._decide_cycle(Cycle(step), end, "新的一轮")
        else:
            self.cycle = cycle
            self._grant_patience_again()
        if not self.finished:
            self.ledger.open_session(self.resumed_from, self.learner.compute.device)

    def _plan_without_budget(self, cycle: Cycle | None) -> None:
        """A new run makes some passes over the data; an old one keeps its end or its minutes."""
        if cycle is None:
            sequences = len(self.data.tokens("train")) / self.learner.model.config.n_ctx
            steps = math.ceil(DEFAULT_EPOCHS * sequences / self.config.batch_size)
            self.max_steps = max(100, steps)
        elif cycle.end is None and not self.out_of_patience:
            decided = self.ledger.decided("minutes")
            self.minutes = decided["value"] if decided else None

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

    def one_step(self) -> Record:
        """Do the next step and evaluate where it is due; returns its line of the history."""
        step = self.state.step + 1
        record: Record = {"step": step}
        batch = self.stream.batch(step)
        record |= self.learner.update(batch, learning_rate(step, self.cycle, self.config))
        where = f"第 {batch.epoch} 轮第 {batch.position} 块"
        _require_number(record["loss"], step, f"训练损失（{where}）")
        if not record.get("skipped"):
            _require_number(record["gradient_norm"], step, f"梯度的长度（{where}）")
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
        _require_number(loss, self.state.step, "验证损失")
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
        save_state(self.out, self.state, self.learner, self.config.keep_checkpoints)
        self._last_save = time.monotonic()

    def _watch_the_clock(self, elapsed: float) -> None:
        """Begin the cooldown once only its share of the minutes is left; decided once."""
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


def _require_number(value: float | None, step: int, name: str) -> None:
    if value is None or not math.isfinite(value):
        raise WorkError(
            f"第 {step} 步的{name}是 {value}，不是有限的数：训练已停，之前的检查点完好。"
            "请降低学习率，从头重新训练。"
        )
