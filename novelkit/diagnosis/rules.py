"""Which signs speak for which cause, and how much.

A clue is a ramp: below its first number a sign says nothing, beyond its second it says all of its
weight, in between a part. Weights are roughly logarithms of odds, so they add up: 2 is a hint, 4 is
strong, 8 and more decides. What a cause collects is compared with what "healthy" and the others
collect. Clues and their ramps were chosen by hand and the weights of those of a history fitted, on
the `develop` and `validate` parts of the fault-injection runs; they are reported on its `report`
part, which shares no corpus, size or seed with these (tests/benchmarks/README.md, `faults.py fit`).
"""

import math
from dataclasses import dataclass

from novelkit.diagnosis.causes import CAUSES, HEALTHY
from novelkit.diagnosis.neighbours import NOBODY, Neighbours
from novelkit.diagnosis.signs import Signs


@dataclass(frozen=True)
class Clue:
    """`sign` from `nothing` to `all` adds up to `weight`; falling ramps have `nothing` > `all`.

    With `until`, a sign beyond it says nothing any more, and half way there it begins to say less.
    """

    sign: str
    nothing: float
    all: float
    weight: float
    until: float | None = None
    # Counts only as far as this one does.
    given: "Clue | None" = None

    def strength(self, signs: Signs) -> float:
        """How much of the weight a run's sign earns, 0 to 1; 0 for an absent sign."""
        value = signs.get(self.sign)
        if value is None or math.isnan(value):
            return 0.0
        earned = _ramp(value, self.nothing, self.all)
        if self.until is not None:
            earned *= 1 - _ramp(value, (self.all + self.until) / 2, self.until)
        return earned if self.given is None else earned * self.given.strength(signs)


def _ramp(value: float, nothing: float, all_: float) -> float:
    return min(1.0, max(0.0, (value - nothing) / (all_ - nothing)))


# A clue that earned less is no evidence to show.
WORTH_SAYING = 0.75
# What a cause starts with: without any clue, a run is healthy.
START = -2.5

# Whoever falls below the anchors at once has not learned to write: what can be learned in no time
# is not what was asked. A model that began trained is not meant: its first loss lies low already.
NEW = Clue("start_above_uniform", -1.2, -0.8, 1.0)
# Nor is a small text that was read several times in these few steps.
FIRST_PASS = Clue("early_passes", 0.9, 0.4, 1.0, given=NEW)
EARLY = Clue("early_below", 110.0, 60.0, 1.0, given=FIRST_PASS)

# The noise of a whole batch of short sequences, whose tokens alone make it.
WHOLE = Clue("noise_of_spread", 0.75, 0.6, 1.0, given=Clue("sequence", 160.0, 110.0, 1.0))
# Above the line of single characters: nothing of the context was used.
STUCK = Clue("learned", 0.1, -0.2, 1.0)
# Of what takes its time to leave the line of single characters, if it leaves it.
NEAR_UNIGRAM = Clue("at_unigram", 0.15, 0.3, 1.0)
# Gradients of about one length.
CALM = Clue("norm_spread", 0.25, 0.17, 1.0)
# More noise than a batch of usual size has.
NOISY = Clue("swing", 0.2, 0.26, 1.0)

# Of fewer points a median over five hides how steep the beginning is.
SEVERAL = Clue("steps", 50.0, 150.0, 1.0)
# Steps enough that a correlation of an eighth is no chance.
LONG = Clue("steps", 150.0, 400.0, 1.0)

# What a probe has looked for and not found. The code of today may be another than that of the run:
# a curve that shows the cause beyond doubt still weighs more.
NOT_FOUND = -6.0

