"""Stage 05: the same GPT-2 as transformers', written out; and folders that are no GPT-2."""

import json
import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from novelkit import layouts
from novelkit.errors import InputError
from novelkit.model import (
    GPT2,
    PRESETS,
    Cache,
    ModelConfig,
    attention,
    describe,
    load_model,
    preset,
    save_model,
    weights_sha256,
)

torch.set_num_threads(1)
SIZE = ModelConfig(vocab_size=97, n_ctx=32, n_layer=2, n_head=2, n_embd=32, dropout=0.1)


@pytest.fixture
def model() -> GPT2:
    """A model whose every weight matters: also norms and biases are away from 1 and 0."""
    torch.manual_seed(1)
    model = GPT2(SIZE).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def random_ids(rows: int = 3, tokens: int = SIZE.n_ctx) -> torch.Tensor:
    return torch.randint(0, SIZE.vocab_size, (rows, tokens), generator=torch.manual_seed(2))


@torch.no_grad()
def test_transformers_loads_our_folder_and_computes_the_same(model, tmp_path):
    from transformers import AutoModelForCausalLM

    save_model(model, tmp_path)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    ids = random_ids()
    assert torch.allclose(theirs(ids).logits, model(ids), atol=1e-5)
    assert theirs.num_parameters() == model.count_parameters()
    assert theirs.config.resid_pdrop == SIZE.dropout


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_we_load_a_folder_of_transformers_and_compute_the_same(dtype, tmp_path):
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(3)
    sizes = {"n_positions": 32, "n_embd": 32, "n_layer": 2, "n_head": 2, "vocab_size": 97}
    theirs = GPT2LMHeadModel(GPT2Config(**sizes, bos_token_id=0, eos_token_id=0)).eval()
    theirs.to(dtype).save_pretrained(tmp_path)
    ours, ids = load_model(tmp_path), random_ids()
    assert not ours.training
    assert ours.token_embedding.weight.dtype == torch.float32
    assert torch.allclose(ours(ids), theirs.float()(ids).logits, atol=1e-5)


@torch.no_grad()
def test_we_load_a_base_model_without_the_prefix_of_the_language_model(tmp_path):
    from transformers import GPT2Config, GPT2Model

    config = GPT2Config(vocab_size=97, n_positions=32, n_embd=32, n_layer=2, n_head=2)
    theirs = GPT2Model(config).eval()
    theirs.save_pretrained(tmp_path)
    hidden = theirs(random_ids()).last_hidden_state
    assert torch.allclose(
        load_model(tmp_path)(random_ids()), hidden @ theirs.wte.weight.T, atol=1e-5
    )


@torch.no_grad()
def test_our_own_folder_comes_back_to_the_bit(model, tmp_path):
    save_model(model, tmp_path)
    again = load_model(tmp_path)
    assert again.config == SIZE
    state = again.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "config.json",
        "generation_config.json",
        "model.safetensors",
    ]


def test_the_gradients_are_those_of_transformers(model, tmp_path):
    from transformers import AutoModelForCausalLM

    save_model(model, tmp_path)
    theirs, ids = AutoModelForCausalLM.from_pretrained(tmp_path).eval(), random_ids()
    loss = model.loss(ids[:, :-1], ids[:, 1:])
    (loss / ids[:, 1:].numel()).backward()
    output = theirs(ids, labels=ids)
    output.loss.backward()
    assert math.isclose(output.loss.item(), loss.item() / ids[:, 1:].numel(), rel_tol=1e-5)
    wte = theirs.transformer.wte.weight.grad
    assert torch.allclose(wte, model.token_embedding.weight.grad, atol=1e-5)
    fc = theirs.transformer.h[1].mlp.c_fc.weight.grad
    assert torch.allclose(fc.T, model.blocks[1].expand.weight.grad, atol=1e-5)


def test_attention_written_out_is_the_kernel():
    torch.manual_seed(4)
    query, key, value = torch.randn(3, 2, 2, 9, 8).unbind(0)
    kernel = F.scaled_dot_product_attention(query, key, value, is_causal=True)
    assert torch.allclose(attention(query, key, value), kernel, atol=1e-6)
    # The first position has nothing but itself to look at.
    assert torch.allclose(attention(query, key, value)[:, :, 0], value[:, :, 0], atol=1e-6)


@torch.no_grad()
def test_attention_written_out_is_what_the_module_computes(model):
    module, x = model.blocks[0].attention, torch.randn(2, 7, SIZE.n_embd)
    heads = [
        part.view(2, 7, SIZE.n_head, -1).transpose(1, 2)
        for part in module.query_key_value(x).split(SIZE.n_embd, dim=2)
    ]
    by_hand = module.project(attention(*heads).transpose(1, 2).reshape(2, 7, SIZE.n_embd))
    assert torch.allclose(module(x), by_hand, atol=1e-5)


