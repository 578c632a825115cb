"""Stage 08: the settings, and the stream of text that they produce."""

from types import SimpleNamespace

import pytest
import torch
from helpers_text import tiny_model

from novelkit.errors import InputError
from novelkit.sampling import (
    ContextWindow,
    Guide,
    SamplingConfig,
    TokenTexts,
    generate,
)
from novelkit.tokenizing import CharTokenizer
from novelkit.tokenizing.headers import Header, encode_header
from novelkit.tokenizing.interface import FIRST_BYTE_ID, FIRST_CHARACTER_ID

TOKENIZER = CharTokenizer.train("天地玄黄宇宙洪荒日月盈昃辰宿列张，。“”……——\n")
CONTEXT = 16
GREEDY = SamplingConfig(temperature=0, top_k=0, length=40)


@pytest.fixture(scope="module")
def model():
    return tiny_model(TOKENIZER, CONTEXT)


class Scripted:
    """A decoder that says what it is told: the n-th token of `script` has all the weight.

    With several rows, row i is told `scripts[i]`. `asked` are all tokens that it was given.
    """

    precision = "fp32"
    vocabulary = len(TOKENIZER)

    def __init__(self, *scripts, n_ctx=CONTEXT):
        self.scripts, self.n_ctx, self.said, self.asked = list(map(list, scripts)), n_ctx, 0, []

    def new_cache(self):
        return SimpleNamespace(length=0, repeat=lambda count: None, keep=lambda rows: None)

    def read(self, tokens, cache):
        self.asked.append(tokens.tolist())
        cache.length += tokens.size(1)
        assert cache.length <= self.n_ctx
        logits = torch.zeros(len(tokens), self.vocabulary)
        for row in range(len(tokens)):
            script = self.scripts[min(row, len(self.scripts) - 1)]
            logits[row, script[min(self.said, len(script) - 1)]] = 50.0
        self.said += 1
        return logits


def ids(text):
    return TOKENIZER.encode(text).tolist()


def write(model, prompt="天地", **settings):
    config = SamplingConfig(**{"length": 30, **settings})
    return "".join(piece.text for piece in generate(model, TOKENIZER, prompt, config))


# ---- settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -1),
        ("temperature", 11),
        ("temperature", float("nan")),
        ("temperature", float("inf")),
        ("top_k", -3),
        ("top_p", 0),
        ("top_p", 1.5),
        ("top_p", float("nan")),
        ("length", 0),
        ("length", -5),
        ("seed", -1),
        ("seed", 2**63),
    ],
)
def test_a_setting_out_of_range_names_itself_its_value_and_the_range(name, value):
    with pytest.raises(InputError, match=f"{name} 是 {value}，可用的范围是") as caught:
        SamplingConfig(**{name: value})
    assert "\n" not in str(caught.value)


# ---- the stream


@pytest.mark.parametrize("seed", [0, 7, 2**63 - 1])
def test_the_same_seed_writes_the_same_text(model, seed):
    assert write(model, seed=seed) == write(model, seed=seed)


def test_the_seed_does_not_depend_on_the_global_generator(model):
    torch.manual_seed(1)
    first = write(model, seed=3)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    assert write(model, seed=3) == first
    assert torch.equal(torch.get_rng_state(), state)


def test_different_seeds_write_different_texts(model):
    assert len({write(model, seed=seed, temperature=1.5, top_k=0) for seed in range(5)}) == 5


def greedy_by_full_passes(model, prompt, count):
    """The same windows as `generate`, each token from a forward pass without a cache."""
    tokens, text = ids(prompt), ""
    window = ContextWindow(TOKENIZER, TokenTexts(TOKENIZER), CONTEXT, Guide())

    def place():
        return len(tokens) - len(window.place(tokens, max(1, count - len(text))))

    start = place()
    forbidden = [TOKENIZER.book, *range(FIRST_BYTE_ID, FIRST_CHARACTER_ID)]
    while len(text) < count:
        with torch.inference_mode():
            logits = model(torch.tensor([tokens[start:]]))[0, -1].clone()
            logits[forbidden] = float("-inf")
        token = int(logits.argmax())
        if token == TOKENIZER.end_of_text:
            break
        text += "\n" if token == TOKENIZER.chapter else TOKENIZER.decode([token])
        tokens.append(token)
        if len(tokens) - start > CONTEXT:
            start = place()
    return text


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("prompt", ["天", "天地玄黄", "天地玄黄宇宙洪荒" * 2, "日月盈昃，" * 9])
def test_the_cache_writes_what_full_passes_write(seed, prompt):
    model = tiny_model(TOKENIZER, CONTEXT, seed)
    assert write(model, prompt, temperature=0, length=50) == greedy_by_full_passes(
        model, prompt, 50
    )


def test_it_goes_on_past_the_context_limit():
    script = ids("玄") * (5 * CONTEXT)
    assert write(Scripted(script), length=5 * CONTEXT) == "玄" * (5 * CONTEXT)


def test_a_context_of_one_token_works():
    assert write(Scripted(ids("玄"), n_ctx=1), length=5) == "玄" * 5


