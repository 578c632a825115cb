"""Stage 05: any causal language model of `transformers` behind the interface of our GPT-2."""

import json
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from helpers_models import bert_vocabulary, random_gpt2, save_gpt2_bpe, save_llama, save_uer
from safetensors.torch import load_file, save_file

from novelkit.errors import InputError
from novelkit.model import (
    GPT2,
    CausalLM,
    describe,
    load_model,
    new_cache,
    open_model,
    save_model,
)

torch.set_num_threads(1)
TEXT = "天亮以前，渡口上只有一盏灯还亮着。老船夫把缆绳绕了三圈，才慢慢直起腰来。" * 4
KINDS = pytest.mark.parametrize("kind", ["llama", "qwen2"])
TIES = pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])


def random_ids(rows: int = 3, tokens: int = 24, vocabulary: int = 250) -> torch.Tensor:
    return torch.randint(0, vocabulary, (rows, tokens), generator=torch.manual_seed(2))


@pytest.fixture(scope="module")
def llama(tmp_path_factory) -> Path:
    """An untied Llama; tests only read it."""
    return save_llama(tmp_path_factory.mktemp("llama"), TEXT, tied=False)


def theirs(folder: Path):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder).eval()


def refused(folder: Path) -> str:
    """The message with which a folder is refused, checked to be one Chinese line."""
    with pytest.raises(InputError) as caught:
        open_model(folder)
    message = str(caught.value)
    assert "\n" not in message
    assert sum("\u4e00" <= character <= "\u9fff" for character in message) >= 10
    return message


def edit_config(folder: Path, **changes) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps(config), encoding="utf-8")


@torch.no_grad()
@KINDS
@TIES
def test_the_logits_are_those_of_transformers(tmp_path, kind, tied):
    model = open_model(save_llama(tmp_path, TEXT, tied, kind)).model
    assert isinstance(model, CausalLM) and not model.training
    ids = random_ids()
    assert torch.allclose(model(ids), theirs(tmp_path)(ids).logits, atol=1e-5)
    assert model.is_tied == tied
    assert model.count_parameters() == theirs(tmp_path).num_parameters()


def test_the_losses_are_the_cross_entropy(llama):
    model, ids = open_model(llama).model, random_ids()
    inputs, targets = ids[:, :-1], ids[:, 1:].clone()
    targets[0, 5:] = -100
    losses = model.token_losses(inputs, targets)
    assert losses.shape == targets.shape
    assert torch.equal(losses[0, 5:], torch.zeros_like(losses[0, 5:]))
    expected = F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten(), reduction="sum")
    assert math.isclose(losses.sum().item(), expected.item(), rel_tol=1e-5)
    assert math.isclose(model.loss(inputs, targets).item(), expected.item(), rel_tol=1e-5)


def test_the_sizes_are_told_and_can_be_recorded(llama):
    model = open_model(llama).model
    sizes = describe(model)
    assert sizes["architecture"] == "LlamaForCausalLM"
    assert sizes["vocab_size"] == theirs(llama).config.vocab_size
    assert (sizes["n_ctx"], sizes["n_layer"], sizes["n_head"], sizes["n_embd"]) == (64, 2, 4, 32)
    assert sizes["parameters"] == model.count_parameters()
    json.dumps(sizes)


@torch.no_grad()
@pytest.mark.parametrize("rows", [1, 3])
def test_the_cache_gives_the_logits_of_a_full_pass(llama, rows):
    model, ids = open_model(llama).model, random_ids(rows, 20)
    cache = new_cache(model, rows)
    parts = [model(ids[:, :7], cache)] + [model(ids[:, at : at + 1], cache) for at in range(7, 20)]
    assert torch.allclose(torch.cat(parts, dim=1), model(ids), atol=1e-5)
    assert cache.length == 20
    with pytest.raises(ValueError, match="n_ctx"):
        model(random_ids(rows, 64), cache)
    with pytest.raises(ValueError, match="n_ctx"):
        model(random_ids(1, 65))


