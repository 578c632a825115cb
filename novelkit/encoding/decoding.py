"""Bytes to text piece by piece, undecodable bytes replaced by U+FFFD, counted and located.

Covers all codecs of the detector, each as Python's own decoder reads it, also where a character is
cut between two slices, and files of several segments. The text is the same for every size of the
slices, and the same as that of `bytes.decode(encoding, "replace")`.
"""

import codecs
import contextvars
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from novelkit.encoding.sources import CHUNK, ByteSource

MOST_POSITIONS = 1000  # places of damage that are kept; all of them are counted
_MARKS = {
    "utf-8-sig": ((codecs.BOM_UTF8, "utf-8"),),
    "utf-16": ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")),
    "utf-32": ((codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be")),
}
_PLAIN = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}
# The longer first: a UTF-32 LE mark begins with a UTF-16 LE mark.
BYTE_ORDER_MARKS = tuple(
    (mark, name) for name in ("utf-32", "utf-8-sig", "utf-16") for mark, _ in _MARKS[name]
)


@dataclass(frozen=True)
class Segment:
    """A stretch of bytes [start, end) in one encoding, a Python codec name."""

    start: int
    end: int
    encoding: str


def plain_codec(encoding: str, head: bytes) -> tuple[str, int]:
    """The codec behind one that is named by its byte order mark, and the bytes of that mark."""
    for mark, codec in _MARKS.get(encoding, ()):
        if head.startswith(mark):
            return codec, len(mark)
    return _PLAIN.get(encoding, encoding), 0


class _Errors:
    """Runs of undecodable bytes as absolute positions; adjacent ones are one place."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.count = 0
        self.replaced = 0
        self.positions: list[tuple[int, int]] = []
        self.slice_end = 0
        self._last_end = -1

    def add(self, error: UnicodeDecodeError) -> None:
        self.replaced += 1
        # A decoder is given what the last slice left over and this slice, which ends `object`.
        base = self.slice_end - len(error.object)
        start, end = base + error.start, base + error.end
        if start != self._last_end:
            self.count += 1
            if self.count <= self._most:
                self.positions.append((start, end))
        elif self.count <= self._most:
            self.positions[-1] = (self.positions[-1][0], end)
        self._last_end = end


_current: contextvars.ContextVar[_Errors] = contextvars.ContextVar("current_errors")


def _replace_and_record(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    _current.get().add(error)
    return "\ufffd", error.end


codecs.register_error("novelkit.record", _replace_and_record)


class CountingDecoder:
    """An incremental decoder that begins at byte `start` of a file and records what it replaces.

    The text and the count of its `characters` leave out a byte order mark at the beginning, unless
    with `keep_mark`. Of the places of damage the first `most` are kept.
    """

    def __init__(
        self, encoding: str, start: int = 0, *, keep_mark: bool = False, most: int = MOST_POSITIONS
    ) -> None:
        self._decoder = codecs.getincrementaldecoder(encoding)("novelkit.record")
        self._errors = _Errors(most)
        self._errors.slice_end = start
        self._begun = keep_mark
        self.characters = 0

    @property
    def damage(self) -> int:
        return self._errors.count

    @property
    def replaced(self) -> int:
        """How many U+FFFD the decoder has put in: one or more for each place of damage."""
        return self._errors.replaced

    @property
    def positions(self) -> list[tuple[int, int]]:
        return self._errors.positions

    def decode(self, data: bytes, final: bool = False) -> str:
        """The text of the next bytes, as far as its characters are complete."""
        self._errors.slice_end += len(data)
        token = _current.set(self._errors)
        try:
            text = self._decoder.decode(data, final)
        finally:
            _current.reset(token)
        if text and not self._begun:
            self._begun = True
            text = text.removeprefix("\ufeff")
        self.characters += len(text)
        return text


def decode_segments(
    source: ByteSource, segments: Sequence[Segment], chunk_bytes: int = CHUNK
) -> Iterator[str]:
    """The text of the segments in order, in pieces; byte order marks at their starts dropped."""
    for segment in segments:
        head = source.read(segment.start, min(segment.start + 4, segment.end))
        codec, mark = plain_codec(segment.encoding, head)
        decoder = CountingDecoder(codec, segment.start + mark)
        for _, data in source.chunks(segment.start + mark, segment.end, chunk_bytes):
            text = decoder.decode(data)
            if text:
                yield text
        text = decoder.decode(b"", final=True)
        if text:
            yield text
