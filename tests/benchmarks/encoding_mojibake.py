"""Rows of the encoding benchmark: mojibake of every kind, and the scars that it leaves.

Covers whole texts misread without loss (double-encoded UTF-8 among them) or with loss, some lines
of mojibake within good text, and the scars 锟斤拷, 烫烫烫, 屯屯屯. The list of misreadings is the
benchmark's own.
"""

import random
from collections.abc import Iterator

from encoding_rows import Row, chinese, numbered
from encoding_texts import Library

# (the codec the bytes were in, the codecs they were wrongly read with, one after the other)
MISREADINGS = (
    ("utf-8", ("web1252",)),
    ("utf-8", ("latin-1",)),
    ("utf-8", ("gb18030",)),
    ("utf-8", ("big5hkscs",)),
    ("gb18030", ("web1252",)),
    ("gb18030", ("latin-1",)),
    ("gb18030", ("big5hkscs",)),
    ("big5hkscs", ("web1252",)),
    ("big5hkscs", ("latin-1",)),
    ("big5hkscs", ("gb18030",)),
    ("utf-8", ("web1252", "web1252")),
    ("utf-8", ("latin-1", "latin-1")),
)
MOJIBAKE_LENGTHS = (64, 256, 1024, 16 * 1024)  # bytes of the text before it was misread


def misread(raw: bytes, wrong: str) -> str:
    """Bytes read with the wrong codec; `web1252` is cp1252 as browsers know it."""
    if wrong != "web1252":
        return raw.decode(wrong, "replace")
    return "".join(bytes((byte,)).decode("cp1252", "ignore") or chr(byte) for byte in raw)


def _chain(text: str, true: str, wrongs: tuple[str, ...]) -> str:
    """Read wrongly with each in turn, saved as UTF-8 in between."""
    raw = text.encode(true)
    for wrong in wrongs:
        found = misread(raw, wrong)
        raw = found.encode("utf-8")
    return found


def _comes_back(text: str, true: str, wrongs: tuple[str, ...]) -> bool:
    """Whether the wrong codec lost nothing: its text encodes to the same bytes again."""
    if wrongs[-1] in ("web1252", "latin-1"):
        return True
    raw, found = text.encode(true), _chain(text, true, wrongs)
    try:
        return found.encode(wrongs[-1]) == raw
    except UnicodeEncodeError:
        return False


def _longest_beginning(line: str, true: str, wrongs: tuple[str, ...]) -> str:
    """The longest beginning of a line, of 4 characters or more, that the misreading keeps."""
    ends = [len(line), *range(min(len(line) - 1, 60), 3, -1)]
    found = (line[:end] for end in ends if _comes_back(line[:end], true, wrongs))
    return next(found, "")


def _reversible_lines(
    library: Library, true: str, wrongs: tuple[str, ...], length: int, rng: random.Random
) -> str:
    """Lines that survive the misreading, until they are `length` bytes; perhaps none."""
    kept: list[str] = []
    for _ in range(20):
        for line in chinese(library, true, 4 * length, rng).split("\n"):
            if beginning := _longest_beginning(line[: max(8, length // 3)], true, wrongs):
                kept.append(beginning)
            if len("\n".join(kept).encode(true)) >= length:
                return "\n".join(kept)
    return ""


def misreading_name(true: str, wrongs: tuple[str, ...]) -> str:
    return " → ".join((true, *wrongs))


_KINDS = {misreading_name(*entry): entry for entry in MISREADINGS}


def mojibake_rows(library: Library, repeats: int, seed: int) -> Iterator[Row]:
    """Whole texts misread, where nothing was lost; two wrongs in turn are double-encoded UTF-8."""
    names = numbered("mojibake", list(_KINDS), MOJIBAKE_LENGTHS, repeats, seed)
    for name, kind, length, rng in names:
        true, wrongs = _KINDS[kind]
        text = _reversible_lines(library, true, wrongs, length, rng)
        if text:
            data = _chain(text, true, wrongs).encode("utf-8")
            yield Row(name, "mojibake", kind, length, data, text)


def lossy_rows(library: Library, repeats: int, seed: int) -> Iterator[Row]:
    """Whole texts misread by a codec that lost some of the bytes to U+FFFD."""
    kinds = [kind for kind, (_, wrongs) in _KINDS.items() if wrongs[-1] in ("gb18030", "big5hkscs")]
    names = numbered("lossy", kinds, MOJIBAKE_LENGTHS[1:], repeats, seed)
    for name, kind, length, rng in names:
        text = chinese(library, _KINDS[kind][0], length, rng)
        data = _chain(text, *_KINDS[kind]).encode("utf-8")
        if b"\xef\xbf\xbd" in data:
            yield Row(name, "lossy", kind, length, data, text, reversible=False)


def partial_rows(library: Library, repeats: int, seed: int) -> Iterator[Row]:
    """Good text with some lines of mojibake in the middle, all saved as UTF-8."""
    names = numbered("partial", list(_KINDS)[:10], (1024, 16 * 1024), repeats, seed)
    for name, kind, length, rng in names:
        true, wrongs = _KINDS[kind]
        bad = _reversible_lines(library, true, wrongs, length // 6, rng)
        head, tail = (chinese(library, true, length // 2, rng) for _ in range(2))
        if bad:
            data = "\n".join((head, _chain(bad, true, wrongs), tail)).encode("utf-8")
            yield Row(name, "partial", kind, length, data, "\n".join((head, bad, tail)))


def scar_rows(library: Library, repeats: int, seed: int) -> Iterator[Row]:
    """Text with what cannot be undone; the truth is the text as it stands."""
    scars = {"锟斤拷": "锟斤拷", "烫烫烫": "烫", "屯屯屯": "屯"}
    for name, kind, length, rng in numbered("scar", list(scars), (256, 4096), repeats, seed):
        text = chinese(library, "gbk", length, rng)
        place = rng.randrange(len(text))
        scar = scars[kind] * rng.randrange(3, 12)
        codec = rng.choice(("utf-8", "gb18030"))
        text = text[:place] + scar + text[place:]
        yield Row(name, "scar", kind, length, text.encode(codec), text, reversible=False)
