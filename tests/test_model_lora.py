"""Stage 05: two thin matrices beside each large one, trained and folded in."""

import copy
import sys

import pytest
import torch
from helpers_models import bert_vocabulary, random_gpt2, save_llama, save_uer
from safetensors.torch import load_file, save_file

from novelkit.errors import InputError
from novelkit.model import (
    LoraSettings,
    add_lora,
    has_lora,
    merge_lora,
    open_model,
    save_model,
    start_from,
)
from novelkit.tokenizing import CharTokenizer

torch.set_num_threads(1)
pytest.importorskip("peft")
TEXT = "天亮以前，渡口上只有一盏灯还亮着。老船夫把缆绳绕了三圈，才慢慢直起腰来。\n" * 4
ROWS = 60


@pytest.fixture(params=["gpt2", "llama", "untied"])
def model(request, tmp_path):
    if request.param == "gpt2":
        return random_gpt2(ROWS)
    torch.manual_seed(0)
    return open_model(save_llama(tmp_path, TEXT, tied=request.param == "llama")).model


def random_ids(rows: int = 4) -> torch.Tensor:
    return torch.randint(0, ROWS, (rows, 24), generator=torch.manual_seed(2))


def learn(model, steps: int = 3) -> None:
    """Steps on what may be trained, as the loop takes them."""
    model.train()
    trained = [item for item in model.parameters() if item.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.02, weight_decay=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        model.loss(random_ids()[:, :-1], random_ids()[:, 1:]).backward()
        optimizer.step()
    model.eval()


@torch.no_grad()
def test_it_starts_from_the_very_model(model):
    before = model(random_ids())
    report = add_lora(model)
    assert torch.equal(model(random_ids()), before)
    assert has_lora(model) and report.adapters > 0


def test_only_the_adapters_are_trained(model):
    before = copy.deepcopy(model.state_dict())
    total = model.count_parameters()
    report = add_lora(model, LoraSettings(rank=2))
    learn(model)
    after = model.state_dict()
    plain = {name.replace(".base_layer.", "."): item for name, item in after.items()}
    assert all(torch.equal(item, plain[name]) for name, item in before.items())
    moved = {name for name, item in model.named_parameters() if item.requires_grad}
    assert moved and all("lora_" in name for name in moved)
    assert report.trainable == sum(after[name].numel() for name in moved)
    assert report.total == total + report.trainable
    assert f"{report.trainable:,}" in report.describe() and "\n" not in report.describe()


def test_the_number_of_adapters_is_the_formula():
    """Rank r beside an (out, in) matrix has r (in + out) numbers."""
    report = add_lora(random_gpt2(ROWS), LoraSettings(rank=3))
    width, layers = 32, 2
    sums = (4 * width, 2 * width, 5 * width, 5 * width)  # qkv, project, expand, contract
    assert report.adapters == 4 * layers
    assert report.trainable == 3 * layers * sum(sums)
    only = add_lora(random_gpt2(ROWS), LoraSettings(rank=3, targets=("query_key_value",)))
    assert only.trainable == 3 * layers * 4 * width


@torch.no_grad()
def test_the_head_and_the_embedding_get_no_adapter(model):
    add_lora(model)
    assert not any(
        "lora_" in name for name in model.state_dict() if "embed" in name or "head" in name
    )


def test_folded_in_it_computes_the_same(model):
    names, count, ids = list(model.state_dict()), model.count_parameters(), random_ids()
    add_lora(model)
    at_first = model(ids).detach()
    learn(model)
    trained = model(ids).detach()
    assert not torch.allclose(trained, at_first, atol=1e-2)
    merge_lora(model)
    assert torch.allclose(model(ids), trained, atol=1e-5)
    assert list(model.state_dict()) == names and model.count_parameters() == count
    assert not has_lora(model)
    assert all(item.requires_grad for item in model.parameters())


def test_with_dropout_it_is_off_when_writing(model):
    add_lora(model, LoraSettings(dropout=0.5))
    learn(model)
    ids = random_ids()
    trained = model(ids).detach()
    assert torch.equal(model(ids), trained)
    merge_lora(model)
    assert torch.allclose(model(ids), trained, atol=1e-5)


def test_a_saved_model_is_a_plain_one_and_the_trained_one_stays(model, tmp_path):
    from transformers import AutoModelForCausalLM

    add_lora(model)
    learn(model)
    ids = random_ids()
    trained = model(ids).detach()
    save_model(model, tmp_path / "out", {"bos_token_id": 1, "eos_token_id": 0})
    assert not any("lora" in name for name in load_file(tmp_path / "out" / "model.safetensors"))
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "config.json",
        "generation_config.json",
        "model.safetensors",
    }
    assert torch.allclose(open_model(tmp_path / "out").model(ids), trained, atol=1e-5)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "out").eval()
    assert torch.allclose(theirs(ids).logits, trained, atol=1e-5)
    assert has_lora(model) and torch.equal(model(ids), trained)


