"""Asking all probes of a training, in a limited time.

A curve shows that something is wrong; what it is, only an experiment tells. Each probe asks the
training's own code (`TrainingSetup`) a question whose answer is known for a training that is well:
does the loss score the next token, does a step move every weight, does a resume go on where the
run stopped? Answers are signs, numbers with names, like those of a curve. A probe that fails or
would take too long leaves its signs out, and says why.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from novelkit.diagnosis import probe_pieces as pieces
from novelkit.diagnosis import probe_trainings as trainings
from novelkit.diagnosis.probe_batches import LIGHT_TOKENS, light
from novelkit.diagnosis.setup import TrainingSetup
from novelkit.diagnosis.signs import Signs

# What all probes together may take.
SECONDS = 60.0


@dataclass
class Probed:
    """What the probes found, what each took, and why some could not be asked."""

    signs: Signs = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def probe(setup: TrainingSetup, only: list[str] | None = None, seconds: float = SECONDS) -> Probed:
    """Ask all probes, or some by name (`PROBES`), in about so many seconds.

    What a probe will take is known from one step of the training; one that would pass the limit is
    left out, and said to be.
    """
    found = Probed()
    began_all = time.perf_counter()
    step, share = _time_a_step(setup)
    for name, ask in PROBES.items():
        if only is not None and name not in only:
            continue
        left = seconds - (time.perf_counter() - began_all)
        if (needed := step * COSTS.get(name, 2) * (share if name in LIGHT else 1)) > left:
            found.failed[name] = f"about {needed:.0f} s, {max(0, left):.0f} s left"
            continue
        began = time.perf_counter()
        try:
            found.signs |= ask(setup)
        # The training's own code runs here, and whatever it raises is an answer of a kind.
        except Exception as error:
            found.failed[name] = f"{type(error).__name__}: {error}"
        found.seconds[name] = round(time.perf_counter() - began, 3)
    return found


def _time_a_step(setup: TrainingSetup) -> tuple[float, float]:
    """Seconds of one update, and the share of them that a light batch takes; 0 if it fails."""
    try:
        learner, batch = setup.new_learner(), setup.batch(1)
        setup.update(learner, light(batch), 1)
        began = time.perf_counter()
        setup.update(learner, batch, 1)
    except Exception:
        return 0.0, 1.0  # the probes will say what is wrong
    return time.perf_counter() - began, min(1.0, LIGHT_TOKENS / batch.inputs.size)


# Steps that the longer probes take; the others take one or two.
COSTS = {
    "texts": 0,
    "batches": 0,
    "rates": 4,
    "one_batch": 2 * trainings.STEPS,
    "learning_rates": 3 * trainings.STEPS,
    "from_here": 2 * trainings.STEPS,
    "gradient_noise": 10,
    "logged_loss": 16,
    "numbers": 16,
    "resumes": 15,
    "sampler": 10,
    "recitation": 20,
}
LIGHT = ("first_loss", "label_offset", "moved_weights", "rates", "numbers", "resumes")
# The quick ones first: where time is short, most of the questions are still asked.
PROBES: dict[str, Callable[[TrainingSetup], Signs]] = {
    "first_loss": pieces.first_loss,
    "label_offset": pieces.label_offset,
    "moved_weights": pieces.moved_weights,
    "rates": pieces.rates,
    "texts": pieces.texts,
    "batches": pieces.batches,
    "resumes": pieces.resumes,
    "numbers": pieces.numbers,
    "sampler": pieces.sampler,
    "recitation": pieces.recitation,
    "gradient_noise": trainings.gradient_noise,
    "logged_loss": pieces.logged_loss,
    "one_batch": trainings.one_batch,
    "learning_rates": trainings.learning_rates,
    "from_here": trainings.from_here,
}
