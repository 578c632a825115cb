"""What a training run is told: its settings, which a resume must repeat, and its budget."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from novelkit.errors import InputError

# Each optimizer's own learning rate: of those that `recipe.py search` tried with the tiny preset,
# the best, or at most 0.02 nats from it (tests/benchmarks/README.md).
LEARNING_RATES = {"muon": 4e-3, "adamw": 1e-3, "sgd": 0.03, "lamb": 3e-2, "adafactor": 3e-2}
OPTIMIZERS = tuple(LEARNING_RATES)
# A trained model goes on at so much of them. With an earlier bundled one, trained on a CPU, on a
# novel of 38,000 characters higher rates reached the same validation loss sooner (2e-3: 5.24 bits a
# character after 20 steps) and then learned by heart; at 5e-4 it stayed at its best (5.28) from
# step 80 on.
FINE_TUNING_SHARE = 1 / 8
SCHEDULES = ("wsd", "cosine", "linear", "constant")


@dataclass(frozen=True)
class TrainConfig:
    """Settings that decide the result; a resumed run with other ones is refused."""

    seed: int = 0
    # Sequences a step, over all processes; its n_ctx-fold is the number of tokens that one update
    # averages over.
    batch_size: int = 16
    # Parts at least in which a process passes its share of the batch through memory; more where
    # memory asks for it. Changes no result but rounding (and the dice of dropout).
    accumulation: int = 1
    # Muon for the hidden matrices, AdamW for embeddings, norms and biases; the others take all.
    optimizer: str = "muon"
    # The highest of a cycle; None takes that of `LEARNING_RATES`.
    learning_rate: float | None = None
    # Beside Muon, AdamW's part learns so many times as fast.
    adamw_factor: float = 3.0
    # Decoupled from the gradient (arXiv:1711.05101), on matrices only; L1 pulls by a constant
    # amount where L2 pulls in proportion.
    weight_decay: float = 0.1
    l1_penalty: float = 0.0
    # Also the momentum of Muon and SGD. Muon with its usual 0.95 ended higher with the tiny preset.
    beta1: float = 0.9
    # Shorter than PyTorch's 0.999: a run of hundreds of steps must not average over all of them.
    # With 0.95 the tiny preset ended 0.03 nats higher (tests/benchmarks/README.md).
    beta2: float = 0.99
    # The learning rate's form (see `schedule`); all but wsd and constant need a known last step.
    schedule: str = "wsd"
    warmup_steps: int = 20
    # The last part of a wsd cycle, in which the learning rate falls to zero.
    cooldown_share: float = 0.4
    gradient_clip: float = 1.0
    # Share of the target's probability that is spread evenly over the vocabulary.
    label_smoothing: float = 0.0
    # Memory of the moving average of the weights that is evaluated and exported; 0 is off.
    ema_decay: float = 0.0
    evaluate_every: int = 50
    # At most this many blocks, evenly spaced, in an evaluation on the way; the end takes all.
    evaluation_blocks: int = 64
    # Stop after this many evaluations without a better validation loss; 0 never stops.
    patience: int = 8
    checkpoint_steps: int = 200
    checkpoint_minutes: float = 3.0
    keep_checkpoints: int = 2

    def __post_init__(self) -> None:
        for name, known in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):
            value = getattr(self, name)
            _require(value in known, name, value, f"可选 {'、'.join(known)}")
        if self.learning_rate is None:
            object.__setattr__(self, "learning_rate", LEARNING_RATES[self.optimizer])
        positive = ("batch_size", "accumulation", "evaluate_every", "evaluation_blocks")
        for name in (*positive, "checkpoint_steps", "keep_checkpoints"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "至少是 1")
        for name in ("learning_rate", "adamw_factor", "gradient_clip", "checkpoint_minutes"):
            value = getattr(self, name)
            _require(0 < value < math.inf, name, value, "必须大于 0，而且是有限的数")
        for name in ("warmup_steps", "patience", "weight_decay", "l1_penalty", "seed"):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "不能是负数")
        for name in ("beta1", "beta2", "cooldown_share", "label_smoothing", "ema_decay"):
            _require(0 <= getattr(self, name) < 1, name, getattr(self, name), "必须在 [0, 1) 之间")
        divides = self.batch_size % self.accumulation == 0
        _require(
            divides, "accumulation", self.accumulation, f"必须整除 batch_size {self.batch_size}"
        )

    @classmethod
    def fine_tuning(cls, **settings: Any) -> "TrainConfig":
        """Settings to go on from a trained model, with those that are named changed.

        At the rates for a model that knows nothing a small book is soon learned by heart; AdamW's
        part, which keeps the embeddings, is not faster than the rest either.
        """
        usual = LEARNING_RATES.get(settings.get("optimizer", cls.optimizer), 1.0)
        gentle = {"learning_rate": FINE_TUNING_SHARE * usual, "adamw_factor": 1.0}
        return cls(**{**gentle, **settings})

    @property
    def peak_rate(self) -> float:
        """The learning rate, which is never None once the settings are made."""
        assert self.learning_rate is not None
        return self.learning_rate

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Budget:
    """How long to train: until the run has `max_steps` steps, or for `minutes` from now.

    Of two, the one that comes first; of none, 20 passes over the data, or what the run was told.
    """

    max_steps: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        if self.max_steps is not None:
            _require(self.max_steps >= 1, "max_steps", self.max_steps, "至少是 1")
        if self.minutes is not None:
            finite = 0 < self.minutes < math.inf
            _require(finite, "minutes", self.minutes, "必须大于 0，而且是有限的数")


def _require(condition: bool, name: str, value: object, rule: str) -> None:
    if not condition:
        raise InputError(f"训练设置 {name} 是 {value}，{rule}：请改正后再训练。")
