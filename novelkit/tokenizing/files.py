"""The files of a tokenizer as other tools open them: `tokenizer.json`, `tokenizer_config.json`.

The first is the format of the `tokenizers` library, the second that of `transformers`. Foreign
tokenizers are copied, not written.
"""

import json
from pathlib import Path
from typing import Any

from novelkit import layouts
from novelkit.errors import InputError
from novelkit.tokenizing.interface import BOOK, END_OF_TEXT, SPECIAL_TOKENS

TOKENIZER_FILE = "tokenizer.json"
CONFIG_FILE = "tokenizer_config.json"

# `vocab` and `merges` are to be added.
BYTE_LEVEL_BPE: dict[str, Any] = {
    "type": "BPE",
    "dropout": None,
    "unk_token": None,
    "continuing_subword_prefix": None,
    "end_of_word_suffix": None,
    "fuse_unk": False,
    "byte_fallback": True,
    "ignore_merges": False,
}


def describe_tokenizer(parts: dict[str, Any]) -> dict[str, Any]:
    """The content of `tokenizer.json`; `parts` are the model and, where wanted, what cuts text."""
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_added_token(index) for index in range(len(SPECIAL_TOKENS))],
        "normalizer": None,
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]},
        **parts,
    }


def save_tokenizer(folder: Path, parts: dict[str, Any]) -> None:
    """Write both files of a tokenizer of ours."""
    layouts.write_json(folder / TOKENIZER_FILE, describe_tokenizer(parts))
    layouts.write_json(
        folder / CONFIG_FILE,
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


def split_before(pattern: str) -> dict[str, Any]:
    """A pre-tokenizer that makes each match of `pattern` a piece of its own."""
    return {
        "type": "Split",
        "pattern": {"Regex": pattern},
        "behavior": "Isolated",
        "invert": False,
    }


def read_tokenizer(folder: Path) -> dict[str, Any]:
    """The content of `tokenizer.json`; raises `InputError` if there is none, or none to read."""
    path = folder / TOKENIZER_FILE
    if not folder.is_dir():
        raise InputError(f"没有 {folder} 这个文件夹，读不到分词器：请检查路径。")
    if not path.is_file():
        exported = folder / layouts.MODEL_FOLDER
        if (exported / TOKENIZER_FILE).is_file():
            raise InputError(f"{folder} 是训练的文件夹，模型在它里面：请改用 {exported}。")
        raise InputError(
            f"{folder} 里没有 tokenizer.json，不知道每个编号是哪个字："
            "请检查路径，数据文件夹请重新 novelkit prepare，模型文件夹请重新训练或重新复制一份。"
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content["model"]["vocab"], dict | list):
            raise TypeError("vocab")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} 读不出词表（{error}）：文件可能不完整，请重新生成。") from error
    return content


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
