"""A tokenizer back from its folder, whichever kind it is, and the hash that names it.

The kind is read from the model in `tokenizer.json` itself, so that a file which another tool
wrote again still loads. What is not ours is opened by `foreign.py`, if it loses nothing.
"""

import hashlib
from pathlib import Path
from typing import Any

from novelkit import layouts
from novelkit.errors import InputError
from novelkit.tokenizing.bpe import BpeTokenizer
from novelkit.tokenizing.characters import CharTokenizer
from novelkit.tokenizing.files import TOKENIZER_FILE, read_tokenizer
from novelkit.tokenizing.foreign import open_foreign, without_tokenizer_json
from novelkit.tokenizing.interface import (
    BYTE_TOKENS,
    FIRST_CHARACTER_ID,
    SPECIAL_TOKENS,
    Tokenizer,
)
from novelkit.tokenizing.words import WordTokenizer


def load_tokenizer(folder: Path | str) -> Tokenizer:
    """The tokenizer of a DATA or model folder; raises `InputError` if there is none to use."""
    folder = Path(folder)
    if without_tokenizer_json(folder):
        return open_foreign(folder)
    content = read_tokenizer(folder)
    vocabulary = content["model"]["vocab"]
    if not _is_ours(vocabulary):
        return open_foreign(folder)
    try:
        tokenizer = _ours(_tokens(vocabulary)[FIRST_CHARACTER_ID:], content)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(
            f"{folder / TOKENIZER_FILE} 不像 novelkit 写出的分词器（{error}）："
            "文件可能被改过，请用 novelkit prepare 重新生成。"
        ) from error
    _refuse_exchanged(folder, tokenizer)
    return tokenizer


def _refuse_exchanged(folder: Path, tokenizer: Tokenizer) -> None:
    """Raise `InputError` where a model folder has another tokenizer than that of its training."""
    expected = layouts.read_note(folder, "tokenizer_sha256")
    if expected and expected != tokenizer_sha256(tokenizer):
        raise InputError(
            f"{folder} 里的分词器不是训练这个模型时的那一个：编号对不上，续写会是乱码，"
            "请重新复制整个模型文件夹。"
        )


def tokenizer_sha256(tokenizer: Tokenizer) -> str:
    """The sha256 of what decides the ids: two tokenizers with the same hash are the same."""
    return hashlib.sha256("\0".join(tokenizer.identity()).encode("utf-8")).hexdigest()


def _is_ours(vocabulary: Any) -> bool:
    """Whether it holds the special tokens and bytes that `interface.py` names."""
    ours = (*SPECIAL_TOKENS, *BYTE_TOKENS)
    if isinstance(vocabulary, dict):
        return all(token in vocabulary for token in ours)
    first = vocabulary[: len(ours)]
    return [item[0] for item in first if isinstance(item, list) and item] == list(ours)


def _tokens(vocabulary: Any) -> list[str]:
    """Tokens in the order of their ids; raises `ValueError` if an id is missing."""
    if isinstance(vocabulary, list):
        return [token for token, _ in vocabulary]
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    if [vocabulary[token] for token in tokens] != list(range(len(tokens))):
        # A hole in the numbers would shift every character after it.
        raise ValueError("编号不连续")
    if tuple(tokens[:FIRST_CHARACTER_ID]) != (*SPECIAL_TOKENS, *BYTE_TOKENS):
        raise ValueError("特殊词元和字节不在最前面")
    return tokens


def _ours(tokens: list[str], content: dict[str, Any]) -> Tokenizer:
    """One of our kinds, by its model; `tokens` are those after the bytes."""
    model = content["model"]
    characters = [token for token in tokens if len(token) == 1]
    if model.get("type") == "Unigram":
        scores = [float(score) for _, score in model["vocab"][FIRST_CHARACTER_ID:]]
        return WordTokenizer(characters, tokens[len(characters) :], scores)
    if content.get("pre_tokenizer"):
        merges = [_merge(merge) for merge in model["merges"]]
        if not {part for merge in merges for part in merge} <= set(tokens):
            raise ValueError("合并规则里有词表没有的词元")
        tokenizer = BpeTokenizer(characters, merges)
        if list(tokenizer.vocabulary)[FIRST_CHARACTER_ID:] != tokens:
            raise ValueError("词表和合并规则不符")
        return tokenizer
    return CharTokenizer(tokens)


def _merge(merge: Any) -> tuple[str, str]:
    """A merge as a pair; files of older `tokenizers` join it by a space."""
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return left, right
