"""Stage 07: each probe finds the fault that it looks for, and nothing in a training that is well.

The trainings are the library's with one piece exchanged, as a learner's own code would exchange it.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from novelkit.diagnosis import TrainingSetup, probe
from novelkit.diagnosis.probes import PROBES
from novelkit.diagnosis.rules import rank
from novelkit.model import GPT2, ModelConfig
from novelkit.tokenizing import CharTokenizer
from novelkit.training.batches import Batch
from novelkit.training.config import TrainConfig
from novelkit.training.objective import Objective
from novelkit.training.step import Learner

STEPS = 120


NOVEL = Path(__file__).resolve().parents[1] / "assets" / "novel" / "novel.txt"


@pytest.fixture(scope="module")
def parts():
    text = NOVEL.read_text(encoding="utf-8")
    texts = {"train": text[:20_000], "validation": text[20_000:25_000]}
    tokenizer = CharTokenizer.train(texts["train"])
    model = ModelConfig(len(tokenizer), n_ctx=24, n_layer=1, n_head=2, n_embd=32, dropout=0.0)
    config = TrainConfig(batch_size=8, learning_rate=1e-2, warmup_steps=5, evaluation_blocks=16)
    return {
        "model_config": model,
        "config": config,
        "tokenizer": tokenizer,
        "texts": texts,
        "steps": STEPS,
    }


def trained(setup: TrainingSetup) -> TrainingSetup:
    """The setup after its training."""
    learner = setup.new_learner()
    for step in range(1, setup.steps + 1):
        setup.update(learner, setup.batch(step), step)
    setup.weights = learner.model.state_dict()
    return setup


@pytest.fixture(scope="module")
def healthy(parts):
    return probe(trained(TrainingSetup(**parts)))


def ask(setup: TrainingSetup, *names: str) -> dict[str, float]:
    found = probe(setup, list(names))
    assert not found.failed
    return found.signs


def test_a_training_that_is_well(healthy):
    assert not healthy.failed and set(healthy.seconds) == set(PROBES)
    signs = healthy.signs
    assert signs["probe_start"] == pytest.approx(1.0, abs=0.05)
    assert signs["probe_offset"] == 1 and signs["probe_labels_read"] == 1
    assert signs["probe_still"] == 0 and signs["probe_power_fit"] < 0.9
    assert abs(signs["probe_rate_growth"]) < 0.05
    assert signs["probe_overflow"] == 0 and signs["probe_filling"] < 0.01
    assert signs["probe_resume_weights"] == 0 and signs["probe_resume_state"] < 1e-6
    assert signs["probe_resume_batches"] == 0
    assert abs(signs["probe_sampler"]) < 1e-6 and signs["probe_strange"] < 0.01
    assert signs["probe_logged_away"] < 0.01 and signs["probe_batch_spread"] > 0.6


@dataclass
class Shifted(TrainingSetup):
    """The labels of a batch stand `shift` tokens behind the inputs."""

    shift: int = 1

    def batch(self, step: int, session: int = 1) -> Batch:
        batch = super().batch(step, session)
        tokens = np.concatenate([batch.inputs, batch.targets[:, -1:]], axis=1)
        length = tokens.shape[1] - max(self.shift, 0) - 2
        begin = 2 if self.shift < 0 else 0
        inputs = tokens[:, begin : begin + length]
        targets = tokens[:, begin + self.shift : begin + self.shift + length]
        return replace(batch, inputs=inputs, targets=targets)


@pytest.mark.parametrize("shift", [-1, 0, 1, 2, 3])
def test_labels_in_the_batch(parts, shift):
    assert ask(Shifted(**parts, shift=shift), "label_offset")["probe_offset"] == shift


class Twice(torch.nn.Module):
    """A loss that shifts labels which are shifted already."""

    def __init__(self, model):
        super().__init__()
        self.objective = Objective(model)

    def forward(self, ids, targets):
        moved = torch.full_like(targets, -100)
        moved[:, :-1] = targets[:, 1:]
        return self.objective(ids, moved)


class ShiftedInTheLoss(TrainingSetup):
    def new_learner(self, model=None):
        model = model or self.new_model()
        return Learner(model, self.config, self.compute, objective=Twice(model))


def test_labels_in_the_loss(parts):
    assert ask(ShiftedInTheLoss(**parts), "label_offset")["probe_offset"] == 2


class Frozen(TrainingSetup):
    def new_learner(self, model=None):
        learner = super().new_learner(model)
        kept = set(learner.model.blocks.parameters())
        for optimizer in learner.optimizers.values():
            for group in optimizer.param_groups:
                group["params"] = [item for item in group["params"] if item not in kept]
        return learner


def test_parameters_that_the_optimizer_does_not_have(parts):
    assert ask(Frozen(**parts), "moved_weights")["probe_still"] > 0.2


@pytest.mark.parametrize("rate", [1e-3, 0.1])
def test_plain_gradient_descent(parts, rate):
    fits = {}
    for name in ("sgd", "adamw", "muon"):
        config = replace(parts["config"], optimizer=name, learning_rate=rate)
        setup = TrainingSetup(**{**parts, "config": config})
        fits[name] = ask(setup, "moved_weights")["probe_power_fit"]
    assert fits["sgd"] > 0.97 and fits["adamw"] < 0.8 and fits["muon"] < 0.8


class Drifting(TrainingSetup):
    """The learning rate that is used is not the one that is planned."""

    def update(self, learner, batch, step, factor=1.0):
        return super().update(learner, batch, step, factor * step / self.steps)


def test_a_learning_rate_that_is_not_the_planned_one(parts):
    assert ask(Drifting(**parts), "rates")["probe_rate_growth"] > 1.2


def test_learning_rates_too_low_and_too_high(parts, healthy):
    for factor, sign in ((1 / 50, "probe_faster"), (100, "probe_slower")):
        config = replace(parts["config"], learning_rate=1e-2 * factor)
        found = ask(TrainingSetup(**{**parts, "config": config}), "learning_rates")
        assert found[sign] < healthy.signs[sign] - 0.3


def test_a_model_without_capacity(parts, healthy):
    small = replace(parts["model_config"], n_embd=2, n_head=1)
    found = ask(TrainingSetup(**{**parts, "model_config": small}), "one_batch")
    assert found["probe_one_batch_reference"] > 0.4 > healthy.signs["probe_one_batch_reference"]


class OneLogged(TrainingSetup):
    def update(self, learner, batch, step, factor=1.0):
        first = replace(batch, inputs=batch.inputs[:1], targets=batch.targets[:1])
        logged = float(self.losses(learner, first).mean())
        return super().update(learner, batch, step, factor) | {"loss": logged}


def test_a_micro_batch_that_is_logged_for_all(parts, healthy):
    setup = trained(OneLogged(**parts))
    away = ask(setup, "logged_loss")["probe_logged_away"]
    assert away > 20 * healthy.signs["probe_logged_away"]


class Overflowing(TrainingSetup):
    def new_model(self):
        model = super().new_model()
        model.norm.register_forward_hook(lambda *a: a[2].masked_fill(a[2].abs() > 2.5, torch.inf))
        return model

    def losses(self, learner, batch, precise=False):
        if precise:
            plain = GPT2(self.model_config)
            plain.load_state_dict(learner.model.state_dict())
            learner = TrainingSetup.new_learner(self, plain)
        return super().losses(learner, batch, precise)


def test_numbers_that_overflow_but_not_in_float32(parts):
    found = ask(Overflowing(**parts), "numbers")
    assert found["probe_overflow"] > 0.5 and found["probe_overflow_precise"] == 0


class Padded(TrainingSetup):
    def batch(self, step, session=1):
        batch = super().batch(step, session)
        inputs, targets = batch.inputs.copy(), batch.targets.copy()
        inputs[:, 12:] = targets[:, 11:] = self.tokenizer.end_of_text
        return replace(batch, inputs=inputs, targets=targets)


def test_padding_among_the_labels(parts):
    assert ask(Padded(**parts), "batches")["probe_filling"] == pytest.approx(0.5, abs=0.1)


class InOrder(TrainingSetup):
    def batch(self, step, session=1):
        tokens, context = self.tokens("train"), self.model_config.n_ctx
        start = (step - 1) * 8 * context % (len(tokens) - 9 * context)
        windows = np.stack([tokens[start + r * context :][: context + 1] for r in range(8)])
        return Batch(windows[:, :-1].astype(np.int64), windows[:, 1:].astype(np.int64), 0, 0)


def test_batches_in_the_order_of_the_text(parts):
    found = ask(InOrder(**parts), "batches")
    assert found["probe_batch_spread"] < 0.3


class Forgetful(TrainingSetup):
    """A resume that loses one of weights, optimizer, batches."""

    lost = ""

    def reopen(self, learner):
        again = super().reopen(learner)
        if self.lost == "weights":
            torch.manual_seed(99)
            return self.new_learner(GPT2(self.model_config))
        return self.new_learner(again.model) if self.lost == "optimizer" else again

    def batch(self, step, session=1):
        behind = self.resumes[session - 2] if session > 1 and self.lost == "batches" else 0
        return super().batch(step - behind)


@pytest.mark.parametrize(
    "lost, sign",
    [
        ("weights", "probe_resume_weights"),
        ("optimizer", "probe_resume_state"),
        ("batches", "probe_resume_batches"),
        ("", None),
    ],
)
def test_what_a_resume_loses(parts, lost, sign):
    setup = Forgetful(**parts, resumes=(40,))
    setup.lost = lost
    found = ask(setup, "resumes")
    for name in ("probe_resume_weights", "probe_resume_state", "probe_resume_batches"):
        assert found.get(name, 0) > 0.02 if name == sign else found.get(name, 0) < 1e-6


def test_a_book_that_was_learned_by_heart(parts, healthy):
    short = {**parts["texts"], "train": parts["texts"]["train"][:600]}
    setup = trained(TrainingSetup(**{**parts, "texts": short, "steps": 400}))
    found = ask(setup, "recitation")
    assert found["probe_recited"] > 0.6 > 0.3 > healthy.signs["probe_recited"]
    assert found["probe_longest_copied"] >= 10


class SameObject(TrainingSetup):
    """A resume that goes on with the same model and a new optimizer."""

    def reopen(self, learner):
        return self.new_learner(learner.model)


def test_a_resume_with_the_same_model_object(parts):
    found = ask(SameObject(**parts), "resumes")
    assert found["probe_resume_weights"] == 0 and found["probe_resume_state"] > 0.02


class WithoutPlan(TrainingSetup):
    """A loop of one's own at a constant rate, which does not say so."""

    def update(self, learner, batch, step, factor=1.0):
        return learner.update(batch, factor * 1e-2, step)


