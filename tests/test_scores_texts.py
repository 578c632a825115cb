"""Scores of texts: every token once with its context, every character its share, known totals.

Models here are functions: some written in NumPy so that a cost shows what the model saw.
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novelkit.errors import InputError, WorkError
from novelkit.scores import Windows, score_text, score_tokens
from novelkit.tokenizing import CharTokenizer, train_tokenizer

TEXT = "天亮以前，渡口上只有一盏灯还亮着。\n老船夫把缆绳绕了三圈，才慢慢直起腰来。\n" * 3
VOCABULARY = 11


def counting_model(ids):
    """Token 0 costs as many nats as there are tokens before it in the window, so a score shows
    how much context it had."""
    logits = np.empty((*ids.shape, 2))
    logits[..., 0] = -np.arange(1, ids.shape[1] + 1)
    logits[..., 1] = np.log(-np.expm1(logits[..., 0]))
    return logits


def reading_model(ids):
    """Logits that depend on all tokens of the window so far, in order."""
    state, states = np.zeros(len(ids)), []
    for column in ids.T:
        state = (state * 0.8 + np.sin(column + 1.0)) % 7
        states.append(state)
    return np.sin(np.stack(states, axis=1)[..., None] * np.arange(1, VOCABULARY + 1)) * 3


def plain_scores(model, ids, n_ctx, stride):
    """One token at a time, from the definition: the window whose new tokens it is one of."""
    nats = []
    for target in range(1, len(ids)):
        steps = max(0, math.ceil((target - n_ctx) / stride))
        end = min(n_ctx + steps * stride, len(ids) - 1)
        context = ids[max(0, end - n_ctx) : target]
        logits = np.asarray(model(np.array([context])))[0, -1].astype(float)
        nats.append(math.log(sum(math.exp(x) for x in logits)) - logits[ids[target]])
    return nats


token_lists = st.lists(st.integers(0, VOCABULARY - 1), min_size=2, max_size=40)


@settings(deadline=None)
@given(token_lists, st.integers(1, 12), st.data(), st.integers(1, 4))
def test_every_token_costs_what_the_definition_says(ids, n_ctx, data, batch_size):
    stride = data.draw(st.integers(1, n_ctx))
    scores = score_tokens(reading_model, np.array(ids), Windows(n_ctx, stride, batch_size))
    assert scores == pytest.approx(plain_scores(reading_model, ids, n_ctx, stride), rel=1e-12)


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 12), st.data())
def test_every_token_has_its_context(tokens, n_ctx, data):
    stride = data.draw(st.integers(1, n_ctx))
    ids = np.zeros(tokens + 1, dtype=int)
    context = score_tokens(counting_model, ids, Windows(n_ctx, stride))
    before = np.arange(1, tokens + 1)
    assert (context >= np.minimum(before, n_ctx - stride + 1) - 1e-9).all()
    assert (context <= np.minimum(before, n_ctx) + 1e-9).all()
    if stride == 1:
        assert context == pytest.approx(np.minimum(before, n_ctx), rel=1e-9)


def test_a_stride_as_long_as_the_window_forgets_at_each_border():
    context = score_tokens(counting_model, np.zeros(11, dtype=int), Windows(4, 4))
    # The last window is moved back until it is full.
    assert context == pytest.approx([1, 2, 3, 4, 1, 2, 3, 4, 3, 4], rel=1e-9)


def test_the_default_stride_is_half_the_window():
    ids = np.arange(30) % VOCABULARY
    expected = score_tokens(reading_model, ids, Windows(8, 4))
    assert np.array_equal(score_tokens(reading_model, ids, Windows(8)), expected)
    assert score_tokens(reading_model, ids, Windows(1)).shape == (29,)


def test_batches_are_no_larger_than_asked_and_progress_counts_tokens():
    shapes, calls = [], []

    def model(ids):
        shapes.append(ids.shape)
        assert ids.dtype == np.int64
        return reading_model(ids)

    ids = np.arange(50) % VOCABULARY
    score_tokens(model, ids, Windows(8, 3, 4), lambda *done: calls.append(done))
    assert set(shapes[:-1]) == {(4, 8)} and shapes[-1][0] <= 4
    assert calls[-1] == (49, 49) and len(calls) == len(shapes)
    assert [done for done, _ in calls] == sorted({done for done, _ in calls})


# ---- characters


def unigram_model(costs):
    """Each id always has the same logit, so the cost of an id is known."""

    def model(ids):
        return np.broadcast_to(-costs, (*ids.shape, len(costs)))

    return model, costs + math.log(np.exp(-costs).sum())


def test_a_character_in_bytes_costs_the_sum_of_its_bytes():
    tokenizer = CharTokenizer.train("一二")
    text = "一😀龘二é\n"  # two that stand side by side, and one at the end
    model, cost = unigram_model(np.linspace(0, 9, len(tokenizer)))
    score = score_text(model, tokenizer, text, Windows(4), each_character=True)
    first = tokenizer.byte_ids[0]
    expected = [
        cost[tokenizer.vocabulary[character]]
        if character in tokenizer.vocabulary
        else sum(cost[first + byte] for byte in character.encode("utf-8"))
        for character in text
    ]
    assert score.character_nats == pytest.approx(expected, rel=1e-12)
    assert (score.characters, score.tokens) == (6, 2 + 4 + 3 + 2 + 1)
    assert score.nats == pytest.approx(sum(expected), rel=1e-12)
    assert score.bits_per_character == pytest.approx(sum(expected) / 6 / math.log(2))
    assert score.nats_per_token == pytest.approx(sum(expected) / 12)


def test_the_unit_is_the_character_of_the_text_whatever_the_tokens():
    """A uniform model pays ln V a token: fewer tokens, fewer bits per character."""
    pytest.importorskip("tokenizers")
    for tokenizer in (CharTokenizer.train(TEXT), train_tokenizer("bpe", [TEXT * 20])):
        uniform = unigram_model(np.zeros(len(tokenizer)))[0]
        score = score_text(uniform, tokenizer, TEXT + "😀", Windows(16), each_character=True)
        expected = len(tokenizer.encode(TEXT + "😀")) * math.log2(len(tokenizer))
        assert score.bits_per_character == pytest.approx(expected / len(TEXT + "😀"))
        assert score.character_nats.sum() == pytest.approx(score.nats)
    assert score.tokens < len(TEXT)


def test_a_token_of_several_characters_is_shared_equally():
    pytest.importorskip("tokenizers")
    tokenizer = train_tokenizer("bpe", [TEXT * 20])
    model, cost = unigram_model(np.linspace(0, 5, len(tokenizer)))
    ids = tokenizer.encode(TEXT)
    tokens = list(tokenizer.vocabulary)
    expected = [cost[i] / len(tokens[i]) for i in ids.tolist() for _ in tokens[i]]
    score = score_text(model, tokenizer, TEXT, Windows(8), each_character=True)
    assert max(len(tokens[i]) for i in ids.tolist()) > 1
    assert score.character_nats == pytest.approx(expected, rel=1e-12)


class StreamingTokenizer:
    """Two bytes of UTF-16 a token, as a foreign tokenizer whose tokens end inside of characters;
    `dropped` characters vanish."""

    book = 0

    def __init__(self, dropped=""):
        self.dropped = dropped

    def encode(self, text):
        kept = "".join(character for character in text if character not in self.dropped)
        return list(kept.encode("utf-16-le"))

    def stream(self):
        return self.Stream()

    class Stream:
        def __init__(self):
            self.pending = b""

        def push(self, token):
            self.pending += bytes([token])
            try:
                text, self.pending = self.pending.decode("utf-16-le"), b""
            except UnicodeDecodeError:
                return ""
            return text

        def finish(self):
            return self.pending.decode("utf-16-le", errors="replace")


def test_a_foreign_tokenizer_tells_its_characters_as_it_streams():
    model, cost = unigram_model(np.linspace(0, 5, 256))
    text = "一二😀三"
    score = score_text(model, StreamingTokenizer(), text, Windows(4), each_character=True)
    expected = [sum(cost[byte] for byte in item.encode("utf-16-le")) for item in text]
    assert score.character_nats == pytest.approx(expected, rel=1e-12)


def test_a_byte_level_tokenizer_of_another_model(tmp_path):
    """GPT-2's own kind: a rare character takes several tokens, a frequent phrase one."""
    tokenizers = pytest.importorskip("tokenizers")
    from novelkit.tokenizing import load_tokenizer

    trained = tokenizers.ByteLevelBPETokenizer()
    trained.train_from_iterator([TEXT] * 5, 600, special_tokens=["<|endoftext|>"])
    trained.save_model(str(tmp_path))
    tokenizer = load_tokenizer(tmp_path)
    model, cost = unigram_model(np.linspace(0, 5, len(tokenizer)))
    parts = ["渡口上", "😀", "龘"]
    costs = [sum(cost[tokenizer.encode(part)]) for part in parts]
    score = score_text(model, tokenizer, "".join(parts), Windows(8), each_character=True)
    assert score.tokens == sum(len(tokenizer.encode(part)) for part in parts) > 7
    assert score.character_nats[3:] == pytest.approx(costs[1:], rel=1e-12)
    assert score.character_nats[:3].sum() == pytest.approx(costs[0], rel=1e-12)


