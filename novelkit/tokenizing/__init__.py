"""Stage 04: text to token ids, and the DATA folder that training reads.

`characters.py` is the tokenizer, `blocks.py` the arrays and their blocks, `data.py` the folder,
`preflight.py` its checks.
Word (jieba) and BPE tokenizers are not here yet.
"""

from novelkit.tokenizing.blocks import IGNORED, Blocks, read_tokens, write_tokens
from novelkit.tokenizing.characters import (
    CharTokenizer,
    StreamDecoder,
    load_tokenizer,
    tokenizer_sha256,
)
from novelkit.tokenizing.data import begin_data, encode_chapters, split_texts, write_data

__all__ = [
    "IGNORED",
    "Blocks",
    "CharTokenizer",
    "StreamDecoder",
    "begin_data",
    "encode_chapters",
    "load_tokenizer",
    "read_tokens",
    "split_texts",
    "tokenizer_sha256",
    "write_data",
    "write_tokens",
]
