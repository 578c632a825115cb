"""The model in the box: whole, small, described as it is, and of use the minute it is cloned."""

import json
import math

import numpy as np
import pytest
import torch
from helpers_assets import ASSETS
from helpers_command import result
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from novelkit import layouts
from novelkit.bundled import bundled_model, model_folder
from novelkit.cleaning import clean
from novelkit.cleaning.splits import split_novel
from novelkit.copying import FILTER_FILE, NgramFilter
from novelkit.encoding import decode, detect
from novelkit.model import load_model
from novelkit.sampling import Guide, SamplingConfig, generate
from novelkit.scores import Windows, ngram_losses, score_text
from novelkit.tokenizing import Header, load_tokenizer

torch.set_num_threads(1)
FOLDER = ASSETS / "models" / "novel-small"
TABLE = FOLDER / "books.tsv"


@pytest.fixture(scope="module")
def model():
    return load_model(FOLDER).eval()


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer(FOLDER)


@pytest.fixture(scope="module")
def our_novel():
    """The bundled novel, which no model of ours was trained on: (counted text, asked text)."""
    raw = (ASSETS / "novel" / "raw.txt").read_bytes()
    novel, _ = clean(decode(raw, detect(raw)))
    parts = split_novel(novel)
    return tuple("\n".join(chapter.text for chapter in part) for part in (parts.train, parts.test))


def table_rows():
    head, *lines = TABLE.read_text(encoding="utf-8").splitlines()
    return [dict(zip(head.split("\t"), line.split("\t"), strict=True)) for line in lines]


def test_its_name_finds_it_and_it_is_small():
    assert bundled_model() == model_folder("novel-small") == FOLDER
    files = {path.name: path.stat().st_size for path in FOLDER.iterdir()}
    assert {
        "model.safetensors",
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "README.md",
        layouts.MODEL_FILE,
        FILTER_FILE,
    } <= set(files)
    assert sum(files.values()) <= 26e6


def test_it_is_stored_in_half_and_computed_in_full_precision(model):
    stored = load_file(FOLDER / "model.safetensors")
    assert {tensor.dtype for tensor in stored.values()} == {torch.float16}
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert 8e6 <= model.count_parameters() <= 14e6 and model.config.n_ctx >= 512


@torch.no_grad()
def test_transformers_loads_it_in_full_precision_and_agrees(model, tokenizer):
    from transformers import AutoModelForCausalLM

    theirs = AutoModelForCausalLM.from_pretrained(FOLDER).eval()
    assert {parameter.dtype for parameter in theirs.parameters()} == {torch.float32}
    ids = torch.tensor([tokenizer.encode("话说天下大势，分久必合，合久必分。").tolist()])
    torch.testing.assert_close(theirs(ids).logits, model(ids), atol=1e-3, rtol=1e-4)
    written = theirs.generate(ids, max_new_tokens=8, do_sample=False)[0, ids.size(1) :]
    assert len(tokenizer.decode(written.tolist())) >= 4


@settings(max_examples=200, deadline=None)
@given(text=st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from("，。“”天地人道说\n"))))
def test_its_tokenizer_loses_nothing(text):
    tokenizer = load_tokenizer(str(FOLDER))
    assert tokenizer.decode(tokenizer.encode(text).tolist()) == text


def bits(model, tokenizer, text):
    windows = Windows(model.config.n_ctx, stride=model.config.n_ctx // 2)
    return score_text(
        lambda ids: model(torch.from_numpy(ids)), tokenizer, text, windows
    ).bits_per_character


@torch.no_grad()
def test_it_knows_more_of_a_novel_it_never_saw_than_the_characters_of_that_novel(
    model, tokenizer, our_novel
):
    train, asked = our_novel
    unigram = ngram_losses(train, asked, order=1)[0] / math.log(2)
    assert bits(model, tokenizer, asked) < unigram - 1


@torch.no_grad()
def test_the_order_of_characters_matters_to_it(model, tokenizer, our_novel):
    """So that the score above is one of reading and not of characters."""
    asked = our_novel[1][:800]
    shuffled = "".join(np.random.default_rng(0).permutation(list(asked)))
    assert bits(model, tokenizer, shuffled) > bits(model, tokenizer, asked) + 2


def test_a_header_moves_what_it_writes_towards_its_style(model, tokenizer):
    """的 is what modern prose has far more of than the old."""

    def share(style):
        configs = [SamplingConfig(length=150, seed=seed) for seed in range(4)]
        pieces = [
            generate(model, tokenizer, "那年冬天，", each, Guide(Header(style=style)))
            for each in configs
        ]
        text = "".join(piece.text for written in pieces for piece in written)
        return text.count("的") / len(text)

    assert layouts.knows_headers(FOLDER)
    assert share("现代小说") > 1.5 * share("侠义公案小说")


def test_its_filter_knows_what_it_read_and_nothing_else(our_novel):
    """Two openings that everyone knows, in the simplified characters of the training text."""
    known = NgramFilter.load(FOLDER / FILTER_FILE)
    for passage in (
        "话说天下大势，分久必合，合久必分。周末七国分争，并入于秦。",
        "我在年青时候也曾经做过许多梦，后来大半忘却了，但自己也并不以为可惜。",
    ):
        assert known.copied(passage).copied_characters >= 13, passage
    assert known.copied("".join(our_novel)).share < 0.001


def test_the_card_names_every_book_and_how_it_was_made():
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    rows = table_rows()
    assert len(rows) == 34
    for row in rows:
        line = next(line for line in card.splitlines() if line.startswith(f"| {row['title']} |"))
        for name in ("attributed", "died", "published", "source", "sha256"):
            assert row[name] in line, (row["title"], name)
        assert ("整本留作测试" in line) == (row["use"] == "test")
    assert "make_model.py" in card and "| seed | 0 |" in card
    size = sum(parameter.numel() for parameter in load_model(FOLDER).parameters())
    assert f"| parameters | {size:,} |" in card


def test_write_continues_by_its_name_and_the_same_for_the_same_seed():
    words = ("write", "novel-small", "--prompt", "那年冬天，", "--length", 40, "--author", "鲁迅")
    first = result(*words, "--seed", 1)
    assert len(first["text"]) == 40 and "�" not in first["text"]
    assert result(*words, "--seed", 1)["text"] == first["text"]
    assert result(*words, "--seed", 2)["text"] != first["text"]


def test_the_configuration_is_what_transformers_reads():
    config = json.loads((FOLDER / "config.json").read_text(encoding="utf-8"))
    assert config["model_type"] == "gpt2" and config["dtype"] == "float32"
