"""Batches for probes: small ones, the held-out text, and which of their losses count."""

from dataclasses import replace

import numpy as np
from torch import Tensor

from novelkit.diagnosis.setup import TrainingSetup
from novelkit.training.batches import Batch

# Tokens of a batch that are enough where its size is not the question.
LIGHT_TOKENS = 512


def light(batch: Batch) -> Batch:
    """As many rows of a batch as have `LIGHT_TOKENS` together, one at least."""
    rows = max(1, LIGHT_TOKENS // batch.inputs.shape[1])
    return replace(batch, inputs=batch.inputs[:rows], targets=batch.targets[:rows])


def scored(losses: Tensor) -> Tensor:
    """The losses of positions that are scored: those of others are exactly 0."""
    found = losses[losses != 0]
    return found if len(found) else losses.flatten()


def held_out(setup: TrainingSetup) -> Batch:
    """Blocks of the validation text as one batch, evenly spaced."""
    tokens, context = setup.tokens("validation"), setup.model_config.n_ctx
    starts = np.linspace(0, len(tokens) - context - 1, 48).round().astype(int)
    windows = tokens[starts[:, None] + np.arange(context + 1)].astype(np.int64)
    return Batch(windows[:, :-1], windows[:, 1:], 0, 0)
