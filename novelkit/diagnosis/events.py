"""Single events of a curve: spikes and their healing, where a gap opened, steps after evaluations.

No rule weighs them: what they tell of a cause the signs tell already. They say where to look.
"""

from dataclasses import dataclass

import numpy as np

from novelkit.diagnosis.causes import NOTES, Text
from novelkit.diagnosis.curve import Array, Curve, smooth, spread, step_noise

# Standard deviations: beyond the first a loss is a spike, below the second it is back.
SPIKE, BACK = 6.0, 2.0
# Fewer steps have no line to stand out from, nor has a line of fewer points in its window.
ENOUGH_STEPS, WINDOW = 100, 15
# Evaluations of which each tells something of the steps after it, and these steps.
ENOUGH_EVALUATIONS, AFTER = 6, 3
# Standard errors, and share of the noise, that the mean after evaluations has to differ by.
SURE, WORTH_SAYING = 6.0, 0.3


@dataclass(frozen=True)
class Spikes:
    """Losses far above their neighbours: how many, and the most logged steps one took to heal."""

    count: int
    longest: int
    healed: bool  # whether all came back before the end of the log


@dataclass(frozen=True)
class OpenedGap:
    """The step after which the held-out loss only rose, and by how much, while training fell."""

    step: int
    rise: float
    fall: float


def find_spikes(curve: Curve) -> Spikes | None:
    """None for a log that is too short to tell; losses that are no numbers are no spikes."""
    rest = _around_line(curve)
    if rest is None:
        return None
    # The steep beginning lies above every line.
    rest = rest[len(rest) // 10 :]
    noise = max(spread(rest), 1e-9)
    count, longest, healed, at = 0, 0, True, 0
    while at < len(rest):
        if rest[at] <= SPIKE * noise:
            at += 1
            continue
        back = np.flatnonzero(rest[at:] < BACK * noise)
        healed = bool(len(back))
        length = int(back[0]) if healed else len(rest) - at
        count, longest, at = count + 1, max(longest, length), at + length
    return Spikes(count, longest, healed)


def find_opened_gap(curve: Curve) -> OpenedGap | None:
    """Where validation was lowest, if it rose ever since and training fell by as much at least."""
    known = np.isfinite(curve.validation)
    steps, validation = curve.validation_steps[known], curve.validation[known]
    if len(validation) < 4:
        return None
    best = int(validation.argmin())
    rise = float(np.median(validation[-2:]) - validation[best])
    start, end = np.interp([steps[best], steps[-1]], curve.steps[curve.finite], curve.line)
    # What evaluations differ by on their way down is no rise.
    noise = step_noise(validation[: best + 1]) if best > 2 else 0.0
    if best > len(validation) - 3 or rise <= max(0.02, 2 * noise) or start - end < rise / 2:
        return None
    return OpenedGap(int(steps[best]), rise, float(start - end))


def after_evaluations(curve: Curve) -> float | None:
    """How much higher the training loss is in the steps after an evaluation than in those before.

    In the loss's unit; None where it is no more than chance. Evaluations at the turn of an epoch
    are left out, since there the loss steps down anyway.
    """
    rest = _around_line(curve)
    if rest is None:
        return None
    places = np.searchsorted(curve.steps[curve.finite], curve.validation_steps, side="right")
    if curve.epochs is not None:
        turns = np.flatnonzero(np.diff(curve.epochs[curve.finite]) > 0) + 1
        near = np.abs(places[:, None] - turns[None, :]) <= AFTER if len(turns) else None
        places = places if near is None else places[~near.any(axis=1)]
    places = places[(places >= AFTER) & (places + AFTER <= len(rest))]
    if len(places) < ENOUGH_EVALUATIONS or np.diff(places).min() < 4 * AFTER:
        return None
    differences = np.array(
        [np.mean(rest[at : at + AFTER]) - np.mean(rest[at - AFTER : at]) for at in places]
    )
    noise = max(spread(rest), 1e-9)
    error = max(spread(differences), noise * np.sqrt(2 / AFTER)) / np.sqrt(len(places))
    middle = float(np.median(differences))
    return middle if abs(middle) > max(SURE * error, WORTH_SAYING * noise) else None


def _around_line(curve: Curve) -> Array | None:
    loss = curve.loss[curve.finite]
    if len(loss) < ENOUGH_STEPS:
        return None
    return loss - smooth(loss, max(WINDOW, len(loss) // 20))


def event_evidence(cause: str, curve: Curve) -> list[Text]:
    """The events that belong to a cause, in both languages."""
    if cause == "overfitting":
        return _where_it_opened(curve)
    if cause == "learning_rate_too_high":
        return _how_spikes_healed(curve)
    return []


def _where_it_opened(curve: Curve) -> list[Text]:
    gap = find_opened_gap(curve)
    if gap is None:
        return []
    chinese = (
        f"验证损失在第 {gap.step:,} 步最低；从那以后它升了 {gap.rise:.2f}，"
        f"训练损失又降了 {gap.fall:.2f}"
    )
    english = (
        f"validation was lowest at step {gap.step:,}; since then it rose by {gap.rise:.2f} and "
        f"training fell by {gap.fall:.2f}"
    )
    return [(chinese, english)]


def _how_spikes_healed(curve: Curve) -> list[Text]:
    spikes = find_spikes(curve)
    if spikes is None or not spikes.count:
        return []
    chinese = f"{spikes.count} 个尖峰，最久的一个过了 {spikes.longest} 步"
    english = f"{spikes.count} spikes, the longest for {spikes.longest} steps"
    back = (
        ("才回到线上", "until it was back") if spikes.healed else ("还没回来", "and not back yet")
    )
    return [(chinese + back[0], f"{english} {back[1]}")]


def event_remarks(curve: Curve) -> list[Text]:
    """Single events that a healthy run may have."""
    found: list[Text] = []
    spikes, higher = find_spikes(curve), after_evaluations(curve)
    if spikes and spikes.count and spikes.healed:
        chinese, english = (text.format(spikes.count, spikes.longest) for text in NOTES["spikes"])
        found.append((chinese, english))
    elif spikes and spikes.count:
        found.append(NOTES["last_spike"])
    if higher is not None:
        size = f"{abs(higher):.2f}"
        words = ("高 " + size, size + " higher") if higher > 0 else ("低 " + size, size + " lower")
        chinese, english = NOTES["after_evaluations"]
        found.append((chinese.format(words[0]), english.format(words[1])))
    return found
