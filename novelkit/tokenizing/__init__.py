"""Stage 04: text to token ids, and the DATA folder that training reads.

A tokenizer, in the order to read:
    interface.py     what every tokenizer can do, and how ours number their tokens
    spelling.py      what ours share: characters to ids by one table, and the byte fallback
    characters.py    char: one token a character
    segmentation.py  jieba or rjieba, which cut the text for
    words.py         word: jieba's words, then characters
    bpe.py           bpe: pieces that the text itself suggests
    stream.py        ids to text one at a time, while a model writes
    files.py         tokenizer.json and tokenizer_config.json, as other tools open them
    loading.py       a tokenizer back from its folder, and the hash that names it
    foreign.py       the tokenizer of another model, if it loses nothing
    choice.py        which of them `--tokenizer` means
    fallback.py      how much of a text is spelled in bytes, and what to do about it
    comparison.py    all of them side by side

From novels to the DATA folder:
    headers.py       the line that says what a passage is: title, author, style, chapter, names
    parts.py         a book cut into its shares of the splits
    chunks.py        the text of a split as pieces that any process can encode
    blocks.py        the arrays of ids, and the fixed blocks that training cuts
    preflight.py     what could make training worthless, counted and refused
    staging.py       so that what is refused or killed leaves nothing half done
    data.py          the folder, written book by book
"""

from novelkit.tokenizing.blocks import IGNORED, Blocks, read_tokens, write_tokens
from novelkit.tokenizing.characters import CharTokenizer
from novelkit.tokenizing.choice import choose_tokenizer, train_tokenizer
from novelkit.tokenizing.chunks import encode_chapters
from novelkit.tokenizing.data import DataWriter, write_data
from novelkit.tokenizing.fallback import FallbackReport, fallback_report
from novelkit.tokenizing.headers import Header, encode_header
from novelkit.tokenizing.interface import KINDS, Tokenizer
from novelkit.tokenizing.loading import load_tokenizer, tokenizer_sha256
from novelkit.tokenizing.staging import begin_data
from novelkit.tokenizing.stream import StreamDecoder

__all__ = [
    "IGNORED",
    "KINDS",
    "Blocks",
    "CharTokenizer",
    "DataWriter",
    "FallbackReport",
    "Header",
    "StreamDecoder",
    "Tokenizer",
    "begin_data",
    "choose_tokenizer",
    "encode_chapters",
    "encode_header",
    "fallback_report",
    "load_tokenizer",
    "read_tokens",
    "tokenizer_sha256",
    "train_tokenizer",
    "write_data",
    "write_tokens",
]
