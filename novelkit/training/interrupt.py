"""Ctrl-C, the notebook's stop button and SIGTERM as a wish that is granted between two steps."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted:
    """True once someone asked to stop."""

    def __init__(self) -> None:
        self.asked = False

    def __bool__(self) -> bool:
        return self.asked


@contextmanager
def catch_interrupts() -> Iterator[Interrupted]:
    """While inside, the first SIGINT or SIGTERM only sets the flag; a second SIGINT raises.

    An exception in the middle of an optimizer's update would leave weights that no step made.
    """
    interrupted = Interrupted()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted  # only the main thread may set handlers
        return

    def ask(number: int, frame: FrameType | None) -> None:
        if interrupted.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        interrupted.asked = True

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
