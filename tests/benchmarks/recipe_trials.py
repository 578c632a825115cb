"""One training run of the recipe benchmark: its settings, its clock, its curve.

A recipe runs in plain PyTorch, or through our own `Learner` as `novelkit train` does it
(`library`). Both pass the same batches through the same `Objective` in the same precision.
"""

import copy
import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import AdamW, Optimizer

from novelkit.environment import Compute
from novelkit.model import GPT2, gpt2, preset
from novelkit.training import TrainConfig, evaluate
from novelkit.training.batches import BatchStream
from novelkit.training.data import TrainingData
from novelkit.training.muon import orthogonalise
from novelkit.training.objective import Objective
from novelkit.training.schedule import Cycle, learning_rate
from novelkit.training.step import Learner

NEURON_MOMENTUM = 0.95


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a run but its data, length and seed."""

    name: str
    # With a configuration the run goes through `Learner`, and what follows does not count.
    library: TrainConfig | None = None
    optimizer: str = "muon"
    learning_rate: float = 3e-3
    # Of embeddings, norms and biases; None: the same.
    embedding_rate: float | None = None
    norm_rate: float | None = None
    weight_decay: float = 0.1
    embedding_decay: float | None = None
    beta1: float = 0.9
    beta2: float = 0.95
    split: str = ""  # what Muon orthogonalises alone: q, k, v ("qkv") or each head ("heads")
    neuron_norm: bool = False  # NorMuon: rows of an update share one size (arXiv:2510.05491)
    momentum: float = 0.95  # of Muon
    momentum_warmup: int = 0  # steps from a tenth below it
    schedule: str = "wsd"  # or cosine (to a tenth), linear
    cooldown: float = 0.2
    linear_cooldown: bool = False  # instead of 1 - sqrt
    warmup_steps: int = 20  # at most a tenth of the run
    warmup_share: float = 0.0  # of the run, instead
    batch_size: int = 16
    clip: float = 1.0
    dropout: float = 0.0
    label_smoothing: float = 0.0
    ema: float = 0.0
    zero_outputs: bool = False
    embedding_std: float = 0.02
    position_std: float = 0.02
    own_kernels: bool = True  # or PyTorch's, as a loop of its own would call them

    def but(self, name: str, **changes: Any) -> "Recipe":
        """A variant under a name of its own."""
        return replace(self, name=name, **changes)

    @property
    def batch(self) -> int:
        return self.library.batch_size if self.library else self.batch_size


@dataclass(frozen=True)
class Setting:
    """What all recipes of a comparison share; `sizes` are changes of the tiny preset."""

    data: TrainingData
    compute: Compute
    sizes: dict[str, int] = field(default_factory=dict)
    blocks: int = 192  # of the validation split, evenly spaced, in each evaluation


class CandidateMuon(Optimizer):
    """Muon as ours; matrices in parts, rows of one size, a momentum that warms up, if asked."""

    def __init__(
        self, groups: Iterable[dict[str, Any]], dtype: torch.dtype, recipe: Recipe
    ) -> None:
        super().__init__(groups, {"lr": 0.0, "weight_decay": 0.0, "parts": 1, "steps": 0})
        self.dtype, self.recipe = dtype, recipe

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            group["steps"] += 1
            early = max(0.0, 1 - group["steps"] / max(1, self.recipe.momentum_warmup))
            momentum = self.recipe.momentum - 0.1 * early
            by_shape: dict[torch.Size, list[Tensor]] = {}
            for parameter in group["params"]:
                by_shape.setdefault(parameter.shape, []).append(parameter)
            for parameters in by_shape.values():
                ahead = [self._look_ahead(item, momentum) for item in parameters]
                parts = [
                    part for item in ahead for part in item.chunk(abs(group["parts"]), _axis(group))
                ]
                scale = 0.2 * max(parts[0].shape) ** 0.5
                updates = orthogonalise(parts, self.dtype)
                each = len(parts) // len(parameters)
                for index, parameter in enumerate(parameters):
                    update = torch.cat([*updates[index * each : (index + 1) * each]], _axis(group))
                    if self.recipe.neuron_norm:
                        update = self._even_rows(parameter, update.float())
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    parameter.add_(update, alpha=-group["lr"] * scale)

    def _look_ahead(self, parameter: Tensor, momentum: float) -> Tensor:
        state = self.state[parameter]
        if not state:
            state["buffer"] = torch.zeros_like(parameter)
        buffer = state["buffer"].lerp_(parameter.grad, 1 - momentum)
        return parameter.grad.lerp(buffer, momentum)

    def _even_rows(self, parameter: Tensor, update: Tensor) -> Tensor:
        """Divide every row by its root mean square over the last steps; keep the whole's norm."""
        state, mean = self.state[parameter], update.square().mean(dim=1, keepdim=True)
        rows = state.setdefault("rows", torch.zeros_like(mean)).lerp_(mean, 1 - NEURON_MOMENTUM)
        even = update / rows.sqrt().add(1e-8)
        return even * (update.norm() / even.norm())


