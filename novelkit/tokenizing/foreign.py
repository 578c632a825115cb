"""The tokenizer of a model that the kit did not train, if it loses nothing.

Covers what the `tokenizers` library opens: a `tokenizer.json`, GPT-2's `vocab.json` with
`merges.txt`, BERT's `vocab.txt`. Most vocabularies of Chinese GPT-2 models drop line ends and
spaces, or have no `…` and `—`: those are refused by name, since a model that never sees a character
never writes it. SentencePiece files (`.model`) are not read.
"""

import functools
import json
import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from novelkit.errors import InputError
from novelkit.tokenizing.files import CONFIG_FILE, TOKENIZER_FILE
from novelkit.tokenizing.spelling import code_points

# What a novel is made of and what vocabularies are known to lose.
SAMPLE = (
    "第一回　风雪\n“走……”他说——\r\n\n    ‘好’！？：；、，。（）《》〈〉「」『』【】·～…—\t"
    "Ａ1２ Mr. Lu  said: “It's OK.”\n一二三的了是不龘靐㐂𠮷é😀👨\u200d👩\u200d👧\u00a0"
)
_NAMES = {
    "\n": "换行",
    "\r": "回车",
    " ": "空格",
    "\t": "制表符",
    "\u3000": "全角空格",
    "\u00a0": "不换行空格",
    "\u200d": "零宽连接符",
}
# Files that belong to a tokenizer and are copied with it.
FILES = (
    TOKENIZER_FILE,
    CONFIG_FILE,
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
)
_END_KEYS = ("eos_token", "sep_token", "bos_token")
_END_TOKENS = ("<|endoftext|>", "<|im_end|>", "</s>", "[SEP]")
_WINDOW = 8  # tokens before a new one whose text may still change


