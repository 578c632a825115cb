"""One optimizer step: forward and backward over the micro-batches, clip, update.

The loss of a step is the mean over every target token of the step, over all of its micro-batches
and processes: the last micro-batch alone would swing more than the training does.
"""

import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from novelkit.environment import Compute
from novelkit.model import LanguageModel
from novelkit.tokenizing.blocks import IGNORED
from novelkit.training.average import WeightAverage
from novelkit.training.batches import Batch
from novelkit.training.config import TrainConfig
from novelkit.training.history import Record
from novelkit.training.memory import is_out_of_memory, release_memory
from novelkit.training.objective import Objective
from novelkit.training.optimizers import (
    build_optimizers,
    hidden_matrices,
    set_learning_rate,
    shrink,
)
from novelkit.training.processes import Processes

# At most so many matrices, evenly spaced through the model, stand for all in the update ratio.
WATCHED_MATRICES = 8


class OutOfMemory(Exception):
    """The gradients of a step did not fit into memory; no weight has moved."""


@dataclass
class Learner:
    """A model with what trains it: optimizers, gradient scaler, average, device and precision."""

    model: LanguageModel
    config: TrainConfig
    compute: Compute
    processes: Processes = field(default_factory=Processes)
    parts: int = 0  # micro-batches of a step in this process
    # Ids and targets (B, T) to each target's loss and the sum that is minimised.
    objective: nn.Module | None = None
    optimizers: dict[str, Optimizer] = field(init=False)
    scaler: torch.amp.GradScaler = field(init=False)
    average: WeightAverage | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.parts = self.parts or self.config.accumulation
        self.model.to(self.compute.device)
        # Muon's iteration needs no more digits than the training itself.
        dtype = getattr(torch, self.compute.dtype)
        self.optimizers = build_optimizers(self.model, self.config, dtype)
        self.scaler = torch.amp.GradScaler(
            self.compute.device, enabled=self.compute.use_grad_scaler
        )
        if self.config.ema_decay:
            self.average = WeightAverage(self.model, self.config.ema_decay)
        if self.objective is None:
            self.objective = Objective(self.model, self.config.label_smoothing)
        self._eager = self._objective = self.processes.wrap(self.objective)
        matrices = list(hidden_matrices(self.model).values())
        self._watched = matrices[:: max(1, -(-len(matrices) // WATCHED_MATRICES))]

    @property
    def evaluated(self) -> LanguageModel:
        """The weights that count: the average, where there is one."""
        return self.average.model if self.average else self.model

    def use_compiled(self, compiled: bool) -> None:
        """Pass the next batches through a compiled model, or through the plain one."""
        if compiled and self._objective is self._eager:
            self._objective = torch.compile(self._eager)  # type: ignore[assignment]
        elif not compiled:
            self._objective = self._eager

    def rehearse(self, batch: Batch, parts: int | None = None) -> None:
        """Forward and backward on `batch`, to be timed; learns nothing."""
        self.model.train()
        try:
            self._gradients(batch, batch.targets.size, parts or self.parts)
        finally:
            self._forget_gradients()

    def update(self, batch: Batch, learning_rate: float, step: int) -> Record:
        """Learn from one batch; returns the step's record, losses in nats per token.

        Raises `OutOfMemory` before any weight has moved.
        """
        self.model.train()
        set_learning_rate(self.optimizers, learning_rate)
        self._roll_the_dice(step)
        count = int((batch.targets != IGNORED).sum())
        try:
            sums = self._gradients(batch, count, self.parts)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            self._forget_gradients()
            release_memory()
            raise OutOfMemory from error
        scale = self.scaler.get_scale()
        before = [matrix.detach().clone() for matrix in self._watched]
        norm = self._apply_gradients()
        if self.config.l1_penalty:
            shrink(self.optimizers, learning_rate * self.config.l1_penalty)
        if self.average:
            self.average.update(step)
        finite = math.isfinite(norm)
        record: Record = self._describe_losses(sums, batch) | {
            "learning_rate": learning_rate,
            # JSON has no infinity: null where the gradients overflowed and the step was left out.
            "gradient_norm": norm if finite else None,
            "clipped": finite and norm > self.config.gradient_clip,
            "update_ratio": _update_ratio(before, self._watched),
            "tokens": count,
            "epoch": batch.epoch,
            "position": batch.position,
        }
        if self.scaler.is_enabled():
            record["scale"], record["skipped"] = scale, not finite
        return record

    def _roll_the_dice(self, step: int) -> None:
        """Seed the generator of dropout by (seed, step, process): there is nothing to restore.

        And nothing that draws numbers between two steps, such as a sample text, changes the run.
        """
        seed = np.random.SeedSequence((self.config.seed, step, self.processes.rank))
        torch.manual_seed(int(seed.generate_state(1, np.uint64)[0]))

    def _gradients(self, batch: Batch, count: int, parts: int) -> Tensor:
        """Add up the gradients of this process's rows; returns the sum of each row's losses."""
        dtype, sums = getattr(torch, self.compute.dtype), []
        low_precision = torch.autocast(
            self.compute.device, dtype=dtype, enabled=dtype != torch.float32
        )
        micro_batches = self._micro_batches(batch, parts)
        for number, (inputs, targets) in enumerate(micro_batches, start=1):
            last = number == len(micro_batches)
            waiting = nullcontext() if last else self.processes.without_exchange(self._objective)
            with waiting:
                with low_precision:
                    losses, total = self._objective(inputs, targets)
                # Divided by the tokens of the whole step: parts of unequal length count as they
                # should. The exchange takes the mean over the processes where the sum is meant.
                self.scaler.scale(total * (self.processes.count / count)).backward()
            sums.append(losses.sum(dim=1))
        return torch.cat(sums)

    def _micro_batches(self, batch: Batch, parts: int) -> list[tuple[Tensor, Tensor]]:
        rows = self.processes.rows(len(batch.inputs))
        inputs, targets = (
            torch.from_numpy(part[rows]).to(self.compute.device).chunk(parts)
            for part in (batch.inputs, batch.targets)
        )
        return list(zip(inputs, targets, strict=True))

    def _apply_gradients(self) -> float:
        """Clip and step, or leave the step out if a gradient is no number; returns the norm."""
        # Unscaled first, or the clip would act on gradients that fp16 made thousands of times
        # larger.
        for optimizer in self.optimizers.values():
            self.scaler.unscale_(optimizer)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.gradient_clip)
        # The scaler asks each optimizer alone, but one overflow spoils all: the clip has by now
        # multiplied every gradient by max_norm / inf or NaN.
        if math.isfinite(norm):
            for optimizer in self.optimizers.values():
                self.scaler.step(optimizer)
        self.scaler.update()
        self._forget_gradients()
        return float(norm)

    def _forget_gradients(self) -> None:
        for optimizer in self.optimizers.values():
            optimizer.zero_grad(set_to_none=True)

    def _describe_losses(self, sums: Tensor, batch: Batch) -> Record:
        """Mean and spread over all rows of the step, of every process."""
        totals = np.array(self.processes.gather(sums.tolist()))
        counts = (batch.targets != IGNORED).sum(axis=1)
        means = (totals / np.maximum(counts, 1))[counts > 0]
        record: Record = {
            "loss": float(totals.sum() / counts.sum()),
            # Standard deviation of the sequences' own means: what the batch has to average out.
            "loss_spread": float(means.std(ddof=1)) if len(means) > 1 else 0.0,
        }
        parts = self.parts * self.processes.count
        if parts > 1:
            part_totals, part_counts = (
                values.reshape(parts, -1).sum(axis=1) for values in (totals, counts)
            )
            record["micro_batch_losses"] = (part_totals / np.maximum(part_counts, 1)).tolist()
        return record


@torch.no_grad()
def _update_ratio(before: Sequence[Tensor], after: Sequence[Tensor]) -> float:
    """Length of the update over the length of the weights, over these matrices together."""
    if not before:
        return 0.0
    pairs = zip(before, after, strict=True)
    moved = torch.stack([(new - old).square().sum() for old, new in pairs])
    weights = torch.stack([old.square().sum() for old in before])
    return float((moved.sum() / weights.sum().clamp(min=1e-30)).sqrt())
