"""`novelkit inspect FILE`: the encoding of a file, with the evidence.

Covers files of any size with flat memory: the text is read, repaired, hashed and written piece by
piece. Shows where the damage is, and what chardet would have said.
"""

import argparse
import hashlib
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import numpy as np

from novelkit import encoding, layouts
from novelkit.cli.output import Output
from novelkit.download import readable_name
from novelkit.errors import InputError

_SHOWN = 10  # places of damage and parts printed for a person
_CONTEXT = 2048  # units before a place of damage, among which a character boundary is found
_AFTER = 96  # bytes behind it
_WORDS = 12  # characters shown on either side


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="要看的文件")
    parser.add_argument("--text", type=Path, help="把文字存成 UTF-8 文件，一个字也不清洗")
    parser.add_argument(
        "--repair", action="store_true", help="先撤销可以撤销的乱码（错误的二次转码）"
    )


def run(options: argparse.Namespace) -> int:
    output = Output(options.json)
    _check(options.file)
    with options.file.open("rb") as file:
        detection = encoding.detect(file, witnesses=True)
        _describe(output, options.file, file, detection)
        with ExitStack() as stack:
            target = _target(stack, options.text)
            written = _Written(target)
            for text in _pieces(file, detection, options.repair, written):
                written.add(text)
    _say_mojibake(output, detection, options.repair, written.repaired)
    if options.text:
        output.say(f"  文字已存到 {options.text}")
    output.result(_result(detection, written))
    return 0


def _check(file: Path) -> None:
    if not file.exists():
        raise InputError(f"没有找到文件 {file}：请检查路径和文件名。")
    if file.is_dir():
        raise InputError(f"{file} 是文件夹，这里要一个文件：请给出其中的一个文件。")
    if file.is_file() and not file.stat().st_size:
        raise InputError(f"{file} 是空文件（0 字节）：下载可能没有完成，请重新下载。")


# --- the text -----------------------------------------------------------------------------------


class _Written:
    """Counts, hashes and saves the text, and remembers what was repaired."""

    def __init__(self, target: TextIO | None) -> None:
        self._target = target
        self._hash = hashlib.sha256()
        self.characters = 0
        self.repaired: str | None = None

    def add(self, text: str) -> None:
        self.characters += len(text)
        self._hash.update(text.encode("utf-8"))
        if self._target:
            self._target.write(text)

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


def _target(stack: ExitStack, path: Path | None) -> TextIO | None:
    """The file for the text: either the old one or the new one, never half of it."""
    if path is None:
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = stack.enter_context(layouts.replacing(path))
    return stack.enter_context(temporary.open("w", encoding="utf-8", newline=""))


def _pieces(
    file: BinaryIO, detection: encoding.Detection, repair: bool, written: _Written
) -> Iterator[str]:
    texts = encoding.decode_stream(file, detection)
    if not repair:
        yield from texts
        return
    for piece in encoding.repair_stream(texts):
        written.repaired = written.repaired or piece.how
        yield piece.text


# --- what a person and a program are told -------------------------------------------------------


def _describe(output: Output, path: Path, file: BinaryIO, detection: encoding.Detection) -> None:
    name = readable_name(path.name)
    output.say(f"{name}：{detection.encoding}，把握 {detection.confidence:.0%}")
    for line in detection.evidence:
        output.say(f"  {line}")
    output.say(f"  共 {detection.characters:,} 个字符，损坏 {detection.damage} 处")
    for line in _damage_lines(file, detection):
        output.say(f"    {line}")


def _damage_lines(file: BinaryIO, detection: encoding.Detection) -> Iterator[str]:
    """Where the first places of damage are: line, bytes, and the text around."""
    line, place, segments = 1, 0, detection.segments
    for start, end in detection.damage_positions[:_SHOWN]:
        part = next(s for s in segments if s.start <= start < s.end)
        for passed in segments:
            if passed.start < start and passed.end > place:
                low, high = max(passed.start, place), min(passed.end, start)
                line += _newlines(file, passed, low, high)
        place = start
        yield f"第 {line:,} 行，第 {start:,}–{end:,} 字节：{_around(file, part, start, end)}"
    if detection.damage > _SHOWN:
        yield f"……共 {detection.damage:,} 处"