class ForeignTokenizer:
    """Another model's tokenizer behind the interface of ours.

    Where it has no tokens for the start of a book or of a chapter, its end of text stands there.
    `count_fallback` counts characters that take several tokens when they stand alone.
    """

    kind = "foreign"
    byte_ids = range(0)

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._fast = _open(folder)
        # A text that contains a special token's name must not turn into it.
        self._fast.encode_special_tokens = True
        self._fast.no_truncation()
        self._fast.no_padding()
        vocabulary = self._fast.get_vocab(with_added_tokens=True)
        self.vocabulary = dict(sorted(vocabulary.items(), key=lambda item: item[1]))
        self.end_of_text = self._end_of_text()
        self.book = self.chapter = self.end_of_text
        self._takes_several = functools.lru_cache(maxsize=1 << 16)(self._several)

    def __len__(self) -> int:
        return max(self.vocabulary.values()) + 1

    def encode(self, text: str) -> np.ndarray:
        """Text to ids, int32 of shape (tokens,); raises `InputError` for a lone surrogate."""
        code_points(text)
        ids = self._fast.encode(text, add_special_tokens=False).ids
        return np.array(ids, dtype=np.int32)

    def decode(self, ids: Iterable[int]) -> str:
        """Ids to text; special tokens are silent."""
        return self._fast.decode([int(token) for token in ids], skip_special_tokens=True)

    def count_fallback(self, text: str) -> int:
        """How many characters take several tokens when they stand alone."""
        counts = Counter(text)
        return sum(count for item, count in counts.items() if self._takes_several(item))

    def identity(self) -> Iterable[str]:
        """All that decides the ids: the whole definition."""
        return (self.kind, self._fast.to_str())

    def stream(self) -> "ForeignStream":
        """A decoder for ids that arrive one at a time."""
        return ForeignStream(self)

    def save(self, folder: Path) -> None:
        """Copy its files; a `tokenizer.json` is written where the model came without one."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            source, target = self._folder / name, folder / name
            if source.is_file() and source.resolve() != target.resolve():
                shutil.copyfile(source, target)
        if not (folder / TOKENIZER_FILE).is_file():
            (folder / TOKENIZER_FILE).write_text(self._fast.to_str(), encoding="utf-8")

    def _several(self, character: str) -> bool:
        return len(self._fast.encode(character, add_special_tokens=False).ids) > 1

    def _end_of_text(self) -> int:
        """The id of the token that its configuration, or custom, ends a text with."""
        path = self._folder / CONFIG_FILE
        try:
            config = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        except ValueError as error:
            raise InputError(f"{path} 读不出来（{error}）：请重新下载这个模型。") from error
        wanted = [config.get(key) for key in _END_KEYS]
        names = [item.get("content") if isinstance(item, dict) else item for item in wanted]
        for name in (*names, *_END_TOKENS):
            if name in self.vocabulary:
                return self.vocabulary[name]
        raise InputError(
            f"{self._folder} 的分词器没有表示全文结束的词元，书与书会连在一起："
            "请换一个模型，或用 --tokenizer char。"
        )


class ForeignStream:
    """Decodes a few tokens again with each new one: their text may change until then."""

    def __init__(self, tokenizer: ForeignTokenizer) -> None:
        self._decode = tokenizer.decode
        self._ids: list[int] = []
        self._shown = ""  # text of `_ids` that was given out

    def push(self, token: int) -> str:
        """The text that is certain after `token`."""
        self._ids.append(token)
        text = self._decode(self._ids)
        if text.endswith("\N{REPLACEMENT CHARACTER}") or not text.startswith(self._shown):
            return ""
        new, self._shown = text[len(self._shown) :], text
        if len(self._ids) > 2 * _WINDOW:
            self._ids = self._ids[-_WINDOW:]
            self._shown = self._decode(self._ids)
        return new

    @property
    def complete(self) -> int:
        """How many characters are held back although they are spelled in full: none."""
        return 0

    def finish(self) -> str:
        """The rest of the text."""
        rest = self._decode(self._ids)[len(self._shown) :]
        self._ids, self._shown = [], ""
        return rest


def open_foreign(folder: Path) -> ForeignTokenizer:
    """The tokenizer of `folder`; raises `InputError` that names what it would destroy."""
    tokenizer = ForeignTokenizer(folder)
    check_lossless(tokenizer, SAMPLE, str(folder))
    return tokenizer


def without_tokenizer_json(folder: Path) -> bool:
    """Whether only older files describe the tokenizer of `folder`."""
    older = (folder / "vocab.txt").is_file() or (folder / "merges.txt").is_file()
    return older and not (folder / TOKENIZER_FILE).is_file()


def check_lossless(tokenizer: Any, text: str, name: str) -> None:
    """Raise `InputError` with the characters of `text` that do not come back."""
    back = tokenizer.decode(tokenizer.encode(text))
    if back == text:
        return
    lost = list((Counter(text) - Counter(back)).keys())
    # Every character is there, and yet the text is another one: spaces moved, most likely.
    shown = "、".join(_NAMES.get(item, item) for item in lost[:12]) or "字的先后"
    raise InputError(
        f"{name} 的分词器会毁掉这些字符：{shown}{'等' if len(lost) > 12 else ''}。"
        "用它训练，模型永远写不出它们：请用 --tokenizer char 从头训练，或换一个无损的模型。"
    )


def _open(folder: Path) -> Any:
    """A `tokenizers.Tokenizer` from the files of a model."""
    import tokenizers

    try:
        if (folder / TOKENIZER_FILE).is_file():
            text = (folder / TOKENIZER_FILE).read_text(encoding="utf-8")
            return tokenizers.Tokenizer.from_str(text)
        if (folder / "vocab.txt").is_file():
            words = tokenizers.models.WordPiece.read_file(str(folder / "vocab.txt"))
            older = tokenizers.BertWordPieceTokenizer(words)
        else:
            names = [str(folder / name) for name in ("vocab.json", "merges.txt")]
            older = tokenizers.ByteLevelBPETokenizer(*tokenizers.models.BPE.read_file(*names))
        return tokenizers.Tokenizer.from_str(older.to_str())
    # The library raises plain `Exception` for a file that it cannot read.
    except Exception as error:
        raise InputError(
            f"{folder} 里的分词器读不出来（{error}）：文件可能不完整，请重新下载或重新生成。"
        ) from error
