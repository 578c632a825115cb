"""A run in its folder, new or taken up again: the pieces that `loop.train` puts in order."""

import contextlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from novelkit import checkpoint
from novelkit.environment import Compute, seed_everything
from novelkit.errors import InputError, WorkError
from novelkit.model import GPT2, LanguageModel, ModelConfig, Start
from novelkit.tokenizing.loading import load_tokenizer
from novelkit.training.batches import Batch, BatchStream
from novelkit.training.compiling import CompileWatch
from novelkit.training.config import Budget, TrainConfig
from novelkit.training.data import Progress, TrainingData, evaluate
from novelkit.training.estimate import describe_needs
from novelkit.training.history import HistoryWriter, Record
from novelkit.training.memory import more_parts
from novelkit.training.mirroring import MirroredRun, restore_run
from novelkit.training.opening import (
    decide_compute,
    decide_parts,
    find_checkpoint,
    forget_damaged_best,
    identity,
    open_ledger,
)
from novelkit.training.planning import Plan
from novelkit.training.processes import find_processes
from novelkit.training.state import load_state, save_best, save_state
from novelkit.training.step import Learner, OutOfMemory

# Without a budget: this many passes over the data, ended earlier by `patience`.
DEFAULT_EPOCHS = 20
MINIMUM_DEFAULT_STEPS = 100

OnStep = Callable[[Record, int | None], None]
OnNotice = Callable[[str], None]
Sample = Callable[[LanguageModel], str]


@dataclass(frozen=True)
class Hooks:
    """What the caller of a run wants to hear or add; a later stage comes in through these."""

    # Each step's record, and the last step if it is known.
    on_step: OnStep | None = None
    # Held-out blocks that are scored at the end: done, total.
    on_score: Progress | None = None
    # Chinese lines about what was changed or went wrong while training went on.
    on_notice: OnNotice | None = None
    # A text by the model as it now is, for the history; the same weights must give the same text.
    sample: Sample | None = None


