"""Stage 08: each cut alone and against `transformers`, then the stream that they produce."""

import pytest
import torch
from helpers_text import tiny_model
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from novelkit.errors import InputError
from novelkit.model import GPT2, ModelConfig
from novelkit.sampling import (
    SamplingConfig,
    apply_temperature,
    generate,
    keep_top_k,
    keep_top_p,
    next_token_probabilities,
    without_bytes,
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


class Scripted(GPT2):
    """Says what it is told: after n tokens in all, the n-th of `script` has all the weight."""

    def __init__(self, script, n_ctx=CONTEXT):
        super().__init__(ModelConfig(len(TOKENIZER), n_ctx, 1, 1, 2))
        self.script, self.said = list(script), 0

    def forward(self, ids, cache=None):
        cache.length += ids.size(1)
        logits = torch.zeros(1, ids.size(1), len(TOKENIZER))
        logits[0, -1, self.script[min(self.said, len(self.script) - 1)]] = 50.0
        self.said += 1
        return logits


def ids(text):
    return TOKENIZER.encode(text).tolist()


def write(model, prompt="天地", **settings):
    config = SamplingConfig(**{"length": 30, **settings})
    return "".join(piece.text for piece in generate(model, TOKENIZER, prompt, config))


def random_logits(seed, batch=3, size=50, scale=4.0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, size, generator=generator) * scale


seeds = st.integers(0, 2**32)


# ---- temperature


@given(seeds)
def test_temperature_zero_is_the_most_probable_token(seed):
    logits = random_logits(seed)
    probabilities = next_token_probabilities(logits, SamplingConfig(temperature=0))
    assert (probabilities.argmax(-1) == logits.argmax(-1)).all()
    assert (probabilities.max(-1).values == 1).all() and (probabilities.sum(-1) == 1).all()


def test_temperature_zero_chooses_one_among_equals():
    logits = torch.zeros(2, 7)
    probabilities = next_token_probabilities(logits, SamplingConfig(temperature=0, top_p=0.1))
    assert (probabilities.count_nonzero(-1) == 1).all()


@settings(deadline=None)
@given(
    seeds,
    st.floats(0, 10, allow_subnormal=True),
    st.integers(0, 60),
    st.floats(0, 1, exclude_min=True, allow_subnormal=True),
    st.sampled_from([1e-3, 1.0, 300.0, 1e30]),
)
def test_every_allowed_setting_gives_a_distribution(seed, temperature, top_k, top_p, scale):
    config = SamplingConfig(temperature=temperature, top_k=top_k, top_p=top_p)
    logits = random_logits(seed, scale=scale)
    logits[:, 10:20] = float("-inf")  # as the forbidden byte tokens are
    probabilities = next_token_probabilities(logits, config)
    assert torch.isfinite(probabilities).all() and (probabilities >= 0).all()
    assert torch.allclose(probabilities.sum(-1), torch.ones(3), atol=1e-4)
    assert (probabilities[:, 10:20] == 0).all()


@pytest.mark.parametrize("temperature", [1e-38, 1e-45, 1e-320])
def test_a_tiny_temperature_is_greedy_and_no_nan(temperature):
    logits = random_logits(1)
    probabilities = next_token_probabilities(logits, SamplingConfig(temperature=temperature))
    assert (probabilities.max(-1).values == 1).all()
    assert (probabilities.argmax(-1) == logits.argmax(-1)).all()


# ---- top-k and top-p


@given(seeds, st.integers(1, 60), st.integers(1, 4))
def test_exactly_k_stay_even_among_equals(seed, k, levels):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randint(levels, (4, 50), generator=generator).float()
    kept = torch.isfinite(keep_top_k(logits, k))
    assert (kept.sum(-1) == min(k, 50)).all()
    for row, keep in zip(logits, kept, strict=True):
        assert not (~keep).any() or row[keep].min() >= row[~keep].max()
    assert (keep_top_k(logits, k)[kept] == logits[kept]).all()


def test_top_k_zero_keeps_all():
    logits = random_logits(2)
    assert keep_top_k(logits, 0) is logits


@given(seeds, st.floats(0.01, 0.999))
def test_top_p_keeps_the_smallest_set_that_reaches_p(seed, p):
    for row, cut in zip(random_logits(seed), keep_top_p(random_logits(seed), p), strict=True):
        kept = torch.isfinite(cut)
        probabilities = row.double().softmax(-1)
        mass = float(probabilities[kept].sum())
        assert mass >= p - 1e-5
        assert kept.sum() == 1 or mass - float(probabilities[kept].min()) < p + 1e-5
        assert not (~kept).any() or row[kept].min() >= row[~kept].max()
        assert (cut[kept] == row[kept]).all()


@pytest.mark.parametrize("p", [1e-9, 1e-45, 1e-300])
def test_top_p_keeps_at_least_one(p):
    kept = torch.isfinite(keep_top_p(torch.zeros(2, 9), p))
    assert (kept.sum(-1) == 1).all()


def test_top_p_among_equals_keeps_just_enough():
    kept = torch.isfinite(keep_top_p(torch.zeros(1, 8), 0.5))
    assert kept.sum() == 4


@given(seeds)
def test_rows_of_a_batch_do_not_touch_each_other(seed):
    config = SamplingConfig(temperature=0.7, top_k=20, top_p=0.9)
    logits = random_logits(seed)
    together = next_token_probabilities(logits, config)
    alone = torch.stack([next_token_probabilities(row, config) for row in logits])
    assert torch.allclose(together, alone, atol=1e-6)


def test_logits_of_the_caller_stay_as_they_are():
    logits = random_logits(3, size=len(TOKENIZER))
    before = logits.clone()
    config = SamplingConfig(temperature=0.5, top_k=5, top_p=0.5)
    next_token_probabilities(without_bytes(logits), config)
    assert (logits == before).all()


# ---- the same as `transformers`, where both define the same thing (no ties)


@pytest.fixture(scope="module")
def warpers():
    return pytest.importorskip("transformers.generation.logits_process")


@settings(deadline=None)
@given(seed=seeds, temperature=st.floats(0.05, 10))
def test_temperature_equals_that_of_transformers(warpers, seed, temperature):
    logits = random_logits(seed)
    theirs = warpers.TemperatureLogitsWarper(temperature)(None, logits).softmax(-1)
    assert torch.allclose(apply_temperature(logits, temperature).softmax(-1), theirs, atol=1e-5)


@settings(deadline=None)
@given(seed=seeds, k=st.integers(1, 60))
def test_top_k_equals_that_of_transformers(warpers, seed, k):
    logits = random_logits(seed)
    assume(all(len(row.unique()) == len(row) for row in logits))  # they keep ties, we do not
    assert torch.equal(keep_top_k(logits, k), warpers.TopKLogitsWarper(k)(None, logits))


@settings(deadline=None)
@given(seed=seeds, p=st.floats(0.01, 0.99))
def test_top_p_equals_that_of_transformers(warpers, seed, p):
    logits = random_logits(seed)
    ordered = logits.double().sort(descending=True).values.softmax(-1).cumsum(-1)
    assume(bool(((ordered - p).abs() > 1e-4).all()))  # the boundary is a matter of rounding
    assert torch.equal(keep_top_p(logits, p), warpers.TopPLogitsWarper(p)(None, logits))


@settings(deadline=None)
@given(seed=seeds, k=st.integers(1, 50), p=st.floats(0.05, 0.99), temperature=st.floats(0.2, 3))
def test_all_in_order_equal_those_of_transformers(warpers, seed, k, p, temperature):
    logits = random_logits(seed)
    theirs = warpers.TemperatureLogitsWarper(temperature)(None, logits)
    theirs = warpers.TopKLogitsWarper(k)(None, theirs)
    ordered = theirs.double().sort(descending=True).values.softmax(-1).cumsum(-1)
    assume(bool(((ordered - p).abs() > 1e-4).all()))
    theirs = warpers.TopPLogitsWarper(p)(None, theirs).softmax(-1)
    ours = next_token_probabilities(logits, SamplingConfig(temperature, k, p))
    assert torch.allclose(ours, theirs, atol=1e-5)


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
    start = 0 if len(tokens) <= CONTEXT else len(tokens) - CONTEXT // 2
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
            start = len(tokens) - CONTEXT // 2
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


def test_a_header_stays_in_sight_past_the_context(monkeypatch):
    model, asked = Scripted(ids("玄"), n_ctx=32), []
    forward = model.forward

    def listening(ids, cache=None):
        asked.append(ids[0].tolist())
        return forward(ids, cache)

    monkeypatch.setattr(model, "forward", listening)
    header = Header(title="天")
    first = encode_header(TOKENIZER, header).tolist()
    config = SamplingConfig(length=80, top_k=0)
    written = sum(len(piece.text) for piece in generate(model, TOKENIZER, "天地", config, header))
    starts = [tokens for tokens in asked if len(tokens) > 1]
    assert written == 80 and len(starts) > 2
    assert all(tokens[: len(first)] == first for tokens in starts)
    assert starts[0] == first + ids("天地")


def test_a_header_that_leaves_no_room_for_text_is_refused(model):
    with pytest.raises(InputError, match="一半"):
        next(generate(model, TOKENIZER, "天地", GREEDY, Header(title="天地玄黄")))
