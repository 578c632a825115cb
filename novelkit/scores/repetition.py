"""How much a text repeats itself, in characters. Compare only texts of equal length: what could be
repeated grows with it."""

from collections import Counter


def repeated_share(text: str, n: int = 4) -> float:
    """The share (0 to 1) of runs of n characters that stood earlier in the text.

    rep-n of Welleck et al. 2020 (arXiv:1908.04319) on characters; 0 for a text shorter than n.
    """
    runs = _runs(text, n)
    return 1 - len(set(runs)) / len(runs) if runs else 0.0


def distinct_share(text: str, n: int = 2) -> float:
    """The share (0 to 1) of runs of n characters that differ: 1 - `repeated_share`, 1 if none.

    distinct-n of Li et al. 2016 (arXiv:1510.03055) on characters.
    """
    return 1 - repeated_share(text, n)


def longest_loop(text: str, period: int = 40) -> int:
    """Characters of the longest stretch that says one passage of up to `period` again and again.

    The passage counts each time, so the least is twice its length; 0 if there is no such stretch.
    """
    longest = 0
    for step in range(1, min(period, len(text) // 2) + 1):
        run = 0
        for place in range(step, len(text)):
            run = run + 1 if text[place] == text[place - step] else 0
            # The first round of the passage stands before the run.
            if run >= step:
                longest = max(longest, run + step)
    return longest


def most_repeated(text: str, n: int = 4) -> tuple[str, int]:
    """The run of n characters that stands there most often, and how often; ("", 0) if none."""
    runs = _runs(text, n)
    return Counter(runs).most_common(1)[0] if runs else ("", 0)


def _runs(text: str, n: int) -> list[str]:
    if n < 1:
        raise ValueError(f"n must be positive, got {n}")
    return [text[place : place + n] for place in range(len(text) - n + 1)]
