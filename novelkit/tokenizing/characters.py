"""The character tokenizer: text to token ids and back without loss.

The tokenizer lives in a standard `tokenizer.json`: a BPE model of the `tokenizers` library whose
vocabulary holds single characters and the 256 bytes, without any merge. A character outside of
the vocabulary is spelled in its UTF-8 bytes (`byte_fallback`, as in Llama's tokenizer), so there
is no [UNK] and `decode(encode(text)) == text` for every text. Encoding here is one look-up in a
table instead; a test shows that both give the same ids.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from novelkit import layouts
from novelkit.errors import InputError

BOOK = "<|book|>"
CHAPTER = "<|chapter|>"
END_OF_TEXT = "<|endoftext|>"
SPECIAL_TOKENS = (END_OF_TEXT, BOOK, CHAPTER)
BYTE_TOKENS = tuple(f"<0x{value:02X}>" for value in range(256))
FIRST_BYTE_ID = len(SPECIAL_TOKENS)
FIRST_CHARACTER_ID = FIRST_BYTE_ID + len(BYTE_TOKENS)


class CharTokenizer:
    """One token a character; characters outside of the vocabulary become their UTF-8 bytes.

    Special tokens (start of a book, of a chapter, end of text) have ids that no text encodes to:
    the text `<|book|>` is eight characters like any others.
    """

    def __init__(self, characters: Sequence[str]) -> None:
        if len(set(characters)) != len(characters) or any(len(item) != 1 for item in characters):
            raise InputError("词表里的每一项都必须是一个字符，而且不能重复：请重新生成分词器。")
        self.characters = tuple(characters)
        self.vocabulary = {
            token: index
            for index, token in enumerate((*SPECIAL_TOKENS, *BYTE_TOKENS, *self.characters))
        }
        self.end_of_text = self.vocabulary[END_OF_TEXT]
        self.book = self.vocabulary[BOOK]
        self.chapter = self.vocabulary[CHAPTER]
        # Code point -> id, -1 where the vocabulary has none: encoding becomes one indexing.
        self._table = np.full(0x110000, -1, dtype=np.int32)
        code_points = [ord(character) for character in self.characters]
        self._table[code_points] = np.arange(len(code_points)) + FIRST_CHARACTER_ID

    def __len__(self) -> int:
        return FIRST_CHARACTER_ID + len(self.characters)

    @classmethod
    def train(cls, text: str, minimum_count: int = 1) -> "CharTokenizer":
        """Take every character that occurs at least `minimum_count` times, most frequent first."""
        counts = Counter(text)
        kept = [character for character, count in counts.items() if count >= minimum_count]
        return cls(sorted(kept, key=lambda character: (-counts[character], character)))

    def encode(self, text: str) -> np.ndarray:
        """Text to ids, int32 of shape (tokens,); raises `InputError` for a lone surrogate."""
        try:
            code_points = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
        except UnicodeEncodeError as error:
            raise InputError(
                f"第 {error.start + 1} 个字符是孤立的代理项（surrogate），不是合法的文字："
                "这段文本在别处被错误地解码过，请从原始文件重新读取。"
            ) from error
        ids = self._table[code_points]
        unknown = np.flatnonzero(ids < 0)
        if not len(unknown):
            return ids
        pieces, start = [], 0
        for position in unknown.tolist():
            spelled = np.frombuffer(text[position].encode("utf-8"), dtype=np.uint8)
            pieces += [ids[start:position], spelled.astype(np.int32) + FIRST_BYTE_ID]
            start = position + 1
        return np.concatenate([*pieces, ids[start:]])

    def decode(self, ids: Iterable[int]) -> str:
        """Ids to text; special tokens are silent, bytes that are no UTF-8 become U+FFFD each."""
        stream = StreamDecoder(self)
        text = "".join(stream.push(int(token)) for token in ids)
        return text + stream.finish()

    def count_fallback(self, text: str) -> int:
        """How many characters of `text` the vocabulary does not hold."""
        code_points = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
        return int((self._table[code_points] < 0).sum())

    def save(self, folder: Path) -> None:
        """Write `tokenizer.json` and `tokenizer_config.json` as `AutoTokenizer` loads them."""
        layouts.write_json(
            folder / "tokenizer.json",
            {
                "version": "1.0",
                "truncation": None,
                "padding": None,
                "added_tokens": [_added_token(index) for index in range(len(SPECIAL_TOKENS))],
                "normalizer": None,
                "pre_tokenizer": None,
                "post_processor": None,
                "decoder": {
                    "type": "Sequence",
                    "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}],
                },
                "model": {
                    "type": "BPE",
                    "dropout": None,
                    "unk_token": None,
                    "continuing_subword_prefix": None,
                    "end_of_word_suffix": None,
                    "fuse_unk": False,
                    "byte_fallback": True,
                    "ignore_merges": False,
                    "vocab": self.vocabulary,
                    "merges": [],
                },
            },
        )
        layouts.write_json(
            folder / "tokenizer_config.json",
            {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "bos_token": BOOK,
                "eos_token": END_OF_TEXT,
                # A text that contains `<|book|>` must not turn into the special token.
                "split_special_tokens": True,
                "clean_up_tokenization_spaces": False,
                "add_prefix_space": False,
            },
        )


def load_tokenizer(folder: Path) -> CharTokenizer:
    """Read the tokenizer of a DATA or model folder; raises `InputError` if it is not ours."""
    path = folder / "tokenizer.json"
    if not folder.is_dir():
        raise InputError(f"没有 {folder} 这个文件夹，读不到分词器：请检查路径。")
    if not path.is_file():
        raise InputError(
            f"{folder} 里没有 tokenizer.json，不知道每个编号是哪个字："
            "请检查路径，数据文件夹请重新 novelkit prepare，模型文件夹请重新训练或重新复制一份。"
        )
    try:
        vocabulary = json.loads(path.read_text(encoding="utf-8"))["model"]["vocab"]
        tokens = sorted(vocabulary, key=vocabulary.__getitem__)
        contiguous = [vocabulary[token] for token in tokens] == list(range(len(tokens)))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} 读不出词表（{error}）：文件可能不完整，请重新生成。") from error
    ours = tuple(tokens[:FIRST_CHARACTER_ID]) == (*SPECIAL_TOKENS, *BYTE_TOKENS)
    if not ours or not contiguous:
        raise InputError(f"{path} 不是 novelkit 的字符分词器：请用 novelkit prepare 生成。")
    return CharTokenizer(tokens[FIRST_CHARACTER_ID:])


def tokenizer_sha256(tokenizer: CharTokenizer) -> str:
    """The sha256 of the vocabulary in order: two tokenizers with the same hash are the same."""
    return hashlib.sha256("\0".join(tokenizer.vocabulary).encode("utf-8")).hexdigest()


class StreamDecoder:
    """Ids to text one at a time, holding bytes back until their character is complete."""

    def __init__(self, tokenizer: CharTokenizer) -> None:
        self._tokens = list(tokenizer.vocabulary)
        self._pending = bytearray()

    def push(self, token: int) -> str:
        """The text that is certain after `token`; empty while a character is half spelled."""
        if FIRST_BYTE_ID <= token < FIRST_CHARACTER_ID:
            self._pending.append(token - FIRST_BYTE_ID)
            return ""
        text = self.finish()
        return text + (self._tokens[token] if token >= FIRST_CHARACTER_ID else "")

    @property
    def complete(self) -> int:
        """How many characters the bytes held back spell in full."""
        return len(self._pending.decode("utf-8", errors="ignore"))

    def finish(self) -> str:
        """The text of the bytes held back; one U+FFFD a byte if they are no UTF-8."""
        pending, self._pending = bytes(self._pending), bytearray()
        try:
            return pending.decode("utf-8")
        except UnicodeDecodeError:
            # All of the run, as the ByteFallback decoder of `tokenizers` does.
            return "\N{REPLACEMENT CHARACTER}" * len(pending)


def _added_token(index: int) -> dict[str, object]:
    return {
        "id": index,
        "content": SPECIAL_TOKENS[index],
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": True,
    }