@torch.no_grad()
@KINDS
@TIES
def test_what_is_saved_loads_everywhere(tmp_path, kind, tied):
    model, ids = open_model(save_llama(tmp_path / "a", TEXT, tied, kind)).model, random_ids()
    for parameter in model.parameters():
        parameter.add_(0.01)
    save_model(model, tmp_path / "b", {"bos_token_id": 7, "eos_token_id": 9})
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == [
        "config.json",
        "generation_config.json",
        "model.safetensors",
    ]
    assert torch.allclose(theirs(tmp_path / "b")(ids).logits, model(ids), atol=1e-5)
    again = open_model(tmp_path / "b").model
    assert torch.equal(again(ids), model(ids)) and again.config == model.config
    for name in ("config.json", "generation_config.json"):
        config = json.loads((tmp_path / "b" / name).read_text(encoding="utf-8"))
        assert (config["bos_token_id"], config["eos_token_id"]) == (7, 9)
        assert config.get("pad_token_id") is None
    modes = {path.stat().st_mode for path in (tmp_path / "b").iterdir()}
    assert len(modes) == 1


def test_saving_twice_leaves_the_newer_one(llama, tmp_path):
    model = open_model(llama).model
    save_model(model, tmp_path)
    with torch.no_grad():
        model.token_embedding.weight.add_(1)
    save_model(model, tmp_path)
    assert torch.equal(
        load_file(tmp_path / "model.safetensors")["model.embed_tokens.weight"],
        model.token_embedding.weight,
    )


@KINDS
@TIES
def test_a_checkpoint_of_the_state_comes_back(tmp_path, kind, tied):
    """As the training loop stores it: safetensors refuses tensors that share their memory."""
    folder = save_llama(tmp_path / "a", TEXT, tied, kind)
    model, other, ids = open_model(folder).model, open_model(folder).model, random_ids()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    save_file(model.state_dict(), tmp_path / "state.safetensors")
    state = load_file(tmp_path / "state.safetensors")
    other.load_state_dict(state)
    assert torch.equal(other(ids), model(ids))
    assert other.is_tied == tied
    with pytest.raises(RuntimeError, match="Missing"):
        other.load_state_dict({name: item for name, item in state.items() if "embed" not in name})


def test_a_training_step_lowers_the_loss(llama):
    model, ids = open_model(llama).model.train(), random_ids(4)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    before = model.loss(ids[:, :-1], ids[:, 1:]).item()
    for _ in range(5):
        optimizer.zero_grad()
        model.loss(ids[:, :-1], ids[:, 1:]).backward()
        optimizer.step()
    assert model.loss(ids[:, :-1], ids[:, 1:]).item() < 0.9 * before


@torch.no_grad()
@pytest.mark.parametrize(
    "changes",
    [
        {"activation_function": "relu"},
        {"layer_norm_epsilon": 1e-3},
        {"scale_attn_by_inverse_layer_idx": True},
    ],
    ids=str,
)
def test_a_gpt2_that_computes_something_else_is_left_to_transformers(tmp_path, changes):
    folder = save_gpt2_bpe(tmp_path, TEXT)
    plain, ids = open_model(folder).model, random_ids()
    assert isinstance(plain, GPT2)
    edit_config(folder, **changes)
    model = open_model(folder).model
    assert isinstance(model, CausalLM)
    assert torch.allclose(model(ids), theirs(folder)(ids).logits, atol=1e-5)
    assert not torch.allclose(model(ids), plain(ids), atol=1e-4)


@torch.no_grad()
def test_a_gpt2_with_a_head_of_its_own_is_left_to_transformers(tmp_path):
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(4)
    sizes = {"vocab_size": 250, "n_positions": 32, "n_embd": 32, "n_layer": 2, "n_head": 2}
    config = GPT2Config(**sizes, tie_word_embeddings=False, bos_token_id=0, eos_token_id=0)
    GPT2LMHeadModel(config).save_pretrained(tmp_path)
    model, ids = open_model(tmp_path).model, random_ids()
    assert isinstance(model, CausalLM) and not model.is_tied
    assert torch.allclose(model(ids), theirs(tmp_path)(ids).logits, atol=1e-5)


@torch.no_grad()
def test_a_pickled_model_of_another_architecture_opens_too(llama, tmp_path):
    torch.save(load_file(llama / "model.safetensors"), tmp_path / "pytorch_model.bin")
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((llama / name).read_bytes())
    ids = random_ids()
    assert torch.equal(open_model(tmp_path).model(ids), open_model(llama).model(ids))


