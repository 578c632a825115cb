"""The unit that losses are compared in, and a curve without its spikes."""

import math

import numpy as np


def bits_per_character(nats_per_token: float, tokens: int, characters: int) -> float:
    """Mean loss over `tokens` tokens that spell `characters` characters, in bits per character.

    Unlike perplexity per token, it can be compared between tokenizers.
    """
    if characters <= 0 or tokens < 0:
        raise ValueError(f"need characters > 0 and tokens >= 0, got {characters} and {tokens}")
    return nats_per_token * tokens / characters / math.log(2)


def running_median(values: np.ndarray, window: int | None = None) -> np.ndarray:
    """Median of each value's neighbours, same shape; a spike moves it less than it would a mean."""
    window = window or max(5, len(values) // 20)
    half = window // 2
    return np.array(
        [np.median(values[max(0, i - half) : i + half + 1]) for i in range(len(values))]
    )
