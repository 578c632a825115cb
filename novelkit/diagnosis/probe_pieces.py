"""Probes that look at the pieces of a training, with a step or two each."""

import copy
import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from novelkit.copying import find_copies
from novelkit.copying.reading import window_hashes
from novelkit.diagnosis.curve import rank_correlation
from novelkit.diagnosis.probe_batches import light, scored
from novelkit.diagnosis.setup import TrainingSetup
from novelkit.diagnosis.signs import Signs
from novelkit.model import LanguageModel
from novelkit.scores import substituted_share
from novelkit.tokenizing import IGNORED
from novelkit.training.batches import Batch
from novelkit.training.data import evaluate
from novelkit.training.step import Learner

# Characters of a text that a probe reads.
CHARACTERS = 12_000
# ... where a text is compared with itself: the more, the more of it is said again.
COMPARED_CHARACTERS = 200_000
# Where a model is asked to recite, and how far.
RECITED_PLACES = 12
RECITED_TOKENS = 60


def first_loss(setup: TrainingSetup) -> Signs:
    """The loss before the first step over that of a guess, ln V: 1 for a new model."""
    learner = setup.new_learner()
    losses = scored(setup.losses(learner, light(setup.batch(1))))
    return {"probe_start": float(losses.mean()) / math.log(setup.model_config.vocab_size)}


def label_offset(setup: TrainingSetup) -> Signs:
    """How many tokens behind its input the label of a position stands: 1 is right.

    Found by changing one label and looking which losses change, and by comparing the labels of a
    batch with its inputs; nothing of how the loss is written needs to be known.
    """
    learner, batch = setup.new_learner(), light(setup.batch(1))
    rows, context = batch.inputs.shape
    place = context // 2
    targets = batch.targets.copy()
    targets[:, place] = (targets[:, place] + 1) % setup.model_config.vocab_size
    before = setup.losses(learner, batch)
    after = setup.losses(learner, replace(batch, targets=targets))
    changed = (before != after).any(dim=0).nonzero().flatten().tolist()
    if len(changed) != 1:
        return {"probe_labels_read": float(len(changed))}
    offsets = range(-2, 4)
    agreement = [_agreement(batch, offset) for offset in offsets]
    in_batch = offsets[int(np.argmax(agreement))]
    # A label that is read at an earlier position stands further behind that position.
    return {"probe_offset": float(in_batch + place - changed[0]), "probe_labels_read": 1.0}


def _agreement(batch: Batch, offset: int) -> float:
    """The share of labels that are the input `offset` places behind them."""
    context = batch.inputs.shape[1]
    places = np.arange(max(0, -offset), min(context, context - offset))
    labels, inputs = batch.targets[:, places], batch.inputs[:, places + offset]
    known = labels != IGNORED
    return float((labels == inputs)[known].mean()) if known.any() else 0.0


