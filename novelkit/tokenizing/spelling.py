"""What our tokenizers share: characters to ids by one table, ids to text, both as whole arrays.

Covers the byte fallback in both directions. Knows nothing of words, merges and files.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from novelkit.errors import InputError
from novelkit.tokenizing.files import save_tokenizer
from novelkit.tokenizing.interface import (
    BOOK,
    BYTE_TOKENS,
    CHAPTER,
    END_OF_TEXT,
    FIRST_BYTE_ID,
    FIRST_CHARACTER_ID,
    SPECIAL_TOKENS,
)
from novelkit.tokenizing.stream import StreamDecoder

# Characters encoded at a time: what comes between stays in the processor's cache.
CHUNK = 1 << 17
_CODE_POINTS = 0x110000


def code_points(text: str) -> np.ndarray:
    """The code points of `text`, uint32; raises `InputError` for a lone surrogate."""
    try:
        return np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
    except UnicodeEncodeError as error:
        raise InputError(
            f"第 {error.start + 1} 个字符是孤立的代理项（surrogate），不是合法的文字："
            "这段文本在别处被错误地解码过，请从原始文件重新读取。"
        ) from error


def text_of(points: np.ndarray) -> str:
    """The inverse of `code_points`."""
    return points.astype("<u4", copy=False).tobytes().decode("utf-32-le")


class CharacterCounter:
    """Counts characters over texts of any length: an array by code point, not a dictionary."""

    def __init__(self) -> None:
        self._counts = np.zeros(_CODE_POINTS, dtype=np.int64)

    def add(self, text: str) -> None:
        """Count the characters of one more text."""
        points = code_points(text)
        for start in range(0, len(points), 1 << 20):
            counts = np.bincount(points[start : start + (1 << 20)])
            self._counts[: len(counts)] += counts

    def most_common(self, minimum_count: int) -> list[str]:
        """Characters that occur at least so often, most frequent first, equals by code point."""
        kept = np.flatnonzero(self._counts >= max(1, minimum_count))
        order = np.argsort(-self._counts[kept], kind="stable")
        return list(text_of(kept[order]))


class SpelledTokenizer:
    """The base of `char`, `word` and `bpe`: their numbering, decoding and byte fallback."""

    kind = ""
    byte_ids = range(FIRST_BYTE_ID, FIRST_CHARACTER_ID)

    def __init__(self, characters: Sequence[str], longer: Sequence[str] = ()) -> None:
        self.characters, self.longer = tuple(characters), tuple(longer)
        tokens = (*SPECIAL_TOKENS, *BYTE_TOKENS, *self.characters, *self.longer)
        self.vocabulary = {token: index for index, token in enumerate(tokens)}
        if len(self.vocabulary) != len(tokens) or any(len(item) != 1 for item in characters):
            raise InputError("词表里的每一项都必须是一个字符，而且不能重复：请重新生成分词器。")
        if any(len(item) < 2 for item in longer):
            raise InputError("词表里的词至少要有两个字：请重新生成分词器。")
        self.end_of_text = self.vocabulary[END_OF_TEXT]
        self.book = self.vocabulary[BOOK]
        self.chapter = self.vocabulary[CHAPTER]
        # Code point -> id, -1 where the vocabulary has none: encoding becomes one look-up.
        self._table = np.full(_CODE_POINTS, -1, dtype=np.int32)
        known = np.arange(len(self.characters), dtype=np.int32) + FIRST_CHARACTER_ID
        self._table[code_points("".join(self.characters))] = known
        # The text of token `id` is `_text[_starts[id] :][: _lengths[id]]`; a byte has length 1,
        # which its character will take, and a special token none.
        texts = (*self.characters, *self.longer)
        lengths = [0] * FIRST_BYTE_ID + [1] * len(BYTE_TOKENS) + [len(text) for text in texts]
        self._lengths = np.array(lengths, dtype=np.int64)
        self._text = code_points("?" * len(BYTE_TOKENS) + "".join(texts))
        self._starts = np.cumsum(self._lengths) - self._lengths
        self._first = self._text[self._starts]

    def __len__(self) -> int:
        return len(self.vocabulary)

    def decode(self, ids: Iterable[int]) -> str:
        """Ids to text; special tokens are silent, bytes that are no UTF-8 become U+FFFD each."""
        array = ids if isinstance(ids, np.ndarray) else np.array(list(ids), dtype=np.int64)
        if len(array) and not 0 <= array.min() <= array.max() < len(self):
            raise InputError(
                f"编号 {int(array.min())} 到 {int(array.max())} 超出了词表的 0 到 {len(self) - 1}："
                "这些编号来自别的分词器，请用同一个分词器编码和解码。"
            )
        chunks = (array[start:end] for start, end in _between_bytes(array))
        return "".join(self._decode(chunk) for chunk in chunks)

    def encode(self, text: str) -> np.ndarray:
        """Text to ids, int32 of shape (tokens,); raises `InputError` for a lone surrogate."""
        raise NotImplementedError

    def count_fallback(self, text: str) -> int:
        """How many characters of `text` the vocabulary does not hold."""
        return int((self._table[code_points(text)] < 0).sum())

    def stream(self) -> StreamDecoder:
        """A decoder for ids that arrive one at a time."""
        return StreamDecoder(self)

    def identity(self) -> Iterable[str]:
        """All that decides the ids, in order."""
        return self.vocabulary

    def model(self) -> dict[str, Any]:
        """The parts of `tokenizer.json` that differ from kind to kind."""
        raise NotImplementedError

    def save(self, folder: Path) -> None:
        """Write `tokenizer.json` and `tokenizer_config.json` as `AutoTokenizer` loads them."""
        save_tokenizer(folder, self.model())

    def _decode(self, ids: np.ndarray) -> str:
        """A slice that cuts no run of bytes."""
        points, few = self._first.take(ids), not self.longer
        if few and ids.min() >= FIRST_CHARACTER_ID:
            return text_of(points)
        lengths = self._lengths.take(ids)
        is_byte = np.flatnonzero(~_are_no_bytes(ids))
        try:
            characters, begins = _read_bytes(ids[is_byte].astype(np.int64), is_byte)
        except UnicodeDecodeError:
            # Bytes that a model drew at random: rare, and the slow way knows what they mean.
            stream = self.stream()
            return "".join(map(stream.push, ids.tolist())) + stream.finish()
        lengths[is_byte] = begins
        points[is_byte[begins]] = characters
        if few:
            return text_of(points[lengths > 0])
        # All the characters of a token, then its first one as corrected above.
        ends = np.cumsum(lengths)
        begin = ends - lengths
        places = np.repeat(self._starts.take(ids) - begin, lengths) + np.arange(ends[-1])
        whole = self._text.take(places)
        written = is_byte[begins]
        whole[begin[written]] = points[written]
        return text_of(whole)


def spell(points: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Put UTF-8 bytes for each character whose id is -1, int32; both of shape (characters,)."""
    known = ids >= 0
    unknown = np.flatnonzero(~known)
    if not len(unknown):
        return ids
    rare = points[unknown]
    lengths = 1 + (rare >= 0x80).astype(np.int64) + (rare >= 0x800) + (rare >= 0x10000)
    spelled = np.frombuffer(text_of(rare).encode("utf-8"), dtype=np.uint8)
    out = np.empty(len(ids) - len(unknown) + len(spelled), dtype=np.int32)
    # Behind the known characters before it, and behind all bytes before it.
    places = np.repeat(unknown - np.arange(len(unknown)), lengths) + np.arange(len(spelled))
    out[places] = spelled.astype(np.int32) + FIRST_BYTE_ID
    is_free = np.ones(len(out), dtype=bool)
    is_free[places] = False
    out[is_free] = ids[known]
    return out


