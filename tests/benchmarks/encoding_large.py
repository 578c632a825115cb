"""A file of 1 GB through `detect` and `decode_stream`: speed, and memory that must stay flat.

The file is written to a temporary folder by repeating novels; another process reads it, so that
its peak memory is its own.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from encoding_cases import ENCODINGS, encode
from encoding_texts import Library

_READER = """
import json, sys, time
import novelkit.encoding as encoding

def peak():
    # In KiB on Linux. ru_maxrss would begin with the size of the process that started this one.
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) * 1024
    except (OSError, StopIteration):
        return None

path = sys.argv[1]
base = peak()
result = {"baseline_bytes": base}
with open(path, "rb") as file:
    start = time.perf_counter()
    try:
        found = encoding.detect(file)
    except (AttributeError, TypeError) as error:
        sys.exit(f"detect does not take an open file: {error}")
    result["detect_seconds"] = time.perf_counter() - start
    result["encoding"], result["damage"] = found.encoding, found.damage
    result["detect_peak_bytes"] = peak()
    if hasattr(encoding, "decode_stream"):
        file.seek(0)
        start = time.perf_counter()
        result["characters"] = sum(map(len, encoding.decode_stream(file, found)))
        result["decode_seconds"] = time.perf_counter() - start
        result["decode_peak_bytes"] = peak()
print(json.dumps(result))
"""


def write_large(library: Library, path: Path, encoding: str, megabytes: int) -> int:
    """Repeat the library's books until the file has so many megabytes; its characters."""
    texts = [text for books in library.books.values() for text in books]
    pieces = [encode(text + "\n", ENCODINGS[encoding]) for text in texts]
    counts = [len(piece.decode(ENCODINGS[encoding].codec)) for piece in pieces]
    written = characters = number = 0
    with path.open("wb") as file:
        while written < megabytes * 1_000_000:
            written += file.write(pieces[number % len(pieces)])
            characters += counts[number % len(pieces)]
            number += 1
    return characters


def run_large(library: Library, encodings: list[str], megabytes: int) -> list[dict]:
    """One record for each encoding; `error` where the installed novelkit cannot do it."""
    records = []
    with tempfile.TemporaryDirectory() as folder:
        free = shutil.disk_usage(folder).free
        if free < (megabytes + 500) * 1_000_000:
            return [{"encoding": "-", "error": f"only {free // 1_000_000} MB free in {folder}"}]
        path = Path(folder) / "large.txt"
        for encoding in encodings:
            characters = write_large(library, path, encoding, megabytes)
            size = path.stat().st_size
            command = [sys.executable, "-c", _READER, str(path)]
            done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
            record = {"made_in": encoding, "bytes": size, "made_characters": characters}
            if done.returncode:
                record["error"] = done.stderr.strip().split("\n")[-1][:200]
            else:
                record |= json.loads(done.stdout)
            records.append(record)
    return records
