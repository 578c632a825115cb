"""Which rows of an old vocabulary say what a token of a new one says.

The tokenizer of a model may lose characters, lower-case them or drop line ends: it is no use for
training, and still it tells which row stands for which text. Nothing here touches weights.
"""

import json
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from novelkit.errors import InputError
from novelkit.tokenizing.files import CONFIG_FILE, TOKENIZER_FILE
from novelkit.tokenizing.foreign import ForeignTokenizer, without_tokenizer_json
from novelkit.tokenizing.interface import (
    BYTE_TOKENS,
    FIRST_BYTE_ID,
    FIRST_CHARACTER_ID,
    Tokenizer,
)
from novelkit.tokenizing.loading import load_tokenizer

# How a new row comes about. SAME: the row of the same text. SIMILAR: that of the same character in
# another case, width or form. AVERAGED: the mean of the pieces that spell it. NEW: none of these.
KINDS = ("same", "similar", "averaged", "new")
SAME, SIMILAR, AVERAGED, NEW = KINDS

# Punctuation that many vocabularies lack, and what they have of the same kind. Full and half width
# forms and the ellipsis (three dots) are found by Unicode's own table (NFKC).
_LOOK_ALIKES = {"—": "-", "–": "-", "―": "-", "“": '"', "”": '"', "‘": "'", "’": "'", "·": "•"}
_LOOK_ALIKES |= {"「": "“", "」": "”", "『": "‘", "』": "’"}
_UNKNOWN = ("[UNK]", "<unk>", "<|unk|>")
_BEGIN_KEYS = ("bos_token", "cls_token")
_BEGIN_TOKENS = ("[CLS]", "<s>", "<|startoftext|>", "<|im_start|>")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_WORD_START = "▁"  # SentencePiece's space


@dataclass(frozen=True)
class RowPlan:
    """For each new id the old rows that it is the mean of, and how they were found."""

    sources: tuple[tuple[int, ...], ...]
    kinds: tuple[str, ...]

    def count(self, kind: str) -> int:
        return self.kinds.count(kind)


def plan_rows(folder: Path, tokenizer: Tokenizer) -> RowPlan:
    """How the vocabulary of `tokenizer` is made of that of a model folder."""
    old = OldVocabulary(folder)
    # A foreign tokenizer has one id for all three, and its end of text, which comes last, wins.
    special = {
        tokenizer.chapter: old.chapter,
        tokenizer.book: old.book,
        tokenizer.end_of_text: old.end,
    }
    found: list[tuple[tuple[int, ...], str]] = []
    for index, text in enumerate(token_texts(tokenizer)):
        if index in special:
            found.append(((special[index],), SAME))
        elif text is None:
            byte = index - FIRST_BYTE_ID if index in tokenizer.byte_ids else -1
            found.append(((old.bytes[byte],), SAME) if byte in old.bytes else ((), NEW))
        else:
            found.append(old.find(text))
    return RowPlan(tuple(rows for rows, _ in found), tuple(kind for _, kind in found))


def token_texts(tokenizer: Tokenizer) -> list[str | None]:
    """The text of each id; None for special tokens, bytes and halves of characters."""
    if tokenizer.byte_ids:
        names: list[str | None] = list(tokenizer.vocabulary)
        return [None] * FIRST_CHARACTER_ID + names[FIRST_CHARACTER_ID:]
    texts: list[str | None] = [None] * len(tokenizer)
    for index in tokenizer.vocabulary.values():
        text = tokenizer.decode([index])
        texts[index] = text if text and _REPLACEMENT not in text else None
    return texts


def token_characters(tokenizer: Tokenizer) -> np.ndarray:
    """How many characters of a text each id stands for, int64; the first byte counts for all."""
    counts = [len(text or "") for text in token_texts(tokenizer)]
    for index in tokenizer.byte_ids:
        counts[index] = int((index - FIRST_BYTE_ID) & 0xC0 != 0x80)
    return np.array(counts, dtype=np.int64)


