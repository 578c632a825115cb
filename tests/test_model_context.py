"""Stage 05: a model that reads as many tokens at once as it was made for, fewer, or more."""

import pytest
import torch
from helpers_models import random_gpt2, save_llama

from novelkit.errors import InputError
from novelkit.model import fit_context, load_model, open_model, save_model

torch.set_num_threads(1)
ROWS, HAS = 60, 32


def random_ids(tokens: int) -> torch.Tensor:
    return torch.randint(0, ROWS, (2, tokens), generator=torch.manual_seed(3))


@torch.no_grad()
def test_a_shorter_context_is_the_same_model_on_short_texts(tmp_path):
    model, ids = random_gpt2(ROWS, HAS), random_ids(12)
    before = model(ids)
    text = fit_context(model, 12)
    assert "32" in text and "12" in text and "\n" not in text
    assert model.config.n_ctx == 12
    assert torch.equal(model(ids), before)
    with pytest.raises(ValueError, match="n_ctx"):
        model(random_ids(13))
    save_model(model, tmp_path)
    again = load_model(tmp_path)
    assert again.config.n_ctx == 12
    assert torch.equal(again(ids), before)


def test_the_rows_that_were_cut_are_gone_from_memory():
    model = random_gpt2(ROWS, HAS)
    fit_context(model, 12)
    weight = model.position_embedding.weight
    assert weight.requires_grad
    assert weight.untyped_storage().nbytes() == 4 * weight.numel()


@pytest.mark.parametrize("n_ctx", [None, HAS])
def test_the_context_that_it_has_changes_nothing(n_ctx):
    model = random_gpt2(ROWS, HAS)
    table = model.position_embedding.weight
    assert fit_context(model, n_ctx) == ""
    assert model.position_embedding.weight is table


def test_a_longer_context_is_refused_with_the_reason():
    model = random_gpt2(ROWS, HAS)
    with pytest.raises(InputError) as caught:
        fit_context(model, 48)
    message = str(caught.value)
    assert "32" in message and "48" in message and "插值" in message and "\n" not in message
    assert model.config.n_ctx == HAS


@torch.no_grad()
def test_a_stretched_table_keeps_its_ends_and_its_order():
    model = random_gpt2(ROWS, HAS)
    before = model.position_embedding.weight.clone()
    assert "插值" in fit_context(model, 63, interpolate=True)
    after = model.position_embedding.weight
    assert after.shape == (63, before.size(1)) and model.config.n_ctx == 63
    # With 63 places for 32 rows, every other one is an old row and the rest lie between two.
    assert torch.allclose(after[::2], before, atol=1e-5)
    assert torch.allclose(after[1::2], (before[1:] + before[:-1]) / 2, atol=1e-5)
    assert model(random_ids(63)).shape == (2, 63, ROWS)


@pytest.mark.parametrize("n_ctx", [0, -1])
def test_no_context_is_no_context(n_ctx):
    with pytest.raises(InputError, match="n_ctx"):
        fit_context(random_gpt2(ROWS, HAS), n_ctx)


@torch.no_grad()
def test_relative_positions_take_any_length_up_to_their_own(tmp_path):
    folder = save_llama(tmp_path / "a", "天亮以前，渡口上只有一盏灯还亮着。" * 3)
    model, ids = open_model(folder).model, random_ids(20)
    before = model(ids)
    assert "64" in (text := fit_context(model, 20)) and "20" in text
    assert model.config.n_ctx == 20
    assert torch.equal(model(ids), before)
    with pytest.raises(ValueError, match="n_ctx"):
        model(random_ids(21))
    save_model(model, tmp_path / "b")
    again = open_model(tmp_path / "b").model
    assert again.config.n_ctx == 20
    assert fit_context(again, 64) == ""
    with pytest.raises(InputError, match="64"):
        fit_context(model, 65)


def test_a_long_model_starts_with_a_context_that_can_be_trained(tmp_path):
    import json

    folder = save_llama(tmp_path, "天亮以前，渡口上只有一盏灯还亮着。" * 3)
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | {"max_position_embeddings": 32768}
    path.write_text(json.dumps(config), encoding="utf-8")
    assert open_model(folder).model.config.n_ctx == 1024
