"""Bytes to look at, in memory or in an open file: random access and slices of bounded size.

Covers the stretches that stand for a long file when codecs are tried. Does not cover streams that
cannot seek: an encoding is judged by the whole file, and its text is read afterwards.
"""

import io
import re
from collections.abc import Iterator
from typing import BinaryIO

from novelkit.errors import InputError

CHUNK = 1 << 20  # bytes read at a time from a file that may be larger than the memory
_WHOLE = 8 * 1024  # a file up to this size is its own sample
_WINDOW = 1024
_WINDOWS = 5
_FEW = 256  # bytes that are not ASCII; with fewer of them the samples say too little


class ByteSource:
    """The bytes of a `bytes` object or of an open binary file, which is read from its beginning."""

    def __init__(self, source: bytes | BinaryIO) -> None:
        if isinstance(source, bytes | bytearray | memoryview):
            source = io.BytesIO(source)
        if not source.seekable():
            raise InputError("这个来源只能顺着读一遍，无法判断编码：请先存成文件，再打开那个文件。")
        self._file = source
        self.size = source.seek(0, io.SEEK_END)
        source.seek(0)

    def read(self, start: int, end: int) -> bytes:
        """The bytes [start, end), fewer where the file ends."""
        self._file.seek(start)
        return self._file.read(max(0, end - start))

    def chunks(self, start: int, end: int, size: int = CHUNK) -> Iterator[tuple[int, bytes]]:
        """(position, bytes) of successive slices of [start, end)."""
        while start < end:
            data = self.read(start, min(start + size, end))
            if not data:
                return
            yield start, data
            start += len(data)

    def rewind(self) -> None:
        """Leave the file where it was found: at its beginning."""
        self._file.seek(0)


def is_ascii(source: ByteSource) -> bool:
    """Whether no byte of the file has its eighth bit set."""
    return all(data.isascii() for _, data in source.chunks(0, source.size))


def find(source: ByteSource, pattern: bytes, start: int = 0) -> int:
    """Where the regular expression first matches at or after `start`, or -1.

    A match of up to 16 bytes is also found across the border of two chunks.
    """
    compiled = re.compile(pattern)
    while start < source.size:
        found = compiled.search(source.read(start, start + CHUNK))
        if found:
            return start + found.start()
        start += CHUNK - 16
    return -1


def sample_windows(
    source: ByteSource, start: int, end: int, interesting: bytes = rb"[\x80-\xff]"
) -> list[tuple[int, int]]:
    """Stretches of [start, end) to judge: everything, or five spread evenly over it.

    Where they hold next to nothing of what is `interesting`, the first of that is added.
    """
    size = end - start
    if size <= _WHOLE:
        return [(start, end)]
    step = (size - _WINDOW) / (_WINDOWS - 1)
    # A multiple of 4 keeps the units of UTF-16 and UTF-32 whole.
    starts = [start + (int(step * number) & ~3) for number in range(_WINDOWS)]
    samples = b"".join(source.read(place, place + _WINDOW) for place in starts)
    if len(re.findall(interesting, samples)) < _FEW:
        first = find(source, interesting, start)
        if 0 <= first < end:
            starts.append(start + (first - start & ~3))
    return [(place, min(place + _WINDOW, end)) for place in sorted(set(starts))]
