"""Which characters each token of a text spells, and so what each character costs.

A character may take several tokens (bytes) and a token several characters (words, merged pieces);
a token of a foreign vocabulary may even end inside of a character.
"""

from typing import Any

import numpy as np

from novelkit.errors import InputError


def count_spelled(tokenizer: Any, ids: np.ndarray, text: str) -> np.ndarray | None:
    """How many characters of `text` are spelled in full after each token, int64 (tokens,).

    None for a tokenizer without the means to tell. Raises `InputError` where the tokens spell
    another text: a vocabulary that drops spaces makes a text cheaper by saying less.
    """
    if getattr(tokenizer, "byte_ids", None):
        spelled = _count_by_bytes(tokenizer, ids, text)
    elif hasattr(tokenizer, "stream"):
        spelled = _count_by_stream(tokenizer, ids, text)
    else:
        return None
    if not len(spelled) or spelled[-1] != len(text):
        raise InputError(
            "分词器编码后拼不回原文，有字符被丢掉或替换了，这样的分数不是原文的分数："
            "请换一个无损的分词器（如 --tokenizer char）。"
        )
    return spelled


def spread_over_characters(nats: np.ndarray, spelled: np.ndarray) -> np.ndarray:
    """Nats of each character, float64: tokens that complete none go to the next that is complete,
    and a token that completes several is shared equally among them."""
    completing = np.flatnonzero(np.diff(spelled, prepend=0))
    sums = np.add.reduceat(nats, np.append(0, completing[:-1] + 1))
    sizes = np.diff(spelled[completing], prepend=0)
    return np.repeat(sums / sizes, sizes)


def _count_by_bytes(tokenizer: Any, ids: np.ndarray, text: str) -> np.ndarray:
    """For our tokenizers: every token is whole characters or one byte of UTF-8."""
    if tokenizer.decode(ids) != text:
        return np.empty(0, dtype=np.int64)
    lengths = np.zeros(len(tokenizer.vocabulary), dtype=np.int64)
    for token, number in tokenizer.vocabulary.items():
        lengths[number] = len(token.encode("utf-8"))
    lengths[list(tokenizer.byte_ids)] = 1
    points = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
    sizes = 1 + (points >= 0x80).astype(np.int64) + (points >= 0x800) + (points >= 0x10000)
    return np.searchsorted(np.cumsum(sizes), np.cumsum(lengths[ids]), side="right")


def _count_by_stream(tokenizer: Any, ids: np.ndarray, text: str) -> np.ndarray:
    """By decoding token by token, as text is shown while a model writes it."""
    stream = tokenizer.stream()
    spelled, length = np.empty(len(ids), dtype=np.int64), 0
    for index, token in enumerate(ids.tolist()):
        piece = stream.push(token)
        if text[length : length + len(piece)] != piece:
            return np.empty(0, dtype=np.int64)
        length += len(piece)
        spelled[index] = length
    rest = stream.finish()
    if len(ids) and text[length:] == rest:
        spelled[-1] = len(text)
    return spelled
