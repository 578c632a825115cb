"""The history of a run: one JSON line a step, append-only, readable while it grows.

A killed run leaves lines of steps that its resume does again; a step may stand there twice, and
the later line counts. A line torn by a kill has no newline and is passed over.
"""

import contextlib
import gzip
import json
import zlib
from pathlib import Path
from typing import Any, TextIO

from novelkit import layouts
from novelkit.errors import InputError
from novelkit.training.disk import writing_to

Record = dict[str, Any]

# What a resumed run may not repeat to the bit: the clock and who was at work.
CLOCK_FIELDS = ("seconds", "tokens_per_second", "session")


class HistoryWriter:
    """Appends records; a torn last line of an earlier session is closed first."""

    def __init__(self, run: Path, writes: bool = True) -> None:
        """With `writes` off nothing is written: of several processes only one writes."""
        self._file: TextIO | None = None
        self._run = run
        if not writes:
            return
        path = run / layouts.HISTORY_FILE
        torn = path.exists() and not path.read_bytes().endswith(b"\n") and path.stat().st_size
        with writing_to(run):
            self._file = path.open("a", encoding="utf-8", newline="\n")
        if torn:
            self._file.write("\n")

    def append(self, record: Record) -> None:
        """Write one line and hand it to the system, so that a kill of Python loses nothing."""
        if self._file is None:
            return
        with writing_to(self._run):
            self._file.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")
            self._file.flush()

    def close(self) -> None:
        # `append` has flushed all that counts; a full disk, which it reported, fails here again.
        with contextlib.suppress(OSError):
            if self._file:
                self._file.close()


def read_history(run: Path) -> list[Record]:
    """The merged history, one record a step in order; raises `InputError` if there is none."""
    by_step: dict[int, Record] = {}
    for line in _read(Path(run)).decode("utf-8", errors="replace").splitlines():
        try:
            record = json.loads(line)
            step = record["step"]
        except (ValueError, KeyError, TypeError):
            continue  # torn by a kill
        # What comes after a repeated step belongs to the session that was lost.
        if step in by_step:
            by_step = {old: value for old, value in by_step.items() if old < step}
        by_step[step] = record
    return [by_step[step] for step in sorted(by_step)]


def _read(run: Path) -> bytes:
    path, packed = run / layouts.HISTORY_FILE, run / layouts.PACKED_HISTORY_FILE
    if path.is_file():
        return path.read_bytes()
    if not packed.is_file():
        raise InputError(f"{run} 里没有 {layouts.HISTORY_FILE}：这里还没有训练过，请检查路径。")
    try:
        return gzip.decompress(packed.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{packed} 损坏（{error}）：请重新取得这个文件。") from error


def without_clock(records: list[Record]) -> list[Record]:
    """The records less the fields that no two runs share, for comparing runs."""
    return [
        {key: value for key, value in record.items() if key not in CLOCK_FIELDS}
        for record in records
    ]
