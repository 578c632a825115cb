"""What a history shows, as numbers with names: the signs that the rules weigh.

Each group needs only the columns that its name says. A sign that cannot be computed is absent, and
a rule that needs it says so. Distances are in units that do not depend on the model: shares of the
way from the first loss to the anchors, multiples of the run's own noise, shares of its length.
"""

import numpy as np

from novelkit.diagnosis.curve import (
    Array,
    Curve,
    autocorrelation,
    falling,
    line_width,
    middle,
    spread,
    step_noise,
    theil_sen,
)
from novelkit.diagnosis.sessions import resumed_updates, session_signs

Signs = dict[str, float]

# Fewer steps than this show no trend.
MINIMUM_STEPS = 20
# Points of a line that has next to no noise.
ENOUGH_POINTS = 30


def read_signs(curve: Curve, level: str = "gradients") -> Signs:
    """All signs of a history up to a level: loss, validation or gradients."""
    if len(curve) < MINIMUM_STEPS or curve.finite.sum() < MINIMUM_STEPS:
        return _missing_numbers(curve)
    signs = _missing_numbers(curve) | loss_signs(curve) | session_signs(curve)
    if level in ("validation", "gradients"):
        signs |= validation_signs(curve, signs)
    if level == "gradients":
        signs |= gradient_signs(curve, signs)
    return signs


