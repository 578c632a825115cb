"""Messages between grader, server and worker: a length of four bytes, then JSON in UTF-8.

Stands alone, without novelkit.
"""

import json
import socket
import struct
import time
from typing import Any

HEAD = struct.Struct("!I")
CHUNK = 1 << 16


class BrokenFrameError(Exception):
    """The other side is gone, or sent what is no frame; its text says which."""


class TooLongError(BrokenFrameError):
    """A frame announces more bytes than are allowed."""


class NoMessageError(BrokenFrameError):
    """A whole frame that holds no JSON object."""


def send(channel: socket.socket, message: dict[str, Any]) -> None:
    """Send one message, ASCII only, so that lone surrogates travel as well."""
    data = json.dumps(message, ensure_ascii=True, allow_nan=False).encode("ascii")
    channel.sendall(HEAD.pack(len(data)) + data)


def receive(channel: socket.socket, limit: int, deadline: float | None = None) -> dict[str, Any]:
    """The next message; `deadline` is of `time.monotonic`.

    Raises `TimeoutError`, or `BrokenFrameError` for an end, a frame above `limit` bytes, or one
    that holds no JSON object.
    """
    (length,) = HEAD.unpack(_exactly(channel, HEAD.size, deadline))
    if length > limit:
        raise TooLongError(f"a frame of {length} bytes")
    data = _exactly(channel, length, deadline)
    try:
        message = json.loads(data.decode("ascii"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise NoMessageError("no JSON") from error
    if type(message) is not dict:
        raise NoMessageError("no JSON object")
    return message


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _exactly(channel: socket.socket, count: int, deadline: float | None) -> bytes:
    parts = []
    while count:
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            channel.settimeout(left)
        else:
            channel.settimeout(None)
        try:
            part = channel.recv(min(count, CHUNK))
        except ConnectionError as error:
            raise BrokenFrameError("the other side is gone") from error
        if not part:
            raise BrokenFrameError("the other side is gone")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def pending(channel: socket.socket) -> bool:
    """Whether something came that nobody asked for."""
    channel.settimeout(0)
    try:
        return bool(channel.recv(1, socket.MSG_PEEK))
    except (BlockingIOError, ConnectionError):
        return False