class ReadingAhead(StreamingTokenizer):
    """Holds the text back until the end."""

    class Stream(StreamingTokenizer.Stream):
        def push(self, token):
            self.pending += bytes([token])
            return ""

        def finish(self):
            return self.pending.decode("utf-16-le")


def test_what_a_stream_holds_back_belongs_to_the_last_token():
    model, cost = unigram_model(np.linspace(0, 5, 256))
    score = score_text(model, ReadingAhead(), "一二", Windows(4), each_character=True)
    total = sum(cost[byte] for byte in "一二".encode("utf-16-le"))
    assert score.character_nats == pytest.approx([total / 2] * 2, rel=1e-12)


@pytest.mark.parametrize("text", [" 一 二", "一 二 ", "   "])
def test_a_tokenizer_that_drops_characters_gives_no_score(text):
    model, _ = unigram_model(np.zeros(256))
    assert score_text(model, StreamingTokenizer(), text, Windows(4)).characters == len(text)
    with pytest.raises(InputError, match="无损"):
        score_text(model, StreamingTokenizer(dropped=" "), text, Windows(4))


def test_a_tokenizer_that_changes_characters_gives_no_score():
    class Lowering(StreamingTokenizer):
        def encode(self, text):
            return super().encode(text.lower())

    model, _ = unigram_model(np.zeros(256))
    assert score_text(model, Lowering(), "ab", Windows(4)).characters == 2
    with pytest.raises(InputError, match="无损"):
        score_text(model, Lowering(), "aB", Windows(4))


