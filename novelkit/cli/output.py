"""What all sub-commands share: where text goes, progress bars, and one JSON object at the end.

With `--json` stdout holds that object and nothing else; all that a person reads goes to stderr.
"""

import json
import sys
from typing import Any, TextIO

from tqdm import tqdm


class Output:
    """Prints for a person, or, with `as_json`, keeps stdout for the result."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    @property
    def stream(self) -> TextIO:
        return sys.stderr if self.as_json else sys.stdout

    def say(self, text: str = "", end: str = "\n") -> None:
        print(text, end=end, file=self.stream, flush=True)

    def result(self, value: dict[str, Any]) -> None:
        """Print the machine-readable result, if it was asked for."""
        if self.as_json:
            print(json.dumps(value, ensure_ascii=False, default=str), flush=True)

    def bar(self, description: str, total: float | None = None, **options: Any) -> tqdm:
        """A progress bar on stderr; it shows itself only where the work lasts two seconds."""
        return tqdm(total=total, desc=description, file=sys.stderr, delay=2, leave=False, **options)
