"""What all sub-commands share: where text goes, progress bars, and one JSON object at the end.

With `--json` stdout holds that object and nothing else; all that a person reads goes to stderr.
"""

import errno
import json
import os
import sys
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm


def check_writable(folder: Path) -> None:
    """Raise `OSError` now if `folder` cannot be made or written, rather than after long work."""
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not nearest.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))


class Output:
    """Prints for a person, or, with `as_json`, keeps stdout for the result."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        # Of several processes of one training the first one speaks for all.
        self.silent = int(os.environ.get("RANK", "0")) > 0

    @property
    def stream(self) -> TextIO:
        return sys.stderr if self.as_json else sys.stdout

    def say(self, text: str = "", end: str = "\n") -> None:
        if not self.silent:
            print(text, end=end, file=self.stream, flush=True)

    def result(self, value: dict[str, Any]) -> None:
        """Print the machine-readable result, if it was asked for."""
        if self.as_json and not self.silent:
            print(json.dumps(value, ensure_ascii=False, default=str), flush=True)

    def bar(self, description: str, total: float | None = None, **options: Any) -> tqdm:
        """A progress bar on stderr; it shows itself only where the work lasts two seconds."""
        return tqdm(total=total, desc=description, file=sys.stderr, delay=2, leave=False, **options)