RULES: dict[str, tuple[Clue, ...]] = {
    HEALTHY: (
        # Twice the steps teach something as long as there is so much to learn.
        Clue("middle_doubling", 0.3, 0.2, -1.5, given=Clue("learned", 0.7, 0.5, 1.0)),
        Clue("learned", 0.0, 0.3, 3.5),
        # Where nothing tells how good a loss is, a fault needs more to speak for it.
        Clue("unanchored", 0.0, 1.0, 1.5),
        # Whatever it is, a run that has ended so high is not well.
        Clue("learned", 0.12, -0.05, -3.5, given=Clue("end_slope", 0.2, 0.14, 1.0)),
    ),
    "restarted": (
        Clue("jump_of_swing", 3.0, 7.0, 11.5),
        Clue("back", 0.03, 0.1, 5.5, given=Clue("jump_of_swing", 1.0, 3.0, 1.0)),
        Clue("break_of_swing", 5.0, 9.0, 5.0, given=Clue("learned", -0.5, 0.0, 1.0)),
        Clue("probe_resume_weights", 0.0, 1e-4, 12.0),
        Clue("probe_resume_weights", 1e-4, 0.0, NOT_FOUND),
    ),
    "optimizer_state_lost": (
        Clue("resumed_update", 1.6, 2.8, 9.5),
        Clue("relapse", 1.8, 3.5, 4.5),
        # Higher than before, and on top of the trend.
        Clue("lasting_of_swing", 1.0, 3.5, 8.0, given=Clue("relapse", 0.0, 1.0, 1.0)),
        Clue("jump_of_swing", 3.0, 7.0, -8.0),
        Clue("probe_resume_state", 0.02, 0.2, 12.0),
        Clue("probe_resume_state", 0.02, 0.01, NOT_FOUND),
    ),
    "batches_repeated": (
        Clue("echo", 2.8, 4.5, 12.5),
        Clue("probe_resume_batches", 0.0, 1.0, 12.0),
        Clue("probe_resume_batches", 1.0, 0.0, NOT_FOUND),
    ),
    "unshuffled": (
        # A loss that ends high above its lowest was thrown up, not led astray by one book.
        Clue("rise", 0.18, 0.4, -12.0),
        Clue("half_way", 0.3, 0.6, -6.0),
        Clue("memory", 0.14, 0.36, 5.5),
        # One step resembles the next one.
        Clue("memory", 0.12, 0.25, 6.0, given=LONG),
        # Text in order teaches nothing by heart.
        Clue("below_best", 0.5, 1.5, -6.0),
        Clue("waves_of_swing", 0.18, 0.4, 5.0),
        Clue("early_gap", 0.55, 0.8, 4.0, until=2.0),
        Clue("gap", 1.5, 2.5, -8.0),
        Clue("probe_batch_spread", 0.6, 0.3, 10.0),
        Clue("probe_batch_order", 0.6, 0.9, 2.0),
        Clue("probe_batch_spread", 0.6, 0.8, NOT_FOUND),
    ),
    "overfitting": (
        Clue("memory", 0.12, 0.25, 2.0, given=LONG),
        Clue("below_best", 0.8, 1.6, 2.5, given=Clue("epochs", 8.0, 20.0, 1.0)),
        Clue("below_best", 2.0, 3.0, 4.0, given=Clue("epochs", 10.0, 20.0, 1.0)),
        Clue("epochs", 12.0, 24.0, 4.5),
        Clue("gap", 0.8, 1.6, 6.0, given=Clue("gap_opening", 0.3, 0.6, 1.0)),
        Clue("validation_rise", 0.05, 0.3, 2.5),
        Clue("validation_below_best", -0.5, 0.5, -10.0),
        Clue("probe_passes", 10.0, 25.0, 4.0),
        Clue("probe_recited", 0.3, 0.7, 3.0),
    ),
    "label_shift": (
        Clue("norm", 0.9, 0.6, 2.0, given=Clue("at_unigram", 0.4, 0.55, 1.0)),
        Clue("early_doubling", 0.15, 0.05, 4.0, given=Clue("at_unigram", 0.7, 0.85, 1.0)),
        # What one character tells is learned at once, and of its neighbours nothing.
        Clue("half_way", 0.045, 0.035, 6.0, given=Clue("at_unigram", 0.4, 0.55, 1.0)),
        Clue("remaining", 0.15, 0.08, 5.5, given=Clue("early_below", 250.0, 180.0, 1.0)),
        Clue("remaining", 0.2, 0.1, 7.0, given=Clue("validation_below_best", 1.5, 3.0, 1.0)),
        # Far below all that the text allows, and it was read too rarely to be known by heart.
        Clue("below_best", 2.0, 4.0, 7.5, given=Clue("epochs", 10.0, 5.0, 1.0)),
        Clue("probe_offset", 0.9, 0.5, 14.0),
        Clue("probe_offset", 1.1, 1.5, 14.0),
        Clue("probe_labels_read", 0.5, 0.0, 14.0),
        Clue("probe_offset", 0.9, 1.0, NOT_FOUND, until=1.1),
    ),
    "loss_on_padding": (
        # What is filled up is easy, and there is more of it in one batch than in the next.
        Clue("below_best", 0.3, 0.7, 8.5, given=NOISY),
        Clue("below_best", 0.2, 0.7, 8.5, given=EARLY),
        Clue("validation_below_best", 0.2, 0.7, 3.0, given=EARLY),
        Clue("remaining", 0.2, 0.1, -8.0),
        Clue("gap", 0.8, 1.6, -4.0),
        Clue("noise_of_token", 4.5, 6.0, 3.0, given=WHOLE),
        Clue("start_slope", 0.55, 0.68, 2.0),
        Clue("probe_filling", 0.03, 0.12, 14.0),
        Clue("probe_filling", 0.03, 0.01, NOT_FOUND),
    ),
    "validation_leaked": (
        Clue("gap", 0.1, -0.1, 4.5),
        # Far below the training loss, as no dropout brings it.
        Clue("gap", -0.15, -0.4, 6.0),
        Clue("gap_opening", -0.1, -0.3, 2.0, given=Clue("gap", 0.3, 0.1, 1.0)),
        # Where losses are of tokens, one text may have the easier ones.
        Clue("unanchored", 0.0, 1.0, -5.0, given=Clue("gap", -0.6, -0.3, 1.0)),
        Clue("redundancy", 0.5, 1.5, 13.0, given=Clue("context", 1.5, 2.5, 1.0)),
        Clue("probe_leaked", 0.1, 0.3, 12.0),
        Clue("probe_leaked", 0.05, 0.01, NOT_FOUND),
    ),
    "noisy_data": (
        # Damaged lines differ from others before anything was learned.
        Clue("early_noise", 0.85, 1.0, 2.5, given=LONG),
        Clue("noise_of_token", 3.5, 4.5, 2.5, given=WHOLE),
        Clue("swing", 0.22, 0.28, 5.5),
        Clue("memory", 0.2, 0.3, -4.0),
        Clue("below_best", 0.3, 0.8, -5.0),
        Clue("context", 0.6, 0.35, 13.0, given=Clue("redundancy", 0.2, 0.0, 1.0)),
        Clue("probe_strange", 0.005, 0.03, 12.0),
        Clue("probe_substituted", 0.03, 0.07, 12.0),
    ),
    "one_micro_batch_logged": (
        Clue("learned", 0.95, 1.15, -4.0),
        # The noise is in the log alone: the model learns as ever.
        Clue("learned_half_way", -0.1, 0.15, 4.5, given=NOISY),
        Clue("swing", 0.26, 0.36, 7.5),
        Clue("below_best", 0.3, 0.8, -3.5),
        Clue("memory", 0.15, 0.25, -3.0),
        Clue("noise_of_spread", 0.62, 0.85, 6.5, until=5.0),
        Clue("noise_of_spread", 0.6, 0.5, -3.0),
        Clue("noise_of_token", 4.0, 5.5, 4.5, given=Clue("noise_of_spread", 0.6, 0.8, 1.0)),
        Clue("noise_of_token", 4.5, 3.5, -4.0),
        Clue("probe_logged_away", 0.08, 0.2, 12.0),
        Clue("probe_logged_away", 0.1, 0.07, NOT_FOUND),
    ),
    "batch_too_small": (
        Clue("learned_half_way", 0.1, -0.1, 3.0, given=NOISY),
        # No batch that is too small learns well.
        Clue("learned", 0.7, 1.0, -6.0),
        Clue("swing", 0.2, 0.26, 6.5),
        Clue("learned", 0.4, 0.0, 1.0),
        Clue("noise_of_spread", 0.62, 0.85, 3.0),
        Clue("noise_of_spread", 0.6, 0.5, -3.5),
        Clue("noise_of_token", 4.0, 3.2, 4.5, given=Clue("noise_of_spread", 0.6, 0.8, 1.0)),
        Clue("probe_tokens", 200.0, 100.0, 6.0),
        Clue("probe_noise", 100.0, 500.0, 2.0),
    ),
    "model_too_small": (
        # Small models have small gradients.
        Clue("norm", 0.65, 0.8, -2.5),
        Clue("update_per_rate", 3.5, 4.5, -2.0),
        Clue("norm", 0.55, 0.4, 2.5, given=Clue("learned", 0.45, 0.3, 1.0)),
        # A short run has learned little, too; one that is stuck at single characters is not short.
        Clue("learned", 0.3, 0.0, 4.0),
        Clue("norm_growth", 1.5, 1.9, 1.5),
        Clue("update_trend", -0.9, -1.3, 3.5),
        Clue("probe_one_batch_reference", 0.1, 0.25, 12.0),
        Clue("probe_one_batch_reference", 0.15, 0.08, NOT_FOUND),
    ),
    "learning_rate_too_high": (
        # Wildest at the beginning.
        Clue("early_noise", 1.0, 1.5, 5.0, given=LONG),
        Clue("learned", 0.1, -0.1, 3.0),
        Clue("rise", 0.15, 0.4, 2.0),
        # It falls at once, and no further.
        Clue("half_way", 0.03, 0.01, 8.0, given=Clue("learned", 0.1, -0.1, 1.0, until=-0.6)),
        Clue("waves_of_swing", 0.2, 0.4, 6.5),
        Clue("norm_spread", 0.3, 0.4, 1.0),
        Clue("update_growth", 0.95, 1.15, 2.5, given=Clue("norm_spread", 0.2, 0.3, 1.0)),
        Clue("update", 0.022, 0.035, 4.0),
        Clue("norm_spread", 0.25, 0.15, -3.0),
        Clue("memory", 0.3, 0.45, -2.0),
        Clue("validation_waves", 0.03, 0.1, 1.0),
        Clue("probe_slower", 0.15, 0.0, 9.0),
    ),
    "learning_rate_too_low": (
        Clue("middle_doubling", 0.2, 0.4, 2.5, given=Clue("learned", 0.0, -0.3, 1.0)),
        Clue("learned", 0.4, 0.0, 2.0),
        Clue("half_way", 0.12, 0.2, 3.5),
        # Little was learned, and nothing of it lately: the rate is gone.
        Clue("most_of_it", 0.35, 0.2, 3.5, given=Clue("learned", 0.3, 0.0, 1.0)),
        Clue("learned", 0.6, 1.0, -4.5),
        Clue("update_per_rate", 1.1, 0.6, 7.0),
        Clue("update_trend", -2.0, -4.0, 5.5),
        Clue("update_trend", 1.0, 1.6, -4.0),
        Clue("probe_faster", -0.2, -0.45, 6.0),
        Clue("rate_gone", 0.15, 0.4, 6.0),
        Clue("probe_rate_growth", -0.6, -1.5, 8.0),
        Clue("rate_rises", 0.5, 0.9, -8.0),
        Clue("probe_rate_growth", 0.6, 1.2, -6.0),
    ),
    "warmup_too_long": (
        Clue("middle_doubling", 0.35, 0.25, -3.5),
        Clue("quarter_way", 0.07, 0.1, 2.5, given=SEVERAL),
        Clue("early_noise", 0.5, 0.35, 1.5, given=LONG),
        Clue("middle_doubling", 0.4, 0.7, 3.0, given=Clue("early_noise", 0.5, 0.35, 1.0)),
        # A loss that falls ever more slowly has a tenth of its fall in the first tenth of a run.
        Clue("start_slope", 0.12, 0.05, 4.5, given=SEVERAL),
        Clue("start_slope", 0.28, 0.18, 2.5, given=SEVERAL),
        Clue("update_trend", 0.6, 0.2, -5.0),
        Clue("learned", 0.6, 1.0, -3.5),
        Clue("update_trend", 0.9, 1.5, 8.5),
        Clue("rate_rises", 0.5, 0.9, 12.0),
        Clue("probe_rate_growth", 0.6, 1.2, 12.0),
        Clue("probe_rate_growth", 0.3, 0.1, NOT_FOUND),
    ),
    "wrong_optimizer": (
        # Nor is it as quick as that.
        Clue("half_way", 0.008, 0.003, -2.0),
        Clue("middle_doubling", 0.3, 0.1, 2.0, given=Clue("learned", -0.3, -0.45, 1.0)),
        Clue("early_doubling", 0.45, 0.7, -4.5),
        Clue("learned", 0.0, -0.3, 3.5),
        Clue("learned", -0.2, -0.4, 2.0, given=Clue("start_slope", 0.68, 0.8, 1.0)),
        Clue("learned", -0.2, -0.4, 2.5, given=CALM),
        Clue("update_per_rate", 1.6, 1.1, 2.5, given=STUCK),
        Clue("update_trend", -0.2, -0.08, 2.0, until=0.2, given=STUCK),
        Clue("update_per_rate", 9.0, 14.0, 3.0, given=STUCK),
        Clue("learned", -1.2, -1.6, -2.5),
        Clue("learned", 0.2, 0.5, -4.5),
        Clue("probe_power_fit", 0.7, 0.85, 14.0),
        Clue("probe_power_fit", 0.7, 0.5, NOT_FOUND),
    ),
    "parameters_frozen": (
        # The part that learns has soon learned what it can.
        Clue("middle_doubling", 0.33, 0.2, 3.0, given=Clue("start_slope", 0.5, 0.6, 1.0)),
        Clue("start_slope", 0.5, 0.6, 1.5, given=NEAR_UNIGRAM),
        Clue("update", 1e-5, 1e-7, 12.0, given=Clue("missing", 0.02, 0.0, 1.0)),
        Clue("rate_gone", 0.15, 0.4, -10.0),
        Clue("norm", 500.0, 2000.0, 5.0),
        Clue("learned", -0.9, -1.4, 5.5),
        Clue("fall", 0.6, 0.3, 6.0, given=Clue("learned", -0.5, -1.0, 1.0)),
        Clue("learned", -0.9, -1.4, 4.0, given=Clue("update", 0.004, 0.008, 1.0)),
        Clue("probe_still", 0.01, 0.05, 14.0),
        Clue("probe_still", 0.01, 0.0, NOT_FOUND),
    ),
    "vocabulary_mismatch": (Clue("probe_sampler", 0.15, 0.4, 14.0),),
    "number_overflow": (
        Clue("missing", 0.0, 0.02, 15.0),
        Clue("skipped", 0.01, 0.05, 6.0),
        Clue("scale_fall", 3.0, 8.0, 6.0),
        Clue("probe_overflow", 0.0, 0.1, 6.0),
        Clue("probe_overflow_precise", 0.0, 0.1, -4.0),
    ),
}
assert RULES.keys() == CAUSES.keys()


def score(cause: str, signs: Signs) -> float:
    """What a cause collects; healthy begins at 0 and the others at `START`."""
    found = sum(clue.weight * clue.strength(signs) for clue in RULES[cause])
    return found if cause == HEALTHY else START + found


def rank(signs: Signs, neighbours: Neighbours = NOBODY) -> list[tuple[str, float]]:
    """Every cause with its share of the odds, most probable first; shares add up to 1.

    By the rules alone, or with what the recorded runs most like it were.
    """
    likeness = neighbours.odds()
    scores = {cause: score(cause, signs) + likeness[cause] for cause in RULES}
    highest = max(scores.values())
    odds = {cause: math.exp(value - highest) for cause, value in scores.items()}
    total = sum(odds.values())
    return sorted(((cause, value / total) for cause, value in odds.items()), key=lambda r: -r[1])


def clues_for(cause: str, signs: Signs) -> list[tuple[Clue, float]]:
    """The clues that speak for a cause in this run, strongest first."""
    found = [(clue, clue.weight * clue.strength(signs)) for clue in RULES[cause]]
    return sorted(
        ((c, earned) for c, earned in found if earned >= WORTH_SAYING), key=lambda r: -r[1]
    )