def test_our_loader_reads_the_old_format_as_well(tmp_path):
    vocabulary = bert_vocabulary(TEXT)
    model = random_gpt2(len(vocabulary))
    state = load_model(save_uer(tmp_path, model, vocabulary)).state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())


def test_a_model_that_reads_in_both_directions_is_refused(tmp_path):
    from transformers import BertConfig, BertLMHeadModel

    config = BertConfig(
        vocab_size=90,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        is_decoder=True,
    )
    torch.manual_seed(5)
    BertLMHeadModel(config).save_pretrained(tmp_path)
    assert isinstance(open_model(tmp_path).model, CausalLM)
    edit_config(tmp_path, is_decoder=False)
    assert "后面的字" in refused(tmp_path)


def test_a_model_that_is_no_language_model_is_refused(tmp_path):
    from transformers import ViTConfig

    ViTConfig().save_pretrained(tmp_path)
    assert "vit" in refused(tmp_path)


def test_code_that_a_model_brings_along_is_not_run(llama, tmp_path):
    """`chatglm`-like folders: a Python file that `auto_map` names."""
    (tmp_path / "model.safetensors").write_bytes((llama / "model.safetensors").read_bytes())
    mark = tmp_path / "ran"
    program = f"open({str(mark)!r}, 'w').close()\nclass Mine: pass\n"
    for name in ("configuration_mine.py", "modeling_mine.py"):
        (tmp_path / name).write_text(program, encoding="utf-8")
    code = {
        "AutoConfig": "configuration_mine.Mine",
        "AutoModelForCausalLM": "modeling_mine.Mine",
    }
    config = json.loads((llama / "config.json").read_text(encoding="utf-8")) | {"auto_map": code}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert isinstance(open_model(tmp_path).model, CausalLM)
    edit_config(tmp_path, model_type="mine")
    assert "程序" in refused(tmp_path)
    edit_config(tmp_path, auto_map=None)
    assert "升级 transformers" in refused(tmp_path)
    assert not mark.exists()


def test_quantised_weights_are_refused(llama, tmp_path):
    for path in llama.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    edit_config(tmp_path, quantization_config={"quant_method": "gptq", "bits": 4})
    assert "量化" in refused(tmp_path)


@pytest.mark.parametrize("damage", ["missing", "shape", "nan", "truncated"])
def test_weights_that_are_not_all_there_are_refused(llama, tmp_path, damage):
    for path in llama.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    path = tmp_path / "model.safetensors"
    state, name = load_file(path), "model.layers.1.mlp.up_proj.weight"
    if damage == "missing":
        del state[name]
    elif damage == "shape":
        state[name] = state[name][:8].clone()
    elif damage == "nan":
        state[name][0, 0] = float("nan")
    save_file(state, path, metadata={"format": "pt"})
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    message = refused(tmp_path)
    assert {"missing": name, "shape": name, "nan": "NaN", "truncated": "损坏"}[damage] in message


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{}", '{"model_type": 3}', '{"model_type": "x"}']
)
def test_a_config_that_says_nothing_is_refused(llama, tmp_path, text):
    (tmp_path / "model.safetensors").write_bytes((llama / "model.safetensors").read_bytes())
    (tmp_path / "config.json").write_text(text, encoding="utf-8")
    refused(tmp_path)


def test_a_folder_without_weights_is_refused(llama, tmp_path):
    (tmp_path / "config.json").write_bytes((llama / "config.json").read_bytes())
    assert "pytorch_model.bin" in refused(tmp_path)
    assert "config.json" in refused(tmp_path.parent)


def test_a_folder_near_to_a_model_says_where_the_model_is(llama, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_bytes((llama / "config.json").read_bytes())
    assert str(tmp_path / "model") in refused(tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "adapter_config.json").write_text("{}", encoding="utf-8")
    assert "LoRA" in refused(tmp_path / "other")


@torch.no_grad()
def test_a_cache_of_our_own_model_is_its_own(tmp_path):
    model, ids = random_gpt2(60), random_ids(2, 9, 60)
    cache = new_cache(model, 2)
    parts = [model(ids[:, :5], cache)] + [model(ids[:, at : at + 1], cache) for at in range(5, 9)]
    assert torch.allclose(torch.cat(parts, dim=1), model(ids), atol=1e-5)