@torch.no_grad()
@settings(max_examples=20, deadline=None)
@given(prompt=st.integers(1, SIZE.n_ctx), rows=st.integers(1, 3))
def test_the_cache_gives_the_logits_of_a_full_pass(prompt, rows):
    torch.manual_seed(5)
    model, ids = GPT2(SIZE).eval(), random_ids(rows)
    cache = Cache(model, rows)
    parts = [model(ids[:, :prompt], cache)]
    parts += [model(ids[:, at : at + 1], cache) for at in range(prompt, SIZE.n_ctx)]
    assert torch.allclose(torch.cat(parts, dim=1), model(ids), atol=1e-5)
    assert cache.length == SIZE.n_ctx


@torch.no_grad()
def test_a_full_cache_and_a_long_input_are_refused(model):
    cache = Cache(model)
    model(random_ids(1), cache)
    with pytest.raises(ValueError, match="n_ctx"):
        model(random_ids(1, 1), cache)
    with pytest.raises(ValueError, match="n_ctx"):
        model(random_ids(1, SIZE.n_ctx + 1))
    cache = Cache(model)
    model(random_ids(1, 2), cache)
    with pytest.raises(ValueError, match="one token"):
        model(random_ids(1, 2), cache)


@torch.no_grad()
@pytest.mark.parametrize("changed", [1, 15, SIZE.n_ctx - 1])
def test_a_later_token_changes_no_earlier_logits(model, changed):
    ids = random_ids(1)
    other = ids.clone()
    other[0, changed] = (other[0, changed] + 1) % SIZE.vocab_size
    before, after = model(ids), model(other)
    assert torch.equal(before[:, :changed], after[:, :changed])
    assert not torch.allclose(before[:, changed:], after[:, changed:])


@torch.no_grad()
def test_the_order_of_tokens_matters(model):
    ids = torch.tensor([[1, 2, 3, 4]])
    swapped = torch.tensor([[2, 1, 3, 4]])
    assert not torch.allclose(model(ids)[:, -1], model(swapped)[:, -1], atol=1e-4)


def test_the_head_is_the_token_embedding(model):
    assert not any("head" in name for name in model.state_dict())
    # Token 96 is no input, so only the head can bring it a gradient.
    model.loss(torch.tensor([[1, 2]]), torch.tensor([[2, 3]])).backward()
    assert model.token_embedding.weight.grad[96].abs().sum() > 0


@pytest.mark.parametrize("size", [SIZE, preset("tiny", 500), replace(SIZE, n_layer=3, n_head=8)])
def test_the_number_of_parameters_is_the_formula(size):
    channels = size.n_embd
    embeddings = (size.vocab_size + size.n_ctx) * channels
    # Attention 4 C^2 + 4 C, MLP 8 C^2 + 5 C, two norms 4 C; at the end one more norm.
    blocks = size.n_layer * (12 * channels**2 + 13 * channels)
    expected = embeddings + blocks + 2 * channels
    model = GPT2(size)
    assert model.count_parameters() == expected
    assert describe(model)["parameters"] == expected


def test_the_base_preset_is_gpt2():
    base = preset("base", 50257)
    with torch.device("meta"):
        assert GPT2(base).count_parameters() == 124_439_808


def test_a_new_model_guesses_uniformly():
    torch.manual_seed(6)
    model, ids = GPT2(SIZE).eval(), random_ids(8)
    loss = model.loss(ids[:, :-1], ids[:, 1:]).item() / ids[:, 1:].numel()
    assert abs(loss - math.log(SIZE.vocab_size)) < 0.1


def test_ignored_targets_count_for_nothing(model):
    ids = random_ids(2)
    targets = ids.roll(-1, dims=1)
    half = targets.clone()
    half[1] = -100
    assert math.isclose(
        model.loss(ids, half).item(), model.loss(ids[:1], targets[:1]).item(), rel_tol=1e-5
    )


def test_dropout_works_in_training_only(model):
    ids = random_ids(1)
    assert torch.equal(model(ids), model(ids))
    model.train()
    assert not torch.equal(model(ids), model(ids))


