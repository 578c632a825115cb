"""What training, scoring and sampling need of a model, whatever its architecture."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Sizes:
    """What every model's configuration tells."""

    vocab_size: int
    n_ctx: int


class LanguageModel(nn.Module):
    """Token ids (B, T) to logits (B, T, vocab_size) of the token after each of them."""

    config: Sizes

    def token_losses(self, ids: Tensor, targets: Tensor) -> Tensor:
        """Cross entropy in nats of every target, (B, T); 0 where the target is -100."""
        logits = self(ids).float()
        losses = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
        return losses.view_as(targets)

    def loss(self, ids: Tensor, targets: Tensor) -> Tensor:
        """Sum of `token_losses`."""
        return self.token_losses(ids, targets).sum()

    def count_parameters(self) -> int:
        """The number of weights, a tied head counted once."""
        return sum(parameter.numel() for parameter in self.parameters())