@dataclass
class Run:
    """Opens on construction; raises `InputError` for what cannot be trained."""

    data_folder: Path
    out: Path
    start: ModelConfig | Path | str | Start | LanguageModel
    config: TrainConfig
    budget: Budget
    resume: bool
    compute: Compute | None = None
    hooks: Hooks = field(default_factory=Hooks)
    compiles: bool | None = None  # None: where it pays
    mirror: Path | None = None  # a folder that receives copies of the checkpoints

    def __post_init__(self) -> None:
        on_cpu = self.compute is not None and self.compute.device == "cpu"
        self.processes = find_processes(use_cpu=on_cpu)
        self.rows = self.processes.rows(self.config.batch_size, self.config.accumulation)
        self.data = TrainingData.read(self.data_folder)
        seed_everything(self.config.seed)
        model = self._open_model()
        self.data.check(model.config)
        # Needed only when the model is exported: better missed now than after hours.
        load_tokenizer(self.data.folder)
        self.ledger, self.skipped, folder = self.processes.from_main(lambda: self._open(model))
        self.ledger.writes = self.processes.is_main
        self.resumed_from = checkpoint.checkpoint_step(folder) if folder else None
        self._prepare(model, folder)

    def _open_model(self) -> LanguageModel:
        if isinstance(self.start, ModelConfig):
            return GPT2(self.start)
        if isinstance(self.start, LanguageModel):
            return self.start
        if not isinstance(self.start, Start):
            self.start = self.data.start_from(self.start, seed=self.config.seed)
        return self.start.model

    def _open(self, model: LanguageModel) -> tuple[Any, list[str], Path | None]:
        """What the main process finds in the folder, and the choices that it measures."""
        restored: list[str] = []
        if self.resume and self.mirror:
            told = identity(self.config, model, self.data)
            restored = restore_run(self.out, self.mirror, told)
        ledger = open_ledger(self.out, self.config, model, self.data, self.resume)
        folder, skipped = find_checkpoint(self.out, self.config.checkpoint_steps)
        step = checkpoint.checkpoint_step(folder) if folder else 0
        if isinstance(self.start, Start) and not ledger.sessions:
            ledger.decide(0, "start", self.start.as_dict(), "；".join(self.start.notes))
            for note in self.start.notes:
                self._notice(note)
        compute = decide_compute(ledger, self.compute, step)
        decide_parts(ledger, model, self.config, compute, self.rows)
        return ledger, restored + skipped, folder

    def _prepare(self, model: LanguageModel, folder: Path | None) -> None:
        config = self.config
        decided = self.ledger.decided("compute")
        compute = Compute(**decided["value"], reason=decided["reason"])
        self.learner = Learner(model, config, compute, self.processes)
        self.state = load_state(folder, self.learner)
        self.skipped += forget_damaged_best(self.out, self.state, self.processes)
        tokens = self.data.tokens("train")
        context = model.config.n_ctx
        headers = self.data.headers("train")
        self.stream = BatchStream(tokens, context, config.batch_size, config.seed, headers)
        steps = DEFAULT_EPOCHS * len(tokens) / (context * config.batch_size)
        default_steps = max(MINIMUM_DEFAULT_STEPS, math.ceil(steps))
        self.plan = Plan(config, self.ledger, self.state, self.budget, default_steps)
        self._compile_watch = CompileWatch(self.ledger, self.plan, self.compiles)
        folder = self.mirror if self.processes.is_main else None
        self.mirrored = MirroredRun(self.out, folder, self.ledger.run_id, self._notice)
        self._last_save = self._last_step = time.monotonic()

    def describe_needs(self) -> None:
        """Tell whoever listens what the run will need, before it starts."""
        if self.hooks.on_notice and self.processes.count == 1:
            batch = self.stream.batch(self.state.step + 1)
            # An estimate is no reason to fail: the step itself knows what to do without memory.
            with contextlib.suppress(InputError, torch.OutOfMemoryError):
                for line in describe_needs(self.learner, batch, self.plan):
                    self._notice(line)

    def open_history(self) -> HistoryWriter:
        return HistoryWriter(self.out, writes=self.processes.is_main)

    def one_step(self) -> Record:
        """Do the next step and evaluate where it is due; returns its line of the history."""
        step = self.state.step + 1
        batch = self.stream.batch(step)
        self._compile_watch.before(step, self.learner, batch, self._notice)
        record: Record = {"step": step, **self._update(batch, step)}
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
        self._compile_watch.after(seconds)
        return record | {
            "tokens_seen": self.state.tokens,
            "seconds": round(seconds, 4),
            "tokens_per_second": round(record["tokens"] / max(seconds, 1e-9)),
            "session": self.ledger.sessions[-1]["id"],
        }

    def _update(self, batch: Batch, step: int) -> Record:
        """The step itself, again in smaller parts as long as memory does not hold it."""
        while True:
            default = self.config.accumulation
            self.learner.parts = self.ledger.value_at("accumulation", step, default)
            try:
                return self.learner.update(batch, self.plan.learning_rate(step), step)
            except OutOfMemory as error:
                self._take_smaller_parts(step, error)

    def _take_smaller_parts(self, step: int, error: OutOfMemory) -> None:
        rows = self.rows.stop - self.rows.start
        parts = more_parts(rows, self.learner.parts)
        if parts is None or self.processes.count > 1:
            raise WorkError(
                f"第 {step} 步内存不够，每次 {rows // self.learner.parts} 段文字也装不下："
                "请换小一点的模型或更短的 n_ctx；几个进程一起训练时，请加大 --accumulation。"
            ) from error
        before, after = rows // self.learner.parts, rows // parts
        reason = f"第 {step} 步内存不够，每次 {before} 段改成 {after} 段"
        self.ledger.decide(step - 1, "accumulation", parts, reason)
        self._notice(f"{reason}，累积 {parts} 次再更新：每步学的仍是 {rows} 段，结果不变。")

    def _notice(self, line: str) -> None:
        if self.hooks.on_notice and self.processes.is_main:
            self.hooks.on_notice(line)

    def _evaluate(self) -> Record:
        loss = evaluate(
            self.learner.evaluated,
            self.data.tokens("validation"),
            self.config.evaluation_blocks,
            processes=self.processes,
            headers=self.data.headers("validation"),
        )
        _require_number(loss, self.state.step, "验证损失")
        record: Record = {
            "validation_loss": loss,
            "bits_per_character": self.data.bits_per_character("validation", loss),
        }
        if self.hooks.sample and self.processes.is_main:
            model = self.learner.evaluated
            was_training = model.training
            record["sample"] = self.hooks.sample(model.eval())
            model.train(was_training)
        if self.state.best_loss is None or loss < self.state.best_loss:
            self.state.best_step, self.state.best_loss = self.state.step, loss
            self.state.evaluations_without_gain = 0
            self.processes.from_main(lambda: save_best(self.out, self.state, self.learner))
        else:
            self.state.evaluations_without_gain += 1
        return record

    def after_step(self, elapsed: float, interrupted: bool) -> str:
        """Save if due; says why the run stops here, or "going on"."""
        since_save = (time.monotonic() - self._last_save) / 60
        # The clocks and signals of several processes differ: the main one's count.
        elapsed, interrupted, since_save = self.processes.share((elapsed, interrupted, since_save))
        self.plan.watch_the_clock(elapsed)
        if self.plan.finished:
            stopped = "no improvement" if self.plan.out_of_patience else "finished"
        else:
            stopped = "interrupted" if interrupted else "going on"
        due = self.state.step % self.config.checkpoint_steps == 0
        if due or stopped != "going on" or since_save >= self.config.checkpoint_minutes:
            self.save(last=stopped != "going on")
        return stopped

    def save(self, last: bool = False) -> None:
        """Write a checkpoint; a failing disk ends the run with the older ones whole."""
        keep = self.config.keep_checkpoints
        self.processes.from_main(lambda: save_state(self.out, self.state, self.learner, keep))
        self.mirrored.store(self.state.step, self.state.best_step, last)
        self._last_save = time.monotonic()

    def close_failed(self) -> None:
        with contextlib.suppress(WorkError):  # the disk may be what failed
            self.ledger.close_session(self.state.step, "failed")


def _require_number(value: float | None, step: int, name: str) -> None:
    if value is None or not math.isfinite(value):
        raise WorkError(
            f"第 {step} 步的{name}是 {value}，不是有限的数：训练已停，之前的检查点完好。"
            "请把 --learning-rate 减半，换一个 --out 重新训练。"
        )