class OnlyEncode:
    def encode(self, text):
        return [ord(character) % VOCABULARY for character in text]


def test_a_tokenizer_that_only_encodes_gives_one_passage():
    ids = OnlyEncode().encode(TEXT)
    score = score_text(reading_model, OnlyEncode(), TEXT, Windows(8, 1), start=3)
    assert score.nats == pytest.approx(sum(plain_scores(reading_model, [3, *ids], 8, 1)))
    assert score.passage_nats == pytest.approx([score.nats])
    assert score.passage_characters.tolist() == [len(TEXT)]
    assert score.character_nats is None
    with pytest.raises(ValueError, match="which characters"):
        score_text(reading_model, OnlyEncode(), TEXT, Windows(8), start=3, each_character=True)
    with pytest.raises(ValueError, match="start"):
        score_text(reading_model, OnlyEncode(), TEXT, Windows(8))


@settings(deadline=None, max_examples=50)
@given(st.text(st.sampled_from("一二三😀é\n"), min_size=1, max_size=50), st.integers(1, 60))
def test_passages_add_up_to_the_text(text, length):
    tokenizer = CharTokenizer.train("一二")
    model, _ = unigram_model(np.linspace(0, 5, len(tokenizer)))
    arguments = {"passage_characters": length, "each_character": True}
    score = score_text(model, tokenizer, text, Windows(6, 2), **arguments)
    assert score.passage_nats.sum() == pytest.approx(score.nats, rel=1e-12)
    assert score.passage_characters.sum() == len(text)
    assert set(score.passage_characters[:-1].tolist()) <= {length}
    for number, nats in enumerate(score.passage_nats):
        part = score.character_nats[number * length : (number + 1) * length]
        assert nats == pytest.approx(part.sum(), rel=1e-12)


