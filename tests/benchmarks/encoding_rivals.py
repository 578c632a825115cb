"""The other detectors, asked for the name of a codec and then read as generously as can be.

Covers chardet, charset-normalizer and faust-cchardet where they are installed, and chardet 5.2 in
another interpreter (started as `PYTHON encoding_rivals.py`): one JSON object a line with the data
in base64, one JSON object a line back. This file uses the standard library only, and imports
nothing of novelkit, so that the other interpreter can run it.

How an answer is read: gb2312, gbk and their kin as gb18030; Big5 as the best of its three
variants; the byte order mark dropped; any other name as Python knows it, errors replaced. No name,
or one that Python does not know, is wrong.
"""

from __future__ import annotations

import base64
import importlib
import importlib.metadata
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_GB = {"gb2312", "gbk", "gb18030", "cp936", "ms936", "euc-cn", "euccn", "gb18030-2000"}
_BIG5 = ("big5", "cp950", "big5hkscs")
_BIG5_NAMES = {*_BIG5, "big5-tw", "big5-hkscs", "euc-tw", "ms950", "big5-eten"}
_NAMES = {
    "hz-gb-2312": "hz",
    "utf-8-sig": "utf-8",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
}


@dataclass(frozen=True)
class Rival:
    """A detector: bytes → (the name it answers, seconds it took)."""

    name: str
    answer: Callable[[bytes], tuple[str | None, float]]
    slow: bool = False  # long files are then asked of it only now and then


def readings(data: bytes, name: str | None) -> list[str]:
    """The texts that the answer stands for; none where Python knows no such codec."""
    if not name:
        return []
    plain = name.lower().replace("_", "-")
    if plain in _GB:
        names: tuple[str, ...] = ("gb18030",)
    else:
        names = _BIG5 if plain in _BIG5_NAMES else (_NAMES.get(plain, plain),)
    found = []
    for codec in names:
        try:
            found.append(data.decode(codec, "replace").removeprefix("\ufeff"))
        except (LookupError, UnicodeError):
            continue
    return found


def _timed(function: Callable[[bytes], str | None]) -> Callable[[bytes], tuple[str | None, float]]:
    def answer(data: bytes) -> tuple[str | None, float]:
        start = time.perf_counter()
        name = function(data)
        return name, time.perf_counter() - start

    return answer


def _library_function(module: str) -> Callable[[bytes], str | None]:
    library = importlib.import_module(module)
    if module != "charset_normalizer":
        return lambda data: library.detect(data)["encoding"]

    def best(data: bytes) -> str | None:
        match = library.from_bytes(data).best()
        return match.encoding if match else None

    return best


_LIBRARIES = {  # package → module
    "chardet": "chardet",
    "charset-normalizer": "charset_normalizer",
    "faust-cchardet": "cchardet",
}


def installed_rivals(wanted: list[str] | None = None) -> list[Rival]:
    """Those of the three (or of the `wanted` packages) that this interpreter can import."""
    found = []
    for package, module in _LIBRARIES.items():
        if wanted is not None and package not in wanted:
            continue
        try:
            version = importlib.metadata.version(package)
            found.append(Rival(f"{package} {version}", _timed(_library_function(module))))
        except ImportError:
            continue
    return found


def other_python(python: Path) -> Rival:
    """The chardet of another interpreter, kept running until this process ends."""
    command = [str(python), str(Path(__file__).resolve())]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    sender, receiver = process.stdin, process.stdout
    if sender is None or receiver is None:
        raise RuntimeError(f"{python}: no pipes")

    def ask(data: bytes) -> dict:
        sender.write(json.dumps({"data": base64.b64encode(data).decode("ascii")}) + "\n")
        sender.flush()
        line = receiver.readline()
        if not line:
            raise RuntimeError(f"{python}: chardet is not installed there, or it stopped")
        return json.loads(line)

    version = ask(b"hello")["version"]

    def answer(data: bytes) -> tuple[str | None, float]:
        reply = ask(data)
        return reply["encoding"], reply["seconds"]

    return Rival(f"chardet {version}", answer, slow=True)


def serve() -> None:
    """Answer one line for each line of standard input: the worker of `other_python`."""
    import chardet

    detect = _timed(lambda data: chardet.detect(data)["encoding"])
    for line in sys.stdin:
        name, seconds = detect(base64.b64decode(json.loads(line)["data"]))
        reply = {"encoding": name, "seconds": seconds, "version": chardet.__version__}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    serve()
