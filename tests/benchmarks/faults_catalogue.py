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
    validate: tuple[Knobs, Knobs, Knobs]
    report: tuple[Knobs, Knobs, Knobs]
    damage: tuple[tuple[str, float], ...] = (("held_out", 0.1),)


def _each(name: str, *values: object) -> tuple[Knobs, Knobs, Knobs]:
    first, second, third = ({name: value} for value in values)
    return first, second, third


def _lost(what: str, *at: float) -> Knobs:
    """What no resume at these shares of the run gets back."""
    return {"resume": what, "at": at}


FAULTS = {
    "learning_rate_too_high": Fault(
        _each("rate", 8, 20, 60), _each("rate", 12, 30, 100), _each("rate", 10, 25, 80)
    ),
    "learning_rate_too_low": Fault(
        ({"rate": 1 / 30}, {"rate": 1 / 100}, {"decayed": 0.2}),
        ({"rate": 1 / 20}, {"rate": 1 / 60}, {"decayed": 0.3}),
        ({"rate": 1 / 25}, {"rate": 1 / 80}, {"decayed": 0.25}),
    ),
    "warmup_too_long": Fault(
        _each("warmup", 4, 10, 30), _each("warmup", 3, 6, 20), _each("warmup", 3.5, 8, 15)
    ),
    "batch_too_small": Fault(
        _each("rows", 1, 2, 3), _each("rows", 1, 1, 2), _each("rows", 1, 2, 1)
    ),
    "unshuffled": Fault(
        _each("unshuffled", 1, 2, 3),
        _each("unshuffled", 1, 1.5, 2.5),
        _each("unshuffled", 1, 1.3, 2.2),
    ),
    "noisy_data": Fault(
        _each("noise", ("western", 0.3), ("substituted", 0.3), ("replaced", 0.6)),
        _each("noise", ("misread", 0.3), ("substituted", 0.2), ("question", 0.5)),
        _each("noise", ("western", 0.4), ("substituted", 0.25), ("misread", 0.2)),
    ),
    "overfitting": Fault(
        _each("characters", 1500, 3000, 6000),
        _each("characters", 1000, 2500, 5000),
        _each("characters", 1200, 2000, 4500),
    ),
    "label_shift": Fault(
        _each("shift", 0, 2, -1), _each("shift", 0, 2, 3), _each("shift", 0, 2, 4)
    ),
    "loss_on_padding": Fault(
        _each("padding", 0.3, 0.5, 0.7),
        _each("padding", 0.25, 0.4, 0.6),
        _each("padding", 0.28, 0.45, 0.65),
        damage=(("held_out", 0.1), ("misread", 0.3)),
    ),
    "parameters_frozen": Fault(
        _each("frozen", "blocks", "token_embedding", "blocks.0|token_embedding"),
        _each("frozen", "blocks", "embedding", "attention|token"),
        _each("frozen", "blocks", "token_embedding", "mlp|token"),
    ),
    "wrong_optimizer": Fault(
        _each("sgd", 0.003, 0.03, 0.1),
        _each("sgd", 0.01, 0.05, 0.2),
        _each("sgd", 0.006, 0.02, 0.15),
    ),
    "model_too_small": Fault(
        _each("width", 4, 6, 8), _each("width", 4, 5, 8), _each("width", 3, 5, 7)
    ),
    "vocabulary_mismatch": Fault(
        _each("vocabulary", ("rolled", 1), ("mixed", 1.0), ("mixed", 0.3)),
        _each("vocabulary", ("rolled", 4), ("sorted", 0), ("mixed", 0.5)),
        _each("vocabulary", ("rolled", 2), ("sorted", 0), ("mixed", 0.4)),
        damage=(("sampler", 0.5),),
    ),
    "restarted": Fault(
        (_lost("weights", 0.3), _lost("weights", 0.6), _lost("weights", 0.35, 0.7)),
        (_lost("weights", 0.25), _lost("weights", 0.5), _lost("weights", 0.3, 0.5, 0.8)),
        (_lost("weights", 0.2), _lost("weights", 0.45), _lost("weights", 0.4, 0.65)),
        damage=(("setback", 0.1),),
    ),
    "optimizer_state_lost": Fault(
        (_lost("optimizer", 0.3), _lost("optimizer", 0.5), _lost("optimizer", 0.3, 0.55)),
        (_lost("optimizer", 0.25), _lost("optimizer", 0.4), _lost("optimizer", 0.2, 0.4, 0.6)),
        (_lost("optimizer", 0.2), _lost("optimizer", 0.35), _lost("optimizer", 0.25, 0.5)),
        damage=(("jump", 0.05),),
    ),
    "batches_repeated": Fault(
        (
            _lost("batches", 0.2, 0.4, 0.6, 0.8),
            _lost("batches", 0.33, 0.66),
            _lost("batches", 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
        ),
        (
            _lost("batches", 0.25, 0.5, 0.75),
            _lost("batches", 0.15, 0.3, 0.45, 0.6, 0.75, 0.9),
            _lost("batches", 0.5),
        ),
        (
            _lost("batches", 0.16, 0.32, 0.48, 0.64, 0.8),
            _lost("batches", 0.3, 0.6),
            _lost("batches", 0.12, 0.24, 0.36, 0.48, 0.6, 0.72, 0.84),
        ),
        damage=(("held_out", 0.05),),
    ),
    "validation_leaked": Fault(
        _each("leak", (1.0, 8), (1.0, 4), (0.5, 8)),
        _each("leak", (1.0, 6), (1.0, 3), (0.6, 6)),
        _each("leak", (1.0, 7), (1.0, 5), (0.7, 5)),
        damage=(("misread", 0.1),),
    ),
    "number_overflow": Fault(
        _each("overflow", 3.0, 3.4, 3.8),
        _each("overflow", 2.8, 3.2, 3.6),
        _each("overflow", 2.9, 3.3, 3.7),
    ),
    "one_micro_batch_logged": Fault(
        _each("logged", 1, 1, 2),
        _each("logged", 1, 2, 1),
        _each("logged", 1, 1, 2),
        damage=(("swing", 1.5),),
    ),
}
