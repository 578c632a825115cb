"""Keep a real run for the lessons: its ledger, and its history packed small.

    python assets/runs/record_run.py RUN NAME

writes `NAME/run.json` and `NAME/history.jsonl.gz` beside this file. `novelkit diagnose` and
`training.read_history` read them like any other run. Every line that the run wrote is kept, also
those of steps that it did again after a kill, and in the same order; numbers are rounded to
`DIGITS` significant digits. The same run gives the same bytes.
"""

import argparse
import gzip
import json
import shutil
from pathlib import Path
from typing import Any

from novelkit import layouts

HERE = Path(__file__).resolve().parent
# Of a loss such as 4.80897 the last digit is far below the noise of a batch.
DIGITS = 6


def rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return {key: rounded(item) for key, item in value.items()} if isinstance(value, dict) else value


def packed(history: bytes) -> bytes:
    lines = []
    for line in history.decode("utf-8", "replace").splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            lines.append(line)  # torn by a kill: part of what happened
        else:
            lines.append(json.dumps(rounded(record), ensure_ascii=False, separators=(",", ":")))
    # Without a time of day in it, so that it can be compared.
    return gzip.compress("".join(f"{line}\n" for line in lines).encode("utf-8"), 9, mtime=0)


def record(run: Path, target: Path) -> int:
    """Record the run into the folder; returns the bytes that it takes."""
    target.mkdir(parents=True, exist_ok=True)
    content = packed((run / layouts.HISTORY_FILE).read_bytes())
    (target / layouts.PACKED_HISTORY_FILE).write_bytes(content)
    shutil.copyfile(run / layouts.RUN_FILE, target / layouts.RUN_FILE)
    return sum(path.stat().st_size for path in target.iterdir())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("name", metavar="NAME")
    options = parser.parse_args()
    size = record(options.run, HERE / options.name)
    print(f"{HERE / options.name}: {size:,} bytes")


if __name__ == "__main__":
    main()
