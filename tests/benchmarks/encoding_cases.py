"""The generated matrix of the encoding benchmark: codec x length x damage x script x genre.

Covers how a case is named, made from a seed, and judged right. A case's name and the seed fix its
bytes. Rows outside the matrix (mixed parts, mojibake, binary, other scripts) are in
`encoding_rows`.

What is right: the same text as the true codec gives with errors replaced, runs of U+FFFD counted
as one. GB 2312 and GBK are read as GB 18030, which contains them. Where several Big5 variants read
all of the undamaged bytes, each of them is a true codec: they differ only in some signs and kana.
Where a byte was deleted in UTF-16 or UTF-32, the undamaged text is right as well, but for a few
characters at that byte: the step was mended.
"""

import codecs
import itertools
import os.path
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from encoding_texts import GENRES, SCRIPTS, Library, to_traditional

BIG5_FAMILY = ("big5", "cp950", "big5hkscs")
LENGTHS = (64, 256, 1024, 16 * 1024, 256 * 1024, 2 * 1024 * 1024)
LENGTH_NAMES = dict(zip(LENGTHS, ("64B", "256B", "1KB", "16KB", "256KB", "2MB"), strict=True))
_BYTES_BY_NAME = {name: length for length, name in LENGTH_NAMES.items()}
# How often each combination is drawn: short texts vary most and cost least.
FULL_REPEATS = dict(zip(LENGTHS, (4, 8, 8, 4, 1, 0.34), strict=True))
QUICK_REPEATS = dict(zip(LENGTHS, (1, 3, 3, 1, 0.1, 0.02), strict=True))
MOST_SPOILT = 8  # characters that may differ where the step of UTF-16 or UTF-32 was mended
SHORTEST_JUDGED = 256  # bytes; the target of 99.9 % is asked from here on

_CANTONESE = "嘅咗喺啲嚟嗰哋㗎啱嘢攞瞓"  # in Big5-HKSCS, not in cp950
_ETEN_OF_CP950 = "碁銹裏墻恒粧嫺"
_FOUR_BYTES = "㐂㑇㘎䥽䶮𠮷𠀀𪚥𤭢🙂"  # four bytes in GB 18030
# Python's GB 2312 calls the dash and the middle dot by other code points than GBK does.
_GB2312_SYMBOLS = str.maketrans("—·", "―・")


@dataclass(frozen=True)
class Encoding:
    """How text becomes bytes: `codec` reads them back, `repertoire` limits the characters."""

    name: str
    codec: str
    scripts: tuple[str, ...] = SCRIPTS
    mark: bytes = b""
    repertoire: str = ""
    extra: str = ""
    profile: str = "s2t"


ENCODINGS = {
    entry.name: entry
    for entry in (
        Encoding("utf-8", "utf-8"),
        Encoding("utf-8-sig", "utf-8", mark=codecs.BOM_UTF8),
        Encoding("utf-16-le", "utf-16-le"),
        Encoding("utf-16-be", "utf-16-be"),
        Encoding("utf-16-le+bom", "utf-16-le", mark=codecs.BOM_UTF16_LE),
        Encoding("utf-16-be+bom", "utf-16-be", mark=codecs.BOM_UTF16_BE),
        Encoding("utf-32-le", "utf-32-le"),
        Encoding("utf-32-be", "utf-32-be"),
        Encoding("utf-32-le+bom", "utf-32-le", mark=codecs.BOM_UTF32_LE),
        Encoding("utf-32-be+bom", "utf-32-be", mark=codecs.BOM_UTF32_BE),
        Encoding("gb2312", "gb18030", ("simplified",), repertoire="gb2312"),
        Encoding("gbk", "gb18030", repertoire="gbk"),
        Encoding("gb18030+4", "gb18030", extra=_FOUR_BYTES),
        Encoding("big5", "big5", ("traditional",), profile="s2tw"),
        Encoding("cp950", "cp950", ("traditional",), extra=_ETEN_OF_CP950),
        Encoding("big5hkscs", "big5hkscs", ("traditional",), extra=_CANTONESE),
        Encoding("hz", "hz", ("simplified",), repertoire="gb2312"),
    )
}


