"""jieba's segmentation of the hanzi of a text, by rjieba where it is installed.

rjieba is the same program in Rust, about twenty times as fast. What is not a hanzi that jieba
knows (Latin letters, digits, punctuation, line ends, rare hanzi) is a word of one character here:
jieba and rjieba differ on it, and it must come back as it was. So no word crosses it.
"""

import functools
import importlib.util
from collections.abc import Callable, Iterator

import numpy as np

from novelkit.errors import InputError
from novelkit.tokenizing.spelling import text_of

Cut = Callable[[str], list[str]]

# The hanzi that jieba's own pattern for words holds: U+4E00 to U+9FD5.
FIRST_HANZI, LAST_HANZI = 0x4E00, 0x9FD5
# Characters at a time, so that their words stay in the processor's cache; a piece ends where a word
# must end.
PIECE = 1 << 17
_BOUNDARY = ord("\n")


def segment(points: np.ndarray, cut: Cut | None = None) -> Iterator[list[str]]:
    """The words of a text, code points of shape (characters,), `PIECE` characters at a time.

    Joined they are as long as the text; every character that is no hanzi is a line feed. Raises
    `InputError` without jieba.
    """
    cut = cut or load_jieba()
    masked = mask(points)
    start = 0
    while start < len(masked):
        end = len(masked)
        if end - start > PIECE:
            end = masked.find("\n", start + PIECE) + 1 or end
        yield cut(masked[start:end])
        start = end


def mask(points: np.ndarray) -> str:
    """The text with a line feed for each character that is not one of jieba's hanzi."""
    is_hanzi = (points >= FIRST_HANZI) & (points <= LAST_HANZI)
    return text_of(np.where(is_hanzi, points, np.uint32(_BOUNDARY)))


@functools.cache
def load_jieba(prefer_rust: bool = True) -> Cut:
    """jieba's `lcut` with its default settings; raises `InputError` if it is not installed.

    The dictionary is jieba's own: words that a program added with `jieba.add_word` do not count,
    since ids must not depend on them.
    """
    if prefer_rust and importlib.util.find_spec("rjieba"):
        import rjieba

        # Before 0.2 there is one shared dictionary and no class.
        return rjieba.Jieba().cut if hasattr(rjieba, "Jieba") else rjieba.cut
    if not importlib.util.find_spec("jieba"):
        raise InputError(
            "这个分词器先用 jieba 切词，而这里没有装 jieba：请运行 pip install jieba"
            "（装 rjieba 更快，切法相同），或改用 --tokenizer char。"
        )
    import jieba

    # It would report each start on the terminal.
    jieba.setLogLevel("WARNING")
    return jieba.Tokenizer().lcut
