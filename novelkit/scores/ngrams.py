"""Counts of n-grams as a model of the next character, as low as counts can honestly get.

Interpolated modified Kneser-Ney (Kneser and Ney 1995; Chen and Goodman 1998, section 3): of each
count one of three discounts is taken, and what was taken from all that follows a history goes to
the order below it. There a gram counts by how many different characters it follows, not by how
often: what always comes after one same word says little about other places.

The lowest order has no order below it but a uniform guess, and its discounts would be estimated
from a few thousand kinds alone: Witten-Bell (1991) decides there how much is kept for characters
that were never seen. `tests/benchmarks/scores.py` measures both choices on 35 books and on all of
them: from bigrams on, Kneser-Ney is lower than Witten-Bell on every text (bigrams by 0.05 to 0.17
nats per character, trigrams by 0.16 to 0.41), and Witten-Bell under it lower than discounts on 35
of 36, by up to 0.02.

A count of n-grams is two arrays: grams are numbered in sorted order, and a gram is its history's
number and its last character, so that orders of any length over any number of characters fit into
64 bits. The counts of two million characters take a few seconds.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from novelkit.errors import InputError

# Below the unigram counts stands a uniform guess over this many characters: what an n-gram model
# pays for a character that it has never seen. CJK Unified Ideographs alone are 20,992.
UNSEEN_CHARACTERS = 2**15

# Where a text is too short to estimate a discount, as KenLM's `--discount_fallback`.
_FALLBACK_DISCOUNTS = (0.5, 1.0, 1.5)


@dataclass(frozen=True)
class Level:
    """The n-grams of one length in the training text, by number, and those of the held-out text.

    `before` counts the different characters that stand before a gram; the beginning of the text is
    one of them. For the longest grams that was not counted and it is None.
    """

    length: int
    histories: int  # how many grams one character shorter there are
    history: np.ndarray  # (grams,): the number of each one's history
    count: np.ndarray  # (grams,): how often it occurs
    held: np.ndarray  # (held-out characters,): the gram that ends there, -1 for one never seen
    held_history: np.ndarray  # (held-out characters,): its history, -1 for one never seen
    before: np.ndarray | None = None  # (grams,)


def ngram_losses(training: str, held_out: str, order: int = 3) -> list[float]:
    """Mean nats per character of n-gram models of orders 1 to `order` on `held_out`.

    The probabilities of all characters of the training text and of `UNSEEN_CHARACTERS` less those
    sum to one. The first characters of `held_out` have too short a history, and get the order that
    theirs is long enough for. Raises `InputError` if a text is empty.
    """
    refuse_empty(training, held_out)
    if order < 1:
        raise ValueError(f"order must be positive, got {order}")
    kinds, train, held = number_characters(training, held_out)
    lower = np.full(len(held), 1 / max(UNSEEN_CHARACTERS, kinds))
    losses: list[float] = []
    best = lower
    for level in count_ngrams(train, held, order):
        highest = _smooth(level, level.count, lower)
        # The beginning of the text keeps the order that it had the history for.
        highest[: level.length - 1] = best[: level.length - 1]
        losses.append(float(-np.log(highest).mean()))
        best = highest
        if level.before is not None:
            lower = _smooth(level, level.before, lower)
    # A training text shorter than the order has no longer grams.
    return losses + losses[-1:] * (order - len(losses))


def refuse_empty(training: str, held_out: str) -> None:
    """Raise `InputError` where there is nothing to count or nothing to predict."""
    if not training or not held_out:
        raise InputError("训练文本或留出的文本是空的，算不出参考线：请检查数据的划分。")


def number_characters(training: str, held_out: str) -> tuple[int, np.ndarray, np.ndarray]:
    """How many kinds the training text has, and both texts as their numbers; -1 is unseen."""
    known, train = np.unique(_code_points(training), return_inverse=True)
    held = _look_up(known, _code_points(held_out))
    return len(known), train.astype(np.int64), held


def count_ngrams(train: np.ndarray, held: np.ndarray, order: int) -> Iterator[Level]:
    """The levels from single characters to `order`, or to the length of the training text.

    Two levels at a time are in memory: a gram's `before` is known when longer ones are counted.
    """
    base, histories, level = int(train.max()) + 1, 1, None
    # The number of the gram that ends before each character: at first the one of length 0.
    ends, held_ends = np.zeros(len(train) + 1, np.int64), np.zeros(len(held) + 1, np.int64)
    for length in range(1, min(order, len(train)) + 1):
        keys, places, numbers, counts = _number(ends[:-1] * base + train[length - 1 :])
        if level is not None:
            yield replace(level, before=_count_before(ends, places, histories))
        history = held_ends[:-1]
        known = (history >= 0) & (held >= 0)
        now = np.where(known, _look_up(keys, history * base + held), -1)
        level = Level(length, histories, keys // base, counts, now, history)
        histories, ends = len(keys), numbers
        held_ends = np.append(np.full(1, -1), now)
    if level is not None:
        yield level


def _count_before(ends: np.ndarray, places: np.ndarray, grams: int) -> np.ndarray:
    """How many characters stand before each gram; `places` has one of each gram longer by one."""
    before = np.bincount(ends[1:][places], minlength=grams)
    before[ends[0]] += 1  # the beginning of the text
    return before


def _smooth(level: Level, counts: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """Probability of every held-out character from `counts` of this level and the `lower` order."""
    if level.length == 1:
        # One more of each kind, all of which is taken again, is Witten-Bell's share.
        return interpolate(level, counts + 1, np.ones(len(counts)), lower)
    taken = np.take(estimate_discounts(counts), np.minimum(counts, 3))
    return interpolate(level, counts, taken, lower)


def interpolate(
    level: Level, counts: np.ndarray, taken: np.ndarray, lower: np.ndarray
) -> np.ndarray:
    """P(w|h) = (count - taken + all that was taken from h * lower) / all counts of h.

    `counts` and `taken` are of each gram of the level, `lower` and the result of each held-out
    character. A history that was never seen says nothing: the lower order stands alone.
    """
    totals = np.bincount(level.history, counts, level.histories)
    reserves = np.bincount(level.history, taken, level.histories)
    # What was never seen has number -1, the last of each array.
    kept = np.append(counts - taken, 0.0)[level.held]
    total = np.append(totals, 0.0)[level.held_history]
    reserve = np.append(reserves, 0.0)[level.held_history]
    return np.where(total > 0, (kept + reserve * lower) / np.maximum(total, 1), lower)


def estimate_discounts(counts: np.ndarray) -> np.ndarray:
    """What is taken from a count of 0, 1, 2, and 3 or more (Chen and Goodman 1998).

    Positive and at most the count, so that every history leaves something to the lower order.
    """
    ones, twos, threes, fours = np.bincount(np.minimum(counts, 5), minlength=6)[1:5].tolist()
    discounts = [0.0, *_FALLBACK_DISCOUNTS]
    if min(ones, twos, threes, fours) > 0:
        share = ones / (ones + 2 * twos)
        estimates = (twos / ones, threes / twos, fours / threes)
        for count, ratio in enumerate(estimates, start=1):
            discount = count - (count + 1) * share * ratio
            if 0 < discount <= count:
                discounts[count] = discount
    return np.array(discounts)


def _number(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Sorted different keys, a place of each, each place's number, and counts.

    As `np.unique` with all its answers, but without the slower sort that finds the first place.
    """
    order = np.argsort(keys)
    in_order = keys[order]
    is_new = np.append(True, in_order[1:] != in_order[:-1])
    starts = np.flatnonzero(is_new)
    numbers = np.empty(len(keys), np.int64)
    numbers[order] = np.cumsum(is_new) - 1
    return in_order[starts], order[starts], numbers, np.diff(np.append(starts, len(keys)))


def _look_up(sorted_keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The place of each wanted key, -1 where there is none."""
    places = np.minimum(np.searchsorted(sorted_keys, wanted), len(sorted_keys) - 1)
    return np.where(sorted_keys[places] == wanted, places, -1)


def _code_points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", errors="surrogatepass"), dtype="<u4")