def test_a_start_of_book_token_stands_before_the_text_and_is_not_scored():
    tokenizer = CharTokenizer.train("一二")
    seen = []

    def model(ids):
        seen.append(ids[0].tolist())
        return np.zeros((*ids.shape, len(tokenizer)))

    # One character: there is no other token before it.
    assert score_text(model, tokenizer, "一", Windows(8)).tokens == 1
    assert seen == [[tokenizer.book]]
    score_text(model, tokenizer, "一", Windows(8), start=tokenizer.chapter)
    assert seen[1] == [tokenizer.chapter]
    other = [score_text(model, tokenizer, "一二" * 8, Windows(4, 1)).tokens, len(seen)]
    assert other[0] == 16 and seen[2][0] == tokenizer.book


# ---- models


@pytest.fixture(scope="module")
def tokenizer():
    return CharTokenizer.train(TEXT)


@pytest.fixture(scope="module")
def gpt2(tokenizer):
    torch = pytest.importorskip("torch")
    from novelkit.model import GPT2, ModelConfig

    torch.manual_seed(3)
    config = ModelConfig(len(tokenizer), n_ctx=16, n_layer=2, n_head=2, n_embd=32)
    model = GPT2(config).eval()
    # Freshly made it is nearly uniform and would not show what it has read.
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def wrapped(model):
    import torch

    return lambda ids: model(torch.from_numpy(ids))


@pytest.mark.parametrize("stride", [1, 5, 16])
def test_our_model_against_a_plain_scorer(gpt2, tokenizer, stride):
    import torch

    windows = Windows(16, stride, 3)
    score = score_text(wrapped(gpt2), tokenizer, TEXT + "😀", windows, each_character=True)
    ids = [tokenizer.book, *tokenizer.encode(TEXT + "😀").tolist()]
    with torch.no_grad():
        expected = plain_scores(wrapped(gpt2), ids, 16, stride)
    assert score.nats == pytest.approx(sum(expected), rel=1e-5)
    assert score.character_nats[:-1] == pytest.approx(expected[:-4], abs=1e-4)
    assert score.character_nats[-1] == pytest.approx(sum(expected[-4:]), rel=1e-5)


def test_more_context_is_another_score(gpt2, tokenizer):
    scores = [
        score_text(wrapped(gpt2), tokenizer, TEXT, Windows(16, stride)).nats for stride in (1, 16)
    ]
    assert abs(scores[0] - scores[1]) > 1e-3


def test_a_model_of_transformers_against_a_plain_scorer(tokenizer):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(4)
    config = transformers.GPT2Config(
        vocab_size=len(tokenizer), n_positions=16, n_layer=2, n_head=2, n_embd=32
    )
    model = transformers.GPT2LMHeadModel(config).eval()

    def logits(ids):
        return model(torch.from_numpy(ids)).logits

    score = score_text(logits, tokenizer, TEXT, Windows(16, 6, 4))
    with torch.no_grad():
        ids = [tokenizer.book, *tokenizer.encode(TEXT).tolist()]
        expected = plain_scores(lambda ids: logits(ids).numpy(), ids, 16, 6)
    assert score.nats == pytest.approx(sum(expected), rel=1e-5)


