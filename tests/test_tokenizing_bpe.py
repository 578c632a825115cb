"""Stage 04: the BPE tokenizer: what merges, what never does, and how it is trained."""

import re

import pytest
from helpers_tokenizing import SENTENCES, TEXT, tokenizer_of

from novelkit.tokenizing import bpe
from novelkit.tokenizing.bpe import BpeTokenizer
from novelkit.tokenizing.interface import FIRST_CHARACTER_ID

pytest.importorskip("tokenizers")


def pieces(tokenizer, text):
    """The text of each token."""
    return [tokenizer.decode([token]) for token in tokenizer.encode(text).tolist()]


def test_what_repeats_becomes_one_token():
    tokenizer = BpeTokenizer.train(["学校里。学校外。学校门口。" * 5], minimum_piece_count=2)
    assert pieces(tokenizer, "学校里学校") == ["学校里", "学校"]


def test_merges_do_not_cross_punctuation_spaces_and_line_ends():
    tokenizer = BpeTokenizer.train(
        ["“好。”\n她说，　好 好\r\n3.14 30%" * 50], minimum_piece_count=2
    )
    for token in tokenizer.longer:
        assert re.fullmatch(r"[^\W\d_]+|…+|—+", token), token
    assert "她说" in tokenizer.longer


def test_an_ellipsis_and_a_dash_are_one_token():
    tokenizer = BpeTokenizer.train(["他走……了——她。" * 9], minimum_piece_count=2)
    assert pieces(tokenizer, "……——") == ["……", "——"]


def test_a_piece_must_be_frequent_enough():
    text = "学校。" * 9 + "老师。" * 4
    assert BpeTokenizer.train([text], minimum_piece_count=5).longer == ("学校",)
    assert set(BpeTokenizer.train([text], minimum_piece_count=2).longer) == {"学校", "老师"}


def test_the_vocabulary_size_is_kept_and_never_costs_a_character():
    characters = len(set(TEXT))
    size = FIRST_CHARACTER_ID + characters + 7
    sized = BpeTokenizer.train([TEXT], vocabulary_size=size, minimum_piece_count=2)
    assert len(sized) == size
    least = BpeTokenizer.train([TEXT], vocabulary_size=300, minimum_piece_count=2)
    assert len(least) == FIRST_CHARACTER_ID + characters and least.merges == ()
    assert least.decode(least.encode(TEXT)) == TEXT


def test_a_rare_character_is_left_out_and_joins_no_others():
    """Left out of the middle, it must not make its neighbours a pair."""
    text = "甲龘乙。" + "甲鑫乙。" + "甲。乙。" * 5
    tokenizer = BpeTokenizer.train([text], minimum_count=2, minimum_piece_count=1)
    assert "龘" not in tokenizer.characters and "甲" in tokenizer.characters
    assert "甲乙" not in tokenizer.longer


def test_characters_beyond_the_sample_are_still_in_the_vocabulary(monkeypatch):
    monkeypatch.setattr(bpe, "SAMPLE", 9)
    lines = iter(["学校。学校。学校。", "老师。老师。老师。"])
    tokenizer = BpeTokenizer.train(lines, minimum_piece_count=2)
    assert {"老", "师"} <= set(tokenizer.characters)
    assert tokenizer.longer == ("学校",)


@pytest.mark.parametrize("text", ["", "\n", "龘"])
def test_a_text_without_anything_to_learn_gives_bytes_alone(text):
    tokenizer = BpeTokenizer.train([text])
    assert tokenizer.longer == ()
    assert tokenizer.decode(tokenizer.encode("我们")) == "我们"


def test_training_twice_gives_the_same_vocabulary():
    assert BpeTokenizer.train([TEXT], minimum_piece_count=2).merges == tokenizer_of("bpe").merges


def test_lines_are_divided_without_a_trace(monkeypatch):
    tokenizer, text = tokenizer_of("bpe"), "".join(SENTENCES) * 20
    whole = tokenizer.encode(text).tolist()
    monkeypatch.setattr(bpe, "PIECE", 7)
    monkeypatch.setattr(bpe, "BATCH", 3)
    assert tokenizer.encode(text).tolist() == whole