@pytest.mark.parametrize("length", [1, 2, 17, 64])
@pytest.mark.parametrize("rare", [False, True])
def test_exactly_so_many_characters(length, rare):
    model = tiny_model(TOKENIZER, CONTEXT)
    with torch.no_grad():  # nothing points to the end-of-text token any more
        model.token_embedding.weight[TOKENIZER.end_of_text] = 0
    text = write(model, length=length, rare_characters=rare, top_k=0, temperature=0.5)
    assert len(text) == length


@pytest.mark.parametrize("length", range(1, 7))
def test_characters_spelled_in_bytes_count_once_and_come_whole(length):
    script = ids("龘😀玄é龘𠮷")
    pieces = list(
        generate(
            Scripted(script),
            TOKENIZER,
            "天",
            SamplingConfig(temperature=0, length=length, rare_characters=True),
        )
    )
    text = "".join(piece.text for piece in pieces)
    assert text == "龘😀玄é龘𠮷"[:length]
    assert sum(len(ids(character)) for character in text) == len(pieces)


def test_a_broken_spelling_is_marked_and_still_counted():
    script = [*ids("龘")[:2], *ids("玄黄")]
    config = {"temperature": 0, "length": 4, "rare_characters": True}
    assert write(Scripted(script), **config) == "\ufffd\ufffd玄黄"


def test_it_stops_at_the_end_of_the_text():
    assert write(Scripted([*ids("玄黄"), TOKENIZER.end_of_text])) == "玄黄"
    assert write(Scripted([TOKENIZER.end_of_text])) == ""
    # What was spelled before the end is not lost.
    script = [*ids("玄龘"), TOKENIZER.end_of_text]
    assert write(Scripted(script), rare_characters=True) == "玄龘"


def test_a_new_chapter_begins_a_new_line():
    assert write(Scripted([*ids("玄"), TOKENIZER.chapter, *ids("黄")]), length=3) == "玄\n黄"


def test_a_model_that_would_open_another_book_writes_on():
    # Trained with headers, a model expects one after a passage; it would write titles.
    text = write(Scripted([TOKENIZER.book]), length=10)
    assert len(text) == 10


def test_byte_tokens_are_drawn_only_on_request(model):
    for seed in range(5):
        config = SamplingConfig(temperature=3, top_k=0, length=100, seed=seed)
        tokens = [piece.token for piece in generate(model, TOKENIZER, "天", config)]
        assert not any(FIRST_BYTE_ID <= token < FIRST_CHARACTER_ID for token in tokens)
    wild = SamplingConfig(temperature=10, top_k=0, length=100, rare_characters=True)
    tokens = [piece.token for piece in generate(model, TOKENIZER, "天", wild)]
    assert any(FIRST_BYTE_ID <= token < FIRST_CHARACTER_ID for token in tokens)


def test_probability_and_rank_are_the_models_own():
    piece = next(generate(Scripted(ids("玄")), TOKENIZER, "天", SamplingConfig(temperature=5)))
    assert 0 < piece.probability <= 1 and piece.rank >= 1
    greedy = next(generate(Scripted(ids("玄")), TOKENIZER, "天", GREEDY))
    assert (greedy.text, greedy.rank) == ("玄", 1) and greedy.probability > 0.99


@pytest.mark.parametrize("prompt", ["", " ", "\n\n", "\u3000\t \r\n"])
def test_a_prompt_without_characters_is_refused(model, prompt):
    with pytest.raises(InputError, match="没有字"):
        write(model, prompt)


def test_a_tokenizer_of_another_model_is_refused(model):
    other = CharTokenizer.train("只有这些")
    with pytest.raises(InputError, match=f"{len(TOKENIZER)} 个编号，tokenizer 有 {len(other)} 个"):
        next(generate(model, other, "天", GREEDY))


@pytest.mark.parametrize("prompt", ["天" * (5 * CONTEXT), "龘靐齉😀", "<|endoftext|><0x41>\0"])
def test_long_and_unknown_prompts_work(model, prompt):
    assert write(model, prompt, temperature=0, length=5) == greedy_by_full_passes(model, prompt, 5)


def test_a_surrogate_in_the_prompt_is_refused(model):
    with pytest.raises(InputError, match="代理项"):
        write(model, "天\udcff")


# ---- headers


def test_a_header_stays_in_sight_past_the_context():
    model, header = Scripted(ids("玄"), n_ctx=32), Header(title="天")
    first = encode_header(TOKENIZER, header).tolist()
    config = SamplingConfig(length=80, top_k=0)
    pieces = generate(model, TOKENIZER, "天地", config, Guide(header))
    assert sum(len(piece.text) for piece in pieces) == 80
    starts = [tokens for [tokens] in model.asked if len(tokens) > 1]
    assert len(starts) > 2
    assert all(tokens[: len(first)] == first for tokens in starts)
    assert starts[0] == first + ids("天地")


def test_a_guide_that_leaves_no_room_for_text_is_refused(model):
    with pytest.raises(InputError, match="一半"):
        next(generate(model, TOKENIZER, "天地", GREEDY, Guide(Header(title="天地玄黄"))))
