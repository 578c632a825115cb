"""Rows of the encoding benchmark beside the matrix: the form of a row, layouts, mixed parts.

Covers what a row is, undamaged text in unusual layouts (no newline, no punctuation, HTML, mostly
English, ...) and files of two or three parts in different encodings. Mojibake is in
`encoding_mojibake`, what is no Chinese text in `encoding_foreign`.
"""

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from encoding_cases import ENCODINGS, Encoding, encode, make_clean
from encoding_texts import ENGLISH, GENRES, Library

MIXTURES = (
    ("utf-8", "gbk"),
    ("gbk", "utf-8"),
    ("gbk", "big5"),
    ("big5", "utf-8"),
    ("utf-8", "utf-16-le"),
    ("utf-8", "gbk", "utf-8"),
    ("gbk", "utf-8", "big5"),
    ("big5", "gbk", "big5"),
)
MIXED_LENGTHS = (1024, 16 * 1024)  # bytes of each part


@dataclass(frozen=True)
class Row:
    """Bytes of one question: `truth` is the text that should come out, None where none should."""

    id: str
    group: str
    kind: str
    length: int
    data: bytes
    truth: str | None
    reversible: bool = True


def numbered(
    group: str, kinds: list[str], lengths: tuple[int, ...], repeats: int, seed: int
) -> Iterator[tuple[str, str, int, random.Random]]:
    for kind in kinds:
        for length in lengths:
            for number in range(repeats):
                name = f"{group}/{kind}/{length}/{number}"
                yield name, kind, length, random.Random(f"{seed}/{name}")


def chinese(library: Library, codec: str, length: int, rng: random.Random) -> str:
    """Text of about so many bytes in `codec`; traditional for Big5, either for the others."""
    name = {"gb18030": "gbk", "big5hkscs": "big5"}.get(codec, codec)
    encoding: Encoding = ENCODINGS[name]
    script = rng.choice(encoding.scripts)
    raw = make_clean(library, encoding, length, script, rng.choice(GENRES), rng)
    return raw.decode(encoding.codec)


# --- unusual layouts ------------------------------------------------------------------------


def _headings(text: str) -> str:
    """A table of contents made of the first characters of each line."""
    lines = [line.strip("“”「」")[:7] for line in text.split("\n") if line]
    return "\n".join(f"第{number}章 {line}" for number, line in enumerate(lines, 1))


def _html(text: str) -> str:
    paragraphs = "\n".join(
        f'<p class="content">&nbsp;&nbsp;{line}<br /></p>' for line in text.split("\n")
    )
    return f'<html><head><meta http-equiv="Content-Type"></head>\n<body>{paragraphs}</body></html>'


def _english(text: str) -> str:
    """One clause of Chinese in a paragraph of English."""
    clauses = [clause for clause in re.split(r"[，。？！\n]", text) if clause]
    english = ENGLISH.replace("“", '"').replace("”", '"').split("\n")
    return "\n".join(f"{english[number % 4]} ({clause})" for number, clause in enumerate(clauses))


def _statistics(text: str) -> str:
    """A table of numbers with a name in the middle."""
    names = [line[:4] for line in text.split("\n") if line]
    return "\n".join(
        f"{number:06d}\t{name}\t{number * 37 % 1000}" for number, name in enumerate(names)
    )


LAYOUTS: dict[str, Callable[[str], str]] = {
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "CR only": lambda text: text.replace("\n", "\r"),
    "no newline": lambda text: text.replace("\n", ""),
    "no punctuation": lambda text: re.sub(r"[^\u4e00-\u9fff]", "", text),
    "empty lines and indents": lambda text: text.replace("\n", "\n\n\u3000\u3000"),
    "table of contents": _headings,
    "HTML": _html,
    "mostly English": _english,
    "numbers and names": _statistics,
}
LAYOUT_ENCODINGS = ("utf-8", "gbk", "big5", "utf-16-le", "hz")


def layout_rows(library: Library, repeats: int, seed: int) -> Iterator[Row]:
    """Undamaged text in another form, in each of the common encodings."""
    kinds = {f"{layout}, {name}": (layout, name) for layout in LAYOUTS for name in LAYOUT_ENCODINGS}
    for name, kind, length, rng in numbered("layout", list(kinds), (256, 4096), repeats, seed):
        layout, encoding = LAYOUTS[kinds[kind][0]], ENCODINGS[kinds[kind][1]]
        text = layout(chinese(library, encoding.name, 8 * length, rng).strip())
        raw = encode(text, encoding)[:length].decode(encoding.codec, "ignore")
        yield Row(name, "layout", kind, length, raw.encode(encoding.codec), raw)


# --- parts in different encodings -----------------------------------------------------------


def mixed_rows(library: Library, repeats: int, seed: int) -> Iterator[Row]:
    """Whole paragraphs of each part; the truth is the parts' texts, one after the other."""
    kinds = {" + ".join(parts): parts for parts in MIXTURES}
    for name, kind, length, rng in numbered("mixed", list(kinds), MIXED_LENGTHS, repeats, seed):
        texts = [chinese(library, part, length, rng) + "\n" for part in kinds[kind]]
        pairs = zip(texts, kinds[kind], strict=True)
        data = b"".join(encode(text, ENCODINGS[part]) for text, part in pairs)
        yield Row(name, "mixed", kind, length, data, "".join(texts))
