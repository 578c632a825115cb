"""Stage 08: decoders compute what their models compute; candidates share a prompt and no more."""

import copy
import functools
from types import SimpleNamespace

import pytest
import torch
from helpers_models import save_llama
from helpers_text import SENTENCES, tiny_model

from novelkit.errors import InputError
from novelkit.model import GPT2, LoraSettings, add_lora, open_model
from novelkit.sampling import (
    PRECISIONS,
    Guide,
    SamplingConfig,
    choose_decoder,
    generate,
    generate_candidates,
    make_decoder,
    precision,
)
from novelkit.tokenizing import CharTokenizer, load_tokenizer

torch.set_num_threads(1)
TEXT = "\n".join(SENTENCES)
TOKENIZER = CharTokenizer.train(TEXT)
CONTEXT = 16
FREE = SamplingConfig(temperature=1.0, top_k=0, length=40)
CLOSE = {"atol": 1e-4, "rtol": 1e-4}  # sums in another order


@functools.cache
def gpt2(seed=0):
    return tiny_model(TOKENIZER, CONTEXT, seed)


@pytest.fixture(scope="module")
def llama_folder(tmp_path_factory):
    return save_llama(tmp_path_factory.mktemp("models") / "llama", TEXT * 3)


@pytest.fixture(scope="module")
def llama(llama_folder):
    return open_model(llama_folder).model


@pytest.fixture(params=["gpt2", "llama"])
def model(request):
    return gpt2() if request.param == "gpt2" else request.getfixturevalue("llama")


