"""Stage 05 with 04, 06 and 08: from somebody's model to one of ours that goes on with a novel."""

import json

import numpy as np
import pytest
import torch
from helpers_models import bert_vocabulary, random_gpt2, save_llama, save_uer

from novelkit.errors import InputError
from novelkit.model import GPT2, LoraSettings, has_lora, load_model, open_model, start_from
from novelkit.sampling import SamplingConfig, generate
from novelkit.tokenizing import load_tokenizer
from novelkit.tokenizing.blocks import read_tokens
from novelkit.training import Budget, TrainConfig, train

torch.set_num_threads(1)
CONFIG = TrainConfig(
    batch_size=8, learning_rate=3e-3, warmup_steps=2, evaluate_every=10, optimizer="adamw"
)


@pytest.fixture
def counts(data_folder):
    ids = read_tokens(data_folder / "train.npy")
    return np.bincount(ids, minlength=len(load_tokenizer(data_folder)))


def assert_learned(result, data_folder) -> None:
    """The folder is one of ours: vocabulary, tokenizer, weights that were trained."""
    tokenizer = load_tokenizer(result.model)
    assert list(tokenizer.identity()) == list(load_tokenizer(data_folder).identity())
    config = json.loads((result.model / "config.json").read_text(encoding="utf-8"))
    assert config["vocab_size"] == len(tokenizer)
    assert config["eos_token_id"] == tokenizer.end_of_text
    lines = (result.run / "history.jsonl").read_text(encoding="utf-8").splitlines()
    losses = [json.loads(line)["loss"] for line in lines]
    assert losses[-1] < 0.8 * losses[0]


def test_a_chinese_gpt2_of_bert_goes_on_with_a_novel(novel, data_folder, counts, cpu, tmp_path):
    vocabulary = bert_vocabulary(novel.text)
    folder = save_uer(tmp_path / "uer", random_gpt2(len(vocabulary), n_ctx=64), vocabulary)
    with pytest.raises(InputError, match="毁掉"):
        load_tokenizer(folder)
    start = start_from(folder, load_tokenizer(data_folder), n_ctx=32, counts=counts)
    assert start.vocabulary.shares["new"] < 0.01
    assert "词表" in start.notes[0] and "32" in start.notes[1]
    assert start.as_dict()["name"] == str(folder)
    run = tmp_path / "run"
    result = train(data_folder, run, start.model, CONFIG, Budget(max_steps=30), compute=cpu)
    assert_learned(result, data_folder)
    model = load_model(result.model)
    assert isinstance(model, GPT2)
    settings = SamplingConfig(length=40, temperature=0)
    pieces = generate(model, load_tokenizer(result.model), "老船夫", settings)
    text = "".join(piece.text for piece in pieces)
    assert len(text) == 40
    # Quotation marks and dashes are in no vocabulary of BERT, and in every novel.
    assert model.config.vocab_size == len(load_tokenizer(data_folder))


def test_with_adapters_the_exported_folder_is_a_plain_gpt2(
    novel, data_folder, counts, cpu, tmp_path
):
    pytest.importorskip("peft")
    vocabulary = bert_vocabulary(novel.text)
    folder = save_uer(tmp_path / "uer", random_gpt2(len(vocabulary), n_ctx=32), vocabulary)
    torch.manual_seed(0)
    lora = LoraSettings(rank=4)
    start = start_from(folder, load_tokenizer(data_folder), counts=counts, lora=lora)
    run = tmp_path / "run"
    result = train(data_folder, run, start.model, CONFIG, Budget(max_steps=30), compute=cpu)
    assert_learned(result, data_folder)
    model = load_model(result.model)
    assert not has_lora(model)
    body = open_model(folder).model.blocks[0].norm_1.weight
    assert torch.equal(model.blocks[0].norm_1.weight, body)


@pytest.mark.parametrize("adapters", [False, True], ids=["full", "lora"])
def test_a_qwen_goes_on_with_a_novel_in_our_vocabulary(
    novel, data_folder, counts, cpu, tmp_path, adapters
):
    from transformers import AutoModelForCausalLM

    if adapters:
        pytest.importorskip("peft")
    folder = save_llama(tmp_path / "qwen", novel.text, kind="qwen2")
    lora = LoraSettings(rank=4) if adapters else None
    torch.manual_seed(0)
    start = start_from(folder, load_tokenizer(data_folder), n_ctx=32, counts=counts, lora=lora)
    run = tmp_path / "run"
    result = train(data_folder, run, start.model, CONFIG, Budget(max_steps=30), compute=cpu)
    assert_learned(result, data_folder)
    ids = torch.arange(20)[None]
    with torch.no_grad():
        ours = open_model(result.model).model
        theirs = AutoModelForCausalLM.from_pretrained(result.model).eval()
        assert torch.allclose(ours(ids), theirs(ids).logits, atol=1e-5)
    assert ours.config.n_ctx == 32
