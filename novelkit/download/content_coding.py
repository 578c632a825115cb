"""Content-Encoding undone: what a server compresses on the way is unpacked to its very end.

`requests` would do it too, but takes a compressed stream that stops early for a complete one, and
passes on what it cannot unpack (RFC 9110, 8.4; gzip is RFC 1952, deflate RFC 1950 or bare 1951).
Does not cover: br, zstd, several codings at once; nobody who asks for "identity" should get them.
"""

import zlib
from collections.abc import Iterable, Iterator

# One compressed bite may hold a thousand times its size; this much of it is unpacked at once.
PIECE_BYTES = 1 << 16
# What zlib calls gzip; a window of 15 bits is the largest there is.
GZIP_WINDOW, ZLIB_WINDOW, BARE_WINDOW = 31, 15, -15


class Undecodable(Exception):
    """The body is not what its Content-Encoding says, or stops before its end."""


class UnknownCoding(Exception):
    """A Content-Encoding that is not undone here."""


def unpack(chunks: Iterable[bytes], coding: str) -> Iterator[bytes]:
    """The bytes behind `coding`, in small pieces. Raises Undecodable and UnknownCoding."""
    coding = coding.strip().lower()
    if coding in ("", "identity"):
        yield from chunks
    elif coding in ("gzip", "x-gzip", "deflate"):
        yield from _inflate(chunks, deflate=coding == "deflate")
    else:
        raise UnknownCoding(coding)


def _inflate(chunks: Iterable[bytes], deflate: bool) -> Iterator[bytes]:
    unpacker = None
    for chunk in chunks:
        while chunk:
            # Gzip may go on with another member; a member that ended is not gone on with.
            if unpacker is None or (unpacker.eof and not deflate and chunk.startswith(b"\x1f")):
                unpacker = zlib.decompressobj(_window(chunk) if deflate else GZIP_WINDOW)
            if unpacker.eof:
                break
            try:
                piece = unpacker.decompress(chunk, PIECE_BYTES)
            except zlib.error as error:
                raise Undecodable(str(error)) from error
            if piece:
                yield piece
            chunk = unpacker.unconsumed_tail or unpacker.unused_data
    if unpacker is None:
        return
    # At most what the last piece left in the unpacker.
    if rest := unpacker.flush():
        yield rest
    if not unpacker.eof:
        raise Undecodable("the stream stops before its end")


def _window(chunk: bytes) -> int:
    """With a zlib header, as the standard says, or without, as some servers send it."""
    header = int.from_bytes(chunk[:2], "big")
    return ZLIB_WINDOW if chunk[0] & 15 == 8 and header % 31 == 0 else BARE_WINDOW
