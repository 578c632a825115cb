"""Work spread over processes, results in order, with a bounded number of items under way.

New interpreters are started on every system (`spawn`), so it works on Windows, and they do not load
the program that called: so it works in notebooks, in text from standard input, and in scripts
without `if __name__ == "__main__":`, which `multiprocessing` alone would ask for.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from novelkit.errors import WorkError

# Below this size starting processes (half a second each) costs more than they save.
PARALLEL_BYTES = 8 * 2**20
# What waits to be worked on or taken, besides the items themselves: two for each process.
WAITING = 2
WAITING_BYTES = 64 * 2**20


def choose_processes(wanted: int | None, total_bytes: int) -> int:
    """How many processes to use: what is wanted, else two for large inputs where there are two."""
    if wanted is not None:
        return wanted
    return min(2, os.cpu_count() or 1) if total_bytes >= PARALLEL_BYTES else 1


class Workers:
    """A pool whose `map` yields results in order; with one process it works in this one."""

    def __init__(self, processes: int) -> None:
        self.processes = processes
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> "Workers":
        if self.processes > 1:
            self._pool = ProcessPoolExecutor(
                self.processes, multiprocessing.get_context("spawn"), _prepare_process
            )
        return self

    def __exit__(self, *error: object) -> None:
        if self._pool:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def map(
        self,
        function: Callable[[Any], Any],
        items: Iterable[Any],
        size: Callable[[Any], int] = lambda item: 0,
    ) -> Iterator[Any]:
        """`function` of each item, in order; `size` in bytes bounds the items that wait.

        `function` must be importable from a module other than the main one, or a `partial` of
        such; an exception in it is raised here.
        """
        if self._pool is None:
            yield from map(function, items)
            return
        waiting: deque[tuple[Future, int]] = deque()
        try:
            for item in items:
                with _starting():
                    future = self._pool.submit(function, item)
                waiting.append((future, size(item)))
                while waiting and self._is_full(waiting):
                    yield waiting.popleft()[0].result()
            while waiting:
                yield waiting.popleft()[0].result()
        except BrokenProcessPool as error:
            raise WorkError(
                "一个工作进程突然结束了，多半是内存不够：请关掉别的程序，或加 --processes 1 再试。"
            ) from error

    def _is_full(self, waiting: deque[tuple[Future, int]]) -> bool:
        total = sum(bytes_ for _, bytes_ in waiting)
        return len(waiting) > WAITING * self.processes or total > WAITING_BYTES


@contextmanager
def _starting() -> Iterator[None]:
    """While processes may start: without the main program, and without Ctrl-C, in them."""
    main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    # A new process inherits what is blocked; what was pressed meanwhile reaches this one after.
    # Windows has no such mask, and a Ctrl-C in that moment prints a traceback there.
    mask = getattr(signal, "pthread_sigmask", None)
    before = mask(signal.SIG_BLOCK, {signal.SIGINT}) if mask else None
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        if mask:
            mask(signal.SIG_SETMASK, before)


def _prepare_process() -> None:
    """In a new process: leave Ctrl-C to the parent, and end when it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A killed parent sends no message, and the pool's queue would be waited on for ever.
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)
