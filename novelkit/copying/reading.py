"""A training text of any size in overlapping pieces, and hashes of all windows of a piece."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from novelkit.errors import InputError

# Characters of a piece; the hashing of one takes about 40 bytes a character.
PIECE = 1 << 20

# An odd multiplier, so that it has an inverse modulo 2**64; from Knuth's linear congruential MMIX.
_MULTIPLIER = 6364136223846793005
_INVERSE = pow(_MULTIPLIER, -1, 2**64)


def code_points(text: str) -> np.ndarray:
    """The characters of `text` as numbers, uint32; a lone surrogate is one like others."""
    return np.frombuffer(text.encode("utf-32-le", errors="surrogatepass"), dtype="<u4")


def read_pieces(training: str | Path, step: int, overlap: int) -> Iterator[tuple[int, np.ndarray]]:
    """Pieces of a text, or of a UTF-8 file: where each begins and its code points.

    A piece is `step` characters and the `overlap` that follows them, so each window of up to
    `overlap` + 1 characters lies inside of one piece. Raises `InputError` for a file that is
    missing or no UTF-8.
    """
    if isinstance(training, str):
        for start in range(0, len(training), step):
            yield start, code_points(training[start : start + step + overlap])
        return
    try:
        # Line ends as they are: places count the characters of the file.
        with training.open(encoding="utf-8", newline="") as file:
            start, rest = 0, ""
            while new := file.read(step + overlap - len(rest)):
                piece = rest + new
                yield start, code_points(piece)
                start, rest = start + step, piece[step:]
    except FileNotFoundError as error:
        raise InputError(f"没有找到 {training}：请检查训练文本的路径。") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{training} 不是 UTF-8 文本（{error.reason}）：请先用 novelkit inspect --text 转换。"
        ) from error


def window_hashes(points: np.ndarray, length: int) -> np.ndarray:
    """Hashes modulo 2**64 of all windows, uint64 of shape (len(points) - length + 1,).

    The sum of (c[i] + 1) * inverse**i over the window (Karp and Rabin 1987), the same wherever the
    window stands. From prefix sums over the text, (S[i + length] - S[i]) * M**i: one pass for any
    length, instead of one pass a character of the window.
    """
    windows = len(points) - length + 1
    if windows < 1:
        return np.empty(0, dtype=np.uint64)
    terms = points.astype(np.uint64)
    terms += np.uint64(1)
    terms *= _powers(_INVERSE, len(points))
    sums = np.zeros(len(points) + 1, dtype=np.uint64)
    np.cumsum(terms, out=sums[1:])
    hashes = sums[length:] - sums[:windows]
    hashes *= _powers(_MULTIPLIER, windows)
    return hashes


def _powers(base: int, count: int) -> np.ndarray:
    """base**0 ... base**(count-1) modulo 2**64."""
    powers = np.full(count, base, dtype=np.uint64)
    powers[:1] = 1
    return np.cumprod(powers, dtype=np.uint64, out=powers)