def random_ids(model, batch, count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(model.config.vocab_size, (batch, count), generator=generator)


@torch.no_grad()
def last_logits(model, ids):
    return model(ids)[:, -1]


class Scripted:
    """A decoder whose row i says the tokens of `scripts[i]`; `reads` are the shapes it got."""

    precision = "fp32"

    def __init__(self, *scripts, n_ctx=64):
        self.scripts, self.n_ctx, self.vocabulary = scripts, n_ctx, len(TOKENIZER)
        self.reads, self.said, self.repeated = [], 0, []

    def new_cache(self):
        rows = list(range(len(self.scripts)))
        cache = SimpleNamespace(length=0, rows=rows, repeat=self.repeated.append)

        def keep(places):
            cache.rows = [cache.rows[place] for place in places]

        cache.keep = keep
        return cache

    def read(self, tokens, cache):
        self.reads.append(tuple(tokens.shape))
        cache.length += tokens.size(1)
        logits = torch.zeros(len(tokens), self.vocabulary)
        if tokens.size(1) > 1:
            # The prompt is one for all: what comes first is the same for them.
            logits[:, self.scripts[0][0]] = 50.0
        else:
            for row, number in zip(range(len(tokens)), cache.rows, strict=True):
                script = self.scripts[number]
                logits[row, script[min(self.said, len(script) - 1)]] = 50.0
        self.said += 1
        return logits


def ids(text):
    return TOKENIZER.encode(text).tolist()


def written(model, prompt="天还没有亮", tokenizer=TOKENIZER, **settings):
    config = FREE.changed(**settings)
    return "".join(piece.text for piece in generate(model, tokenizer, prompt, config))


# ---- the same numbers as the model


@pytest.mark.parametrize("count", [1, 2, CONTEXT])
def test_the_logits_after_a_prompt_are_those_of_the_model(model, count):
    decoder, prompt = make_decoder(model), random_ids(model, 1, count)
    cache = decoder.new_cache()
    logits = decoder.read(prompt, cache)
    torch.testing.assert_close(logits, last_logits(model, prompt), **CLOSE)
    assert logits.dtype == torch.float32 and cache.length == count
    assert decoder.vocabulary == model.config.vocab_size and decoder.n_ctx == model.config.n_ctx


def test_the_logits_of_every_step_are_those_of_the_model(model):
    decoder, tokens = make_decoder(model), random_ids(model, 1, CONTEXT)
    cache = decoder.new_cache()
    for count in range(4, CONTEXT + 1):
        new = tokens[:, :4] if count == 4 else tokens[:, count - 1 : count]
        expected = last_logits(model, tokens[:, :count])
        torch.testing.assert_close(decoder.read(new, cache), expected, **CLOSE)


@pytest.mark.parametrize("batch", [2, 3, 7])
def test_texts_of_a_batch_go_on_from_one_prompt(model, batch):
    """Through repeating, leaving some out, and putting them into another order."""
    decoder, prompt = make_decoder(model), random_ids(model, 1, 5)
    cache = decoder.new_cache()
    decoder.read(prompt, cache)
    cache.repeat(batch)
    texts = prompt.repeat(batch, 1)
    for seed, rows in enumerate([None, None, list(range(batch))[::-1][: batch - 1], None, [0]]):
        if rows is not None:
            cache.keep(rows)
            texts = texts[rows]
        new = random_ids(model, len(texts), 1, seed)
        texts = torch.cat([texts, new], dim=1)
        torch.testing.assert_close(decoder.read(new, cache), last_logits(model, texts), **CLOSE)


def test_texts_of_a_batch_are_read_at_once(model):
    decoder, texts = make_decoder(model), random_ids(model, 3, 6)
    cache = decoder.new_cache()
    cache.repeat(3)
    torch.testing.assert_close(decoder.read(texts, cache), last_logits(model, texts), **CLOSE)


@torch.no_grad()
def test_all_logits_are_those_of_the_model(model):
    texts = random_ids(model, 2, CONTEXT)
    torch.testing.assert_close(make_decoder(model).all_logits(texts), model(texts), **CLOSE)


def test_a_decoder_leaves_its_model_as_it_was():
    before = copy.deepcopy(gpt2().state_dict())
    for name in PRECISIONS:
        make_decoder(gpt2(), name).all_logits(random_ids(gpt2(), 1, 4))
    after = gpt2().state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert all(parameter.requires_grad for parameter in gpt2().parameters())


def test_more_tokens_than_the_context_are_refused():
    decoder = make_decoder(gpt2())
    with pytest.raises(ValueError, match="17 tokens, n_ctx is 16"):
        decoder.read(random_ids(gpt2(), 1, CONTEXT + 1), decoder.new_cache())
    cache = decoder.new_cache()
    decoder.read(random_ids(gpt2(), 1, CONTEXT), cache)
    with pytest.raises(ValueError, match="n_ctx is 16"):
        decoder.read(random_ids(gpt2(), 1, 1), cache)


# ---- other precisions


@pytest.mark.parametrize(("name", "share"), [("bf16", 0.05), ("int8", 0.1)])
@pytest.mark.parametrize("batch", [1, 3])
def test_fewer_bytes_give_nearly_the_same(name, share, batch):
    """Eight bits of a number count. The errors of so narrow a model are large, but what is wrong
    would be as far away as the logits are large."""
    decoder, texts = make_decoder(gpt2(), name), random_ids(gpt2(), batch, CONTEXT)
    exact = make_decoder(gpt2()).all_logits(texts)
    assert decoder.precision == name
    assert (decoder.all_logits(texts) - exact).norm() < share * exact.norm()
    # One token at a time other kernels work.
    cache = decoder.new_cache()
    cache.repeat(batch)
    decoder.read(texts[:, :4], cache)
    for place in range(4, CONTEXT):
        logits = decoder.read(texts[:, place : place + 1], cache)
        assert logits.dtype == torch.float32
        assert (logits - exact[:, place]).norm() < 2 * share * exact[:, place].norm()


@pytest.mark.parametrize("name", ["", "fp16", "FP32", "auto", "int4"])
def test_a_precision_that_does_not_exist_is_refused(name):
    with pytest.raises(InputError, match=f"precision 是 {name}，可用的范围是fp32、bf16、int8"):
        make_decoder(gpt2(), name)


@pytest.mark.parametrize("name", ["bf16", "int8"])
def test_other_architectures_are_written_in_fp32_only(llama, name):
    with pytest.raises(InputError, match=f"{name} 只用于 GPT-2"):
        make_decoder(llama, name)


def test_int8_is_chosen_where_it_costs_nothing():
    chosen = choose_decoder(gpt2(), TOKENIZER, TEXT)
    assert chosen.precision == chosen.decoder.precision == "int8"
    assert set(chosen.losses) == {"fp32", "int8"} and chosen.reason.startswith("int8：")
    change = chosen.losses["int8"] / chosen.losses["fp32"] - 1
    assert abs(change) < precision.TOLERANCE and f"{change:+.2%}" in chosen.reason


def test_int8_is_refused_where_it_writes_worse():
    """One weight is so large that a byte has no room for the others beside it."""
    model = copy.deepcopy(gpt2())
    with torch.no_grad():
        for block in model.blocks:
            block.contract.weight[:, 0] *= 3000
            # What comes in there is nothing, so that the model itself is as good as before.
            block.expand.weight[0] = 0
            block.expand.bias[0] = -100
    chosen = choose_decoder(model, TOKENIZER, TEXT)
    assert chosen.precision == "fp32" and "超过 1%" in chosen.reason
    assert abs(chosen.losses["int8"] / chosen.losses["fp32"] - 1) > precision.TOLERANCE


def test_the_tolerance_decides():
    assert choose_decoder(gpt2(), TOKENIZER, TEXT, tolerance=1.0).precision == "int8"
    assert choose_decoder(gpt2(), TOKENIZER, TEXT, tolerance=0.0).precision == "fp32"


@pytest.mark.parametrize("text", ["", "天"])
def test_without_a_text_to_test_it_int8_is_not_chosen(monkeypatch, text):
    monkeypatch.setattr(precision, "_bundled_text", lambda: "")
    chosen = choose_decoder(gpt2(), TOKENIZER, text)
    assert chosen.precision == "fp32" and "没有文字" in chosen.reason and chosen.losses == {}


def test_another_architecture_is_written_in_fp32(llama, llama_folder):
    chosen = choose_decoder(llama, load_tokenizer(llama_folder), TEXT)
    assert chosen.precision == "fp32" and "GPT-2" in chosen.reason


# ---- adapters


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_a_model_with_adapters_decodes_as_its_merged_self(kind, llama):
    pytest.importorskip("peft")
    model = copy.deepcopy(gpt2() if kind == "gpt2" else llama)
    add_lora(model, LoraSettings(rank=2))
    model.eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:  # they begin at zero, where an adapter does nothing
                parameter.normal_(std=0.3)
    texts = random_ids(model, 1, 8)
    with torch.no_grad():
        own, plain = model(texts), (gpt2() if kind == "gpt2" else llama)(texts)
    assert not torch.allclose(own, plain, atol=0.1)
    torch.testing.assert_close(make_decoder(model).all_logits(texts), own, atol=1e-3, rtol=1e-3)
    # The model that was given has its adapters still.
    assert any("lora_B" in name for name, _ in model.named_parameters())


# ---- candidates


@pytest.mark.parametrize("base", [0, 40, 2**63 - 2])
@pytest.mark.parametrize("prompt", ["天", "天还没有亮，他就起来"])
def test_a_candidate_is_what_its_seed_alone_writes(base, prompt):
    """Past the context, of 16 tokens, and although the candidates end at different times."""
    config, count = FREE.changed(seed=base), 12
    texts, tokens = [""] * count, [[] for _ in range(count)]
    for number, piece in generate_candidates(gpt2(), TOKENIZER, prompt, config, count=count):
        texts[number] += piece.text
        tokens[number].append(piece.token)
    assert len({len(text) for text in texts}) > 1 and max(map(len, texts)) > 2 * CONTEXT
    for number in range(count):
        alone = config.changed(seed=(base + number) % 2**63)
        pieces = list(generate(gpt2(), TOKENIZER, prompt, alone))
        assert "".join(piece.text for piece in pieces) == texts[number]
        assert [piece.token for piece in pieces] == tokens[number]


def test_candidates_of_another_architecture_are_those_of_their_seeds(llama, llama_folder):
    tokenizer = load_tokenizer(llama_folder)
    texts = [""] * 4
    config = FREE.changed(length=12)
    for number, piece in generate_candidates(llama, tokenizer, "天还没有亮", config, count=4):
        texts[number] += piece.text
    assert len(set(texts)) > 1
    for number, text in enumerate(texts):
        assert written(llama, tokenizer=tokenizer, length=12, seed=number) == text


def test_candidates_read_their_prompt_once():
    decoder = Scripted(*[ids("院子里的雪")] * 5)
    pieces = list(generate_candidates(decoder, TOKENIZER, "天还没有亮", FREE, count=5))
    assert decoder.reads[0] == (1, 5) and decoder.repeated == [5]
    assert all(shape == (5, 1) for shape in decoder.reads[1:]) and len(decoder.reads) == 40
    assert len(pieces) == 5 * 40


def test_a_candidate_that_ended_is_not_computed_any_more():
    end = TOKENIZER.end_of_text
    scripts = [ids("雪雪雪雪雪雪"), [*ids("雪雪"), end], [*ids("雪雪雪雪"), end]]
    decoder, texts = Scripted(*scripts), [""] * 3
    config = FREE.changed(length=6, temperature=0)
    for number, piece in generate_candidates(decoder, TOKENIZER, "天还", config, count=3):
        texts[number] += piece.text
    assert texts == ["雪" * 6, "雪" * 2, "雪" * 4]
    assert decoder.reads == [(1, 2), (3, 1), (3, 1), (2, 1), (2, 1), (1, 1)]


@pytest.mark.parametrize("count", [-1, 0, 65])
def test_a_number_of_candidates_out_of_range_is_refused(count):
    with pytest.raises(InputError, match=f"count 是 {count}，可用的范围是 1 到 64"):
        next(generate_candidates(gpt2(), TOKENIZER, "天", FREE, count=count))


def test_the_iteration_can_be_ended_at_any_time():
    for taken in range(4):
        pieces = generate_candidates(gpt2(), TOKENIZER, "天", FREE, count=3)
        for _ in range(taken):
            next(pieces)
        pieces.close()
        assert list(pieces) == []
    one = generate(gpt2(), TOKENIZER, "天", FREE)
    first = next(one)
    with pytest.raises(GeneratorExit):
        one.throw(GeneratorExit)
    # And the next one is none the wiser.
    assert next(generate(gpt2(), TOKENIZER, "天", FREE)) == first


# ---- where it stops


def said(text, **settings):
    decoder = Scripted(ids(text) if isinstance(text, str) else text)
    return written(decoder, "天", temperature=0, **settings)


STORY = "他走了。她说：“雪停了。去罢！”\n门开着……没有人。\n"


@pytest.mark.parametrize("length", [1, 5, 11, 26])
def test_length_stops_after_exactly_so_many_characters(length):
    tokenizer = CharTokenizer.train(STORY)
    decoder = Scripted(tokenizer.encode(STORY).tolist())
    decoder.vocabulary = len(tokenizer)
    assert written(decoder, "他", tokenizer, temperature=0, length=length) == STORY[:length]


@pytest.mark.parametrize(
    ("stop", "length", "text"),
    [
        ("sentence", 1, "他走了。"),
        ("sentence", 4, "他走了。"),
        ("sentence", 5, "他走了。她说：“雪停了。去罢！”"),
        ("sentence", 17, "他走了。她说：“雪停了。去罢！”\n门开着……"),
        ("paragraph", 1, "他走了。她说：“雪停了。去罢！”"),
        ("paragraph", 15, "他走了。她说：“雪停了。去罢！”"),
        ("paragraph", 17, "他走了。她说：“雪停了。去罢！”\n门开着……没有人。"),
    ],
)
def test_it_stops_where_a_sentence_or_a_paragraph_ends(stop, length, text):
    tokenizer = CharTokenizer.train(STORY)
    decoder = Scripted(tokenizer.encode(STORY).tolist())
    decoder.vocabulary = len(tokenizer)
    found = written(decoder, "他", tokenizer, temperature=0, length=length, stop_at=stop)
    assert found == text


@pytest.mark.parametrize(("stop", "more"), [("sentence", 120), ("paragraph", 400), ("chapter", 0)])
def test_a_sentence_or_paragraph_that_never_ends_is_cut(stop, more):
    assert said("雪", length=10, stop_at=stop) == "雪" * (10 + more)


@pytest.mark.parametrize("stop", ["length", "sentence", "paragraph", "chapter"])
def test_a_chapter_ends_a_text_only_where_that_is_asked_for(stop):
    script = [*ids("雪"), TOKENIZER.chapter, *ids("天")]
    text = said(script, length=4, stop_at=stop)
    if stop == "chapter":
        assert text == "雪"
    else:
        assert text.startswith("雪\n天天")


def test_the_prompt_may_have_opened_a_quotation():
    tokenizer = CharTokenizer.train(STORY)
    decoder = Scripted(tokenizer.encode("雪停了。去罢！”门").tolist())
    decoder.vocabulary = len(tokenizer)
    found = written(decoder, "她说：“", tokenizer, temperature=0, length=2, stop_at="sentence")
    assert found == "雪停了。去罢！”"


# ---- what else could have come


def test_alternatives_are_the_models_own_most_probable_first():
    model = gpt2()
    prompt = "天还没有亮"
    config = FREE.changed(temperature=3.0, repetition_penalty=2.0, top_k=5, length=8, seed=4)
    tokens = ids(prompt)
    for piece in generate(model, TOKENIZER, prompt, config, alternatives=7):
        shares = last_logits(model, torch.tensor([tokens]))[0].softmax(-1)
        assert piece.probability == pytest.approx(float(shares[piece.token]), abs=1e-5)
        assert piece.rank == 1 + int((shares > shares[piece.token] + 1e-7).sum())
        found = [other.probability for other in piece.alternatives]
        assert len(found) == 7 and found == sorted(found, reverse=True)
        expected = shares.topk(7)
        assert found == pytest.approx(expected.values.tolist(), abs=1e-5)
        for other in piece.alternatives:
            assert other.probability == pytest.approx(float(shares[other.token]), abs=1e-5)
            known = other.token >= TOKENIZER.byte_ids[-1] + 1
            assert other.text == (TOKENIZER.decode([other.token]) if known else other.text)
        if len(tokens) == CONTEXT:
            break
        tokens.append(piece.token)


def test_there_are_no_more_alternatives_than_tokens_and_none_unless_asked_for():
    one = next(generate(gpt2(), TOKENIZER, "天", FREE, alternatives=10**6))
    assert len(one.alternatives) == len(TOKENIZER)
    assert sum(other.probability for other in one.alternatives) == pytest.approx(1, abs=1e-4)
    assert next(generate(gpt2(), TOKENIZER, "天", FREE)).alternatives == ()


# ---- the tokenizer of somebody else


def test_a_foreign_model_with_its_own_tokenizer_writes(llama, llama_folder):
    tokenizer = load_tokenizer(llama_folder)
    assert tokenizer.kind == "foreign"
    settings = {"length": 40, "tokenizer": tokenizer}
    text = written(llama, **settings, seed=3)
    assert text and text == written(llama, **settings, seed=3)
    assert text != written(llama, **settings, seed=4)


def test_every_control_works_with_a_foreign_tokenizer(llama, llama_folder):
    tokenizer = load_tokenizer(llama_folder)
    config = FREE.changed(
        length=30,
        presence_penalty=0.5,
        frequency_penalty=0.5,
        dry_multiplier=1.0,
        dry_breakers="，。",
        banned_phrases=("没有", "他"),
        close_pairs=True,
        newline_top_p=0.9,
        stop_at="sentence",
    )
    guide = Guide(memory="雪后", note="天亮")
    pieces = list(generate(llama, tokenizer, "天还", config, guide, alternatives=2))
    text = "".join(piece.text for piece in pieces)
    assert pieces and "没有" not in text and "他" not in text
    assert all(len(piece.alternatives) == 2 for piece in pieces)


def test_the_decoder_of_a_model_may_be_given_in_its_place():
    decoder = make_decoder(gpt2())
    assert isinstance(gpt2(), GPT2) and written(decoder, seed=5) == written(gpt2(), seed=5)
