"""A history as arrays, and the robust statistics that curves are read with.

Losses are in nats per character where the run says how many tokens a character has, else per
token. Everything here is a plain function of the arrays: medians and ranks instead of means, since
a spike is evidence of its own and must not bend the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from novelkit.scores import running_median
from novelkit.training.history import Record

Array = np.ndarray


@dataclass(frozen=True)
class Curve:
    """The columns of a history; NaN where a record has no number, None where no record has one."""

    steps: Array
    loss: Array  # as logged, with what is no number
    validation_steps: Array
    validation: Array
    sessions: Array
    epochs: Array | None
    learning_rate: Array | None
    gradient_norm: Array | None
    update_ratio: Array | None
    loss_spread: Array | None
    scale: Array | None
    skipped: Array | None
    clipped: Array | None
    tokens: Array | None
    anchors: dict[str, float]

    @classmethod
    def of(cls, history: Sequence[Record], data: dict[str, Any]) -> "Curve":
        """Records (see `training.history`) and a ledger's `data`, of which both parts may lack."""
        ratio = data.get("tokens_per_character") or {}
        train, held_out = (ratio.get(name, 1.0) for name in ("train", "validation"))
        evaluated = [record for record in history if "validation_loss" in record]

        def column(name: str) -> Array | None:
            found = _numbers([record.get(name) for record in history])
            return found if np.isfinite(found).any() else None

        spread = column("loss_spread")
        return cls(
            steps=np.array([record["step"] for record in history]),
            loss=_numbers([record.get("loss") for record in history]) * train,
            validation_steps=np.array([record["step"] for record in evaluated]),
            validation=_numbers([record["validation_loss"] for record in evaluated]) * held_out,
            sessions=np.array([record.get("session", 1) for record in history]),
            epochs=column("epoch"),
            learning_rate=column("learning_rate"),
            gradient_norm=column("gradient_norm"),
            update_ratio=column("update_ratio"),
            loss_spread=None if spread is None else spread * train,
            scale=column("scale"),
            skipped=column("skipped"),
            clipped=column("clipped"),
            tokens=column("tokens"),
            anchors=dict(data.get("anchors") or {}),
        )

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def finite(self) -> Array:
        """Which losses are numbers; an exact zero is none: some trainers log it for NaN."""
        return np.isfinite(self.loss) & (self.loss != 0)

    @property
    def line(self) -> Array:
        """The losses that are numbers, smoothed over a twentieth of them."""
        loss = self.loss[self.finite]
        return smooth(loss, line_width(len(loss)))

    @property
    def boundaries(self) -> list[int]:
        """Places in the arrays at which a later session begins."""
        return (np.flatnonzero(np.diff(self.sessions)) + 1).tolist()


def _numbers(values: Sequence[Any]) -> Array:
    return np.array([np.nan if value is None else float(value) for value in values], dtype=float)


def line_width(count: int) -> int:
    """Of so many losses, how many a point of the smoothed line is the median of."""
    return max(5, count // 20)


def spread(values: Array) -> float:
    """1.4826 x the median distance from the median: a normal distribution's standard deviation."""
    if not len(values):
        return 0.0
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def step_noise(values: Array) -> float:
    """The noise of a series by what neighbours differ: a trend adds next to nothing to it."""
    return spread(np.diff(values)) / float(np.sqrt(2))


def middle(values: Array) -> float:
    """The median of what is a number; NaN if nothing is."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")


def theil_sen(x: Array, y: Array, pairs: int = 4000) -> float:
    """The median slope over pairs of points (Theil 1950, Sen 1968); 0 for fewer than two."""
    count = len(x)
    if count < 2:
        return 0.0
    if count * (count - 1) // 2 <= pairs:
        first, second = np.triu_indices(count, 1)
    else:
        random = np.random.default_rng(0)
        first, second = random.integers(count, size=(2, pairs))
        apart = x[first] != x[second]
        first, second = first[apart], second[apart]
    return float(np.median((y[second] - y[first]) / (x[second] - x[first])))


def smooth(values: Array, window: int) -> Array:
    """The running median over `window` places."""
    return running_median(values, max(3, window))


def falling(values: Array) -> Array:
    """The closest line that never rises: isotonic regression by pooling of neighbours."""
    blocks: list[list[float]] = []  # mean, count
    for value in values:
        blocks.append([float(value), 1.0])
        while len(blocks) > 1 and blocks[-2][0] < blocks[-1][0]:
            mean, count = blocks.pop()
            before = blocks[-1]
            total = before[1] + count
            before[0], before[1] = (before[0] * before[1] + mean * count) / total, total
    return np.concatenate([np.full(int(count), mean) for mean, count in blocks])


def autocorrelation(values: Array, lag: int) -> float:
    """The correlation of values with those `lag` places later, by ranks (Spearman)."""
    if lag < 1 or len(values) - lag < 8:
        return 0.0
    return rank_correlation(values[:-lag], values[lag:])


def rank_correlation(first: Array, second: Array) -> float:
    """Spearman's correlation; 0 where one of them does not vary."""
    one, other = (np.argsort(np.argsort(part)).astype(float) for part in (first, second))
    if len(first) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])