def moved_weights(setup: TrainingSetup) -> Signs:
    """Whether a step moves every weight that has a gradient, and whether in proportion to it.

    Proportion is asked of the difference of two first steps from the same weights, by different
    batches: what weight decay adds to both is not in it.
    """
    step = max(1, setup.steps // 2)
    start, moved, gradients = _first_steps(
        setup, [light(setup.batch(at)) for at in (step, step + 1)]
    )
    still, elements, fits = 0, 0, []
    for name in start:
        active = gradients[0][name].abs() > 1e-9
        elements += int(active.sum())
        if active.any() and not bool((moved[0][name] != 0).any()):
            still += int(active.sum())
        elif start[name].dim() >= 2:
            apart = [parts[0][name] - parts[1][name] for parts in (moved, gradients)]
            fits.append(_correlation(*apart))
    signs = {"probe_still": still / max(1, elements)}
    return signs | ({"probe_power_fit": min(fits)} if fits else {})


def _first_steps(
    setup: TrainingSetup, chosen: list[Batch]
) -> tuple[dict[str, Tensor], list[dict[str, Tensor]], list[dict[str, Tensor]]]:
    """Weights, and for each batch how a first step moves them and what its gradients are."""
    learner, step = setup.new_learner(), max(1, setup.steps // 2)
    state = copy.deepcopy(learner.model.state_dict())
    start = {name: item.detach().clone() for name, item in learner.model.named_parameters()}
    moved, gradients = [], []
    for batch in chosen:
        learner = setup.new_learner()
        learner.model.load_state_dict(state)
        gradients.append(setup.gradients(learner, batch))
        setup.update(learner, batch, step)
        named = learner.model.named_parameters()
        moved.append({name: item.detach() - start[name] for name, item in named})
    return start, moved, gradients


def _correlation(moved: Tensor, gradient: Tensor) -> float:
    """How far a step goes straight down its gradient: 1 for plain gradient descent."""
    x, y = (part.flatten().double() for part in (gradient, -moved))
    x, y = x - x.mean(), y - y.mean()
    return float((x * y).mean() / (x.std() * y.std()).clamp(min=1e-300))


def rates(setup: TrainingSetup) -> Signs:
    """How large the steps are, early, in the middle and late, by the learning rate they stand for.

    From equal weights and an optimizer without memory, so that only the learning rate that is
    really used differs. Of the planned one and a constant one it is measured by that which explains
    the steps better: a training of your own may have no such plan.
    """
    start = setup.new_learner()
    state = copy.deepcopy(start.model.state_dict())
    sizes, wanted = [], []
    for share in (0.1, 0.3, 0.6):
        step = max(1, round(share * setup.steps))
        learner = setup.new_learner()
        learner.model.load_state_dict(state)
        setup.update(learner, light(setup.batch(1)), step)
        sizes.append(_distance(state, learner))
        wanted.append(setup.learning_rate(step))
    found = [
        np.array(sizes) / np.maximum(plan, 1e-12)
        for plan in (np.array(wanted), np.ones(len(sizes)))
    ]
    if min(sizes) <= 0 or min(wanted) <= 0:
        return {}
    growth = [float(np.log(per_rate[-1] / per_rate[0])) for per_rate in found]
    return {"probe_rate_growth": min(growth, key=abs)}


def _distance(state: dict[str, Tensor], learner: Learner) -> float:
    parts = learner.model.state_dict().items()
    return float(sum(float((item - state[name]).square().sum()) for name, item in parts)) ** 0.5


def logged_loss(setup: TrainingSetup) -> Signs:
    """How far what is logged lies from the loss of the whole batch, by the spread of batches."""
    learner = setup.trained() or setup.new_learner()
    logged, whole = [], []
    for number in range(1, 13):
        batch = setup.batch(max(1, setup.steps * number // 12))
        whole.append(float(scored(setup.losses(learner, batch)).mean()))
        logged.append(float(setup.update(learner, batch, 1, factor=1e-6)["loss"]))
    away = np.array(logged) - np.array(whole)
    if not np.isfinite(away).all():
        return {}
    return {"probe_logged_away": float(np.std(away)), "probe_logged_bias": float(np.mean(away))}


def numbers(setup: TrainingSetup) -> Signs:
    """The share of batches whose loss is no number, as trained and in float32."""
    learner = setup.trained() or setup.new_learner()
    found = {"probe_overflow": 0, "probe_overflow_precise": 0}
    for number in range(1, 25):
        batch = light(setup.batch(max(1, setup.steps * number // 24)))
        for name, precise in (("probe_overflow", False), ("probe_overflow_precise", True)):
            found[name] += not bool(setup.losses(learner, batch, precise).isfinite().all())
    return {name: count / 24 for name, count in found.items()}


def batches(setup: TrainingSetup) -> Signs:
    """What the batches hold: fillings, neighbours, how often the text is read."""
    tokens = setup.tokens("train")
    chosen = [max(1, setup.steps * number // 24) for number in range(1, 25)]
    found = [setup.batch(step) for step in chosen]
    filling = float(np.mean([_filling(batch) for batch in found]))
    spreads, same = [], []
    index = _Places(tokens)
    for batch in found:
        known = index.find(batch.inputs)
        if len(known) >= 2:
            spreads.append(float(known.std()) / (len(tokens) / math.sqrt(12)))
        if len(known):
            same.append(float(known.mean()) / len(tokens))
    scored = float(np.mean([(batch.targets != IGNORED).sum() for batch in found]))
    signs = {
        "probe_filling": filling,
        "probe_passes": scored * setup.steps / max(1, len(tokens)),
        "probe_text_characters": float(len(setup.texts["train"])),
    }
    if spreads:
        signs["probe_batch_spread"] = float(np.mean(spreads))
    if len(same) >= 8:
        # In order, a batch tells where the next one lies.
        signs["probe_batch_order"] = abs(rank_correlation(np.arange(len(same)), np.array(same)))
    return signs


def _filling(batch: Batch) -> float:
    """The share of scored labels that repeat the two before them: filling, not text."""
    labels = batch.targets
    again = (labels[:, 2:] == labels[:, 1:-1]) & (labels[:, 2:] == labels[:, :-2])
    scored = labels[:, 2:] != IGNORED
    return float((again & scored).sum() / max(1, scored.sum()))


class _Places:
    """Where rows of a token array begin, by their first tokens."""

    LENGTH = 8

    def __init__(self, tokens: np.ndarray) -> None:
        hashes = window_hashes(tokens, self.LENGTH)
        self._order = np.argsort(hashes)
        self._hashes = hashes[self._order]

    def find(self, rows: np.ndarray) -> np.ndarray:
        """The place of each row (rows, T) that is found, (found,)."""
        wanted = np.array([window_hashes(row[: self.LENGTH], self.LENGTH)[0] for row in rows])
        at = np.searchsorted(self._hashes, wanted).clip(max=max(0, len(self._hashes) - 1))
        return self._order[at[self._hashes[at] == wanted]] if len(self._hashes) else at[:0]


def resumes(setup: TrainingSetup) -> Signs:
    """Whether a resume goes on where the run stopped: weights, optimizer, batches."""
    at = setup.resumes[0] if setup.resumes else max(2, setup.steps // 3)
    learner = setup.new_learner()
    for number in range(1, 13):
        setup.update(learner, light(setup.batch(number)), max(1, setup.steps // 2))
    # A copy: a resume may well go on with the same model object.
    before = copy.deepcopy(learner.model.state_dict())
    again = setup.reopen(learner)
    after = again.model.state_dict()
    lost = max(float((before[name] - after[name]).abs().max()) for name in before)
    signs = {"probe_resume_weights": lost}
    wanted, got = setup.batch(at + 1, 1), setup.batch(at + 1, 2)
    signs["probe_resume_batches"] = float(not np.array_equal(wanted.inputs, got.inputs))
    if lost == 0:
        batch, stepped = light(setup.batch(13)), []
        for each in (learner, again):
            each.model.load_state_dict(before)
            setup.update(each, batch, max(1, setup.steps // 2))
            stepped.append(copy.deepcopy(each.model.state_dict()))
        apart = _distance(stepped[0], again)
        again.model.load_state_dict(stepped[0])
        signs["probe_resume_state"] = apart / max(_distance(before, again), 1e-12)
    return signs


def sampler(setup: TrainingSetup) -> Signs:
    """The training text read by the sampler's own model and tokenizer, beside the trained one."""
    trained, found = setup.trained(), setup.sampler()
    if trained is None or found is None:
        return {}
    text = setup.texts["train"][:CHARACTERS]
    model, tokenizer = found
    own = _nats(trained.model, setup.tokenizer.encode(text), len(text))
    theirs = _nats(model, tokenizer.encode(text), len(text))
    signs = {"probe_sampler": theirs - own}
    if tokenizer.decode(tokenizer.encode(text[:2000])) != text[:2000]:
        signs["probe_round_trip"] = 1.0
    # What the training reports of the same text, by its own loss.
    chosen = [light(setup.batch(number)) for number in range(1, 9)]
    losses = [scored(setup.losses(trained, batch)).mean() for batch in chosen]
    ratio = len(setup.tokens("train")) / len(setup.texts["train"])
    signs["probe_reported"] = own - float(np.mean(losses)) * ratio
    return signs


def _nats(model: LanguageModel, ids: np.ndarray, characters: int) -> float:
    """Nats per character of a text in these tokens, by blocks of the model's context."""
    return evaluate(model, ids) * len(ids) / characters


def recitation(setup: TrainingSetup) -> Signs:
    """How much of the training text the trained model goes on with, word for word.

    Half a context of the text is given, the most probable token is taken each time.
    """
    trained = setup.trained()
    if trained is None:
        return {}
    tokens, context = setup.tokens("train"), setup.model_config.n_ctx
    given = context // 2
    starts = np.linspace(0, max(0, len(tokens) - context - 1), RECITED_PLACES).round().astype(int)
    wanted = tokens[starts[:, None] + np.arange(context)].astype(np.int64)
    written, model = torch.from_numpy(wanted[:, :given]), trained.model.eval()
    with torch.no_grad():
        for _ in range(min(context - given, RECITED_TOKENS)):
            best = model(written)[:, -1].argmax(dim=-1, keepdim=True)
            written = torch.cat([written, best], dim=1)
    same = written[:, given:].numpy() == wanted[:, given : written.size(1)]
    lengths = np.cumprod(same, axis=1).sum(axis=1)
    longest = int(lengths.argmax())
    passage = written[longest, given : given + int(lengths[longest])].tolist()
    return {
        "probe_recited": float(same.mean()),
        "probe_longest_copied": float(len(setup.tokenizer.decode(passage))),
    }


def texts(setup: TrainingSetup) -> Signs:
    """What the texts are like: damaged and replaced characters, and validation in the training."""
    train, validation = setup.texts["train"], setup.texts["validation"]
    sample = train[: 4 * CHARACTERS]
    report = find_copies(validation[:CHARACTERS], train)
    substituted = substituted_share(train[:COMPARED_CHARACTERS])
    known = {} if math.isnan(substituted) else {"probe_substituted": substituted}
    return known | {
        "probe_leaked": report.share,
        "probe_strange": sum(map(is_strange, sample)) / max(1, len(sample)),
        "probe_unknown": setup.tokenizer.count_fallback(sample) / max(1, len(sample)),
    }


def is_strange(character: str) -> bool:
    """No Chinese character, no usual mark, letter, digit or blank of a Chinese text."""
    point = ord(character)
    usual = (
        0x4E00 <= point <= 0x9FFF
        or 0x3000 <= point <= 0x303F
        or 0xFF00 <= point <= 0xFF5E
        or character in "\n —…“”‘’·"
        # Many novels have the marks of the keyboard; a question mark also stands for what a wrong
        # encoding lost, and asks more often then.
        or (0x20 < point < 0x7F and character != "?")
    )
    return not usual
