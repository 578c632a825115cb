"""What a step minimises, as one module that can be compiled and spread over processes."""

import torch.nn.functional as F
from torch import Tensor, nn

from novelkit.model import LanguageModel
from novelkit.tokenizing.blocks import IGNORED


class Objective(nn.Module):
    """Ids and targets (B, T) to each target's loss (B, T) and the sum that is minimised.

    The losses are the plain cross entropy in nats. With label smoothing (Szegedy et al. 2015,
    arXiv:1512.00567) the sum is another one, and must not be read as a loss.
    """

    def __init__(self, model: LanguageModel, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.model, self.label_smoothing = model, label_smoothing

    def forward(self, ids: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Losses (B, T), 0 where the target is -100, and the sum."""
        if not self.label_smoothing:
            losses = self.model.token_losses(ids, targets)
            return losses.detach(), losses.sum()
        scores = self.model(ids).float().log_softmax(dim=-1)
        counts = targets != IGNORED
        losses = F.nll_loss(scores.flatten(0, 1), targets.flatten(), reduction="none")
        # Against a uniform target every token counts the same.
        uniform = -(scores.mean(dim=-1) * counts).sum()
        smoothed = (1 - self.label_smoothing) * losses.sum() + self.label_smoothing * uniform
        return losses.detach().view_as(targets), smoothed