class OldVocabulary:
    """What a model's own tokenizer says of single texts."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer = _open(folder)
        names = self._tokenizer.vocabulary
        self.end = self._tokenizer.end_of_text
        self.book, self.chapter = _beginnings(folder, self._tokenizer)
        self.bytes = _byte_rows(names)
        # What stands for a character that the vocabulary does not know. Single bytes say which one
        # it is only together: their mean says nothing.
        self._unknown = {names[name] for name in (*_UNKNOWN, *BYTE_TOKENS) if name in names}
        self._rows = _text_rows(self._tokenizer)
        if _WORD_START in names:
            self._rows.setdefault(" ", names[_WORD_START])

    def find(self, text: str) -> tuple[tuple[int, ...], str]:
        """The rows whose mean stands for `text`, and of which of `KINDS` they are."""
        if text in self._rows:
            return (self._rows[text],), SAME
        if len(text) > 1 and any(map(str.isspace, text)):
            # Some tokenizers drop spaces and line ends without a word.
            return self._mean_of_characters(text)
        pieces = self._spell(text)
        if pieces:
            return pieces, SIMILAR if len(pieces) == len(text) == 1 else AVERAGED
        for other in _variants(text):
            rows, kind = self.find(other)
            if rows:
                return rows, SIMILAR if kind in (SAME, SIMILAR) else AVERAGED
        if text == "\n":
            # What ends a paragraph is nearest to what ended a text.
            return (self.end,), SIMILAR
        return self._mean_of_characters(text) if len(text) > 1 else ((), NEW)

    def _mean_of_characters(self, text: str) -> tuple[tuple[int, ...], str]:
        rows = tuple(row for character in text for row in self.find(character)[0])
        return (rows, AVERAGED) if rows else ((), NEW)

    def _spell(self, text: str) -> tuple[int, ...]:
        """The ids that the old tokenizer spells a text with; none if it does not know all of it."""
        ids = self._tokenizer.encode(text).tolist()
        if self._unknown.intersection(ids):
            return ()
        # SentencePiece puts a space before a text.
        return tuple(token for token in ids if token != self._rows.get(" "))


def _open(folder: Path) -> Tokenizer:
    """The tokenizer of a folder, also one that loses characters."""
    if without_tokenizer_json(folder):
        return ForeignTokenizer(folder)
    if not (folder / TOKENIZER_FILE).is_file():
        raise InputError(
            f"{folder} 里没有 tokenizer.json 或 vocab.txt，不知道哪一行向量是哪个字：请先用 "
            "transformers 的 AutoTokenizer 打开它，save_pretrained 存回这个文件夹，再运行一次。"
        )
    try:
        return load_tokenizer(folder)
    except InputError:
        return ForeignTokenizer(folder)


def _beginnings(folder: Path, tokenizer: Tokenizer) -> tuple[int, int]:
    """The ids that begin a book and a chapter: ours, or the one that begins a text there."""
    if tokenizer.byte_ids:
        return tokenizer.book, tokenizer.chapter
    path = folder / CONFIG_FILE
    config = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    wanted = [config.get(key) for key in _BEGIN_KEYS]
    names = [item.get("content") if isinstance(item, dict) else item for item in wanted]
    known = (tokenizer.vocabulary.get(name) for name in (*names, *_BEGIN_TOKENS) if name)
    begin = next((index for index in known if index is not None), tokenizer.end_of_text)
    return begin, begin


def _text_rows(tokenizer: Tokenizer) -> dict[str, int]:
    """Text -> id. A token that is spelled as its text wins over one that only decodes to it."""
    rows: dict[str, int] = {}
    texts = token_texts(tokenizer)
    for name, index in tokenizer.vocabulary.items():
        text = texts[index]
        if text is not None and (text not in rows or name == text):
            rows[text] = index
    return rows


def _byte_rows(vocabulary: dict[str, int]) -> dict[int, int]:
    """Byte -> id, for a vocabulary that has all 256 of them: by name, or as GPT-2 writes them."""
    for names in (BYTE_TOKENS, _gpt2_bytes()):
        if all(name in vocabulary for name in names):
            return {value: vocabulary[name] for value, name in enumerate(names)}
    return {}


def _gpt2_bytes() -> list[str]:
    """The character that GPT-2's vocabulary writes for each byte.

    Printable ones of Latin-1 stand for themselves, the others are moved up from 256 in order
    (`bytes_to_unicode` in OpenAI's `encoder.py`).
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    moved = iter(range(256, 512))
    return [chr(value if value in printable else next(moved)) for value in range(256)]


def _variants(text: str) -> Iterable[str]:
    """Other forms of a text that mean nearly the same, best first, each only if it differs."""
    width = unicodedata.normalize("NFKC", text)
    alike = "".join(_LOOK_ALIKES.get(character, character) for character in text)
    seen = {text, "", " "}
    for other in (text.lower(), width, width.lower(), alike):
        if other.strip() and other not in seen:
            seen.add(other)
            yield other
