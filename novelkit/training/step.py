"""One optimizer step: forward and backward over the micro-batches, clip, update.

The loss of a step is the mean over every target token of the step, over all of its micro-batches:
the last micro-batch alone would swing more than the training does.
"""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.optim import Optimizer

from novelkit.environment import Compute
from novelkit.model import GPT2
from novelkit.tokenizing.blocks import IGNORED
from novelkit.training.batches import Batch
from novelkit.training.config import TrainConfig
from novelkit.training.history import Record
from novelkit.training.optimizers import build_optimizers, set_learning_rate


@dataclass
class Learner:
    """A model with what trains it: optimizers, gradient scaler, device and precision."""

    model: GPT2
    config: TrainConfig
    compute: Compute
    optimizers: dict[str, Optimizer] = field(init=False)
    scaler: torch.amp.GradScaler = field(init=False)

    def __post_init__(self) -> None:
        self.model.to(self.compute.device)
        self.optimizers = build_optimizers(self.model, self.config)
        self.scaler = torch.amp.GradScaler(
            self.compute.device, enabled=self.compute.use_grad_scaler
        )

    def update(self, batch: Batch, learning_rate: float) -> Record:
        """Learn from one batch; returns the step's record, losses in nats per token."""
        self.model.train()
        set_learning_rate(self.optimizers, learning_rate)
        count = int((batch.targets != IGNORED).sum())
        total, means = 0.0, []
        for inputs, targets in self._micro_batches(batch):
            loss = self._loss(inputs, targets)
            # Divided by the tokens of the whole step: parts of unequal length count as they should.
            self.scaler.scale(loss / count).backward()
            total += loss.item()
            means.append(loss.item() / max(1, int((targets != IGNORED).sum())))
        scale = self.scaler.get_scale()
        norm = self._apply_gradients()
        finite = math.isfinite(norm)
        record: Record = {
            "loss": total / count,
            "learning_rate": learning_rate,
            # JSON has no infinity: null where the gradients overflowed and the step was left out.
            "gradient_norm": norm if finite else None,
            "clipped": finite and norm > self.config.gradient_clip,
            "tokens": count,
            "epoch": batch.epoch,
            "position": batch.position,
        }
        if len(means) > 1:
            record["micro_batch_losses"] = means
        if self.scaler.is_enabled():
            record["scale"], record["skipped"] = scale, not finite
        return record

    def _micro_batches(self, batch: Batch) -> list[tuple[Tensor, Tensor]]:
        parts = self.config.accumulation
        inputs = torch.from_numpy(batch.inputs).to(self.compute.device).chunk(parts)
        targets = torch.from_numpy(batch.targets).to(self.compute.device).chunk(parts)
        return list(zip(inputs, targets, strict=True))

    def _loss(self, inputs: Tensor, targets: Tensor) -> Tensor:
        dtype = getattr(torch, self.compute.dtype)
        with torch.autocast(self.compute.device, dtype=dtype, enabled=dtype != torch.float32):
            return self.model.loss(inputs, targets)

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
        for optimizer in self.optimizers.values():
            optimizer.zero_grad(set_to_none=True)
        return float(norm)