@pytest.mark.parametrize(
    "changes",
    [
        {"vocab_size": 0},
        {"n_ctx": 0},
        {"n_layer": -1},
        {"n_head": 0},
        {"n_embd": 0},
        {"n_head": 3},
        {"dropout": 1.0},
        {"dropout": -0.1},
        {"dropout": float("nan")},
    ],
)
def test_impossible_sizes_are_refused_in_one_line(changes):
    with pytest.raises(InputError) as caught:
        replace(SIZE, **changes)
    assert next(iter(changes)) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_presets_are_known_by_name():
    assert all(preset(name, 500).vocab_size == 500 for name in PRESETS)
    assert preset("tiny", 500, n_layer=2).n_layer == 2
    with pytest.raises(InputError, match="tiny"):
        preset("huge", 500)


def refused(folder) -> str:
    """The message with which `load_model` refuses a folder, checked to be one Chinese line."""
    with pytest.raises(InputError) as caught:
        load_model(folder)
    message = str(caught.value)
    assert "\n" not in message
    assert any("\u4e00" <= character <= "\u9fff" for character in message)
    return message


@pytest.fixture
def folder(model, tmp_path):
    save_model(model, tmp_path)
    return tmp_path


def edit_config(folder, **changes) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps({k: v for k, v in config.items() if v != "gone"}), encoding="utf-8")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    assert name in refused(folder)


def test_a_folder_that_is_none(folder):
    assert "config.json" in refused(folder / "nowhere")
    assert "config.json" in refused(folder / "model.safetensors")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_a_truncated_file_is_refused(folder, name, share):
    raw = (folder / name).read_bytes()
    (folder / name).write_bytes(raw[: int(len(raw) * share)])
    assert "损坏" in refused(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"model_type": "llama"},
        {"model_type": "gone"},
        {"activation_function": "relu"},
        {"layer_norm_epsilon": 1e-12},
        {"scale_attn_by_inverse_layer_idx": True},
        {"scale_attn_weights": False},
        {"n_layer": "gone"},
        {"n_layer": "two"},
        {"n_layer": None},
        {"n_layer": 0},
        {"n_layer": 1},
        {"n_layer": 3},
        {"n_head": 5},
        {"n_embd": 64},
        {"n_positions": 16},
        {"vocab_size": 98},
    ],
    ids=str,
)
def test_a_config_that_is_not_of_these_weights_is_refused(folder, changes):
    edit_config(folder, **changes)
    refused(folder)


@pytest.mark.parametrize("text", ["[]", "null", '"gpt2"'])
def test_a_config_that_is_no_object_is_refused(folder, text):
    (folder / "config.json").write_text(text, encoding="utf-8")
    refused(folder)


def test_missing_and_surplus_weights_are_refused(folder):
    path = folder / "model.safetensors"
    state = load_file(path)
    norm = state.pop("transformer.ln_f.weight")
    save_file(state, path)
    assert "transformer.ln_f.weight" in refused(folder)
    save_file({**state, "transformer.ln_f.weight": norm, "transformer.adapter": norm.clone()}, path)
    assert "transformer.adapter" in refused(folder)


def test_a_head_of_its_own_is_refused_and_a_copy_of_the_embedding_accepted(folder, model):
    path = folder / "model.safetensors"
    state, ids = load_file(path), random_ids()
    head = state["transformer.wte.weight"].clone()
    mask = torch.ones(1, 1, 32, 32, dtype=torch.bool)
    save_file({**state, "lm_head.weight": head, "transformer.h.0.attn.bias": mask}, path)
    assert torch.equal(load_model(folder)(ids), model(ids))
    save_file({**state, "lm_head.weight": head + 1}, path)
    assert "lm_head" in refused(folder)


def test_weights_changed_after_training_are_refused(tmp_path):
    """safetensors has no checksum: a flipped byte would load, and write rubbish."""
    save_model(GPT2(SIZE), tmp_path)
    header = {"format": "novelkit-model", "version": 1, "weights_sha256": weights_sha256(tmp_path)}
    whole = {"novels": [], "anchors": {}, "step": 1, "scores": {}}
    layouts.write_json(tmp_path / layouts.MODEL_FILE, {**header, **whole})
    load_model(tmp_path)
    weights = tmp_path / "model.safetensors"
    damaged = bytearray(weights.read_bytes())
    damaged[-7] ^= 1
    weights.write_bytes(damaged)
    with pytest.raises(InputError, match="已损坏") as caught:
        load_model(tmp_path)
    assert "\n" not in str(caught.value)


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    model = GPT2(SIZE)
    with torch.no_grad():
        model.norm.weight[0] = float("nan")
    save_model(model, tmp_path)
    with pytest.raises(InputError, match="NaN"):
        load_model(tmp_path)


def test_others_may_read_the_weights(tmp_path):
    save_model(GPT2(SIZE), tmp_path)
    config, weights = (
        (tmp_path / name).stat().st_mode for name in ("config.json", "model.safetensors")
    )
    assert weights == config
