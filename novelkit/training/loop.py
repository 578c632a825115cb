"""The training loop: a DATA folder and a model in, a RUN folder out, resumable after any kill.

Read `train` first. On one device; several processes, EMA and recovery from an out-of-memory
error are not here yet.
"""

import contextlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from novelkit import checkpoint, layouts
from novelkit.environment import Compute, seed_everything
from novelkit.errors import WorkError
from novelkit.model import GPT2, ModelConfig, load_model
from novelkit.tokenizing.loading import load_tokenizer
from novelkit.training.batches import BatchStream
from novelkit.training.config import Budget, TrainConfig
from novelkit.training.data import Progress, TrainingData, evaluate
from novelkit.training.export import Scores, export_model
from novelkit.training.history import HistoryWriter, Record
from novelkit.training.interrupt import catch_interrupts
from novelkit.training.opening import (
    decide_compute,
    find_checkpoint,
    forget_damaged_best,
    open_ledger,
)
from novelkit.training.planning import Plan
from novelkit.training.state import State, load_state, save_best, save_state
from novelkit.training.step import Learner

# Without a budget: this many passes over the data, ended earlier by `patience`.
DEFAULT_EPOCHS = 20
MINIMUM_DEFAULT_STEPS = 100

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
    skipped: tuple[str, ...]  # what was damaged and passed over, each a Chinese line
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
    on_score: Progress | None = None,
) -> TrainResult:
    """Train `model` (a size, or a model folder to go on from) on a prepared DATA folder.

    `on_step` receives each step's record and the last step if it is known. With `resume`, a run
    in `out` goes on; without, a folder that holds one is refused. `compute` is the device and
    precision of a new run, chosen by capability and measurement if it is None. `on_score` counts
    the held-out blocks that are scored at the end. Raises `InputError` for what cannot be
    trained, `WorkError` for a loss that is no number or a full disk.
    """
    began = time.monotonic()
    config = config or TrainConfig()
    run = _Run(Path(data), Path(out), model, config, budget or Budget(), resume, compute)
    history = HistoryWriter(run.out)
    stopped = "nothing to do"
    try:
        with catch_interrupts() as interrupted:
            while not run.plan.finished:
                record = run.one_step()
                history.append(record)
                if on_step:
                    on_step(record, run.plan.cycle.end)
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
    model_now, best_step = run.learner.model, run.state.best_step
    scores = export_model(run.out, run.data, model_now, best_step, on_score)
    return TrainResult(
        run=run.out,
        model=run.out / layouts.MODEL_FOLDER,
        steps=run.state.step,
        loss=run.state.last_loss,
        best_step=run.state.best_step,
        scores=scores,
        stopped=stopped,
        resumed_from=run.resumed_from,
        skipped=tuple(run.skipped),
        seconds=time.monotonic() - began,
    )


class _Run:
    """A run in its folder, new or taken up again: the pieces that `train` puts in order."""

    def __init__(
        self,
        data: Path,
        out: Path,
        model: ModelConfig | Path,
        config: TrainConfig,
        budget: Budget,
        resume: bool,
        compute: Compute | None,
    ) -> None:
        self.out, self.config, self.data = out, config, TrainingData.read(data)
        seed_everything(config.seed)
        gpt = load_model(model) if isinstance(model, Path) else GPT2(model)
        self.data.check(gpt.config)
        # Needed only when the model is exported: better missed now than after hours.
        load_tokenizer(self.data.folder)
        if isinstance(model, Path):
            self.data.check_tokenizer(model)
        self.ledger = open_ledger(out, config, gpt, self.data, resume)
        folder, self.skipped = find_checkpoint(out, config.checkpoint_steps)
        self.resumed_from = checkpoint.checkpoint_step(folder) if folder else None
        compute = decide_compute(self.ledger, compute, self.resumed_from or 0)
        self.learner = Learner(gpt, config, compute)
        self.state = load_state(folder, self.learner) if folder else State()
        self.skipped += forget_damaged_best(out, self.state)
        tokens = self.data.tokens("train")
        self.stream = BatchStream(tokens, gpt.config.n_ctx, config.batch_size, config.seed)
        steps = DEFAULT_EPOCHS * len(tokens) / (gpt.config.n_ctx * config.batch_size)
        default_steps = max(MINIMUM_DEFAULT_STEPS, math.ceil(steps))
        self.plan = Plan(config, self.ledger, self.state, budget, default_steps)
        if not self.plan.finished:
            self.ledger.open_session(self.resumed_from, compute.device)
        self._last_save = self._last_step = time.monotonic()

    def one_step(self) -> Record:
        """Do the next step and evaluate where it is due; returns its line of the history."""
        step = self.state.step + 1
        record: Record = {"step": step}
        batch = self.stream.batch(step)
        record |= self.learner.update(batch, self.plan.learning_rate(step))
        where = f"第 {batch.epoch} 轮第 {batch.position} 块"
        _require_number(record["loss"], step, f"训练损失（{where}）")
        if not record.get("skipped"):
            _require_number(record["gradient_norm"], step, f"梯度的长度（{where}）")
        self.state.step, self.state.last_loss = step, record["loss"]
        self.state.tokens += record["tokens"]
        if step % self.config.evaluate_every == 0 or step == self.plan.cycle.end:
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
        self.plan.watch_the_clock(elapsed)
        if self.plan.finished:
            stopped = "no improvement" if self.plan.out_of_patience else "finished"
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


def _require_number(value: float | None, step: int, name: str) -> None:
    if value is None or not math.isfinite(value):
        raise WorkError(
            f"第 {step} 步的{name}是 {value}，不是有限的数：训练已停，之前的检查点完好。"
            "请把 --learning-rate 减半，换一个 --out 重新训练。"
        )
