"""Stage 05, the fast ways: each computes what the plain one computes, gradients included."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from novelkit.model import attention, kernels
from novelkit.model.kernels import head_losses, mix

torch.set_num_threads(1)


def parts(tokens: int, dtype: torch.dtype = torch.float32, trains: bool = True) -> list:
    random = torch.Generator().manual_seed(tokens)
    shape = (2, 3, tokens, 8)
    found = [torch.randn(shape, generator=random).to(dtype) for _ in range(3)]
    return [part.requires_grad_(trains) for part in found]


@pytest.fixture
def in_three_products(monkeypatch):
    """The way of bfloat16 and of dropout, whatever the precision."""
    monkeypatch.setattr(kernels, "_is_slow_in_one_kernel", lambda *values: True)


@pytest.mark.usefixtures("in_three_products")
@pytest.mark.parametrize("tokens", [1, 2, 17])
def test_three_products_are_attention(tokens):
    inputs = parts(tokens)
    found, expected = mix(*inputs, dropout=0.0, causal=True), attention(*inputs)
    assert torch.allclose(found, expected, atol=1e-6)
    gradients = torch.autograd.grad(found.square().sum(), inputs)
    plain = torch.autograd.grad(expected.square().sum(), inputs)
    for one, other in zip(gradients, plain, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_the_kernel_is_attention():
    inputs = parts(9, trains=False)
    assert torch.allclose(mix(*inputs, dropout=0.0, causal=True), attention(*inputs), atol=1e-6)


def test_bfloat16_is_as_close_as_the_kernel():
    exact = attention(*parts(33))
    low = parts(33, torch.bfloat16)
    kernel = F.scaled_dot_product_attention(*low, is_causal=True)
    errors = [(found.float() - exact).norm() for found in (mix(*low, 0.0, True), kernel)]
    assert errors[0] < 1.5 * errors[1] and errors[0] < 0.02 * exact.norm()


def test_one_new_token_sees_all_that_is_cached():
    query, key, value = parts(9, trains=False)
    expected = attention(query, key, value)[:, :, -1:]
    found = mix(query[:, :, -1:], key, value, dropout=0.0, causal=False)
    assert torch.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_dropout_drops_weights_of_the_past_and_keeps_the_mean(dtype):
    """With equal scores and values of 1, a position's mixed value is the share that was kept."""
    zeros = torch.zeros(4, 4, 64, 8, dtype=dtype, requires_grad=True)
    ones = torch.ones_like(zeros)
    torch.manual_seed(0)
    found = mix(zeros, zeros, ones, dropout=0.25, causal=True).float()
    # The first position has one weight: it is dropped, or kept and made larger.
    first = found[:, :, 0].unique()
    assert torch.allclose(first, torch.tensor([0.0, 1 / 0.75]), atol=0.01)
    assert found.mean().item() == pytest.approx(1.0, abs=0.05)
    # Nothing of the future comes in by way of a weight that was dropped.
    future = torch.cat([ones[:, :, :32], torch.full_like(ones[:, :, 32:], math.inf)], dim=2)
    torch.manual_seed(0)
    past = mix(zeros, zeros, ones[:, :, :], dropout=0.25, causal=True)[:, :, :32]
    torch.manual_seed(0)
    changed = mix(zeros, zeros, future.clamp(max=100.0), dropout=0.25, causal=True)[:, :, :32]
    assert torch.equal(past, changed)


@given(rows=st.integers(1, 700), seed=st.integers(0, 100), low=st.booleans())
@settings(max_examples=25, deadline=None)
def test_losses_in_parts_are_those_of_the_whole(rows, seed, low):
    random = torch.Generator().manual_seed(seed)
    hidden = torch.randn(rows, 16, generator=random, requires_grad=True)
    weight = torch.randn(50, 16, generator=random, requires_grad=True)
    targets = torch.randint(0, 50, (rows,), generator=random)
    targets[torch.rand(rows, generator=random) < 0.2] = -100
    plain = F.cross_entropy(hidden @ weight.T, targets, reduction="none")
    with torch.autocast("cpu", torch.bfloat16, enabled=low):
        found = head_losses(hidden, weight, targets)
    assert found.dtype == torch.float32 and found.shape == (rows,)
    assert found[targets == -100].eq(0).all()
    assert torch.allclose(found, plain, atol=0.15 if low else 1e-5)
    gradients = torch.autograd.grad(found.sum(), [hidden, weight], materialize_grads=True)
    expected = torch.autograd.grad(plain.sum(), [hidden, weight], materialize_grads=True)
    for one, other in zip(gradients, expected, strict=True):
        error = (one - other).norm() / other.norm().clamp(min=1e-3)
        assert error < (0.05 if low else 1e-5)