def test_log_probabilities_and_logits_are_one_and_half_precision_is_summed_in_single(gpt2):
    import torch

    ids = np.arange(40) % 30
    windows, logits = Windows(16, 4), wrapped(gpt2)
    expected = score_tokens(logits, ids, windows)
    as_log = score_tokens(lambda ids: logits(ids).log_softmax(-1), ids, windows)
    assert as_log == pytest.approx(expected, abs=1e-4)
    half = score_tokens(lambda ids: logits(ids).bfloat16(), ids, windows)
    rounded = score_tokens(lambda ids: logits(ids).bfloat16().to(torch.float64), ids, windows)
    assert half == pytest.approx(rounded, abs=1e-4)
    in_numpy = score_tokens(lambda ids: logits(ids).numpy(), ids, windows)
    assert in_numpy == pytest.approx(expected, abs=1e-4)


def test_no_gradients_are_kept(gpt2):
    import torch

    seen = []

    def model(ids):
        logits = gpt2(torch.from_numpy(ids))
        seen.append(logits.requires_grad)
        return logits

    score_tokens(model, np.arange(20) % 30, Windows(16))
    assert seen and not any(seen)


def test_it_agrees_with_the_evaluation_of_training(request):
    """With a stride of the whole window, on a DATA folder with its special tokens."""
    torch = pytest.importorskip("torch")
    # Not as arguments: the fixtures import torch before the line above could skip the test.
    data_folder, model_size = map(request.getfixturevalue, ("data_folder", "model_size"))
    from novelkit.model import GPT2
    from novelkit.training.data import TrainingData, evaluate

    torch.manual_seed(5)
    model = GPT2(model_size).eval()
    tokens = np.array(TrainingData.read(data_folder).tokens("validation"))
    n_ctx = model_size.n_ctx
    nats = score_tokens(wrapped(model), tokens, Windows(n_ctx, n_ctx))
    assert len(nats) > 2 * n_ctx
    assert nats.mean() == pytest.approx(evaluate(model, tokens), rel=1e-5)


# ---- refusals


def test_an_empty_text_is_refused(tokenizer):
    with pytest.raises(InputError, match="空的"):
        score_text(reading_model, tokenizer, "", Windows(8))
    with pytest.raises(InputError, match="词元"):
        score_tokens(reading_model, np.array([1]), Windows(8))


@pytest.mark.parametrize(
    "arguments",
    [
        {"n_ctx": 0},
        {"n_ctx": 4, "stride": 5},
        {"n_ctx": 4, "stride": 0},
        {"n_ctx": 4, "batch_size": 0},
    ],
)
def test_windows_that_cannot_be_are_refused(arguments):
    with pytest.raises(ValueError):
        Windows(**arguments)


def test_a_model_without_an_answer_is_refused():
    ids = np.arange(9) % VOCABULARY
    with pytest.raises(WorkError, match="NaN"):
        score_tokens(lambda ids: reading_model(ids) * np.nan, ids, Windows(8))
    with pytest.raises(ValueError, match="returned"):
        score_tokens(lambda ids: reading_model(ids)[:, -1], ids, Windows(8))
    with pytest.raises(ValueError, match="passage_characters"):
        score_text(reading_model, OnlyEncode(), "一", Windows(8), start=0, passage_characters=0)


def test_ids_that_the_model_does_not_have_are_refused():
    for model in (reading_model, torch_version(reading_model)):
        with pytest.raises(InputError, match="词表"):
            score_tokens(model, np.array([0, 1, VOCABULARY]), Windows(8))


def torch_version(model):
    torch = pytest.importorskip("torch")
    return lambda ids: torch.from_numpy(model(ids))


def test_an_impossible_token_costs_infinitely_much():
    def model(ids):
        logits = np.zeros((*ids.shape, 3))
        logits[..., 2] = -np.inf
        return logits

    assert score_tokens(model, np.array([0, 1, 2]), Windows(8)).tolist() == [math.log(2), math.inf]