def _axis(group: dict[str, Any]) -> int:
    """Parts are rows, or columns where the number is negative."""
    return 0 if group["parts"] > 0 else 1


class Trial:
    """A run that can be driven in turns; its seconds are those of training alone."""

    def __init__(
        self,
        recipe: Recipe,
        setting: Setting,
        seed: int,
        steps: int | None = None,
        seconds: float | None = None,
    ) -> None:
        """As long as `steps`, or as `seconds` of its own clock."""
        self.recipe, self.setting, self.seed = recipe, setting, seed
        self.steps, self.limit = steps, seconds
        self.step, self.seconds = 0, 0.0
        self.curve: list[tuple[int, float, float]] = []
        torch.manual_seed(seed)
        vocabulary = setting.data.header["vocabulary"]
        size = preset("tiny", vocabulary, **{"dropout": recipe.dropout, **setting.sizes})
        self.model = GPT2(size).to(setting.compute.device)
        self.stream = BatchStream(setting.data.tokens("train"), size.n_ctx, recipe.batch, seed)
        self.cycle = Cycle(0)
        if recipe.library:
            config = replace(recipe.library, seed=seed)
            self.learner = Learner(self.model, config, setting.compute)
            if steps:
                self.cycle = self.cycle.with_end(steps, config.cooldown_share)
        else:
            self._prepare_plain()

    def branch(self, seconds: float) -> "Trial":
        """The same run with another length: until its cooldown begins it is this one."""
        trial = Trial(self.recipe, self.setting, self.seed, seconds=seconds)
        trial.step, trial.seconds, trial.curve = self.step, self.seconds, [*self.curve]
        trial.model.load_state_dict(self.model.state_dict())
        for mine, other in zip(self._optimizers(), trial._optimizers(), strict=True):
            other.load_state_dict(copy.deepcopy(mine.state_dict()))
        if mine_average := self._average():
            trial._average().load_state_dict(mine_average.state_dict())
        return trial

    def _optimizers(self) -> list[Optimizer]:
        return [*self.learner.optimizers.values()] if self.recipe.library else self.optimizers

    def _average(self) -> GPT2 | None:
        """The average of the weights, where the recipe keeps one."""
        if self.recipe.library:
            return self.learner.average.model if self.learner.average else None
        return self.average

    @property
    def cooldown(self) -> float:
        return self.recipe.library.cooldown_share if self.recipe.library else self.recipe.cooldown

    @property
    def finished(self) -> bool:
        if self.cycle.end is not None:
            return self.step >= self.cycle.end
        return self._progress() >= 1

    def _progress(self) -> float:
        return self.step / self.steps if self.steps else self.seconds / (self.limit or math.inf)

    def advance(self, steps: int | None = None, seconds: float | None = None) -> None:
        """Train until the run has so many steps or seconds, or is finished."""
        while not self.finished:
            if (steps and self.step >= steps) or (seconds and self.seconds >= seconds):
                return
            began = clock(self.setting.compute)
            self.step += 1
            if self.recipe.library:
                self._library_step(self.recipe.library)
            else:
                self._plain_step()
            self.seconds += clock(self.setting.compute) - began

    def measure(self, blocks: int | None = None) -> float:
        """Validation loss in nats per token; costs the run no time."""
        tokens = self.setting.data.tokens("validation")
        loss = evaluate(self._average() or self.model, tokens, blocks or self.setting.blocks)
        self.curve.append((self.step, round(self.seconds, 2), round(loss, 5)))
        return loss

    def _library_step(self, config: TrainConfig) -> None:
        if self.limit and self.cycle.end is None:
            share = config.cooldown_share
            if self.seconds >= self.limit * (1 - share) and self.step > 1:
                self.cycle = self.cycle.cool_down_after(self.step - 1, share)
        rate = learning_rate(self.step, self.cycle, config)
        self.learner.update(self.stream.batch(self.step), rate, self.step)

    def _prepare_plain(self) -> None:
        recipe, named = self.recipe, dict(self.model.named_parameters())
        _initialise(self.model, recipe)
        device, dtype = self.setting.compute.device, getattr(torch, self.setting.compute.dtype)
        self.objective = Objective(self.model, recipe.label_smoothing)
        self.autocast = torch.autocast(device, dtype=dtype, enabled=dtype != torch.float32)
        hidden = {
            n: item for n, item in named.items() if n.startswith("blocks.") and item.dim() == 2
        }
        groups = [*_other_groups(named, hidden, recipe)]
        of_hidden = [*_hidden_groups(hidden, recipe, self.model.config.n_head)]
        self.optimizers: list[Optimizer] = []
        if recipe.optimizer == "muon":
            self.optimizers.append(CandidateMuon(of_hidden, dtype, recipe))
        else:
            groups += [{k: v for k, v in group.items() if k != "parts"} for group in of_hidden]
        self.optimizers.append(AdamW(groups, betas=(recipe.beta1, recipe.beta2), fused=True))
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["peak"] = group["lr"]
        self.average: GPT2 | None = None
        if recipe.ema:
            self.average = copy.deepcopy(self.model).requires_grad_(False).eval()

    def _plain_step(self) -> None:
        share = self._share()
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * share
        batch, device = self.stream.batch(self.step), self.setting.compute.device
        self.model.train()
        with self.autocast, nullcontext() if self.recipe.own_kernels else plain_kernels():
            _, total = self.objective(
                torch.from_numpy(batch.inputs).to(device),
                torch.from_numpy(batch.targets).to(device),
            )
        (total / batch.targets.size).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        if self.average:
            self._follow(self.average)

    @torch.no_grad()
    def _follow(self, average: GPT2) -> None:
        decay = min(self.recipe.ema, (1 + self.step) / (10 + self.step))
        averages, weights = [*average.parameters()], [*self.model.parameters()]
        torch._foreach_lerp_(averages, weights, 1 - decay)

    def _share(self) -> float:
        """The share of the peak learning rate of this step."""
        recipe, done = self.recipe, self._progress()
        if recipe.warmup_share:
            warmup = done / recipe.warmup_share
        else:
            longest = self.steps / 10 if self.steps else math.inf
            warmup = self.step / max(1.0, min(recipe.warmup_steps, longest))
        if warmup < 1:
            return max(warmup, 1e-3)
        if recipe.schedule == "wsd":
            cooling = max(0.0, done - (1 - recipe.cooldown)) / max(recipe.cooldown, 1e-9)
            return 1 - (cooling if recipe.linear_cooldown else math.sqrt(cooling))
        after = (done - recipe.warmup_share) / (1 - recipe.warmup_share)
        if recipe.schedule == "linear":
            return 1 - after
        return 0.1 + 0.9 * (1 + math.cos(math.pi * after)) / 2


