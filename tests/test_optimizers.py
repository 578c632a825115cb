"""Stage 06, optimizers: what each moves, what it computes, and that its state comes back."""

import math
import sys
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import GPT2Config, GPT2LMHeadModel

from novelkit.environment import Compute
from novelkit.errors import InputError
from novelkit.model import GPT2, CausalLM, ModelConfig
from novelkit.model.folder import state_for_transformers
from novelkit.training import TrainConfig
from novelkit.training.average import WeightAverage
from novelkit.training.batches import BatchStream
from novelkit.training.config import LEARNING_RATES, OPTIMIZERS
from novelkit.training.muon import Muon, orthogonalise
from novelkit.training.optimizers import load_state_tensors, shrink, state_tensors
from novelkit.training.step import Learner

torch.set_num_threads(1)
SIZE = ModelConfig(50, n_ctx=16, n_layer=2, n_head=2, n_embd=16, dropout=0.0)
CPU = Compute("cpu", "float32", False, "测试用")
# With which each learns these data within a hundred steps.
RATES = {"muon": 1e-2, "adamw": 1e-2, "lamb": 3e-2, "adafactor": 3e-2, "sgd": 1.0}
SETTINGS = {"lamb": {"beta2": 0.95}}
DTYPES = [torch.float32, torch.bfloat16, torch.float16]


def learner(optimizer: str, **changes) -> Learner:
    torch.manual_seed(0)
    config = TrainConfig(optimizer=optimizer, batch_size=4, weight_decay=0.0)
    return Learner(GPT2(SIZE), replace(config, **changes), CPU)


def stream() -> BatchStream:
    """A text whose every second character follows from the one before it."""
    random = torch.Generator().manual_seed(1)
    pairs = torch.randint(0, 25, (400,), generator=random)
    tokens = torch.stack([pairs, pairs + 25], dim=1).flatten()
    return BatchStream(tokens.numpy(), SIZE.n_ctx, 4, seed=0)


def losses(one: Learner, steps: range) -> list[float]:
    batches, rate = stream(), RATES[one.config.optimizer]
    return [one.update(batches.batch(step), rate, step)["loss"] for step in steps]