def test_a_constant_rate_is_no_warmup(parts):
    assert abs(ask(WithoutPlan(**parts), "rates")["probe_rate_growth"]) < 0.1


class OtherVocabulary(TrainingSetup):
    def sampler(self):
        model, tokenizer = super().sampler()
        order = [tokenizer.decode([number]) for number in range(260, len(tokenizer))]
        return model, CharTokenizer(order[1:] + order[:1])


def test_a_sampler_with_another_vocabulary(parts):
    assert ask(trained(OtherVocabulary(**parts)), "sampler")["probe_sampler"] > 0.5


def test_texts_that_leak_or_are_damaged(parts):
    texts = parts["texts"]
    leaked = {**texts, "train": texts["train"] + texts["validation"]}
    lines = texts["train"].split("\n")
    damaged = "\n".join(
        line.encode("gb18030").decode("latin-1") if number % 3 == 0 else line
        for number, line in enumerate(lines)
    )
    setup = TrainingSetup(**{**parts, "texts": leaked})
    assert ask(setup, "texts")["probe_leaked"] > 0.9
    setup = TrainingSetup(**{**parts, "texts": {**texts, "train": damaged}})
    assert ask(setup, "texts")["probe_strange"] > 0.1


def test_texts_with_other_characters(parts):
    """Usual characters in the wrong places: only the text itself says what should stand there."""
    random = np.random.default_rng(0)
    text = NOVEL.read_text(encoding="utf-8")
    train = text[:20_000] + text[25_000:35_000]  # in between lies the validation text
    kinds = sorted(set(train) - {"\n"})
    wrong = "".join(
        c if c == "\n" or random.random() > 0.2 else str(random.choice(kinds)) for c in train
    )
    found = {}
    for name, text in (("right", train), ("wrong", wrong)):
        texts = {**parts["texts"], "train": text}
        found[name] = ask(TrainingSetup(**{**parts, "texts": texts}), "texts")
    assert found["right"]["probe_substituted"] < 0.02 < 0.1 < found["wrong"]["probe_substituted"]
    assert found["wrong"]["probe_strange"] < 0.02
    assert rank(found["wrong"])[0][0] == "noisy_data"
    assert rank(found["right"])[0][0] == "healthy"


class Failing(TrainingSetup):
    def reopen(self, learner):
        raise FileNotFoundError("checkpoint.pt")


def test_a_piece_that_fails_is_an_answer(parts):
    found = probe(Failing(**parts), ["resumes", "first_loss"])
    assert found.failed == {"resumes": "FileNotFoundError: checkpoint.pt"}
    assert "probe_start" in found.signs and "probe_resume_weights" not in found.signs


def test_probes_that_would_take_too_long_are_left_out(parts):
    found = probe(TrainingSetup(**parts), seconds=0.0)
    assert set(found.failed) == set(PROBES) and not found.signs
