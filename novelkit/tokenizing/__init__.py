"""Stage 04: text to token ids, and the DATA folder that training reads.

`interface.py` says what a tokenizer is, `characters.py`, `words.py` and `bpe.py` are the three of
ours, `foreign.py` is that of another model, `choice.py` makes or finds one, `loading.py` and
`files.py` are its files, `fallback.py` says what it spells in bytes, `comparison.py` measures them
side by side. `blocks.py` holds the arrays and their blocks, `data.py` the folder, `preflight.py`
its checks.
"""

from novelkit.tokenizing.blocks import IGNORED, Blocks, read_tokens, write_tokens
from novelkit.tokenizing.characters import CharTokenizer
from novelkit.tokenizing.choice import choose_tokenizer, train_tokenizer
from novelkit.tokenizing.data import DataWriter, begin_data, encode_chapters, write_data
from novelkit.tokenizing.fallback import FallbackReport, fallback_report
from novelkit.tokenizing.interface import KINDS, Tokenizer
from novelkit.tokenizing.loading import load_tokenizer, tokenizer_sha256
from novelkit.tokenizing.stream import StreamDecoder

__all__ = [
    "IGNORED",
    "KINDS",
    "Blocks",
    "CharTokenizer",
    "DataWriter",
    "FallbackReport",
    "StreamDecoder",
    "Tokenizer",
    "begin_data",
    "choose_tokenizer",
    "encode_chapters",
    "fallback_report",
    "load_tokenizer",
    "read_tokens",
    "tokenizer_sha256",
    "train_tokenizer",
    "write_data",
    "write_tokens",
]
