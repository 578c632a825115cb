"""The two costly places of a GPT-2, computed in the way that is fastest on the device.

They compute what `gpt2.attention` and a plain cross entropy compute (tests compare them); which
way is faster was measured, see tests/benchmarks/training_speed.py.
"""

import functools
import math

import torch
import torch.nn.functional as F
from torch import Tensor

# Rows of logits that a CPU keeps in its cache while it takes their cross entropy.
ROWS_TOGETHER = 256


def mix(query: Tensor, key: Tensor, value: Tensor, dropout: float, causal: bool) -> Tensor:
    """Attention of (B, H, T, D) queries, keys and values to (B, H, T, D)."""
    if _is_slow_in_one_kernel(query, dropout, causal):
        return _mix_in_three_products(query, key, value, dropout)
    return F.scaled_dot_product_attention(query, key, value, dropout_p=dropout, is_causal=causal)


def _is_slow_in_one_kernel(query: Tensor, dropout: float, causal: bool) -> bool:
    """A CPU's kernel has no fast way with dropout, nor for training in bfloat16."""
    trains = causal and query.requires_grad and query.device.type == "cpu"
    return trains and (dropout > 0 or query.dtype == torch.bfloat16)


def _mix_in_three_products(query: Tensor, key: Tensor, value: Tensor, dropout: float) -> Tensor:
    batch, heads, tokens, width = query.shape
    query, key, value = (part.reshape(-1, tokens, width) for part in (query, key, value))
    # Autocast would compute the softmax in float32 and cast its T x T weights back.
    with torch.autocast(query.device.type, enabled=False):
        future = _future(tokens, query.dtype, query.device)
        scale = 1 / math.sqrt(width)
        weights = torch.baddbmm(future, query, key.mT, alpha=scale).softmax(dim=-1)
        weights = F.dropout(weights, dropout) if dropout else weights
        return torch.bmm(weights, value).view(batch, heads, tokens, width)


@functools.lru_cache(maxsize=4)
def _future(tokens: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(T, T): 0 for what a position may look at, -inf for what comes after it."""
    return torch.full((tokens, tokens), float("-inf"), dtype=dtype, device=device).triu(1)


def head_losses(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """Cross entropy of targets (N,) given hidden states (N, C) and head (V, C), in nats, (N,)."""
    device = hidden.device.type
    if torch.is_autocast_enabled(device):
        # Once for all parts; the gradients of the parts then add up in this precision.
        dtype = torch.get_autocast_dtype(device)
        hidden, weight = hidden.to(dtype), weight.to(dtype)
    rows = ROWS_TOGETHER if device == "cpu" else len(hidden)
    parts = zip(hidden.split(rows), targets.split(rows), strict=True)
    return torch.cat(
        [
            F.cross_entropy((part @ weight.T).float(), wanted, reduction="none")
            for part, wanted in parts
        ]
    )
