"""Arrays of token ids on disk, mapped into memory, and the fixed blocks that training cuts.

The block length is a choice of the model, so blocks are cut when they are asked for: one prepared
folder serves every context length.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from novelkit import layouts
from novelkit.errors import InputError, WorkError

# The label that cross entropy skips; PyTorch's `ignore_index` default.
IGNORED = -100


class TokenRow(Protocol):
    """What blocks are cut from: an array of ids, or what is read like one."""

    def __len__(self) -> int: ...

    def __getitem__(self, window: slice, /) -> np.ndarray: ...


@dataclass(frozen=True)
class Blocks:
    """A token array seen as fixed blocks of `context` inputs and their next tokens.

    Blocks follow one another without overlap, and the last one is moved back until it is full:
    what it repeats is ignored in the loss. So every token but the first is a target exactly once
    an epoch, none is dropped and none is padding. `offset` moves the cuts, for another epoch. The
    tokens of `headers` are context and never targets.
    """

    tokens: TokenRow  # (tokens,), any integer type, may be memory-mapped
    context: int
    offset: int = 0
    headers: np.ndarray | None = None  # (headers, 2), begins and ends in rising order

    def __post_init__(self) -> None:
        if len(self.tokens) <= self.context:
            raise InputError(
                f"数据只有 {len(self.tokens)} 个词元，装不满一个长度 {self.context} 的块："
                "请换更长的文本，或减小 n_ctx。"
            )
        if not 0 <= self.offset < self.context:
            raise ValueError(f"offset must be in [0, {self.context}), got {self.offset}")

    def __len__(self) -> int:
        return count_blocks(len(self.tokens), self.context, self.offset)

    def batch(self, indices: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and targets of these blocks, int64, both of shape (len(indices), context)."""
        inputs = np.empty((len(indices), self.context), dtype=np.int64)
        targets = np.empty_like(inputs)
        for row, index in enumerate(indices):
            wanted, end = self._targets(index)
            # The window is full even where the block is short: what precedes is only context.
            start = max(0, end - self.context)
            window = self.tokens[start : start + self.context + 1]
            inputs[row], targets[row] = window[:-1], window[1:]
            targets[row, : wanted - start] = IGNORED
            targets[row, end - start :] = IGNORED
            for begin, after in self._headers_within(start + 1, start + 1 + self.context):
                targets[row, begin:after] = IGNORED
        return inputs, targets

    def with_targets(self) -> np.ndarray:
        """The indices of the blocks that score anything: all but those within one header."""
        if self.headers is None or not len(self.headers):
            return np.arange(len(self))
        spans = [self._targets(index) for index in range(len(self))]
        begins, ends = np.array(spans).T + 1  # of the tokens that are the targets
        headers = self._header_tokens_before(ends) - self._header_tokens_before(begins)
        return np.flatnonzero(headers < ends - begins)

    def _header_tokens_before(self, places: np.ndarray) -> np.ndarray:
        """How many of the tokens before each place are those of headers."""
        assert self.headers is not None
        begins, ends = self.headers.T
        lengths = np.concatenate([[0], np.cumsum(ends - begins)])
        entered = np.searchsorted(begins, places)
        # The last one that began may reach beyond the place.
        beyond = np.maximum(0, np.append(ends, 0)[entered - 1] - places)
        return lengths[entered] - np.where(entered > 0, beyond, 0)

    def _headers_within(self, start: int, end: int) -> np.ndarray:
        """The parts of headers among these tokens, counted from `start`."""
        if self.headers is None:
            return np.empty((0, 2), dtype=np.int64)
        first = np.searchsorted(self.headers[:, 1], start, side="right")
        last = np.searchsorted(self.headers[:, 0], end)
        return self.headers[first:last].clip(start, end) - start

    def _targets(self, index: int) -> tuple[int, int]:
        """The half-open range of input positions whose next token this block scores."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        if self.offset and index == 0:
            return 0, self.offset
        start = self.offset + (index - bool(self.offset)) * self.context
        return start, min(start + self.context, len(self.tokens) - 1)


def count_blocks(tokens: int, context: int, offset: int = 0) -> int:
    """Blocks that an array of so many tokens is cut into, 0 where it cannot fill one."""
    if tokens <= context:
        return 0
    return bool(offset) + -(-(tokens - 1 - offset) // context)


def write_tokens(path: Path, ids: np.ndarray | Iterable[np.ndarray]) -> str:
    """Write ids, in one array or many of one type, as `.npy`; returns the sha256 of the file.

    The many are never together in memory. A reader sees the old file or the whole new one.
    """
    pieces = iter([ids] if isinstance(ids, np.ndarray) else ids)
    first = next(pieces, np.empty(0, np.uint16))
    # Through an open file: given a name, NumPy appends ".npy" to it.
    with layouts.replacing(path) as temporary, temporary.open("w+b") as file:
        # The length is known at the end; NumPy leaves room for it in the header.
        np.save(file, np.empty(0, first.dtype), allow_pickle=False)
        begin, count = file.tell(), 0
        for piece in chain([first], pieces):
            file.write(piece.tobytes())
            count += len(piece)
        _write_header(file, first.dtype, count, begin)
        file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_header(file: BinaryIO, kind: np.dtype, count: int, size: int) -> None:
    """The header of the `.npy` format, version 1.0, in the `size` bytes that it was given."""
    header = np.lib.format.header_data_from_array_1_0(np.empty(0, kind))
    file.seek(0)
    np.lib.format.write_array_header_1_0(file, {**header, "shape": (count,)})
    if file.tell() != size:
        raise WorkError("NumPy 写的文件头长度变了，ids 会错位：请换一个 NumPy 版本。")


def read_tokens(path: Path) -> np.ndarray:
    """Map a split's ids into memory; raises `InputError` for a missing or damaged file."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise InputError(f"没有找到 {path}：请重新运行 novelkit prepare。") from error
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path} 已损坏（{error}）：请重新运行 novelkit prepare。") from error
