"""Tables in and out: CSV files as spreadsheets save them, cells that no spreadsheet executes.

Reads what Excel, WPS, Moodle and Canvas write (UTF-8 with or without a mark, UTF-16, GB18030;
commas, semicolons, tabs). Writes UTF-8 with a mark, without which Excel shows Chinese as mojibake.
Everything written passes `clean`, since names, code and outputs come from students.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from novelkit.errors import InputError
from novelkit.layouts import write_text

Cell = str | int | float | None
Row = dict[str, str]
REPLACEMENT = "\ufffd"
DELIMITERS = ",\t;"
# Directional marks reorder what a reader sees, so that a line of code is not what it seems to be.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
# The full-width four count as well where a spreadsheet runs in an East Asian locale.
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")


def clean(text: str) -> str:
    """`text` as UTF-8 can hold it: line ends as \\n, and U+FFFD for what nobody should see.

    That are control characters (but tab and line end), lone surrogates and directional overrides.
    """
    return _UNSEEN.sub(REPLACEMENT, text.replace("\r\n", "\n").replace("\r", "\n"))


@lru_cache(maxsize=1 << 14)
def same_text(text: str) -> str:
    """A form in which two spellings of an id or a name are equal: width, case, outer blanks.

    Kept, since each of a class is compared with each.
    """
    return unicodedata.normalize("NFKC", text).casefold().strip()


def cell(value: Cell) -> str:
    """One cell: numbers as they are, with four decimals at most, and text that is only text."""
    if value is None:
        return ""
    if isinstance(value, float):
        return number_text(value)
    text = clean(str(value))
    # Formula injection: a spreadsheet executes a cell that begins like a formula, and a name may
    # be =HYPERLINK(...). The quote makes it text. Blanks before it are no protection everywhere.
    begins = text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA)
    return f"'{text}" if begins and not _NUMBER.fullmatch(text) else text


def number_text(value: float) -> str:
    """A number for people: at most four decimals, no trailing zeros, no -0."""
    text = f"{value:.4f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Write a rectangular CSV file, atomically; a row of another length is a ValueError."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow([cell(name) for name in header])
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"a row has {len(row)} cells, the header {len(header)}")
        writer.writerow([cell(value) for value in row])
    write_text(path, "\ufeff" + buffer.getvalue())


def read_table(path: Path) -> list[Row]:
    """The rows of a CSV file by lower-case name of column, cells stripped; empty rows left out.

    Raises InputError where the file cannot be read, has no header, or is no text.
    """
    try:
        text = _decoded(Path(path).read_bytes())
    except OSError as error:
        raise InputError(f"{path} 打不开（{error.strerror}）：请检查路径。") from error
    except UnicodeError as error:
        raise InputError(
            f"{path} 不是 UTF-8、UTF-16 或 GB18030 的文本：请另存为“CSV UTF-8”。"
        ) from error
    first = text.split("\n", 1)[0]
    delimiter = max(DELIMITERS, key=first.count)
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise InputError(f"{path} 不是完整的 CSV（{error}）：请重新导出。") from error
    header = [same_text(name) for name in lines[0]] if lines else []
    if not any(header):
        raise InputError(f"{path} 没有表头：第一行应是各列的名字。")
    # Rows may be shorter, as spreadsheets leave empty cells at the end away.
    filled = ([*map(str.strip, line), *[""] * len(header)] for line in lines[1:])
    rows = [dict(zip(header, line, strict=False)) for line in filled]
    return [row for row in rows if any(row.values())]


def _decoded(content: bytes) -> str:
    """Strict in three encodings: `novelkit.encoding` would read damaged names as other names."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    # Half of the bytes of Latin text in UTF-16 are zero; there are none in the others.
    if b"\0" in content[:200]:
        return content.decode("utf-16-le" if content[1:2] == b"\0" else "utf-16-be")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("gb18030")


def column(row: Mapping[str, str], names: Iterable[str]) -> str:
    """The first non-empty cell among columns of these names (lower case), else ""."""
    return next((row[name] for name in names if row.get(name)), "")


def plain(value: Any) -> Any:
    """`value` as JSON in UTF-8 can hold it: text cleaned, NaN and infinities as None."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if isinstance(value, Mapping):
        return {clean(str(key)): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    return value
