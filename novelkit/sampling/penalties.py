"""Penalties: pure functions on logits (B, V) that look back at the tokens (B, T) before them.

They answer one question in four ways, which differ in what counts as a repetition: a token that
stood there at all (repetition, presence), how often (frequency), a run of n tokens (no-repeat
n-gram), or a loop that grows (DRY). Tokens of -100 in (B, T) are no tokens: rows of a batch may
have histories of different lengths.
"""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from novelkit.sampling.cuts import MINUS_INFINITY

NO_TOKEN = -100

# e**88 is the largest power that float32 holds; a penalty need not be larger than certain.
_MOST_EXPONENT = 80.0
# A loop of so many characters has been noticed; how much longer it is need not be counted.
_LONGEST_LOOP = 100


def penalise_repetition(logits: Tensor, tokens: Tensor, penalty: float) -> Tensor:
    """Make the tokens that stood there less probable: x / penalty, and x * penalty where x < 0.

    Dividing a negative logit would raise it, as copied code often does. 1 changes nothing. CTRL:
    Keskar et al. 2019, arXiv:1909.05858.
    """
    if penalty == 1:
        return logits
    seen = _counts(logits, tokens) > 0
    return torch.where(seen, torch.where(logits < 0, logits * penalty, logits / penalty), logits)


def penalise_presence(logits: Tensor, tokens: Tensor, presence: float, frequency: float) -> Tensor:
    """Subtract `presence` from tokens that stood there and `frequency` for each time.

    The presence and frequency penalties of the OpenAI API. Unlike the repetition penalty they do
    not depend on where the zero of the logits lies.
    """
    if presence == 0 and frequency == 0:
        return logits
    counts = _counts(logits, tokens)
    return logits - frequency * counts - presence * (counts > 0)


def forbid_repeated_ngrams(logits: Tensor, tokens: Tensor, n: int) -> Tensor:
    """Forbid every token that would complete n tokens that stood there before. 0 forbids none.

    Paulus et al. 2017, arXiv:1705.04304, section 2.5.
    """
    if n == 0:
        return logits
    allowed = logits.clone()
    for row, history in enumerate(rows_of(tokens)):
        start = len(history) - n + 1
        if start < 0:
            continue
        end = history[start:]
        places = range(len(history) - n + 1)
        banned = {history[i + n - 1] for i in places if history[i : i + n - 1] == end}
        allowed[row, list(banned)] = MINUS_INFINITY
    return allowed


def penalise_loops(
    logits: Tensor,
    tokens: Tensor,
    multiplier: float,
    base: float = 1.75,
    allowed_length: int = 4,
    lengths: Sequence[int] | None = None,
    breakers: Iterable[int] = (),
) -> Tensor:
    """Subtract multiplier * base ** (L - allowed_length) from a token that makes a loop longer.

    L is the length of the longest run that ends here and stood there before that token; shorter
    runs than `allowed_length` cost nothing. `lengths` (V,) says how much each token counts, so
    that L is in characters whatever the tokens are. A run ends at a breaker, and a breaker is
    never penalised. 0 changes nothing. "Don't repeat yourself", by p-e-w for
    text-generation-webui; llama.cpp has it too.
    """
    if multiplier == 0:
        return logits
    stops, penalised = frozenset(breakers), logits.clone()
    for row, history in enumerate(rows_of(tokens)):
        for token, length in _loops(history, lengths, stops).items():
            if length >= allowed_length:
                penalised[row, token] -= multiplier * _power(base, length - allowed_length)
    return penalised


def _loops(
    history: list[int], lengths: Sequence[int] | None, stops: frozenset[int]
) -> dict[int, int]:
    """Tokens that followed what stands at the end, and how long that was (the longest time)."""
    found: dict[int, int] = {}
    if not history or history[-1] in stops:
        return found
    last = len(history) - 1
    for place in range(last):
        if history[place] != history[last] or history[place + 1] in stops:
            continue
        length = back = 0
        while back <= place and history[place - back] == history[last - back]:
            token = history[last - back]
            if token in stops or length >= _LONGEST_LOOP:
                break
            length += lengths[token] if lengths is not None else 1
            back += 1
        follower = history[place + 1]
        found[follower] = max(found.get(follower, 0), length)
    return found


def _power(base: float, exponent: int) -> float:
    """base ** exponent, at most what float32 holds."""
    return math.exp(min(exponent * math.log(base), _MOST_EXPONENT))


def _counts(logits: Tensor, tokens: Tensor) -> Tensor:
    """How often each token stands in its row, (B, V)."""
    weights = (tokens >= 0).to(logits.dtype)
    return torch.zeros_like(logits).scatter_add(-1, tokens.clamp(min=0), weights)


def rows_of(tokens: Tensor) -> list[list[int]]:
    """The tokens of each row of (B, T)."""
    return [[token for token in row if token >= 0] for row in tokens.tolist()]
