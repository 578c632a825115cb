"""Processes as /proc shows them: who descends from whom, what memory they hold. Stands alone."""

import contextlib
import os
import signal
from pathlib import Path


def descendants(root: int) -> list[int]:
    """All processes below `root`, children before grandchildren; empty where there is no /proc."""
    parents: dict[int, list[int]] = {}
    with contextlib.suppress(OSError):
        for entry in os.scandir("/proc"):
            if entry.name.isdigit() and (parent := _parent(int(entry.name))) is not None:
                parents.setdefault(parent, []).append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        children = parents.get(waiting.pop(0), [])
        found += children
        waiting += children
    return found


def _parent(process: int) -> int | None:
    try:
        # The name, in brackets, may hold spaces and brackets.
        rest = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return int(rest[1])


def own_memory(process: int) -> int:
    """Bytes of memory of its own that a process holds now (RssAnon and shared memory)."""
    total = 0
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{process}/status").read_bytes().splitlines():
            if line.startswith((b"RssAnon:", b"RssShmem:")):
                total += 1024 * int(line.split()[1])
    return total


def count_of_user(user: int) -> int:
    """Threads of a user, as RLIMIT_NPROC counts them."""
    found = 0
    with contextlib.suppress(OSError):
        for entry in os.scandir("/proc"):
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and entry.stat().st_uid == user:
                    found += sum(1 for _ in os.scandir(f"/proc/{entry.name}/task"))
    return found


def kill_all(processes: list[int]) -> None:
    """SIGKILL to each that is still there."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process, signal.SIGKILL)