@dataclass(frozen=True)
class Case:
    """Bytes, the texts any of which is right, and what they were made of."""

    id: str
    data: bytes
    truths: tuple[str, ...]
    encoding: str
    length: int
    damage: str
    script: str
    genre: str
    original: str = ""  # before the damage

    @property
    def codec(self) -> str:
        """The Python codec that reads the bytes; `encoding` itself for files as found."""
        return ENCODINGS[self.encoding].codec if self.encoding in ENCODINGS else self.encoding


# --- text to bytes --------------------------------------------------------------------------


def encode(text: str, encoding: Encoding) -> bytes:
    """The bytes without a mark; characters outside of the repertoire are dropped."""
    if encoding.repertoire == "gb2312":
        raw = text.translate(_GB2312_SYMBOLS).encode("gb2312", "ignore")
        return raw.decode("gb2312").encode("hz") if encoding.codec == "hz" else raw
    return text.encode(encoding.repertoire or encoding.codec, "ignore")


def _written(text: str, encoding: Encoding, script: str, rng: random.Random) -> str:
    """Simplified text in the script, and with the characters, that a file in this encoding has."""
    if script == "traditional":
        text = to_traditional(text, encoding.profile, corner_quotes=rng.random() < 0.5)
    return _insert_extras(text, encoding.extra, rng) if encoding.extra else text


