"""A moving average of the weights: calmer than the weights themselves, at no cost of a cooldown.

Polyak averaging with an exponential memory. The average of the first steps would remember the
random start for long, so its memory grows with the number of steps, as in TensorFlow's
`ExponentialMovingAverage`.
"""

import copy

import torch
from torch import Tensor

from novelkit.model import LanguageModel


class WeightAverage:
    """A copy of `model` that follows it; `model` is what is evaluated and exported."""

    def __init__(self, model: LanguageModel, decay: float) -> None:
        self.source, self.decay = model, decay
        self.model = copy.deepcopy(model).requires_grad_(False).eval()

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Follow the weights after `step` (from 1)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        pairs = zip(self.model.parameters(), self.source.parameters(), strict=True)
        averages, weights = map(list, zip(*pairs, strict=True))
        torch._foreach_lerp_(averages, weights, 1 - decay)

    def state_dict(self) -> dict[str, Tensor]:
        return self.model.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.model.load_state_dict(state)