def test_a_checkpoint_of_the_state_comes_back(model, tmp_path):
    other = copy.deepcopy(model)
    add_lora(model)
    add_lora(other)
    learn(model)
    save_file(model.state_dict(), tmp_path / "state.safetensors")
    other.load_state_dict(load_file(tmp_path / "state.safetensors"))
    assert torch.equal(other.eval()(random_ids()), model(random_ids()))


def test_after_an_exchange_of_the_vocabulary_the_rows_are_trained_too(tmp_path):
    vocabulary, tokenizer = bert_vocabulary(TEXT), CharTokenizer.train(TEXT + "山路")
    uer = save_uer(tmp_path / "uer", random_gpt2(len(vocabulary)), vocabulary)
    llama = save_llama(tmp_path / "llama", TEXT, tied=False)
    for folder in (uer, llama):
        start = start_from(folder, tokenizer, lora=LoraSettings(rank=2), n_ctx=24)
        trained = {name for name, item in start.model.named_parameters() if item.requires_grad}
        whole = {name for name in trained if "lora_" not in name}
        heads = {"model.lm_head.weight"} if folder == llama else set()
        tables = (
            {"token_embedding.weight"} if folder == uer else {"model.model.embed_tokens.weight"}
        )
        assert whole == tables | heads
        assert "嵌入表" in start.notes[-1]
        before = start.model.token_embedding.weight.detach().clone()
        learn(start.model)
        assert not torch.equal(start.model.token_embedding.weight, before)
        merge_lora(start.model)


def test_the_same_vocabulary_leaves_the_rows_frozen(tmp_path):
    tokenizer = CharTokenizer.train(TEXT)
    tokenizer.save(tmp_path)
    save_model(random_gpt2(len(tokenizer)), tmp_path)
    start = start_from(tmp_path, tokenizer, lora=LoraSettings())
    assert not start.model.token_embedding.weight.requires_grad
    assert start.vocabulary is None and "嵌入表" not in start.notes[-1]


@pytest.mark.parametrize(
    "changes", [{"rank": 0}, {"alpha": 0}, {"alpha": float("nan")}, {"dropout": 1.0}], ids=str
)
def test_impossible_settings_are_refused(changes):
    with pytest.raises(InputError, match=next(iter(changes))):
        LoraSettings(**changes)


def test_a_place_that_is_not_there_is_refused_with_those_that_are(model):
    before = list(model.state_dict())
    with pytest.raises(InputError, match="nowhere") as caught:
        add_lora(model, LoraSettings(targets=("nowhere",)))
    assert "project" in str(caught.value) or "q_proj" in str(caught.value)
    assert "base_layer" not in str(caught.value)
    assert list(model.state_dict()) == before and not has_lora(model)


def test_a_place_that_cannot_have_one_leaves_the_model_as_it_was(model):
    """The linear maps have theirs by the time that the norm turns out to be none."""
    before = list(model.state_dict())
    linear = "query_key_value" if "norm.weight" in before else "q_proj"
    with pytest.raises(InputError, match="norm"):
        add_lora(model, LoraSettings(targets=(linear, "norm")))
    assert list(model.state_dict()) == before and not has_lora(model)


@torch.no_grad()
def test_after_folding_in_another_round_may_begin(model):
    add_lora(model)
    learned = add_noise(model)
    merge_lora(model)
    assert not any(hasattr(module, "peft_config") for module in model.modules())
    add_lora(model)
    assert torch.allclose(model(random_ids()), learned, atol=1e-5)


def add_noise(model) -> torch.Tensor:
    """Adapters that are away from zero, and the logits with them."""
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model(random_ids())


def test_twice_is_refused(model):
    add_lora(model)
    with pytest.raises(InputError, match="已经有"):
        add_lora(model)


def test_weights_that_are_no_numbers_are_not_folded_in():
    model = random_gpt2(ROWS)
    add_lora(model)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.fill_(float("nan"))
    with pytest.raises(InputError, match="NaN"):
        merge_lora(model)


def test_without_peft_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(InputError, match="pip install peft") as caught:
        add_lora(random_gpt2(ROWS))
    assert "\n" not in str(caught.value)
