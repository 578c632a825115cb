"""Muon: momentum whose update of each hidden matrix is made orthogonal before it is applied.

Jordan et al. 2024 (kellerjordan.github.io/posts/muon), with the scale of Liu et al. 2025
(arXiv:2502.16982) that makes an update as large as AdamW's, so that both take one learning rate.
It does what `torch.optim.Muon` does (a test compares them), with three additions: the
iteration runs in a number format that the device computes fast, where torch always takes bfloat16,
which a T4 and most CPUs only emulate; matrices of one shape pass through it together; and the
query, key and value that GPT-2 keeps in one matrix are three.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

# A matrix, its gradient, its momentum.
Triple = tuple[Tensor, Tensor, Tensor]

# Coefficients of the quintic Newton-Schulz iteration, chosen by Jordan for a steep slope at 0.
_A, _B, _C = 3.4445, -4.7750, 2.0315
_STEPS = 5
_EPSILON = 1e-7


def orthogonalise(
    matrices: list[Tensor] | tuple[Tensor, ...], dtype: torch.dtype = torch.float32
) -> Tensor:
    """Push the singular values of K (M, N) matrices towards 1 (roughly 0.7 to 1.2): (K, M, N)."""
    # Divided in float32: the norm of a large matrix would overflow float16.
    norms = torch._foreach_norm(matrices)
    x = torch.empty((len(matrices), *matrices[0].shape), dtype=dtype, device=matrices[0].device)
    for scaled, matrix, norm in zip(x, matrices, norms, strict=True):
        torch.div(matrix, norm.clamp(min=_EPSILON), out=scaled)
    # The smaller Gram matrix of the two costs less; a transposed copy would cost, too.
    tall = x.size(1) > x.size(2)
    for _ in range(_STEPS):
        gram = x.mT @ x if tall else x @ x.mT
        gram = torch.baddbmm(gram, gram, gram, beta=_B, alpha=_C)
        x = torch.baddbmm(x, *((x, gram) if tall else (gram, x)), beta=_A)
    return x


class Muon(Optimizer):
    """Muon for 2-D parameters; `dtype` is that of the Newton-Schulz iteration.

    A group with an `axis` holds matrices that are three of one shape in a row along it, the query,
    key and value of an attention: each third is made orthogonal alone, as Jordan advises.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        settings = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "axis": None}
        super().__init__(params, settings)
        self.dtype = dtype
        shapes = {tuple(item.shape) for group in self.param_groups for item in group["params"]}
        if any(len(shape) != 2 for shape in shapes):
            raise ValueError(f"Muon takes matrices only, got shapes {sorted(shapes)}")

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update; parameters without a gradient keep still."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Triple]] = {}
            for parameter in group["params"]:
                for triple in self._matrices(parameter, group["axis"]):
                    by_shape.setdefault(triple[0].shape, []).append(triple)
            for triples in by_shape.values():
                self._step_together(triples, group)
        return loss

    def _matrices(self, parameter: Tensor, axis: int | None) -> list[Triple]:
        """What is orthogonal alone, with its gradient and momentum: a parameter or its thirds."""
        if parameter.grad is None:
            return []
        if not self.state[parameter]:
            self.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        whole = (parameter, parameter.grad, self.state[parameter]["momentum_buffer"])
        if axis is None:
            return [whole]
        parameters, gradients, buffers = (tensor.chunk(3, axis) for tensor in whole)  # views
        return [*zip(parameters, gradients, buffers, strict=True)]

    def _step_together(self, triples: list[Triple], group: dict[str, Any]) -> None:
        """Update matrices of one shape."""
        momentum, lr = group["momentum"], group["lr"]
        parameters, gradients, buffers = zip(*triples, strict=True)
        torch._foreach_lerp_(buffers, gradients, 1 - momentum)
        looking_ahead = torch._foreach_lerp(gradients, buffers, momentum)  # Nesterov
        updates = orthogonalise(looking_ahead, self.dtype)
        # An orthogonal (M, N) matrix has entries of size 1 / sqrt(max(M, N)), AdamW's updates
        # are of about 0.2.
        scale = 0.2 * max(parameters[0].shape) ** 0.5
        torch._foreach_mul_(parameters, 1 - lr * group["weight_decay"])
        for parameter, update in zip(parameters, updates, strict=True):
            parameter.add_(update, alpha=-lr * scale)
