"""Stages 04 to 08 with each kind of tokenizer: prepare, train a few steps, write."""

import pytest
from helpers_tokenizing import KINDS

pytest.importorskip("torch")
LIBRARIES = {"word": "jieba", "bpe": "tokenizers"}


@pytest.fixture(scope="module", params=KINDS)
def trained(request, novel, cpu, tmp_path_factory):
    """A model that trained a few steps on the novel, in its exported folder."""
    if request.param in LIBRARIES:
        pytest.importorskip(LIBRARIES[request.param])
    from novelkit.model import ModelConfig
    from novelkit.tokenizing import train_tokenizer, write_data
    from novelkit.training import Budget, TrainConfig, train

    folder = tmp_path_factory.mktemp(request.param)
    text = "".join(paragraph for chapter in novel.chapters[:10] for paragraph in chapter.paragraphs)
    tokenizer = train_tokenizer(request.param, [text])
    write_data([novel], folder / "data", tokenizer)
    size = ModelConfig(len(tokenizer), n_ctx=16, n_layer=2, n_head=2, n_embd=32, dropout=0.0)
    config = TrainConfig(evaluate_every=10, checkpoint_steps=20, batch_size=8)
    budget = Budget(max_steps=20)
    result = train(folder / "data", folder / "run", size, config, budget, compute=cpu)
    return request.param, result


def test_training_exports_the_tokenizer_and_bits_per_character(trained):
    from novelkit.tokenizing import load_tokenizer

    kind, result = trained
    assert load_tokenizer(result.model).kind == kind
    # Uniform over the characters of the novel would be about 8.5.
    assert 0 < result.scores.test_bits_per_character < 9


@pytest.mark.parametrize("rare_characters", [False, True])
def test_writing_streams_whole_characters_of_the_asked_length(trained, rare_characters):
    from novelkit.model import load_model
    from novelkit.sampling import SamplingConfig, generate
    from novelkit.tokenizing import load_tokenizer

    _, result = trained
    tokenizer = load_tokenizer(result.model)
    settings = SamplingConfig(length=40, top_k=0, seed=3, rare_characters=rare_characters)
    pieces = list(generate(load_model(result.model), tokenizer, "老船夫把缆绳", settings))
    text = "".join(piece.text for piece in pieces)
    assert len(text) == 40 or pieces[-1].token == tokenizer.end_of_text
    text.encode("utf-8")
    if not rare_characters:
        assert "\ufffd" not in text
        assert not {piece.token for piece in pieces} & set(tokenizer.byte_ids)


def test_a_foreign_tokenizer_writes_too(tmp_path):
    """It has no byte ids that could be forbidden."""
    tokenizers = pytest.importorskip("tokenizers")
    from helpers_text import tiny_model

    from novelkit.sampling import SamplingConfig, generate
    from novelkit.tokenizing import load_tokenizer

    fast = tokenizers.ByteLevelBPETokenizer()
    fast.train_from_iterator(
        ["老船夫把缆绳绕了三圈。"], vocab_size=300, special_tokens=["<|endoftext|>"]
    )
    fast.save(str(tmp_path / "tokenizer.json"))
    tokenizer = load_tokenizer(tmp_path)
    pieces = generate(tiny_model(tokenizer), tokenizer, "老船夫", SamplingConfig(length=12))
    text = "".join(piece.text for piece in pieces)
    assert 0 < len(text) <= 12
    text.encode("utf-8")
