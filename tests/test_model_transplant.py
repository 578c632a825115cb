"""Stage 05: another vocabulary for a model, its rows carried over by the text of the tokens."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers_models import (
    bert_ids,
    bert_vocabulary,
    random_gpt2,
    save_gpt2_bpe,
    save_llama,
    save_sentencepiece,
    save_uer,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from novelkit.errors import InputError
from novelkit.model import (
    GPT2,
    ModelConfig,
    fit_vocabulary,
    load_model,
    open_model,
    save_model,
    start_from,
    transplant,
)
from novelkit.model.transplant import NOISE, make_rows
from novelkit.model.vocabulary import (
    AVERAGED,
    KINDS,
    NEW,
    SAME,
    SIMILAR,
    OldVocabulary,
    RowPlan,
    plan_rows,
    token_characters,
    token_texts,
)
from novelkit.tokenizing import CharTokenizer, load_tokenizer
from novelkit.tokenizing.bpe import BpeTokenizer
from novelkit.tokenizing.foreign import open_foreign
from novelkit.tokenizing.words import WordTokenizer

torch.set_num_threads(1)
OLD_TEXT = "天亮以前，渡口上只有一盏灯还亮着。她说：不用谢！ok" * 4
NEW_TEXT = "“天亮了……”她说，渡口的灯——ＯＫ，OK！\n第二天，山路还是山路。\n" * 4
VOCABULARY = bert_vocabulary(OLD_TEXT)
TOKENIZER = CharTokenizer.train(NEW_TEXT)


@pytest.fixture(scope="module")
def uer(tmp_path_factory) -> Path:
    """A Chinese GPT-2 with the tokenizer of BERT; tests only read it."""
    return save_uer(tmp_path_factory.mktemp("uer"), random_gpt2(len(VOCABULARY)), VOCABULARY)


@pytest.fixture(scope="module")
def bpe(tmp_path_factory) -> Path:
    """A GPT-2 with byte-level BPE; tests only read it."""
    return save_gpt2_bpe(tmp_path_factory.mktemp("bpe"), OLD_TEXT)


def rows(folder: Path, tokenizer, text: str) -> tuple[list[str], str]:
    """The old tokens whose mean a token of this text becomes, by name, and how."""
    plan, index = plan_rows(folder, tokenizer), tokenizer.vocabulary[text]
    names = {value: name for name, value in OldVocabulary(folder)._tokenizer.vocabulary.items()}
    return [names[row] for row in plan.sources[index]], plan.kinds[index]


@pytest.mark.parametrize(
    ("text", "old", "kind"),
    [
        ("天", ["天"], SAME),
        ("，", ["，"], SAME),
        ("O", ["o"], SIMILAR),
        ("Ｏ", ["o"], SIMILAR),
        ("“", ['"'], SIMILAR),
        ("—", ["-"], SIMILAR),
        ("…", [".", ".", "."], AVERAGED),
        ("山", [], NEW),
        ("\n", ["[SEP]"], SIMILAR),
        ("<|endoftext|>", ["[SEP]"], SAME),
        ("<|book|>", ["[CLS]"], SAME),
        ("<|chapter|>", ["[CLS]"], SAME),
        ("<0xE5>", [], NEW),
    ],
)
def test_each_character_finds_its_row_in_a_vocabulary_of_bert(uer, text, old, kind):
    assert rows(uer, TOKENIZER, text) == (old, kind)


@pytest.mark.parametrize(
    ("text", "kind"), [("渡口", AVERAGED), ("山路", NEW), ("天山", AVERAGED), ("OK", AVERAGED)]
)
def test_a_word_is_the_mean_of_its_characters(uer, text, kind):
    tokenizer = WordTokenizer(sorted(set(NEW_TEXT)), [text], [1.0] * (len(set(NEW_TEXT)) + 1))
    names, found = rows(uer, tokenizer, text)
    assert found == kind
    known = set(VOCABULARY)
    assert [name.removeprefix("##") for name in names] == [c for c in text.lower() if c in known]


def test_merged_pieces_with_line_ends_keep_what_is_known(uer):
    tokenizer = BpeTokenizer(sorted(set("灯亮。\n")), [("。", "\n"), ("灯", "亮")])
    assert rows(uer, tokenizer, "。\n") == (["。", "[SEP]"], AVERAGED)
    assert rows(uer, tokenizer, "灯亮") == (["灯", "亮"], AVERAGED)


def test_a_vocabulary_of_bytes_knows_bytes_and_line_ends(bpe):
    tokenizer = CharTokenizer(sorted(set("天山\n O龘")))
    old = open_foreign(bpe)
    assert rows(bpe, tokenizer, "\n") == (["Ċ"], SAME)
    assert rows(bpe, tokenizer, " ") == (["Ġ"], SAME)
    assert rows(bpe, tokenizer, "O") == (["O"], SAME)
    assert rows(bpe, tokenizer, "<|endoftext|>") == (["<|endoftext|>"], SAME)
    assert rows(bpe, tokenizer, "<|book|>") == (["<|endoftext|>"], SAME)
    for text in "天龘":
        names, kind = rows(bpe, tokenizer, text)
        assert [old.vocabulary[name] for name in names] == old.encode(text).tolist()
        assert kind == (SAME if len(names) == 1 else AVERAGED)
    # A byte token of ours is the same byte there: 0x41 is A, and 0x0A is written Ċ.
    assert rows(bpe, tokenizer, "<0x41>") == (["A"], SAME)
    assert rows(bpe, tokenizer, "<0x0A>") == (["Ċ"], SAME)
    plan = plan_rows(bpe, tokenizer)
    spelled = [plan.sources[index][0] for index in tokenizer.encode("é").tolist()]
    assert spelled == old.encode("é").tolist()


@pytest.mark.parametrize("pieces", [("▁", "▁天", "天", "亮"), ("▁", "天", "亮", "▁天")], ids=str)
def test_a_sentencepiece_vocabulary_has_spaces_and_bytes_of_its_own(tmp_path, pieces):
    folder = save_sentencepiece(tmp_path, pieces)
    tokenizer = BpeTokenizer(sorted(set("天亮龘\n ")), [("天", "亮"), ("天", "龘")])
    expected = {
        "天": (["天"], SAME),
        " ": (["▁"], SAME),
        "\n": (["<0x0A>"], SAME),
        # Three bytes that spell it, each on its own, say nothing of it.
        "龘": ([], NEW),
        "<0xE9>": (["<0xE9>"], SAME),
        "天龘": (["天"], AVERAGED),
        "<|book|>": (["<s>"], SAME),
        "<|endoftext|>": (["</s>"], SAME),
    }
    assert {text: rows(folder, tokenizer, text) for text in expected} == expected
    # A word's own tokenizer puts it after a space.
    assert rows(folder, tokenizer, "天亮") == (["▁天", "亮"], AVERAGED)


def test_between_two_of_ours_nothing_is_lost(tmp_path):
    old = CharTokenizer.train(OLD_TEXT)
    save_model(random_gpt2(len(old)), tmp_path)
    old.save(tmp_path)
    for text in ("天", "<|book|>", "<|chapter|>", "<|endoftext|>", "<0xE5>"):
        assert rows(tmp_path, TOKENIZER, text) == ([text], SAME)
    assert rows(tmp_path, TOKENIZER, "山") == ([], NEW)


@pytest.fixture(scope="module")
def old_vocabulary(uer) -> OldVocabulary:
    return OldVocabulary(uer)


@settings(max_examples=200, deadline=None)
@given(text=st.text(min_size=1, max_size=3))
def test_any_text_finds_rows_that_exist(old_vocabulary, text):
    found, kind = old_vocabulary.find(text)
    assert kind in KINDS and (kind == NEW) == (not found)
    assert all(0 <= row < len(VOCABULARY) for row in found)


@settings(max_examples=50, deadline=None)
@given(
    plan=st.lists(st.lists(st.integers(0, 11), max_size=3).map(tuple), min_size=1, max_size=20),
    seed=st.integers(0, 5),
)
def test_rows_are_means_and_new_ones_are_near_the_mean_of_all(plan, seed):
    old = torch.randn(12, 5, generator=torch.manual_seed(7))
    plan = RowPlan(tuple(plan), (SAME,) * len(plan))
    made = make_rows(old, plan, torch.Generator().manual_seed(seed))
    assert torch.equal(made, make_rows(old, plan, torch.Generator().manual_seed(seed)))
    for row, sources in zip(made, plan.sources, strict=True):
        if sources:
            assert torch.allclose(row, old[list(sources)].mean(dim=0), atol=1e-6)
        else:
            away = (row - old.mean(dim=0)) / old.std(dim=0, correction=0)
            assert 0 < away.abs().max() < 6 * NOISE


def test_rows_beyond_the_table_are_left_out():
    old = torch.arange(4.0)[:, None]
    made = make_rows(old, RowPlan(((1, 9), (2,)), (SAME, SAME)), torch.Generator())
    assert made.tolist() == [[1.0], [2.0]]


@torch.no_grad()
def test_a_text_of_known_characters_gets_the_very_logits_of_the_old_model(uer):
    """Only the numbering changed: the body, the rows and so every logit are the same."""
    old, model = load_model(uer), load_model(uer)
    text = "渡口上只有一盏灯还亮着"
    tokenizer = CharTokenizer.train(text)
    transplant(model, uer, tokenizer)
    before = old(torch.tensor([[VOCABULARY.index(item) for item in text]]))
    after = model(torch.tensor([tokenizer.encode(text).tolist()]))
    for item in text:
        theirs, ours = VOCABULARY.index(item), tokenizer.vocabulary[item]
        assert torch.allclose(after[..., ours], before[..., theirs], atol=1e-5)
    assert after.size(-1) == len(tokenizer) == model.config.vocab_size


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@torch.no_grad()
def test_a_llama_gets_new_rows_for_input_and_head(tmp_path, tied):
    folder = save_llama(tmp_path, OLD_TEXT, tied)
    old, model = open_model(folder).model, open_model(folder).model
    text = "渡口上只有一盏灯还亮着"
    tokenizer = CharTokenizer.train(text)
    names = open_foreign(folder)
    report = transplant(model, folder, tokenizer)
    known = {item: names.encode(item).tolist() for item in text}
    assert model.config.vocab_size == len(tokenizer) and model.is_tied == tied
    embedding, head = model.token_embedding.weight, model.model.get_output_embeddings().weight
    old_embedding, old_head = (
        old.token_embedding.weight,
        old.model.get_output_embeddings().weight,
    )
    for item, pieces in known.items():
        index = tokenizer.vocabulary[item]
        assert torch.allclose(embedding[index], old_embedding[pieces].mean(dim=0), atol=1e-6)
        assert torch.allclose(head[index], old_head[pieces].mean(dim=0), atol=1e-6)
    assert report.rows[NEW] == 0
    save_model(model, tmp_path / "out", {"bos_token_id": 1, "eos_token_id": 0})
    tokenizer.save(tmp_path / "out")
    ids = torch.tensor([tokenizer.encode(text).tolist()])
    assert torch.equal(open_model(tmp_path / "out").model(ids), model(ids))


def test_what_was_the_padding_token_learns_like_any_other(tmp_path):
    """The embedding of a model with a padding token takes no gradient for it."""
    folder = save_llama(tmp_path, OLD_TEXT)
    model = start_from(folder, TOKENIZER).model.train()
    ids = torch.tensor([[5, 5, 6, 7]])
    model.loss(ids, ids.roll(-1)).backward()
    gradient = model.token_embedding.weight.grad
    untied = open_model(save_llama(tmp_path / "untied", OLD_TEXT, tied=False)).model
    transplant(untied, tmp_path / "untied", TOKENIZER)
    untied.loss(ids, ids.roll(-1)).backward()
    assert gradient[5].abs().sum() > 0
    assert untied.token_embedding.weight.grad[5].abs().sum() > 0
    assert model.model.config.pad_token_id is None


def test_a_bias_of_the_head_moves_with_its_rows(tmp_path):
    from transformers import PhiConfig, PhiForCausalLM

    folder = save_llama(tmp_path, OLD_TEXT)
    names = open_foreign(folder)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = PhiConfig(vocab_size=len(names), intermediate_size=64, **sizes)
    theirs = PhiForCausalLM(config)
    with torch.no_grad():
        theirs.lm_head.bias.copy_(torch.arange(len(names)))
    theirs.save_pretrained(folder)
    model = open_model(folder).model
    transplant(model, folder, TOKENIZER)
    bias = model.model.lm_head.bias.detach()
    assert bias.shape == (len(TOKENIZER),)
    assert bias[TOKENIZER.vocabulary["！"]] == pytest.approx(np.mean(names.encode("！")))


def test_another_table_that_goes_by_the_vocabulary_is_refused(tmp_path):
    folder = save_llama(tmp_path, OLD_TEXT)
    model = open_model(folder).model
    model.model.extra = torch.nn.Embedding(model.config.vocab_size, 4)
    before = model.token_embedding.weight
    with pytest.raises(InputError, match="extra"):
        transplant(model, folder, TOKENIZER)
    assert model.token_embedding.weight is before


def test_a_folder_without_a_tokenizer_says_how_to_make_one(tmp_path):
    save_model(random_gpt2(60), tmp_path)
    with pytest.raises(InputError, match="save_pretrained"):
        start_from(tmp_path, TOKENIZER)


def test_the_same_tokenizer_changes_nothing(bpe, tmp_path):
    model = load_model(bpe)
    before = copy.deepcopy(model.state_dict())
    assert fit_vocabulary(model, bpe, load_tokenizer(bpe)) is None
    assert all(torch.equal(item, before[name]) for name, item in model.state_dict().items())
    own = CharTokenizer.train(OLD_TEXT)
    own.save(tmp_path)
    save_model(random_gpt2(len(own)), tmp_path)
    start = start_from(tmp_path, CharTokenizer.train(OLD_TEXT))
    assert start.vocabulary is None and start.notes == ()


@torch.no_grad()
def test_rows_that_only_pad_the_table_are_cut(tmp_path):
    folder = save_llama(tmp_path, OLD_TEXT, kind="qwen2", padding=37)
    tokenizer = load_tokenizer(folder)
    old, model = open_model(folder).model, open_model(folder).model
    report = fit_vocabulary(model, folder, tokenizer)
    assert report.identical and report.rows_before - report.rows_after == 37
    assert model.config.vocab_size == len(tokenizer)
    ids = torch.tensor([tokenizer.encode(OLD_TEXT).tolist()[:30]])
    assert torch.allclose(model(ids), old(ids)[..., : len(tokenizer)], atol=1e-5)
    assert "空行" in report.describe()


def test_fewer_rows_than_the_tokenizer_has_is_refused(tmp_path):
    tokenizer = CharTokenizer.train(OLD_TEXT)
    tokenizer.save(tmp_path)
    model = random_gpt2(len(tokenizer) - 1)
    with pytest.raises(InputError, match="不是一起的"):
        fit_vocabulary(model, tmp_path, tokenizer)


def test_the_report_counts_rows_and_characters(uer):
    counts = np.bincount(TOKENIZER.encode(NEW_TEXT), minlength=len(TOKENIZER))
    report = transplant(load_model(uer), uer, TOKENIZER, counts=counts)
    assert sum(report.rows.values()) == report.rows_after == len(TOKENIZER)
    assert report.rows_before == len(VOCABULARY)
    assert report.carried == report.rows[SAME] + report.rows[SIMILAR]
    known = set(VOCABULARY)
    same = sum(item in known for item in NEW_TEXT) / len(NEW_TEXT)
    assert report.shares[SAME] == pytest.approx(same)
    assert report.shares[AVERAGED] == pytest.approx(NEW_TEXT.count("…") / len(NEW_TEXT))
    unknown = sum(item in "了的第二山路是" for item in NEW_TEXT) / len(NEW_TEXT)
    assert report.shares[NEW] == pytest.approx(unknown)
    assert sum(report.shares.values()) == pytest.approx(1)
    assert set(report.new_characters.split("、")) == set("了的第二山路是")
    text = report.describe()
    assert "\n" not in text and f"{1 - unknown:.1%}" in text and "山" in text


def test_bytes_count_once_a_character():
    tokenizer = CharTokenizer.train("天")
    text = "天龘é天😀"
    assert token_characters(tokenizer)[tokenizer.encode(text)].sum() == len(text)
    words = WordTokenizer.train([OLD_TEXT], minimum_word_count=2)
    assert token_characters(words)[words.encode(OLD_TEXT + "龘")].sum() == len(OLD_TEXT) + 1
    assert len(token_texts(words)) == len(words)


def test_the_same_seed_gives_the_same_weights(uer):
    first, same, other = (
        start_from(uer, TOKENIZER, seed=seed).model.token_embedding.weight for seed in (1, 1, 2)
    )
    assert torch.equal(first, same)
    new = TOKENIZER.vocabulary["山"]
    assert not torch.equal(first[new], other[new])
    assert torch.equal(first[TOKENIZER.vocabulary["天"]], other[TOKENIZER.vocabulary["天"]])


def learn(model: GPT2, ids: list[int], steps: int, rate: float = 1e-3) -> GPT2:
    """A few steps of AdamW on random blocks."""
    tokens, context = torch.tensor(ids), model.config.n_ctx
    random = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.95))
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = rate * min(1, (step + 1) / 10)
        starts = torch.randint(0, len(tokens) - context - 1, (16,), generator=random).tolist()
        inputs = torch.stack([tokens[at : at + context] for at in starts])
        targets = torch.stack([tokens[at + 1 : at + context + 1] for at in starts])
        optimizer.zero_grad()
        (model.loss(inputs, targets) / targets.numel()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return model


@torch.no_grad()
def loss_per_character(model: GPT2, tokenizer: CharTokenizer, text: str) -> float:
    """Nats per character of a text that the model has not seen."""
    ids, context = torch.from_numpy(tokenizer.encode(text)).long(), model.config.n_ctx
    blocks = (len(ids) - 1) // context
    inputs, targets = ids[: blocks * context], ids[1 : blocks * context + 1]
    loss = model.loss(inputs.view(blocks, context), targets.view(blocks, context))
    return loss.item() / targets.numel() * len(ids) / len(text)


@pytest.mark.slow
def test_carrying_over_beats_starting_new(tmp_path):
    """A "pretrained" model of nine chapters goes on with four others, in another vocabulary."""
    folder = Path(__file__).resolve().parents[1] / "assets" / "novel" / "chapters"
    chapters = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.txt"))]
    before, text, unseen = ("\n".join(chapters[a:b]) for a, b in ((0, 9), (9, 13), (13, 16)))
    vocabulary = bert_vocabulary(before)
    size = {"n_ctx": 64, "n_layer": 3, "n_head": 4, "n_embd": 96, "dropout": 0.0}
    torch.manual_seed(0)
    lines = [line for line in before.split("\n") if line.strip()]
    old = GPT2(ModelConfig(len(vocabulary), **size))
    save_uer(tmp_path, learn(old, bert_ids(vocabulary, lines), 200, 2e-3), vocabulary)
    tokenizer = CharTokenizer.train(text)
    ids = tokenizer.encode(text).tolist()
    start = start_from(tmp_path, tokenizer, counts=np.bincount(ids, minlength=len(tokenizer)))
    assert start.vocabulary.shares[SAME] > 0.85 and start.vocabulary.shares[NEW] < 0.05
    new = GPT2(ModelConfig(len(tokenizer), **size))
    at_once = [loss_per_character(model, tokenizer, unseen) for model in (start.model, new)]
    assert at_once[0] < at_once[1] - 1.0
    # The new model gets the rate that suits it best of several, the carried one a usual one.
    carried = loss_per_character(learn(start.model.train(), ids, 50), tokenizer, unseen)
    fresh = min(
        loss_per_character(learn(copy.deepcopy(new), ids, 50, rate), tokenizer, unseen)
        for rate in (1e-3, 2e-3, 4e-3)
    )
    assert carried < fresh - 0.3
