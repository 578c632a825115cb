"""Probes that train a little, each some dozens of steps."""

import copy
from dataclasses import replace

import numpy as np
import torch

from novelkit.diagnosis.probe_batches import held_out, scored
from novelkit.diagnosis.setup import TrainingSetup
from novelkit.diagnosis.signs import Signs
from novelkit.tokenizing import IGNORED
from novelkit.training.batches import Batch

# Steps of each small training.
STEPS = 60


def one_batch(setup: TrainingSetup) -> Signs:
    """How far the loss of a single batch can be brought down, beside the library's training."""
    step = max(1, setup.steps // 2)
    reference = setup.reference()
    found = {}
    for name, pieces, batch in (
        ("probe_one_batch", setup, setup.batch(1)),
        ("probe_one_batch_reference", reference, reference.batch(1)),
    ):
        learner = pieces.new_learner()
        first = float(scored(pieces.losses(learner, batch)).mean())
        for _ in range(STEPS):
            pieces.update(learner, batch, step)
        found[name] = float(scored(pieces.losses(learner, batch)).mean()) / first
    return found


def learning_rates(setup: TrainingSetup) -> Signs:
    """The loss after some steps at an eighth, at once and at eight times the learning rate."""
    step = max(1, setup.steps // 2)
    eights = {}
    unseen = held_out(setup)
    for name, factor in (("slower", 1 / 8), ("same", 1.0), ("faster", 8.0)):
        learner = setup.new_learner()
        for number in range(1, STEPS + 1):
            setup.update(learner, setup.batch(number), step, factor)
        eights[name] = float(scored(setup.losses(learner, unseen)).mean())
    return {
        "probe_slower": eights["slower"] - eights["same"],
        "probe_faster": eights["faster"] - eights["same"],
        "probe_same": eights["same"],
    }


def from_here(setup: TrainingSetup) -> Signs:
    """The held-out loss after some steps from the trained weights: as it was, at a tenth of the
    learning rate, and with four batches a step."""
    trained = setup.trained()
    if trained is None:
        return {}
    step = max(1, setup.steps // 2)
    unseen, weights = held_out(setup), copy.deepcopy(trained.model.state_dict())
    start = float(scored(setup.losses(trained, unseen)).mean())
    found = {}
    for name, factor, together in (("same", 1.0, 1), ("calm", 0.1, 1), ("wide", 1.0, 4)):
        learner = setup.new_learner()
        learner.model.load_state_dict(weights)
        for number in range(STEPS // 4):
            # Batches that the run has not reached.
            places = range(
                setup.steps + 1 + number * together, setup.steps + 1 + (number + 1) * together
            )
            batches = [setup.batch(place) for place in places]
            setup.update(learner, _joined(batches), step, factor)
        found[name] = float(scored(setup.losses(learner, unseen)).mean()) - start
    return {f"probe_then_{name}": value for name, value in found.items()}


def _joined(batches: list[Batch]) -> Batch:
    inputs, targets = (
        np.concatenate([getattr(batch, name) for batch in batches])
        for name in ("inputs", "targets")
    )
    return replace(batches[0], inputs=inputs, targets=targets)


def gradient_noise(setup: TrainingSetup) -> Signs:
    """The gradient noise scale (McCandlish et al. 2018, arXiv:1812.06162) by the batch's tokens.

    1 where the noise of a batch's gradient is as large as the gradient itself.
    """
    learner = setup.trained() or setup.new_learner()
    count, squares, total, tokens = 12, [], None, []
    for number in range(1, count + 1):
        batch = setup.batch(max(1, setup.steps * number // count))
        parts = setup.gradients(learner, batch).values()
        flat = torch.cat([part.flatten() for part in parts])
        if not bool(flat.isfinite().all()):
            continue
        squares.append(float(flat.square().sum()))
        total = flat if total is None else total + flat
        tokens.append(int((batch.targets != IGNORED).sum()))
    if total is None or len(squares) < 4:
        return {}
    many, mean_square = len(squares), float(np.mean(squares))
    true = (many * float((total / many).square().sum()) - mean_square) / (many - 1)
    noise = mean_square - true
    return {
        "probe_noise": min(noise / max(true, 1e-3 * mean_square), 1e3),
        "probe_tokens": float(np.mean(tokens)),
    }
