"""Let go of a line that hardly moves: a server that sends a byte a second would never time out.

The time-out of a socket counts from byte to byte. A thread looks whether anything worth mentioning
came, and closes the line for the reader, who sees a broken transfer. Does not cover: answers whose
headers drip.
"""

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

# So much must come in so long: half a kilobyte a second, slower than any modem.
FEWEST_BYTES, LONGEST_SECONDS = 1 << 14, 30


@contextlib.contextmanager
def watched(raw: Any, timeout: float) -> Iterator[None]:
    """While inside, `raw` (of urllib3) must bring FEWEST_BYTES in each LONGEST_SECONDS."""
    done = threading.Event()
    # A pause that the caller allows is no reason.
    seconds = max(timeout, LONGEST_SECONDS)
    thread = threading.Thread(target=_watch, args=(raw, done, seconds), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        # Before the socket's number can become that of another.
        thread.join()


def _watch(raw: Any, done: threading.Event, seconds: float) -> None:
    before = raw.tell()
    while not done.wait(seconds):
        now = raw.tell()
        if now - before < FEWEST_BYTES:
            _hang_up(raw)
            return
        before = now


def _hang_up(raw: Any) -> None:
    """Shut the line down, which wakes the reader; closing alone would not."""
    # What is closed already has no number.
    with contextlib.suppress(OSError, ValueError, AttributeError):
        line = socket.socket(fileno=raw.fileno())
        try:
            line.shutdown(socket.SHUT_RDWR)
        finally:
            # The number belongs to `raw`, which closes it.
            line.detach()
