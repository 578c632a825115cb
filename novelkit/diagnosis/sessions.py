"""What happens where a session begins: signs of what a resume did not bring back."""

import numpy as np

from novelkit.diagnosis.curve import (
    Array,
    Curve,
    middle,
    rank_correlation,
    smooth,
    spread,
    step_noise,
)


def session_signs(curve: Curve) -> dict[str, float]:
    """What happens where a session begins: jumps, their healing, batches that come again."""
    places = [at for at in curve.boundaries if 10 <= at <= len(curve) - 10]
    loss = curve.loss
    filled = np.interp(np.arange(len(loss)), np.flatnonzero(curve.finite), loss[curve.finite])
    swing = max(step_noise(filled), 1e-9)
    if not places:
        return {"sessions": 1.0, "break_of_swing": _sharpest_break(filled, swing)}
    jumps, lasting, backs = [], [], []
    for at in places:
        before = filled[max(0, at - 20) : at]
        level = float(np.median(before))
        after = filled[at : at + 5]
        jumps.append(float(np.median(after)) - level)
        lasting.append(float(np.mean(filled[at : at + 20])) - float(np.mean(before)))
        backs.append(_when_back(filled[at:], level + 0.5 * swing) / len(loss))
    return {
        "sessions": float(len(places) + 1),
        "jump": max(jumps),
        "jump_of_swing": max(jumps) / swing,
        "lasting_jump": max(lasting),
        "lasting_of_swing": max(lasting) / swing * np.sqrt(10),
        "back": max(backs),
        "drop": -min(lasting),
        "echo": _echo(filled, [0, *places]),
    } | _relapses(filled, places)


def _relapses(loss: Array, places: list[int]) -> dict[str, float]:
    """How surely the loss relapses where sessions begin, in standard errors, over all of them.

    An optimizer that begins anew makes worse steps until it has its averages again: the loss rises
    within some ten steps and takes some forty to come back. That form is looked for around each
    place, on top of a straight line, by least squares; points far from both count less (Huber).
    """
    found = [sure for at in places if (sure := _relapse(loss, at)) is not None]
    return {"relapse": float(sum(found) / np.sqrt(len(found)))} if found else {}


def _relapse(loss: Array, at: int, before: int = 60, after: int = 120) -> float | None:
    first, last = max(len(loss) // 20, at - before), min(len(loss), at + after)
    steps = np.arange(first, last) - at
    if (steps < 0).sum() < 15 or (steps >= 0).sum() < 30:
        return None
    since = np.maximum(steps, 0)
    form = (1 - np.exp(-since / 8)) * np.exp(-since / 40)
    columns = np.stack([np.ones(len(steps)), steps / before, form / form.max()], axis=1)
    values, weights = loss[first:last], np.ones(len(steps))
    for _ in range(3):
        root = np.sqrt(weights)[:, None]
        parts = np.linalg.lstsq(columns * root, values * root[:, 0], rcond=None)[0]
        rest = values - columns @ parts
        noise = max(spread(rest), 1e-9)
        weights = 1 / np.maximum(1.0, np.abs(rest) / (2.5 * noise))
    variance = np.linalg.inv((columns * weights[:, None]).T @ columns)[2, 2]
    return float(parts[2] / (noise * np.sqrt(variance)))


def _sharpest_break(loss: Array, swing: float) -> float:
    """The highest rise from ten steps to the next five, for logs that know no sessions."""
    places = range(max(10, len(loss) // 10), len(loss) - 5)
    rises = [np.median(loss[at : at + 5]) - np.median(loss[at - 10 : at]) for at in places]
    return float(max(rises, default=0.0)) / swing


def _when_back(after: Array, level: float) -> int:
    line = smooth(after, 5)
    below = np.flatnonzero(line <= level)
    return int(below[0]) if len(below) else len(after)


def _echo(loss: Array, starts: list[int]) -> float:
    """The correlation of the noise of sessions, step by step from where each began.

    The same batches in the same order are easy and hard at the same places.
    """
    ends = [*starts[1:], len(loss)]
    parts = [loss[start:end] for start, end in zip(starts, ends, strict=True)]
    found = []
    for first, second in zip(parts, parts[1:], strict=False):
        length = min(len(first), len(second), 200)
        skipped = min(5, length // 4)
        if length - skipped < 12:
            continue
        pair = [_around_neighbours(part[:length])[skipped:] for part in (first, second)]
        # By chance alone, correlations of n places spread by 1 / sqrt(n).
        found.append(rank_correlation(*pair) * np.sqrt(length - skipped))
    return float(np.median(found)) if found else 0.0


def _around_neighbours(values: Array) -> Array:
    return values - smooth(values, 9)


def resumed_updates(curve: Curve) -> dict[str, float]:
    """How long the first step of a session is, beside those before it; at equal learning rate.

    Adam divides the average of gradients by the root of that of their squares. Without either, its
    first step has the full learning rate in every parameter (Kingma and Ba 2015, section 3).
    """
    if curve.update_ratio is None or curve.learning_rate is None:
        return {}
    per_rate = curve.update_ratio / np.maximum(curve.learning_rate, 1e-12)
    found = []
    for at in curve.boundaries:
        before = per_rate[max(0, at - 15) : at]
        if len(before) >= 10 and (usual := middle(before)) > 0 and np.isfinite(per_rate[at]):
            found.append(float(per_rate[at] / usual))
    return {"resumed_update": max(found)} if found else {}