def _read_bytes(ids: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The characters that byte tokens spell, and which of them begin one; `places` is where in
    the text the tokens are. Raises `UnicodeDecodeError` unless each run is UTF-8 on its own."""
    values = (ids - FIRST_BYTE_ID).astype(np.uint8)
    first = (values & 0xC0) != 0x80
    # A NUL between runs keeps half a character at the end of one from joining the next.
    gaps = np.flatnonzero(np.diff(places) > 1) + 1
    characters = code_points(np.insert(values, gaps, 0).tobytes().decode("utf-8"))
    return np.delete(characters, np.cumsum(first)[gaps - 1] + np.arange(len(gaps))), first


def _are_no_bytes(ids: np.ndarray) -> np.ndarray:
    return (ids < FIRST_BYTE_ID) | (ids >= FIRST_CHARACTER_ID)


def _between_bytes(ids: np.ndarray) -> Iterable[tuple[int, int]]:
    """Slices of about `CHUNK` ids that cut no run of bytes."""
    start = 0
    while start < len(ids):
        end = min(start + CHUNK, len(ids))
        while end < len(ids) and FIRST_BYTE_ID <= ids[end] < FIRST_CHARACTER_ID:
            others = np.flatnonzero(_are_no_bytes(ids[end : end + CHUNK]))
            end += int(others[0]) if len(others) else min(CHUNK, len(ids) - end)
        yield start, end
        start = end
