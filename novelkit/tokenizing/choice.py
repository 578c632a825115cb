"""Which tokenizer: made new from the training text, or that of the model to be continued."""

from collections.abc import Iterable
from pathlib import Path

from novelkit.errors import InputError
from novelkit.tokenizing.bpe import BpeTokenizer
from novelkit.tokenizing.characters import CharTokenizer
from novelkit.tokenizing.foreign import check_lossless
from novelkit.tokenizing.interface import KINDS, Tokenizer
from novelkit.tokenizing.loading import load_tokenizer
from novelkit.tokenizing.spelling import CharacterCounter
from novelkit.tokenizing.words import WordTokenizer

AUTO = "auto"
# Of the first training text, for a tokenizer that is not ours.
CHECKED_CHARACTERS = 200_000


def train_tokenizer(
    kind: str,
    texts: Iterable[str],
    *,
    vocabulary_size: int | None = None,
    minimum_count: int = 2,
) -> Tokenizer:
    """A new tokenizer of one of `KINDS`; `texts` are gone through once and not all kept.

    Characters that occur less than `minimum_count` times are spelled in bytes. `vocabulary_size`
    bounds the words or merged pieces; a character vocabulary is as large as the text needs.
    """
    if kind not in KINDS:
        raise InputError(f"没有 {kind} 这种分词器：请用 {'、'.join(KINDS)} 之一。")
    if kind == "word":
        return WordTokenizer.train(texts, vocabulary_size, minimum_count)
    if kind == "bpe":
        return BpeTokenizer.train(texts, vocabulary_size, minimum_count)
    counter = CharacterCounter()
    for text in texts:
        counter.add(text)
    return CharTokenizer(counter.most_common(minimum_count))


def choose_tokenizer(
    name: str,
    texts: Iterable[str],
    *,
    model: Path | None = None,
    vocabulary_size: int | None = None,
    minimum_count: int = 2,
) -> Tokenizer:
    """The tokenizer that `--tokenizer NAME` means, for training texts that are read if needed.

    "char", "word" and "bpe" are trained on `texts`; "auto" is that of `model`, the model to be
    continued, and "char" where none is; any other name is the folder of a model.
    """
    if name == AUTO:
        name = str(model) if model else "char"
    if name in KINDS:
        return train_tokenizer(
            name, texts, vocabulary_size=vocabulary_size, minimum_count=minimum_count
        )
    if not name or not Path(name).is_dir():
        raise InputError(
            f"没有 {name} 这种分词器，也没有这个文件夹："
            f"请用 {'、'.join(KINDS)}、{AUTO} 之一，或给出一个模型文件夹。"
        )
    tokenizer = load_tokenizer(Path(name))
    if tokenizer.kind not in KINDS:
        for text in texts:
            # Ours lose nothing by construction; another one shows it on the book itself.
            check_lossless(tokenizer, text[:CHECKED_CHARACTERS], name)
            break
    return tokenizer
