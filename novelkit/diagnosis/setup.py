"""A training taken apart, so that probes can try each of its pieces.

`TrainingSetup` is the library's own training. For a training of your own, make a subclass and
override the pieces that yours does otherwise: the probes use nothing else of it. What they find is
therefore what your code does, not what it was meant to do.
"""

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from novelkit.environment import Compute
from novelkit.model import GPT2, LanguageModel, ModelConfig
from novelkit.tokenizing import IGNORED, Tokenizer
from novelkit.training.batches import Batch, BatchStream
from novelkit.training.config import TrainConfig
from novelkit.training.data import evaluate
from novelkit.training.history import Record
from novelkit.training.schedule import Cycle, learning_rate
from novelkit.training.state import State, load_state, save_state
from novelkit.training.step import Learner

CPU = Compute("cpu", "float32", False, "探针用 CPU")


@dataclass
class TrainingSetup:
    """The pieces of a training; `steps` is how long it was meant to be."""

    model_config: ModelConfig
    config: TrainConfig
    tokenizer: Tokenizer
    texts: dict[str, str]  # "train" and "validation", as the tokenizer receives them
    steps: int
    compute: Compute = CPU
    weights: dict[str, Tensor] | None = None  # of the trained model, by name
    resumes: tuple[int, ...] = ()  # the steps after which a session ended
    _streams: dict[int, BatchStream] = field(init=False, default_factory=dict, repr=False)
    _tokens: dict[str, np.ndarray] = field(init=False, default_factory=dict, repr=False)

    def tokens(self, split: str) -> np.ndarray:
        """The ids of a split, (tokens,)."""
        if split not in self._tokens:
            self._tokens[split] = self.tokenizer.encode(self.texts[split])
        return self._tokens[split]

    def new_model(self) -> LanguageModel:
        """The model as it is before the first step."""
        torch.manual_seed(self.config.seed)
        return GPT2(self.model_config)

    def new_learner(self, model: LanguageModel | None = None) -> Learner:
        """A model, by default a new one, with what trains it."""
        return Learner(model or self.new_model(), self.config, self.compute)

    def batch(self, step: int, session: int = 1) -> Batch:
        """What the training reads at `step`, counted from 1, in its first or a later session."""
        if session not in self._streams:
            self._streams[session] = self.batch_stream()
        return self._streams[session].batch(step)

    def batch_stream(self) -> BatchStream:
        """The order of the data, made anew as in every session."""
        context, size = self.model_config.n_ctx, self.config.batch_size
        return BatchStream(self.tokens("train"), context, size, self.config.seed)

    def learning_rate(self, step: int) -> float:
        """The learning rate that the training means to use at `step`."""
        cycle = Cycle(0).with_end(self.steps, self.config.cooldown_share)
        return learning_rate(step, cycle, self.config)

    def update(self, learner: Learner, batch: Batch, step: int, factor: float = 1.0) -> Record:
        """One step, at `factor` times the learning rate of `step`; what the training logs of it."""
        return learner.update(batch, factor * self.learning_rate(step), step)

    def losses(self, learner: Learner, batch: Batch, precise: bool = False) -> Tensor:
        """Each target's loss in nats, (B, T), as the training computes it, without dropout.

        With `precise`, in float32 whatever the training computes in.
        """
        with torch.no_grad():
            return self._objective(learner, batch, precise)[0].cpu()

    def gradients(self, learner: Learner, batch: Batch) -> dict[str, Tensor]:
        """The gradient of the batch's mean loss by parameter, without dropout."""
        named = dict(learner.model.named_parameters())
        count = max(1, int((batch.targets != IGNORED).sum()))
        _, total = self._objective(learner, batch, precise=False)
        found = torch.autograd.grad(total / count, list(named.values()), allow_unused=True)
        pairs = zip(named.items(), found, strict=True)
        return {
            name: torch.zeros_like(item) if part is None else part for (name, item), part in pairs
        }

    def _objective(self, learner: Learner, batch: Batch, precise: bool) -> tuple[Tensor, Tensor]:
        was_training = learner.model.training
        learner.model.eval()
        inputs, targets = torch.from_numpy(batch.inputs), torch.from_numpy(batch.targets)
        dtype = getattr(torch, self.compute.dtype)
        low = dtype != torch.float32 and not precise
        device = self.compute.device
        with torch.autocast(device, dtype=dtype, enabled=low):
            assert learner.objective is not None
            found = learner.objective(inputs.to(device), targets.to(device))
        learner.model.train(was_training)
        return found

    def validation_loss(self, learner: Learner) -> float:
        """The validation loss that the training reports, in nats per token."""
        blocks = self.config.evaluation_blocks
        return evaluate(learner.evaluated, self.tokens("validation"), blocks)

    def trained(self) -> Learner | None:
        """The trained model with an optimizer that remembers nothing; None before a training."""
        if self.weights is None:
            return None
        learner = self.new_learner()
        learner.model.load_state_dict(self.weights)
        return learner

    def reopen(self, learner: Learner) -> Learner:
        """What a resume makes of a learner that was saved."""
        again = self.new_learner()
        with tempfile.TemporaryDirectory() as folder:
            load_state(save_state(Path(folder), State(), learner, keep=1), again)
        return again

    def sampler(self) -> tuple[LanguageModel, Tokenizer] | None:
        """The model and the tokenizer that write; None where nothing was trained."""
        learner = self.trained()
        return None if learner is None else (learner.evaluated, self.tokenizer)

    def reference(self) -> "TrainingSetup":
        """The library's training of the same model on the same texts, to compare with."""
        return TrainingSetup(
            self.model_config,
            TrainConfig(batch_size=self.config.batch_size, seed=self.config.seed, warmup_steps=5),
            self.tokenizer,
            self.texts,
            self.steps,
        )

    def with_texts(self, **texts: str) -> "TrainingSetup":
        """The same training on other texts."""
        return replace(self, texts={**self.texts, **texts})
