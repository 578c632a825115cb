"""Small tokenizers of each kind, and texts that try to break them."""

import functools

from hypothesis import strategies as st

from novelkit.tokenizing import CharTokenizer, Tokenizer
from novelkit.tokenizing.bpe import BpeTokenizer
from novelkit.tokenizing.interface import KINDS, SPECIAL_TOKENS
from novelkit.tokenizing.words import WordTokenizer

# What a vocabulary is made of here: words of jieba, a name that is none, every ASCII character of
# a special or byte token, and the punctuation that vocabularies forget.
SENTENCES = (
    "今天天气很好，我们一起去北京大学看书……\n",
    "“老师说，我们的国家很大——你知道吗？”\n",
    "\u3000\u3000王小虎常在学校门口等他，一直等到天黑。\n",
    "这个问题很重要，可是没有人知道怎么办！\r\n",
    "<|book|>是<|endoftext|>不是<|chapter|>，<0x41>也不是。\n",
)
TEXT = "".join(SENTENCES) * 3
LOOK_ALIKES = (*SPECIAL_TOKENS, "<0x41>", "<0xE4><0xBD>", "<|bo", "ook|>", "▁", "Ġ", "</s>", "##")
_PIECES = (*LOOK_ALIKES, *SENTENCES, *sorted(set(TEXT)), "我们", "北京", "大学", "龘", "𠮷", "😀")

# Arbitrary Unicode, mixed with what the vocabularies know and with what looks like their tokens.
texts = st.one_of(
    st.text(),
    st.lists(st.one_of(st.text(max_size=5), st.sampled_from(_PIECES))).map("".join),
)


@functools.cache
def tokenizer_of(kind: str) -> Tokenizer:
    """A tokenizer trained on `TEXT`, with words and pieces although the text is short."""
    if kind == "word":
        return WordTokenizer.train([TEXT], minimum_word_count=2)
    if kind == "bpe":
        return BpeTokenizer.train([TEXT], minimum_piece_count=2)
    return CharTokenizer.train(TEXT)


__all__ = ["KINDS", "LOOK_ALIKES", "SENTENCES", "TEXT", "texts", "tokenizer_of"]
