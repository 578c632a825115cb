"""Temperature and cuts: pure functions on logits (..., V), where -inf means "cannot be drawn".

Softmax turns logits into probabilities: a temperature changes how far they lie apart, a cut removes
the tail. Each is the same as the `transformers` processor of its name where both are defined
(tests/test_sampling_cuts.py), and defined where that one is not: at temperature 0, among equals.
"""

import torch
from torch import Tensor

MINUS_INFINITY = float("-inf")


def apply_temperature(logits: Tensor, temperature: float) -> Tensor:
    """Divide the logits; 0 leaves the most probable token alone (never NaN)."""
    if temperature == 0:
        return keep_top_k(logits, 1)
    # Softmax does not see a common shift. With the largest at 0, no temperature overflows.
    shifted = logits - logits.amax(dim=-1, keepdim=True)
    return shifted / max(temperature, torch.finfo(logits.dtype).tiny)


def keep_top_k(logits: Tensor, k: int) -> Tensor:
    """Set all but the k largest logits to -inf; exactly k stay, also among equals. 0 keeps all.

    Top-k sampling: Fan et al. 2018, arXiv:1805.04833.
    """
    if k == 0 or k >= logits.size(-1):
        return logits
    values, indices = logits.topk(k, dim=-1)
    return torch.full_like(logits, MINUS_INFINITY).scatter(-1, indices, values)


def keep_top_p(logits: Tensor, p: float | Tensor) -> Tensor:
    """Keep the smallest set of most probable tokens whose probabilities reach p; at least one.

    `p` is one number, or a tensor (..., 1) with one for each row. Nucleus sampling: Holtzman et
    al. 2019, arXiv:1904.09751.
    """
    if isinstance(p, float | int) and p >= 1:
        return logits
    bound = torch.as_tensor(p, dtype=logits.dtype, device=logits.device)
    ordered, indices = logits.sort(dim=-1, descending=True)
    probabilities = ordered.softmax(dim=-1)
    # A token is cut if those before it already reach p. All together may reach 1 by rounding.
    cut = (probabilities.cumsum(dim=-1) - probabilities >= bound) & (bound < 1)
    # Nothing stands before the first one; a p that rounds to 0 would cut it all the same.
    cut[..., 0] = False
    return torch.empty_like(logits).scatter(-1, indices, ordered.masked_fill(cut, MINUS_INFINITY))


def keep_min_p(logits: Tensor, p: float) -> Tensor:
    """Keep the tokens of at least p times the probability of the most probable one. 0 keeps all.

    Where the model is sure few stay, where it is not many do. Min-p: Nguyen et al. 2024,
    arXiv:2407.01082.
    """
    if p == 0:
        return logits
    probabilities = logits.softmax(dim=-1)
    highest = probabilities.amax(dim=-1, keepdim=True)
    return logits.masked_fill(probabilities < p * highest, MINUS_INFINITY)


def keep_typical(logits: Tensor, mass: float) -> Tensor:
    """Keep the tokens whose surprise is nearest to the expected one, until they reach `mass`.

    It also removes the most probable token where that one says too little. 1 keeps all. Locally
    typical sampling: Meister et al. 2022, arXiv:2202.00666.
    """
    if mass >= 1:
        return logits
    surprise = -logits.log_softmax(dim=-1)
    probabilities = surprise.neg().exp()
    # A token that cannot be drawn has an infinite surprise and adds nothing to the entropy.
    entropy = (probabilities * surprise.nan_to_num(posinf=0.0)).sum(dim=-1, keepdim=True)
    distance, indices = (surprise - entropy).abs().sort(dim=-1, stable=True)
    reached = probabilities.gather(-1, indices).cumsum(dim=-1)
    last = (reached < mass).sum(dim=-1, keepdim=True).clamp(max=logits.size(-1) - 1)
    cut = distance > distance.gather(-1, last)
    return logits.masked_fill(torch.empty_like(cut).scatter(-1, indices, cut), MINUS_INFINITY)
