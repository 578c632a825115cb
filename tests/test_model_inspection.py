"""Stage 05: the heads' weights are those that the model computes with, and heads come out."""

import pytest
import torch

from novelkit.model import GPT2, ModelConfig
from novelkit.model.inspection import attention_weights, share_on, without_head

torch.set_num_threads(1)
SIZE = ModelConfig(vocab_size=50, n_ctx=16, n_layer=3, n_head=4, n_embd=32, dropout=0.3)


@pytest.fixture
def model() -> GPT2:
    torch.manual_seed(0)
    made = GPT2(SIZE)
    with torch.no_grad():  # a fresh model looks everywhere alike, which would hide a wrong head
        for parameter in made.parameters():
            parameter.mul_(8 if parameter.dim() == 2 else 1)
    return made.eval()


@pytest.fixture
def ids() -> torch.Tensor:
    return torch.randint(0, 50, (2, 12), generator=torch.Generator().manual_seed(1))


def test_rows_sum_to_one_and_none_looks_ahead(model, ids):
    weights = attention_weights(model, ids)
    assert weights.shape == (3, 2, 4, 12, 12)
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 2, 4, 12))
    assert (weights.triu(1) == 0).all()
    assert weights.tril().max() > 0.5 > weights[..., -1, :].min()


def test_the_weights_are_those_that_the_layer_mixes_its_values_with(model, ids):
    weights = attention_weights(model, ids)
    seen = {}
    for block in model.blocks:
        block.attention.register_forward_hook(
            lambda module, inputs, output: seen.update({module.layer: (inputs[0], output)})
        )
    with torch.no_grad():
        model(ids)
    for layer, block in enumerate(model.blocks):
        x, output = seen[layer]
        value = block.attention.query_key_value(x)[..., 64:].view(2, 12, 4, 8).transpose(1, 2)
        mixed = (weights[layer] @ value).transpose(1, 2).reshape(2, 12, 32)
        torch.testing.assert_close(block.attention.project(mixed), output)


def test_looking_changes_nothing(model, ids):
    model.train()
    attention_weights(model, ids)
    assert model.training and all(module.training for module in model.modules())
    assert not any(module._forward_pre_hooks for module in model.modules())
    # Dropout is left out, so that two looks see the same.
    assert torch.equal(attention_weights(model, ids), attention_weights(model, ids))


def test_hooks_go_even_when_the_model_refuses(model):
    with pytest.raises(ValueError, match="n_ctx"):
        attention_weights(model, torch.zeros(1, 17, dtype=torch.long))
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_a_head_that_is_out_is_as_one_whose_columns_are_zero(model, ids):
    with without_head(model, 1, 2), torch.no_grad():
        without = model(ids)
    plain = model(ids)
    with torch.no_grad():
        model.blocks[1].attention.project.weight[:, 16:24] = 0
        expected = model(ids)
    torch.testing.assert_close(without, expected)
    assert (without - plain).abs().max() > 1e-3


def test_a_head_comes_back_after_an_error(model, ids):
    before = model(ids)
    with pytest.raises(RuntimeError), without_head(model, 0, 0):
        raise RuntimeError
    assert torch.equal(model(ids), before)


@pytest.mark.parametrize("layer, head", [(0, 4), (0, -1), (3, 0)])
def test_a_head_that_is_not_there(model, layer, head):
    with pytest.raises(IndexError), without_head(model, layer, head):
        pass


def test_shares_of_hand_made_weights():
    # One sequence, one head that looks back by one, one that looks at the first token.
    back = torch.eye(4).roll(1, dims=0)
    back[0] = torch.tensor([1.0, 0, 0, 0])
    first = torch.zeros(4, 4)
    first[:, 0] = 1
    weights = torch.stack([back, first])[None, None]  # (1 layer, 1, 2 heads, 4, 4)
    previous = torch.eye(4).roll(1, dims=0).tril(-1)
    shares = share_on(weights, previous)
    # Rows 1, 2 and 3 have a previous token; of them the second head hits it in row 1 alone.
    torch.testing.assert_close(shares, torch.tensor([[1.0, 1 / 3]]))


def test_shares_with_places_of_each_sequence(model, ids):
    weights = attention_weights(model, ids)
    marked = (ids < 25)[:, None, :].expand(2, 12, 12).tril()
    expected = torch.zeros(3, 4)
    rows = 0
    for b in range(2):
        for t in range(12):
            if marked[b, t].any():
                rows += 1
                expected += weights[:, b, :, t, marked[b, t]].sum(-1)
    torch.testing.assert_close(share_on(weights, marked), expected / rows)


def test_no_place_at_all_is_refused():
    with pytest.raises(ValueError, match="no row"):
        share_on(torch.ones(1, 1, 3, 3), torch.zeros(3, 3))
