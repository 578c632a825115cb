"""Names of members of an archive: decoded, made safe, put in the order a reader expects.

The ZIP format knows two encodings of names, code page 437 and (by a flag) UTF-8; Chinese Windows
writes GBK or Big5 without saying so, macOS writes UTF-8 without the flag (APPNOTE.TXT, appendix D).
Covers: guessing that codec, the same mistake in the name of a local file, names that leave their
folder, and a natural order that knows 第二回 from 第十回. Does not touch the disk.
"""

import contextlib
import re
import unicodedata
from collections.abc import Iterable, Sequence

from novelkit.download.naming import readable_name, safe_name

# Of what a codec makes of the bytes, this share must be common hanzi for it to be believed.
BELIEVED_SHARE = 0.6
# The rows of the most used characters: level 1 of GB 2312 and of Big5.
GB2312_LEVEL_1 = range(0xB0, 0xD8)
BIG5_LEVEL_1 = range(0xA4, 0xC7)
DIGITS = {char: value for value, char in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
UNITS = {"十": 10, "百": 100, "千": 1000}
PARTS = {"上": 1, "中": 2, "下": 3}
_NUMBER = re.compile(
    r"(?P<digits>[0-9]+)|(?P<hanzi>[零〇一二两三四五六七八九十百千]+)"
    r"|(?P<part>[上中下](?=[册卷部集篇)\]】》]|$))"
)
# Full-width digits and brackets, and the traditional forms that stand in numbers of chapters.
_FOLDED = str.maketrans("兩冊", "两册")


def decode_names(raw_names: Sequence[bytes]) -> list[str]:
    """Names whose encoding nobody declared, as text; those that are not UTF-8 share one codec.

    What neither GB 18030 nor Big5 turns into common hanzi is code page 437, as the format says.
    """
    unknown = [raw for raw in raw_names if not _is_utf8(raw)]
    codec = _legacy_codec(unknown) if unknown else "cp437"
    return [raw.decode("utf-8" if _is_utf8(raw) else codec, errors="replace") for raw in raw_names]


def local_name(name: str) -> str:
    """The name of a local file as text: `readable_name`, and what a careless unzip did undone.

    Undoes hanzi shown as code page 437 (╨í╦╡) or Latin-1 (Ð¡Ëµ), and the `#U7ea2` of Info-ZIP.
    """
    name = readable_name(name)
    name = re.sub("#U([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), name)
    name = name.encode("utf-8", errors="replace").decode("utf-8")
    for shown_as in ("cp437", "latin-1"):
        with contextlib.suppress(UnicodeEncodeError):
            raw = name.encode(shown_as)
            repaired = raw.decode(_legacy_codec([raw]), errors="replace")
            # An accent or two is a Western name; a repaired name has several hanzi.
            if len(re.findall("[\u4e00-\u9fff]", repaired)) >= 2:
                return repaired
    return name


def safe_member_name(name: str) -> str:
    """A relative path with forward slashes that stays in its folder, whatever `name` tries."""
    parts = re.sub("^[A-Za-z]:", "", name.replace("\\", "/")).split("/")
    kept = [part for part in parts if part.strip(" .")]
    return "/".join(map(safe_name, kept)) or "download"


def natural_key(name: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """Sorts 第2章 before 第10章, 第九回 before 第十回, （上） before （下）, folder by folder."""
    folded = unicodedata.normalize("NFKC", name).translate(_FOLDED).casefold()
    tokens: list[tuple[int, int, str]] = []
    *folders, file = folded.split("/")
    for part in (*folders, file.rpartition(".")[0] or file):
        # Lower than any character, so that a folder's files stand together.
        tokens += [*_tokens(part), (-1, 0, "")]
    return tuple(tokens), name


def _tokens(text: str) -> Iterable[tuple[int, int, str]]:
    start = 0
    for found in _NUMBER.finditer(text):
        yield from ((1, 0, char) for char in text[start : found.start()])
        if found["digits"]:
            # By length, then by digits: int() refuses numbers of thousands of digits.
            digits = found["digits"].lstrip("0")
            yield (0, len(digits), digits)
        else:
            value = str(PARTS[found["part"]] if found["part"] else _hanzi_number(found["hanzi"]))
            yield (0, len(value.lstrip("0")), value.lstrip("0"))
        start = found.end()
    yield from ((1, 0, char) for char in text[start:])


def _hanzi_number(text: str) -> int:
    """一百二十 → 120, and positional 一二〇 → 120."""
    if not UNITS.keys() & set(text):
        # Long runs are no numbers, and int() refuses thousands of digits.
        return int("".join(str(DIGITS[char]) for char in text[:18]))
    total = digit = 0
    for char in text:
        if char in UNITS:
            total += (digit or 1) * UNITS[char]
            digit = 0
        else:
            digit = DIGITS[char]
    return total + digit


def _is_utf8(raw: bytes) -> bool:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    # A hanzi or two of GBK may look like Greek, Cyrillic or Arabic in UTF-8.
    return not re.search("[\u0180-\u07ff]", text)


def _legacy_codec(raw_names: Sequence[bytes]) -> str:
    """The codec that turns all these names into the most common hanzi, if enough."""
    scores = {
        "gb18030": _common_share(raw_names, "gb18030", "gb2312", GB2312_LEVEL_1),
        "big5hkscs": _common_share(raw_names, "big5hkscs", "big5", BIG5_LEVEL_1),
    }
    best = max(scores, key=lambda codec: scores[codec])
    return best if scores[best] >= BELIEVED_SHARE else "cp437"


def _common_share(raw_names: Sequence[bytes], codec: str, core: str, rows: range) -> float:
    """Share of common hanzi among the non-ASCII characters that `codec` makes of the names."""
    common = total = 0
    for raw in raw_names:
        for char in raw.decode(codec, errors="replace"):
            if ord(char) < 128 or _is_punctuation(char):
                continue
            total += 1
            encoded = char.encode(core, errors="ignore")
            common += (
                len(encoded) == 2 and encoded[0] in rows and unicodedata.category(char) == "Lo"
            )
    return common / total if total else 0.0


def _is_punctuation(char: str) -> bool:
    # 《》（）【】、— stand in titles in either encoding and speak for neither.
    return char in "《》（）〈〉【】「」『』〔〕、，。：；！？—…·．－　＿"
