"""Who takes part in training_speed.py: our `train`, transformers' Trainer, a bare loop.

A turn trains a fresh model for some steps and returns the seconds of each step but the first, from
the end of one step to the end of the next, so that everything a loop does between two steps counts.
"""

import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from novelkit.environment import Compute
from novelkit.model import GPT2, ModelConfig
from novelkit.tokenizing.blocks import Blocks
from novelkit.training import Budget, TrainConfig, train
from novelkit.training.batches import BatchStream
from novelkit.training.data import TrainingData

NEVER = 10**6


@dataclass(frozen=True)
class Shape:
    """A model and a batch; `dropout` is set by each comparison."""

    name: str
    n_layer: int
    n_embd: int
    n_head: int
    n_ctx: int
    batch_size: int

    def model(self, vocabulary: int, dropout: float) -> ModelConfig:
        sizes = {"n_layer": self.n_layer, "n_embd": self.n_embd, "n_head": self.n_head}
        return ModelConfig(vocab_size=vocabulary, n_ctx=self.n_ctx, dropout=dropout, **sizes)

    @property
    def tokens(self) -> int:
        return self.batch_size * self.n_ctx

    def operations(self, vocabulary: int) -> float:
        """Floating-point operations in matrices of a training step: 6 for a weight and token."""
        weights = 12 * self.n_layer * self.n_embd**2 + vocabulary * self.n_embd
        return 6.0 * weights * self.tokens


SHAPES = {
    shape.name: shape
    for shape in (
        Shape("B", n_layer=4, n_embd=256, n_head=4, n_ctx=128, batch_size=16),
        Shape("A", n_layer=6, n_embd=384, n_head=6, n_ctx=256, batch_size=8),
        Shape("toy", n_layer=1, n_embd=16, n_head=2, n_ctx=16, batch_size=4),
    )
}


@dataclass
class Times:
    """When each step ended, by the wall's clock and by the processor's."""

    ends: list[tuple[float, float]] = field(default_factory=list)

    def mark(self) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.ends.append((time.perf_counter(), time.process_time()))

    def medians(self) -> tuple[float, float]:
        """Seconds of a step: wall, CPU."""
        gaps = np.diff(np.array(self.ends), axis=0)
        return statistics.median(gaps[:, 0]), statistics.median(gaps[:, 1])


class _EnoughError(Exception):
    pass


@dataclass(frozen=True)
class Contender:
    """A loop with its precision, dropout and optimizer; `turn(steps)` trains that long."""

    name: str
    kind: str  # ours, trainer, bare
    shape: Shape
    dtype: str
    dropout: float
    optimizer: str = "adamw"
    compiled: bool = False

    def turn(self, data: TrainingData, device: str, steps: int) -> Times:
        """The ends of `steps + 1` steps of a fresh model."""
        times = Times()
        self.run(data, device, steps, times.mark)
        return times

    def run(self, data: TrainingData, device: str, steps: int, mark: Callable[[], None]) -> None:
        """Train `steps + 1` steps and call `mark` after each."""
        loops = {"ours": run_ours, "trainer": run_trainer, "bare": run_bare}
        loops[self.kind](self, data, device, steps, mark)

    def toy(self) -> "Contender":
        """The same loop with a tiny model."""
        return replace(self, shape=SHAPES["toy"])


def run_ours(
    who: Contender, data: TrainingData, device: str, steps: int, mark: Callable[[], None]
) -> None:
    """`novelkit.training.train`, stopped in its last callback: no evaluation, no export."""
    config = TrainConfig(
        batch_size=who.shape.batch_size,
        optimizer=who.optimizer,
        evaluate_every=NEVER,
        checkpoint_steps=NEVER,
        checkpoint_minutes=NEVER,
    )
    model = GPT2(who.shape.model(data.header["vocabulary"], who.dropout))

    def on_step(record: dict[str, Any], _last: int | None) -> None:
        mark()
        if record["step"] > steps:
            raise _EnoughError

    compute = Compute(device, who.dtype, who.dtype == "float16", "the same for all")
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(_EnoughError):
        train(
            data.folder,
            Path(folder) / "run",
            model,
            config,
            Budget(max_steps=NEVER),
            compute=compute,
            on_step=on_step,
            compiles=who.compiled,
        )


class BlockSet(torch.utils.data.Dataset):
    """The training split as Trainer takes it: labels are the inputs, it shifts them itself."""

    def __init__(self, data: TrainingData, context: int) -> None:
        self.blocks = Blocks(data.tokens("train"), context)

    def __len__(self) -> int:
        return len(self.blocks)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        ids = torch.from_numpy(self.blocks.batch([index])[0][0])
        return {"input_ids": ids, "labels": ids}


def transformers_model(who: Contender, vocabulary: int) -> torch.nn.Module:
    """The same GPT-2 by `transformers`, with random weights."""
    from transformers import GPT2Config, GPT2LMHeadModel

    shape = who.shape
    config = GPT2Config(
        vocab_size=vocabulary,
        n_positions=shape.n_ctx,
        n_embd=shape.n_embd,
        n_layer=shape.n_layer,
        n_head=shape.n_head,
        resid_pdrop=who.dropout,
        embd_pdrop=who.dropout,
        attn_pdrop=who.dropout,
        bos_token_id=0,
        eos_token_id=0,
        use_cache=False,
    )
    return GPT2LMHeadModel(config)


def run_trainer(
    who: Contender, data: TrainingData, device: str, steps: int, mark: Callable[[], None]
) -> None:
    """transformers.Trainer with its defaults but for what the comparison sets equal."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    from transformers import Trainer, TrainerCallback, TrainingArguments

    class Mark(TrainerCallback):
        def on_step_end(self, *_arguments: Any, **_named: Any) -> None:
            mark()

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            max_steps=steps + 1,
            per_device_train_batch_size=who.shape.batch_size,
            use_cpu=device == "cpu",
            bf16=who.dtype == "bfloat16",
            fp16=who.dtype == "float16",
            dataloader_pin_memory=device != "cpu",
            # Nothing that a run without it would do, too: no checkpoint, no bar on the terminal.
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        model = transformers_model(who, data.header["vocabulary"])
        dataset = BlockSet(data, who.shape.n_ctx)
        with (
            Path(os.devnull).open("w", encoding="utf-8") as nowhere,
            contextlib.redirect_stdout(nowhere),
        ):
            Trainer(model, arguments, train_dataset=dataset, callbacks=[Mark()]).train()


def run_bare(
    who: Contender, data: TrainingData, device: str, steps: int, mark: Callable[[], None]
) -> None:
    """The shortest loop that trains: forward, backward, clip, AdamW."""
    model = transformers_model(who, data.header["vocabulary"]).to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    stream = BatchStream(data.tokens("train"), who.shape.n_ctx, who.shape.batch_size, 0)
    dtype = getattr(torch, who.dtype)
    for step in range(1, steps + 2):
        batch = stream.batch(step)
        inputs, targets = (torch.from_numpy(x).to(device) for x in (batch.inputs, batch.targets))
        with torch.autocast(device, dtype=dtype, enabled=dtype != torch.float32):
            logits = model(input_ids=inputs).logits
            loss = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        mark()
