"""A training with a fault in it, where neither its settings nor its records name the fault.

`FaultySetup` is the library's training with one piece exchanged. The same pieces make the run and
are what the probes try afterwards, as a learner's own code would be.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from faults_texts import spoil, train_tokenizer
from torch import Tensor, nn

from novelkit.diagnosis import TrainingSetup
from novelkit.model import GPT2, LanguageModel
from novelkit.tokenizing import IGNORED, CharTokenizer, Tokenizer
from novelkit.training.batches import Batch, BatchStream
from novelkit.training.history import Record
from novelkit.training.objective import Objective
from novelkit.training.step import Learner

# What a fault may exchange; all are off by default.
Knobs = dict[str, Any]


@dataclass
class FaultySetup(TrainingSetup):
    """The library's training with one piece exchanged by `knobs`."""

    knobs: Knobs = field(default_factory=dict)

    def __post_init__(self) -> None:
        if noise := self.knobs.get("noise"):
            texts = {name: spoil(text, *noise, seed=1) for name, text in self.texts.items()}
            self.texts, self.tokenizer = texts, train_tokenizer(texts["train"])
            self.model_config = replace(self.model_config, vocab_size=len(self.tokenizer))
        if kept := self.knobs.get("characters"):
            self.texts = {**self.texts, "train": self.texts["train"][:kept]}
        if leak := self.knobs.get("leak"):
            share, copies = leak
            validation = self.texts["validation"]
            leaked = validation[: int(share * len(validation))] * copies
            self.texts = {**self.texts, "train": self.texts["train"] + leaked}
        if width := self.knobs.get("width"):
            self.model_config = replace(self.model_config, n_embd=width, n_head=1, n_layer=1)
        if rate := self.knobs.get("sgd"):
            self._sgd = replace(self.config, optimizer="sgd", learning_rate=rate)

    def new_model(self) -> LanguageModel:
        model = super().new_model()
        if limit := self.knobs.get("overflow"):
            assert isinstance(model, GPT2)
            model.norm.register_forward_hook(_as_if_float16(limit))
        return model

    def new_learner(self, model: LanguageModel | None = None) -> Learner:
        model = model or self.new_model()
        objective = Objective(model)
        if "shift" in self.knobs:
            objective = Shifted(objective, self.knobs["shift"])
        config = self._sgd if "sgd" in self.knobs else self.config
        learner = Learner(model, config, self.compute, objective=objective)
        if frozen := self.knobs.get("frozen"):
            _withhold(learner, frozen)
        return learner

    def batch(self, step: int, session: int = 1) -> Batch:
        if self.knobs.get("resume") == "batches" and session > 1:
            step -= self.resumes[session - 2]
        if cycles := self.knobs.get("unshuffled"):
            return self._in_order(step, cycles)
        batch = super().batch(step, session)
        if rows := self.knobs.get("rows"):
            batch = self._few(step, rows, batch)
        if share := self.knobs.get("padding"):
            batch = self._padded(batch, share, step)
        return batch

    def _few(self, step: int, rows: int, batch: Batch) -> Batch:
        if 0 not in self._streams:
            stream = BatchStream(
                self.tokens("train"), self.model_config.n_ctx, rows, self.config.seed
            )
            self._streams[0] = stream
        few = self._streams[0].batch(step)
        return replace(few, epoch=batch.epoch, position=batch.position)

    def _in_order(self, step: int, cycles: float) -> Batch:
        """Rows that stand one behind the other, through all books, `cycles` times in a run."""
        tokens, context = self.tokens("train"), self.model_config.n_ctx
        rows = self.config.batch_size
        last = len(tokens) - context - 1
        share = (step - 1) * cycles / self.steps % 1.0
        starts = int(share * last) + context * np.arange(rows)
        windows = tokens[(starts % last)[:, None] + np.arange(context + 1)].astype(np.int64)
        usual = super().batch(step)
        return Batch(windows[:, :-1], windows[:, 1:], usual.epoch, usual.position)

    def _padded(self, batch: Batch, share: float, step: int) -> Batch:
        """Each row ends early, filled up with the end of a text, which is scored like all else."""
        random = np.random.default_rng((self.config.seed, step, 7))
        rows, context = batch.inputs.shape
        lengths = context * random.uniform(max(0, 1 - 2 * share), min(1, 2 - 2 * share), rows)
        after = np.arange(context) >= lengths[:, None]
        pad = self.tokenizer.end_of_text
        return replace(
            batch,
            inputs=np.where(after, pad, batch.inputs),
            targets=np.where(after, pad, batch.targets),
        )

    def update(self, learner: Learner, batch: Batch, step: int, factor: float = 1.0) -> Record:
        rate = self.learning_rate(step)
        logged = None
        if rows := self.knobs.get("logged"):
            part = replace(batch, inputs=batch.inputs[:rows], targets=batch.targets[:rows])
            logged = float(self.losses(learner, part).sum() / (part.targets != IGNORED).sum())
        if "sgd" in self.knobs:
            # The form of the schedule, at SGD's own height.
            factor *= self.knobs["sgd"] / self.config.peak_rate
        record = learner.update(batch, rate * factor * self._rate_factor(step), step)
        record["learning_rate"] = rate
        if logged is not None:
            record["loss"] = logged
        return record

    def _rate_factor(self, step: int) -> float:
        factor = self.knobs.get("rate", 1.0)
        if longer := self.knobs.get("warmup"):
            factor *= min(1.0, step / (longer * self.steps))
        if share := self.knobs.get("decayed"):
            factor *= 0.5 ** (step / (share * self.steps) * 5)
        return factor

    def losses(self, learner: Learner, batch: Batch, precise: bool = False) -> Tensor:
        if precise and "overflow" in self.knobs:
            clean = GPT2(self.model_config)
            clean.load_state_dict(learner.model.state_dict())
            learner = Learner(clean, self.config, self.compute)
        return super().losses(learner, batch, precise)

    def validation_loss(self, learner: Learner) -> float:
        """By the training's own objective and batches, where a fault lies in one of them."""
        if not {"shift", "padding"} & self.knobs.keys():
            return super().validation_loss(learner)
        context = self.model_config.n_ctx
        stream = BatchStream(self.tokens("validation"), context, 16, 0)
        total, count = 0.0, 0
        for number in range(1, 5):
            batch = stream.batch(number)
            if share := self.knobs.get("padding"):
                batch = self._padded(batch, share, number)
            losses = self.losses(learner, batch)
            total += float(losses.sum())
            count += int((losses != 0).sum())
        return total / max(count, 1)

    def reopen(self, learner: Learner) -> Learner:
        lost = self.knobs.get("resume")
        if lost == "weights":
            torch.manual_seed(self.config.seed + 1)
            return self.new_learner(GPT2(self.model_config))
        again = super().reopen(learner)
        return self.new_learner(again.model) if lost == "optimizer" else again

    def sampler(self) -> tuple[LanguageModel, Tokenizer] | None:
        found = super().sampler()
        if found is None or "vocabulary" not in self.knobs:
            return found
        return found[0], self._other_tokenizer(*self.knobs["vocabulary"])

    def _other_tokenizer(self, kind: str, amount: float) -> Tokenizer:
        tokenizer = self.tokenizer
        order = [tokenizer.decode([number]) for number in _character_ids(tokenizer)]
        if kind == "rolled":
            count = int(amount)
            order = order[count:] + order[:count]
        elif kind == "sorted":
            order = sorted(order)
        else:
            random = np.random.default_rng(3)
            places = np.flatnonzero(random.random(len(order)) < amount)
            moved = random.permutation(places)
            changed = list(order)
            for place, other in zip(places.tolist(), moved.tolist(), strict=True):
                changed[place] = order[other]
            order = changed
        return CharTokenizer(order)


