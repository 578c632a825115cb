"""The causes: how each is put into a training, in three severities a part, and what it must do.

A run counts as faulty if its damage, measured against the healthy run of the same cell and seed,
reaches the threshold below; otherwise it is discarded and counted. Measures and thresholds were
fixed before the doctor's rules were written.
"""

from dataclasses import dataclass

from faults_setup import Knobs

# Each measure compares a run with its healthy pair; in nats per character unless it says else.
MEASURES = {
    "held_out": "the loss of the last weights on the test text, above the pair's",
    "misread": "how far the reported validation loss lies below the loss on the test text, less "
    "the same of the pair",
    "sampler": "the loss of the training text in the sampler's tokens, above the trained model's",
    "setback": "the mean training loss after the first resume, above the pair's",
    "jump": "the mean training loss of the 20 steps after a resume, above the pair's",
    "swing": "the spread of the logged loss around its trend, as a ratio to the pair's",
}


@dataclass(frozen=True)
class Fault:
    """One cause; `damage` names measures with their thresholds, of which one is enough."""

    develop: tuple[Knobs, Knobs, Knobs]
    report: tuple[Knobs, Knobs, Knobs]
    damage: tuple[tuple[str, float], ...] = (("held_out", 0.1),)


def _each(name: str, *values: object) -> tuple[Knobs, Knobs, Knobs]:
    first, second, third = ({name: value} for value in values)
    return first, second, third


FAULTS = {
    "learning_rate_too_high": Fault(_each("rate", 8, 20, 60), _each("rate", 12, 30, 100)),
    "learning_rate_too_low": Fault(
        ({"rate": 1 / 30}, {"rate": 1 / 100}, {"decayed": 0.2}),
        ({"rate": 1 / 20}, {"rate": 1 / 60}, {"decayed": 0.3}),
    ),
    "warmup_too_long": Fault(_each("warmup", 4, 10, 30), _each("warmup", 3, 6, 20)),
    "batch_too_small": Fault(_each("rows", 1, 2, 3), _each("rows", 1, 1, 2)),
    "unshuffled": Fault(_each("unshuffled", 1, 2, 3), _each("unshuffled", 1, 1.5, 2.5)),
    "noisy_data": Fault(
        _each("noise", ("western", 0.3), ("substituted", 0.3), ("replaced", 0.6)),
        _each("noise", ("misread", 0.3), ("substituted", 0.2), ("question", 0.5)),
    ),
    "overfitting": Fault(
        _each("characters", 1500, 3000, 6000), _each("characters", 1000, 2500, 5000)
    ),
    "label_shift": Fault(_each("shift", 0, 2, -1), _each("shift", 0, 2, 3)),
    "loss_on_padding": Fault(
        _each("padding", 0.3, 0.5, 0.7),
        _each("padding", 0.25, 0.4, 0.6),
        (("held_out", 0.1), ("misread", 0.3)),
    ),
    "parameters_frozen": Fault(
        _each("frozen", "blocks", "token_embedding", "blocks.0|token_embedding"),
        _each("frozen", "blocks", "embedding", "attention|token"),
    ),
    "wrong_optimizer": Fault(_each("sgd", 0.003, 0.03, 0.1), _each("sgd", 0.01, 0.05, 0.2)),
    "model_too_small": Fault(_each("width", 4, 6, 8), _each("width", 4, 5, 8)),
    "vocabulary_mismatch": Fault(
        _each("vocabulary", ("rolled", 1), ("mixed", 1.0), ("mixed", 0.3)),
        _each("vocabulary", ("rolled", 4), ("sorted", 0), ("mixed", 0.5)),
        (("sampler", 0.5),),
    ),
    "restarted": Fault(
        (
            {"resume": "weights", "at": (0.3,)},
            {"resume": "weights", "at": (0.6,)},
            {"resume": "weights", "at": (0.35, 0.7)},
        ),
        (
            {"resume": "weights", "at": (0.25,)},
            {"resume": "weights", "at": (0.5,)},
            {"resume": "weights", "at": (0.3, 0.5, 0.8)},
        ),
        (("setback", 0.1),),
    ),
    "optimizer_state_lost": Fault(
        (
            {"resume": "optimizer", "at": (0.3,)},
            {"resume": "optimizer", "at": (0.5,)},
            {"resume": "optimizer", "at": (0.3, 0.55)},
        ),
        (
            {"resume": "optimizer", "at": (0.25,)},
            {"resume": "optimizer", "at": (0.4,)},
            {"resume": "optimizer", "at": (0.2, 0.4, 0.6)},
        ),
        (("jump", 0.05),),
    ),
    "batches_repeated": Fault(
        (
            {"resume": "batches", "at": (0.2, 0.4, 0.6, 0.8)},
            {"resume": "batches", "at": (0.33, 0.66)},
            {"resume": "batches", "at": (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)},
        ),
        (
            {"resume": "batches", "at": (0.25, 0.5, 0.75)},
            {"resume": "batches", "at": (0.15, 0.3, 0.45, 0.6, 0.75, 0.9)},
            {"resume": "batches", "at": (0.5,)},
        ),
        (("held_out", 0.05),),
    ),
    "validation_leaked": Fault(
        _each("leak", (1.0, 8), (1.0, 4), (0.5, 8)),
        _each("leak", (1.0, 6), (1.0, 3), (0.6, 6)),
        (("misread", 0.1),),
    ),
    "number_overflow": Fault(_each("overflow", 3.0, 3.4, 3.8), _each("overflow", 2.8, 3.2, 3.6)),
    "one_micro_batch_logged": Fault(
        _each("logged", 1, 1, 2), _each("logged", 1, 2, 1), (("swing", 1.5),)
    ),
}
