"""Write what arrives to a file, up to a limit, so that a full disk shows at once.

Does not cover: where the bytes come from.
"""

from collections.abc import Callable, Iterable
from io import FileIO
from pathlib import Path

from novelkit.errors import InputError, WorkError

CHUNK_BYTES = 1 << 16
# Gets the bytes that are there and, where it is known, the bytes of the whole.
Progress = Callable[[int, int | None], None]


def refuse_size(total: int | None, maximum_bytes: int) -> None:
    """Raise InputError where the announced size is over the limit."""
    if total is not None and total > maximum_bytes:
        limit = f"{maximum_bytes / 2**20:.0f} MiB"
        raise InputError(f"文件有 {total / 2**20:.0f} MiB，超过上限 {limit}：请确认它是一本书。")


def write_chunks(
    chunks: Iterable[bytes],
    path: Path,
    maximum_bytes: int,
    total: int | None,
    progress: Progress,
    start: int = 0,
) -> None:
    """Write `chunks` from byte `start` on; `total` is the expected size of the file if known."""
    refuse_size(total, maximum_bytes)
    done = start
    with path.open("r+b" if start else "wb", buffering=0) as file:
        file.seek(start)
        for chunk in chunks:
            done += len(chunk)
            if done > maximum_bytes:
                limit = f"{maximum_bytes / 2**20:.0f} MiB"
                raise InputError(f"内容超过上限 {limit}，已停止：请确认它是一本书。")
            _write_all(file, chunk)
            progress(done, total)


def _write_all(file: FileIO, chunk: bytes) -> None:
    """Write without a buffer, so that a full disk shows here and not when the file is closed."""
    rest = memoryview(chunk)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError as error:
        raise WorkError(f"写入失败（{error.strerror}）：请检查磁盘空间。") from error