class Shifted(nn.Module):
    """Labels that stand `shift` tokens behind their inputs where 1 is right."""

    def __init__(self, objective: Objective, shift: int) -> None:
        super().__init__()
        self.objective, self.shift = objective, shift

    def forward(self, ids: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Losses (B, T) and their sum; positions without such a label are not scored."""
        moved = torch.full_like(targets, IGNORED)
        more = self.shift - 1
        if more < 0:
            moved[:, -more:] = targets[:, :more]
        else:
            moved[:, : targets.size(1) - more] = targets[:, more:]
        return self.objective(ids, moved)


def _as_if_float16(limit: float) -> Any:
    """A hook: numbers beyond `limit` become infinite, as those beyond 65,504 do in float16."""

    def overflow(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        return output.masked_fill(output.abs() > limit, float("inf"))

    return overflow


def _withhold(learner: Learner, what: str) -> None:
    """Take parameters away from the optimizers, by a part of their names."""
    parts = what.split("|")
    for name, parameter in learner.model.named_parameters():
        if not any(part in name for part in parts):
            continue
        for optimizer in learner.optimizers.values():
            for group in optimizer.param_groups:
                group["params"] = [item for item in group["params"] if item is not parameter]
    for name, optimizer in list(learner.optimizers.items()):
        if not any(group["params"] for group in optimizer.param_groups):
            del learner.optimizers[name]


def _character_ids(tokenizer: Tokenizer) -> list[int]:
    """The ids of single characters, in their order."""
    special = {tokenizer.book, tokenizer.chapter, tokenizer.end_of_text}
    found = []
    for number in range(len(tokenizer)):
        if number not in special and number not in tokenizer.byte_ids:
            found.append(number)
    return found
