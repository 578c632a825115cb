"""When memory runs out: the same batch in smaller parts, instead of the end of the run."""

import gc
from pathlib import Path

import torch


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the device (or, on a CPU, the machine) has no memory left."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    # The CPU's allocator raises a plain RuntimeError.
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def release_memory() -> None:
    """Give back what the failed attempt left behind."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def more_parts(rows: int, parts: int) -> int | None:
    """The next number of equal parts of `rows` after doubling `parts`; None if each is a row."""
    wanted = range(2 * parts, rows + 1)
    return next((count for count in wanted if rows % count == 0), rows if parts < rows else None)


def available_memory(device: str, meminfo: Path = Path("/proc/meminfo")) -> int | None:
    """Bytes that a run may take on this device; None where nothing tells."""
    if device == "cuda":
        return torch.cuda.mem_get_info()[0]
    if device != "cpu" or not meminfo.is_file():
        return None
    lines = meminfo.read_text(encoding="utf-8").splitlines()
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(found[0]) * 1024 if found else None