@contextmanager
def plain_kernels() -> Iterator[None]:
    """Attention in one call and the loss of all logits at once, as nanoGPT has them."""

    def mix(query: Tensor, key: Tensor, value: Tensor, dropout: float, causal: bool) -> Tensor:
        return F.scaled_dot_product_attention(
            query, key, value, dropout_p=dropout, is_causal=causal
        )

    def head_losses(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(hidden @ weight.T, targets, reduction="none")

    with (
        mock.patch.object(gpt2, "mix", mix),
        mock.patch.object(gpt2, "head_losses", head_losses),
    ):
        yield


def clock(compute: Compute) -> float:
    """CPU seconds of this process of one thread; on a GPU the wall's, once it has caught up."""
    if compute.device == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def _hidden_groups(
    hidden: dict[str, Tensor], recipe: Recipe, heads: int
) -> Iterable[dict[str, Any]]:
    of_attention = {
        "query_key_value": {"qkv": 3, "heads": 3 * heads},
        "attention.project": {"heads": -heads},
    }
    by_parts: dict[int, list[Tensor]] = {}
    for name, item in hidden.items():
        found = [parts for part, parts in of_attention.items() if part in name]
        by_parts.setdefault(found[0].get(recipe.split, 1) if found else 1, []).append(item)
    for parts, items in by_parts.items():
        yield {
            "params": items,
            "lr": recipe.learning_rate,
            "weight_decay": recipe.weight_decay,
            "parts": parts,
        }


def _other_groups(
    named: dict[str, Tensor], hidden: dict[str, Tensor], recipe: Recipe
) -> Iterable[dict[str, Any]]:
    rate = recipe.embedding_rate or recipe.learning_rate
    decay = recipe.embedding_decay
    embeddings = [item for key, item in named.items() if item.dim() == 2 and key not in hidden]
    yield {
        "params": embeddings,
        "lr": rate,
        "weight_decay": recipe.weight_decay if decay is None else decay,
    }
    norms = [item for item in named.values() if item.dim() < 2]
    yield {"params": norms, "lr": recipe.norm_rate or rate, "weight_decay": 0.0}


@torch.no_grad()
def _initialise(model: GPT2, recipe: Recipe) -> None:
    """What differs from the model's own start, which is GPT-2's."""
    if recipe.zero_outputs:
        for block in model.blocks:
            block.attention.project.weight.zero_()
            block.contract.weight.zero_()
    for embedding, std in (
        (model.token_embedding, recipe.embedding_std),
        (model.position_embedding, recipe.position_std),
    ):
        embedding.weight.mul_(std / 0.02)