# Muon


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@given(rows=st.integers(1, 40), columns=st.integers(1, 40), seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_singular_values_are_pushed_towards_one(dtype, rows, columns, seed):
    random = torch.Generator().manual_seed(seed)
    # Of full rank and not badly conditioned: zero stays zero, whatever the iteration.
    left, _ = torch.linalg.qr(torch.randn(2, rows, rows, generator=random))
    right, _ = torch.linalg.qr(torch.randn(2, columns, columns, generator=random))
    rank = min(rows, columns)
    values = torch.linspace(0.1, 1, rank).diag()
    matrices = left[..., :rank] @ values @ right[..., :rank].mT * 1000
    found = torch.linalg.svdvals(orthogonalise([*matrices], dtype).float())
    assert found.min() > 0.6 and found.max() < 1.3


def test_a_large_gradient_does_not_overflow_float16():
    found = orthogonalise([torch.full((64, 64), 1e4) + torch.eye(64) * 1e6], torch.float16)
    assert found.isfinite().all()
    assert orthogonalise([torch.zeros(3, 3)], torch.float16).eq(0).all()


def test_muon_is_that_of_pytorch():
    """PyTorch's own takes bfloat16 whatever the machine, which leaves some 0.5 % between them."""
    torch.manual_seed(0)
    shapes = [(48, 16), (16, 16), (64, 16), (16, 64)] * 2
    ours = [torch.nn.Parameter(torch.randn(shape) * 0.02) for shape in shapes]
    theirs = [torch.nn.Parameter(item.detach().clone()) for item in ours]
    one = Muon(ours, lr=1e-2, weight_decay=0.3, dtype=torch.bfloat16)
    other = torch.optim.Muon(theirs, lr=1e-2, weight_decay=0.3, adjust_lr_fn="match_rms_adamw")
    starts = [item.detach().clone() for item in ours]
    for _ in range(5):
        for left, right in zip(ours, theirs, strict=True):
            left.grad = torch.randn_like(left)
            right.grad = left.grad.clone()
        one.step()
        other.step()
    for left, right, start in zip(ours, theirs, starts, strict=True):
        moved, expected = left - start, right - start
        assert (moved - expected).norm() < 0.02 * expected.norm()


def test_muon_takes_matrices_only():
    with pytest.raises(ValueError, match="matrices"):
        Muon([torch.nn.Parameter(torch.zeros(3))])


@pytest.mark.parametrize("axis", [0, 1])
def test_query_key_and_value_move_as_three_matrices(axis):
    torch.manual_seed(0)
    thirds = [torch.nn.Parameter(torch.randn(16, 16) * 0.02) for _ in range(3)]
    fused = torch.nn.Parameter(torch.cat([item.detach() for item in thirds], axis))
    alone = torch.nn.Parameter(fused.detach().clone())
    groups = (thirds, [{"params": [fused], "axis": axis}], [alone])
    optimizers = [Muon(group, lr=0.1) for group in groups]
    for _ in range(3):
        fused.grad = torch.randn_like(fused)
        alone.grad = fused.grad.clone()
        for item, gradient in zip(thirds, fused.grad.chunk(3, axis), strict=True):
            item.grad = gradient.clone()
        for optimizer in optimizers:
            optimizer.step()
    assert torch.allclose(fused, torch.cat(thirds, axis), atol=1e-5)
    assert not torch.allclose(fused, alone, atol=1e-2)


def test_query_key_and_value_are_found_in_either_layout():
    """Ours keeps (out, in), transformers' GPT-2 the transposed: the same steps from the same."""
    torch.manual_seed(0)
    ours = GPT2(SIZE)
    sizes = {"n_positions": 16, "n_layer": 2, "n_head": 2, "n_embd": 16, "vocab_size": 50}
    sizes |= {"bos_token_id": None, "eos_token_id": None}
    sizes |= dict.fromkeys(("attn_pdrop", "embd_pdrop", "resid_pdrop"), 0.0)
    theirs = CausalLM(GPT2LMHeadModel(GPT2Config(**sizes)))
    theirs.model.load_state_dict(state_for_transformers(ours), strict=False)
    for model in (ours, theirs):
        config = TrainConfig(optimizer="muon", batch_size=4)
        one = Learner(model, config, CPU)
        assert len(one.optimizers["muon"].param_groups) == 2
        one.update(stream().batch(1), 1e-2, 1)
    found = theirs.model.state_dict()
    for name, expected in state_for_transformers(ours).items():
        # AdamW's first step is the gradient's sign, which rounding decides near zero.
        if expected.dim() == 2 and ".h." in name:
            assert torch.allclose(found[name], expected, atol=2e-4), name


def test_a_parameter_without_gradient_keeps_still():
    parameter = torch.nn.Parameter(torch.ones(2, 2))
    Muon([parameter]).step()
    assert parameter.eq(1).all()


# All of them


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_each_learns(optimizer):
    """Half of the characters follow from the one before, the others are noise: ln(25) / 2."""
    found = losses(learner(optimizer, **SETTINGS.get(optimizer, {})), range(1, 151))
    assert found[0] == pytest.approx(math.log(50), abs=0.1)
    assert sum(found[-10:]) / 10 < 0.75 * found[0]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_its_state_comes_back_to_the_bit(optimizer):
    straight, first = learner(optimizer), learner(optimizer)
    expected = losses(straight, range(1, 13))[6:]
    losses(first, range(1, 7))
    again = learner(optimizer)
    again.model.load_state_dict(first.model.state_dict())
    tensors = state_tensors(first.model, first.optimizers)
    load_state_tensors(again.model, again.optimizers, tensors)
    assert losses(again, range(7, 13)) == expected
    # And without it they would differ, so that the line above says something.
    bare = learner(optimizer)
    bare.model.load_state_dict(first.model.state_dict())
    assert losses(bare, range(7, 13)) != expected


def test_frozen_weights_are_in_no_optimizer():
    model = GPT2(SIZE)
    model.blocks.requires_grad_(False)
    one = Learner(model, TrainConfig(batch_size=4), CPU)
    before = {name: item.clone() for name, item in model.blocks.state_dict().items()}
    losses(one, range(1, 4))
    assert list(one.optimizers) == ["adamw"]
    assert all(item.equal(before[name]) for name, item in model.blocks.state_dict().items())
    assert len(state_tensors(model, one.optimizers)) == 3 * 4  # two embeddings, a norm's two


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_each_has_a_learning_rate_of_its_own(optimizer):
    config = TrainConfig(optimizer=optimizer)
    assert config.learning_rate == config.peak_rate == LEARNING_RATES[optimizer]
    assert config.as_dict()["learning_rate"] == LEARNING_RATES[optimizer]
    assert TrainConfig(optimizer=optimizer, learning_rate=0.5).peak_rate == 0.5


def test_lamb_without_its_package_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch_optimizer", None)
    with pytest.raises(InputError, match="pip install pytorch-optimizer"):
        learner("lamb")


def test_l1_pulls_by_a_constant_and_not_beyond_zero():
    one = learner("adamw")
    matrix, bias = torch.nn.Parameter(torch.tensor([[0.5, -0.5, 0.01]])), one.model.norm.bias
    one.optimizers["adamw"].param_groups[0]["params"].append(matrix)
    with torch.no_grad():
        bias.fill_(0.5)
    shrink(one.optimizers, 0.1)
    assert torch.allclose(matrix, torch.tensor([[0.4, -0.4, 0.0]]))
    assert bias.eq(0.5).all()


def test_an_l1_penalty_makes_weights_zero_and_weight_decay_does_not():
    share = {}
    for name in ("l1_penalty", "weight_decay"):
        one = learner("adamw", **{name: 0.3})
        losses(one, range(1, 41))
        weights = torch.cat([block.expand.weight.flatten() for block in one.model.blocks])
        share[name] = float(weights.eq(0).float().mean())
    assert share["l1_penalty"] > 0.3 and share["weight_decay"] == 0


# What the loss is, and what is minimised


def test_the_logged_loss_is_the_plain_one_under_label_smoothing():
    batch = stream().batch(1)
    plain, smoothed = learner("adamw"), learner("adamw", label_smoothing=0.3)
    expected = plain.update(batch, 1e-3, 1)
    found = smoothed.update(batch, 1e-3, 1)
    assert found["loss"] == pytest.approx(expected["loss"], rel=1e-6)
    assert found["gradient_norm"] != pytest.approx(expected["gradient_norm"], rel=1e-3)


def test_label_smoothing_is_that_of_pytorch():
    batch, one = stream().batch(1), learner("adamw", label_smoothing=0.3, gradient_clip=1e9)
    ids, targets = map(torch.from_numpy, (batch.inputs, batch.targets))
    logits = one.model(ids).flatten(0, 1)
    loss = torch.nn.functional.cross_entropy(logits, targets.flatten(), label_smoothing=0.3)
    gradients = torch.autograd.grad(loss, list(one.model.parameters()))
    norm = torch.stack([item.square().sum() for item in gradients]).sum().sqrt()
    assert one.update(batch, 1e-3, 1)["gradient_norm"] == pytest.approx(norm.item(), rel=1e-5)


def test_the_spread_is_that_of_the_sequences():
    batch, one = stream().batch(1), learner("adamw", accumulation=2)
    ids, targets = map(torch.from_numpy, (batch.inputs, batch.targets))
    with torch.no_grad():
        rows = one.model.token_losses(ids, targets)
    counts = (targets != -100).sum(dim=1)
    means = rows.sum(dim=1) / counts
    record = one.update(batch, 1e-3, 1)
    assert record["loss_spread"] == pytest.approx(means.std().item(), rel=1e-5)
    assert record["loss"] == pytest.approx((rows.sum() / counts.sum()).item(), rel=1e-6)


def test_the_update_ratio_is_the_step_over_the_weights():
    one = learner("sgd", gradient_clip=1e9, beta1=0.0)
    before = {name: item.clone() for name, item in one.model.state_dict().items()}
    record = one.update(stream().batch(1), 1e-2, 1)
    hidden = [name for name, item in before.items() if item.dim() == 2 and "blocks" in name]
    assert len(hidden) == 8  # of which every one is watched
    moved = sum((one.model.state_dict()[n] - before[n]).square().sum().item() for n in hidden)
    weights = sum(before[name].square().sum().item() for name in hidden)
    assert record["update_ratio"] == pytest.approx(math.sqrt(moved / weights), rel=1e-3)


# The average


def test_the_average_remembers_as_long_as_it_is_told():
    model = GPT2(SIZE)
    average = WeightAverage(model, 0.9)
    weight = model.norm.weight
    expected = weight.detach().clone()
    for step in range(1, 200):
        with torch.no_grad():
            weight.fill_(step)
        average.update(step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    assert torch.allclose(average.model.norm.weight, expected)
    assert average.model is not model and not average.model.training


def test_the_average_is_evaluated_and_the_weights_are_trained():
    one = learner("adamw", ema_decay=0.9)
    assert one.evaluated is one.average.model
    before = one.evaluated.token_embedding.weight.clone()
    losses(one, range(1, 4))
    between = one.evaluated.token_embedding.weight
    assert not between.equal(before) and not between.equal(one.model.token_embedding.weight)
    without = learner("adamw")
    assert without.evaluated is without.model
