"""Looking into a trained GPT-2: what each head looks at, and what the model loses without it.

A head's weights say where it looks. Whether that matters, only taking the head out says (Michel et
al. 2019, arXiv:1905.10650; Jain and Wallace 2019, arXiv:1902.10186). Does not cover what is
written into the residual stream.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from novelkit.model.gpt2 import GPT2, Attention


@torch.no_grad()
def attention_weights(model: GPT2, ids: Tensor) -> Tensor:
    """The weights of every head for ids (B, T), without dropout: (layers, B, H, T, T).

    In row t stands how much token t takes from tokens 0..t; the row sums to 1.
    """
    layers = _attentions(model)
    read: dict[nn.Module, Tensor] = {}

    def keep(module: nn.Module, arguments: tuple[Any, ...]) -> None:
        read[module] = arguments[0]

    hooks = [attention.register_forward_pre_hook(keep) for attention in layers]
    was_training = model.training
    try:
        model.eval()(ids)
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    return torch.stack([_weights(attention, read[attention]) for attention in layers])


def _attentions(model: GPT2) -> list[Attention]:
    found = (module for block in model.blocks for module in block.children())
    return [module for module in found if isinstance(module, Attention)]


def _weights(attention: Attention, x: Tensor) -> Tensor:
    """What `gpt2.attention` mixes the values with, from what the layer reads (B, T, C)."""
    batch, tokens, channels = x.shape
    query, key, _ = (
        part.view(batch, tokens, attention.n_head, -1).transpose(1, 2)
        for part in attention.query_key_value(x).split(channels, dim=2)
    )
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.size(-1))
    future = torch.ones(tokens, tokens, dtype=torch.bool, device=x.device).triu(1)
    return scores.masked_fill(future, float("-inf")).softmax(dim=-1)


def share_on(weights: Tensor, places: Tensor) -> Tensor:
    """The mean weight (..., B, H, T, T) that falls on marked places: (..., H).

    `places` (T, T) or (B, T, T) marks which columns count in a row; rows without any are left out.
    Raises `ValueError` where no row has one.
    """
    tokens, batch = weights.size(-1), weights.size(-4)
    marked = places.bool().expand(batch, tokens, tokens)
    rows = marked.any(dim=-1)  # (B, T)
    if not rows.any():
        raise ValueError("no row has a marked place")
    taken = (weights * marked[:, None]).sum(dim=-1)  # (..., B, H, T)
    return (taken * rows[:, None]).sum(dim=(-3, -1)) / rows.sum()


@contextmanager
def without_head(model: GPT2, layer: int, head: int) -> Iterator[GPT2]:
    """Inside, one head adds nothing to the model; raises `IndexError` where there is no such head.

    Set to zero is what the head hands to the layer's `project`.
    """
    attention = _attentions(model)[layer]
    if not 0 <= head < attention.n_head:
        raise IndexError(f"head {head} of {attention.n_head}")

    def silence(module: nn.Module, arguments: tuple[Tensor]) -> tuple[Tensor]:
        heads = arguments[0].unflatten(-1, (attention.n_head, -1)).clone()
        heads[..., head, :] = 0
        return (heads.flatten(-2),)

    hook = attention.project.register_forward_pre_hook(silence)
    try:
        yield model
    finally:
        hook.remove()