def _insert_extras(text: str, extra: str, rng: random.Random) -> str:
    """Put in one of the characters that make this encoding special about every 60."""
    step = min(60, max(1, len(text) // 3))
    stretches = [text[start : start + step] for start in range(0, len(text), step)]
    places = [rng.randrange(len(stretch)) for stretch in stretches]
    return "".join(
        stretch[:place] + rng.choice(extra) + stretch[place:]
        for stretch, place in zip(stretches, places, strict=True)
    )


def make_clean(library: Library, encoding: Encoding, length: int, script: str, genre: str,
               rng: random.Random) -> bytes:  # fmt: skip
    """At most `length` bytes that end with a whole character which is no space."""
    wide = {"utf-16": 2, "utf-32": 4}.get(encoding.codec[:6], 1.5)
    text = library.excerpt(genre, int(length / wide) + 8, rng)
    text = _written(text, encoding, script, rng)
    room = length - len(encoding.mark)
    text = encode(text, encoding)[:room].decode(encoding.codec, "ignore").rstrip()
    return encoding.mark + text.encode(encoding.codec)


# --- damage ---------------------------------------------------------------------------------


def _undamaged(data: bytes, rng: random.Random) -> bytes:
    return data


def _cut_last(data: bytes, rng: random.Random) -> bytes:
    return data[:-1]


def _replace_share(share: float) -> Callable[[bytes, random.Random], bytes]:
    def damage(data: bytes, rng: random.Random) -> bytes:
        raw = bytearray(data)
        for position in rng.sample(range(len(raw)), max(1, round(len(raw) * share))):
            raw[position] = (raw[position] + rng.randrange(1, 256)) % 256
        return bytes(raw)

    return damage


def _delete_middle(data: bytes, rng: random.Random) -> bytes:
    position = rng.randrange(len(data) // 4, 3 * len(data) // 4)
    return data[:position] + data[position + 1 :]


def _zero_run(data: bytes, rng: random.Random) -> bytes:
    position = rng.randrange(max(1, len(data) - 16))
    return data[:position] + b"\0" * min(16, len(data) - position) + data[position + 16 :]


DAMAGES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "clean": _undamaged,
    "cut": _cut_last,
    "random0.1%": _replace_share(0.001),
    "random1%": _replace_share(0.01),
    "deleted": _delete_middle,
    "zeros": _zero_run,
}


# --- the truth ------------------------------------------------------------------------------


def read(data: bytes, codec: str) -> str:
    """The plain decode with errors replaced, the byte order mark dropped."""
    return data.decode(codec, "replace").removeprefix("\ufeff")


def true_codecs(clean: bytes, codec: str) -> tuple[str, ...]:
    """The codec that made the undamaged bytes, and other Big5 variants that read them all."""
    others = BIG5_FAMILY if codec in BIG5_FAMILY else ()
    return (codec, *(other for other in others if other != codec and _reads(clean, other)))


def _reads(data: bytes, codec: str) -> bool:
    try:
        data.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def collapse(text: str) -> str:
    """Each run of U+FFFD as one: decoders differ in how many they write for one damage."""
    return re.sub("\ufffd{2,}", "\ufffd", text)


def is_right(text: str | None, truths: tuple[str, ...]) -> bool:
    """Whether an answer is one of the true texts, runs of U+FFFD counted as one."""
    if text is None:
        return False
    if text in truths:
        return True
    collapsed = collapse(text)
    return any(collapse(truth) == collapsed for truth in truths)


def is_mended(case: Case, text: str | None) -> bool:
    """Whether the text is the undamaged one but for one place, a byte lost in UTF-16 or UTF-32."""
    if text is None or case.damage != "deleted" or case.codec[:6] not in ("utf-16", "utf-32"):
        return False
    shorter = min(len(text), len(case.original))
    same_head = len(os.path.commonprefix([text, case.original]))
    same_tail = len(os.path.commonprefix([text[::-1], case.original[::-1]]))
    same = same_head + min(same_tail, shorter - same_head)
    return max(len(text), len(case.original)) - same <= MOST_SPOILT


def is_answered(case: Case, text: str | None) -> bool:
    """Whether a text is a right answer to a case."""
    return is_right(text, case.truths) or is_mended(case, text)


# --- the matrix -----------------------------------------------------------------------------


def case_ids(repeats: dict[int, float]) -> Iterator[str]:
    """The names of all cases; a fraction of a repeat keeps that share of the combinations."""
    for encoding, length, damage in itertools.product(ENCODINGS.values(), LENGTHS, DAMAGES):
        for script, genre in itertools.product(encoding.scripts, GENRES):
            stem = f"{encoding.name}/{LENGTH_NAMES[length]}/{damage}/{script}/{genre}"
            whole, part = divmod(repeats.get(length, 0), 1)
            # String seeds of `random` are hashed with SHA-512: the same on every machine.
            count = int(whole) + (random.Random(stem).random() < part)
            yield from (f"{stem}/{number}" for number in range(count))


def make_case(library: Library, case_id: str, seed: int) -> Case:
    """The case of that name: the same bytes for the same library, name and seed."""
    name, length_name, damage, script, genre, _ = case_id.split("/")
    encoding, length = ENCODINGS[name], _BYTES_BY_NAME[length_name]
    rng = random.Random(f"{seed}/{case_id}")
    clean = make_clean(library, encoding, length, script, genre, rng)
    data = DAMAGES[damage](clean, rng)
    truths = tuple(read(data, codec) for codec in true_codecs(clean, encoding.codec))
    original = read(clean, encoding.codec)
    return Case(case_id, data, truths, name, length, damage, script, genre, original)


# --- whole books ----------------------------------------------------------------------------


def whole_ids(library: Library, step: int = 1) -> Iterator[str]:
    """The names of whole books, every `step`th, in each encoding."""
    for genre in ("classical", "modern"):
        for number, name in itertools.product(range(len(library.books[genre])), ENCODINGS):
            if number % step == 0:
                yield f"whole/{name}/{genre}/{number}"


def make_whole(library: Library, case_id: str, seed: int) -> Case:
    """A whole undamaged book, in one of the scripts of its encoding."""
    _, name, genre, number = case_id.split("/")
    encoding, rng = ENCODINGS[name], random.Random(f"{seed}/{case_id}")
    script = rng.choice(encoding.scripts)
    raw = encode(_written(library.books[genre][int(number)], encoding, script, rng), encoding)
    truths = tuple(read(raw, codec) for codec in true_codecs(raw, encoding.codec))
    return Case(
        case_id, encoding.mark + raw, truths, name, len(raw), "clean", script, f"whole {genre}"
    )