def _missing_numbers(curve: Curve) -> Signs:
    bad = ~curve.finite
    signs: Signs = {"steps": float(len(curve)), "missing": float(bad.mean()) if len(bad) else 0.0}
    if bad.any():
        signs["missing_at_end"] = float(bad[-max(5, len(bad) // 10) :].mean())
    return signs


def loss_signs(curve: Curve) -> Signs:
    """From the training loss alone, and the anchors of the corpus where they are known."""
    loss = curve.loss[curve.finite]
    count = len(loss)
    line = curve.line
    rest = (loss - line)[count // 4 :]
    ends = max(5, count // 10)
    first, last = float(np.median(loss[:3])), float(np.median(loss[-ends:]))
    fall = max(first - last, 1e-6)
    swing = max(spread(rest), step_noise(loss[count // 4 :]))
    signs = {
        "first": first,
        "last": last,
        "fall": fall,
        "remaining": last / max(first, 1e-9),
        "swing": swing,
        # Noise that is smaller from step to step than around the line drifts.
        "roughness": step_noise(loss[count // 4 :]) / max(spread(rest), 1e-9),
        "quarter_way": _when(line, first - 0.25 * fall),
        "half_way": _when(line, first - 0.5 * fall),
        "most_of_it": _when(line, first - 0.9 * fall),
        "rise": (last - float(line.min())) / max(fall, 0.1),
        "end_slope": _share_of_fall_in(line, 0.75, 1.0) / fall,
        "start_slope": _share_of_fall_in(line, 0.0, 0.1) / fall,
        "middle_slope": _share_of_fall_in(line, 0.3, 0.6) / fall,
        "noise_growth": spread(rest[-count // 4 :]) / max(spread(rest[: count // 4]), 1e-9),
        # What has learned nothing yet finds all batches alike.
        "early_noise": step_noise(loss[count // 20 : count // 4]) / max(swing, 1e-9),
        "skew": _skew(rest),
        "spikes": float((np.abs(rest) > 6 * max(spread(rest), 1e-9)).mean()),
    }
    waves = (line - falling(line))[count // 8 :]
    signs["waves"] = float(np.sqrt(np.mean(waves**2)))
    # The line of a short log is a median of few points and keeps some of their noise.
    shrunk = min(1.0, np.sqrt(line_width(count) / ENOUGH_POINTS))
    signs["waves_of_swing"] = signs["waves"] / max(swing, 1e-9) * shrunk
    signs["memory"] = autocorrelation(loss[count // 4 :] - line[count // 4 :], 1)
    if curve.epochs is not None:
        signs |= _epoch_signs(curve, loss)
    return signs | _anchor_signs(curve, signs, line)


def _when(line: Array, level: float) -> float:
    """The share of the run after which a line stays below a level."""
    above = np.flatnonzero(line > level)
    return float(above[-1] + 1) / len(line) if len(above) else 0.0


def _share_of_fall_in(line: Array, start: float, end: float) -> float:
    places = np.linspace(0, len(line) - 1, 41).round().astype(int)
    first, last = (places[round(40 * share)] for share in (start, end))
    return float(line[first] - line[last])


def _skew(values: Array) -> float:
    """Bowley's, of the tails: how much further the upper 5 % reach than the lower 5 %."""
    low, centre, high = np.quantile(values, (0.05, 0.5, 0.95))
    return float((high + low - 2 * centre) / max(high - low, 1e-9))


def _epoch_signs(curve: Curve, loss: Array) -> Signs:
    assert curve.epochs is not None
    epochs = curve.epochs[curve.finite]
    turns = np.flatnonzero(np.diff(epochs) > 0) + 1
    signs: Signs = {"epochs": float(np.nanmax(epochs)) + 1}
    if len(turns):
        # As far from one turn as from the next: there the loss falls by its trend alone.
        half = int(np.median(np.diff(turns, prepend=0))) // 2
        here = _median_drop(loss, turns)
        around = [_median_drop(loss, turns + shift) for shift in (-half, half)]
        known = [drop for drop in around if np.isfinite(drop)]
        if np.isfinite(here) and known:
            signs["epoch_drop"] = here - float(np.mean(known))
            # Of medians before and after, as often as there are turns.
            width = _drop_width(loss)
            used = np.sum((turns >= width) & (turns + width <= len(loss)))
            few = np.sqrt(3.0 / (width * used))
            signs["epoch_drop_error"] = 1.25 * step_noise(loss) * few
    return signs


def _drop_width(loss: Array) -> int:
    return max(5, len(loss) // 40)


def _median_drop(loss: Array, places: Array) -> float:
    """How far the loss falls from just before to just after a place; NaN where none has room."""
    width = _drop_width(loss)
    drops = [
        float(np.median(loss[at - width : at]) - np.median(loss[at : at + width]))
        for at in places
        if at >= width and at + width <= len(loss)
    ]
    return float(np.median(drops)) if drops else float("nan")


def _anchor_signs(curve: Curve, signs: Signs, line: Array) -> Signs:
    """Where the loss stands between the corpus's anchors."""
    anchors = curve.anchors
    if not {"uniform", "unigram", "bigram"} <= anchors.keys():
        return {"unanchored": 1.0}
    way = max(anchors["unigram"] - anchors["bigram"], 0.1)
    best = min(value for name, value in anchors.items() if name != "uniform")
    below = np.flatnonzero(line < best)
    early = {"early_below": float(below[0])} if len(below) else {}
    if early and curve.epochs is not None:
        early["early_passes"] = float(curve.epochs[curve.finite][below[0]])
    learned = (anchors["unigram"] - line) / way
    count = len(line)
    return early | {
        # 0 at the single characters' frequencies, 1 where the last character is used fully.
        "learned": (anchors["unigram"] - signs["last"]) / way,
        "learned_half_way": float(learned[count // 2]),
        # The share of the run near the line of single characters.
        "at_unigram": float(((learned > -0.5) & (learned < 0.1)).mean()),
        # What twice as many steps taught, at two places.
        "early_doubling": float(learned[count // 4] - learned[count // 8]),
        "middle_doubling": float(learned[count // 2] - learned[count // 4]),
        "below_best": best - signs["last"],
        "above_unigram": signs["last"] - anchors["unigram"],
        "start_above_uniform": signs["first"] - anchors["uniform"],
        "context": way,
        "redundancy": anchors["bigram"] - anchors.get("xz", anchors["bigram"]),
    }


def validation_signs(curve: Curve, signs: Signs) -> Signs:
    """The held-out loss beside the training loss."""
    known = np.isfinite(curve.validation)
    if known.sum() < 3:
        return {"validations": float(known.sum())}
    steps, validation = curve.validation_steps[known], curve.validation[known]
    training = np.interp(steps, curve.steps[curve.finite], curve.line)
    gaps = validation - training
    best = int(validation.argmin())
    half = len(gaps) // 2
    trend = falling(validation)
    found = {
        "validations": float(len(validation)),
        "gap": float(np.median(gaps[-3:])),
        "early_gap": float(np.median(gaps[:2])),
        "gap_growth": theil_sen(steps[half:] / curve.steps[-1], gaps[half:]),
        "gap_opening": float(np.median(gaps[-2:]) - np.median(gaps[:2])),
        "validation_rise": float(validation[-1] - validation[best]),
        "best_at": float(steps[best] / curve.steps[-1]),
        "validation_waves": float(np.sqrt(np.mean((validation - trend)[1:] ** 2))),
        "validation_fall": float(validation[0] - validation[best]),
        "validation_last": float(np.median(validation[-2:])),
    }
    found["validation_jumps"] = float(np.max(np.diff(validation), initial=0.0))
    found["calm"] = found["validation_waves"] / max(signs["swing"], 1e-9)
    if "unigram" in curve.anchors:
        anchors = curve.anchors
        best_anchor = min(value for name, value in anchors.items() if name != "uniform")
        found["validation_below_best"] = best_anchor - found["validation_last"]
        found["validation_learned"] = (anchors["unigram"] - found["validation_last"]) / max(
            anchors["unigram"] - anchors["bigram"], 0.1
        )
    return found


def gradient_signs(curve: Curve, signs: Signs) -> Signs:
    """Gradient norms, sizes of updates, the spread within a batch, the gradient scaler."""
    found: Signs = {}
    count = len(curve)
    late = slice(count // 4, None)
    if curve.gradient_norm is not None:
        norm = curve.gradient_norm
        known = norm[np.isfinite(norm)]
        found["norm"] = middle(norm[late])
        found["norm_growth"] = _ratio(
            middle(norm[-count // 5 :]), middle(norm[count // 10 : count // 3])
        )
        found["norm_spread"] = spread(np.log(np.maximum(known[len(known) // 4 :], 1e-12)))
        found["norm_missing"] = float(1 - np.isfinite(norm).mean())
    if curve.update_ratio is not None:
        found |= _update_signs(curve) | resumed_updates(curve)
    if curve.learning_rate is not None:
        found |= _rate_signs(curve.learning_rate)
    if curve.loss_spread is not None and middle(curve.loss_spread[late]) >= 0:
        inside = middle(curve.loss_spread[late])
        found["inside"] = inside
        found["noise_of_spread"] = signs["swing"] / inside if inside > 1e-6 else 9.0
    if curve.tokens is not None:
        tokens = middle(curve.tokens)
        # What one token adds to the noise: about 2.7 nats where nothing but the batch makes it.
        found["noise_of_token"] = signs["swing"] * float(np.sqrt(tokens))
        # Tokens of a sequence, as the noise has it: long ones differ by more than their tokens.
        found["sequence"] = tokens * min(1.0, found.get("noise_of_spread", 9.0) ** 2)
    if curve.skipped is not None:
        found["skipped"] = float(np.nanmean(curve.skipped))
    if curve.scale is not None:
        known = curve.scale[np.isfinite(curve.scale)]
        found["scale_fall"] = float(np.log2(max(known[0], 1e-30) / max(known[-1], 1e-30)))
    if curve.clipped is not None:
        found["clipped"] = float(np.nanmean(curve.clipped[late]))
    return found


def _update_signs(curve: Curve) -> Signs:
    assert curve.update_ratio is not None
    updates, count = curve.update_ratio, len(curve)
    found = {"update": middle(updates[count // 4 :]), "update_peak": _quantile(updates, 0.9)}
    if curve.learning_rate is not None:
        # What the learning rate explains is taken out: the schedule itself is no sign.
        usable = (curve.learning_rate > 0.05 * np.nanmax(curve.learning_rate)) & (updates > 0)
        if usable.sum() >= MINIMUM_STEPS:
            per_rate = updates[usable] / curve.learning_rate[usable]
            places = np.flatnonzero(usable) / count
            tenth = max(3, len(per_rate) // 10)
            found["update_per_rate"] = middle(per_rate)
            found["update_growth"] = _ratio(
                middle(per_rate[-tenth:]), middle(per_rate[tenth : 3 * tenth])
            )
            found["update_trend"] = theil_sen(places, np.log(per_rate))
    early, end = middle(updates[count // 10 : count // 4]), middle(updates[-count // 10 :])
    found["update_end"] = _ratio(end, early)
    return found


def _rate_signs(rates: Array) -> Signs:
    """Where the learning rate that was logged stops to rise, and how long next to none is left."""
    highest = float(np.nanmax(rates))
    if highest <= 0:
        return {"rate_gone": 1.0}
    rising = np.flatnonzero(rates < 0.98 * highest)
    until = np.flatnonzero(rates >= 0.98 * highest)[0]
    return {
        "rate_rises": float(until) / len(rates) if len(rising) else 0.0,
        "rate_gone": float((rates[until:] < 0.02 * highest).sum()) / len(rates),
    }


def _ratio(value: float, base: float) -> float:
    return float(value / base) if base > 0 else 1.0


def _quantile(values: Array, share: float) -> float:
    known = values[np.isfinite(values)]
    return float(np.quantile(known, share)) if len(known) else float("nan")