def _unit(part: encoding.Segment) -> tuple[int, str]:
    """(bytes of the unit in which a newline is written, a codec for such bytes without a mark)."""
    codec = part.encoding.removesuffix("-sig")
    return {"utf-16": 2, "utf-32": 4}.get(codec[:6], 1), codec


def _ordered(file: BinaryIO, part: encoding.Segment) -> str:
    """The codec of a part whose byte order only its mark tells."""
    codec = _unit(part)[1]
    if codec not in ("utf-16", "utf-32"):
        return codec
    file.seek(part.start)
    return (
        f"{codec}-be" if file.read(4).startswith((b"\xfe\xff", b"\0\0\xfe\xff")) else f"{codec}-le"
    )


def _newlines(file: BinaryIO, part: encoding.Segment, start: int, end: int) -> int:
    """How many lines end in the bytes [start, end) of a part: LF, CR LF or CR alone."""
    width, codec = _unit(part)[0], _ordered(file, part)
    form = np.dtype(f"{'>' if codec.endswith('be') else '<'}u{width}")
    file.seek(start)
    count, after_return = 0, False
    while start < end and (data := file.read(min(1 << 20, end - start))):
        start += len(data)
        units = np.frombuffer(data[: len(data) // width * width], form)
        returns = units == 0x0D
        feeds = units == 0x0A
        # Of CR LF only the CR counts, also where a chunk ends between the two.
        count += int(returns.sum()) + int(feeds.sum()) - int((returns[:-1] & feeds[1:]).sum())
        count -= int(after_return and bool(feeds[:1].any()))
        after_return = bool(returns[-1:].any())
    return count


def _around(file: BinaryIO, part: encoding.Segment, start: int, end: int) -> str:
    """A few characters of the line on both sides of a place of damage."""
    width, codec = _unit(part)[0], _ordered(file, part)
    low = max(part.start, start - _CONTEXT * width)
    file.seek(low)
    before = file.read(start - low)
    if width == 1 and low > part.start:
        # Behind such a byte a character begins, in HZ only behind a newline.
        found = re.search(rb"\n" if codec == "hz" else rb"[\x00-\x2f]", before)
        before = before[found.end() :] if found else b""
    file.seek(start)
    after = file.read(min(end + _AFTER, part.end) - start)
    text = (before + after).decode(codec, "replace").removeprefix("\ufeff")
    place = len(before.decode(codec, "replace").removeprefix("\ufeff"))
    left = re.split("[\r\n]", text[:place])[-1][-_WORDS:]
    right = re.split("[\r\n]", text[place:].lstrip("\ufffd"))[0][:_WORDS]
    return f"…{left}�{right}…"


def _say_mojibake(
    output: Output, detection: encoding.Detection, repair: bool, repaired: str | None
) -> None:
    if repaired:
        output.say(f"  修复了乱码：{repaired}")
    elif repair:
        output.say("  没有发现可以还原的乱码，文字没有改动")
    elif detection.mojibake and not detection.reversible:
        output.say(f"  内容是乱码（{detection.mojibake}），请换一份文件")
    elif detection.mojibake:
        output.say(f"  内容是乱码（{detection.mojibake}），可以还原：请加上 --repair")
    elif detection.mojibake_stretches:
        output.say("  有几段是乱码，可以还原：请加上 --repair")


def _result(detection: encoding.Detection, written: _Written) -> dict[str, Any]:
    return {
        "encoding": detection.encoding,
        "segments": [asdict(segment) for segment in detection.segments],
        "confidence": detection.confidence,
        "evidence": list(detection.evidence),
        "candidates": [asdict(candidate) for candidate in detection.candidates],
        "characters": written.characters,
        "damage": detection.damage,
        "damage_positions": [list(place) for place in detection.damage_positions],
        "mojibake": detection.mojibake,
        "mojibake_stretches": [asdict(stretch) for stretch in detection.mojibake_stretches],
        "lost": detection.lost,
        "witnesses": detection.witnesses,
        "repaired": written.repaired,
        "sha256": written.sha256,
    }
