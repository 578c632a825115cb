"""The codecs that are tried on samples of a file, and how well each of them reads.

Covers the codecs of Chinese text files and of Western text. A reading is worth the bits that its
characters save against random bytes (see `likelihood`), so that all codecs are compared on the
same bytes. Does not decide alone: `detection` then reads the whole file with the winner.
"""

import re
from dataclasses import dataclass, replace

import numpy as np

from novelkit.encoding.likelihood import FOREIGN, family_of, gain, judge
from novelkit.encoding.sources import ByteSource

# The order breaks ties. big5hkscs stands before cp950, which it nearly contains.
PAIR_CODECS = ("gb18030", "big5hkscs", "cp950")
UNIT_BYTES = {"utf-16-le": 2, "utf-16-be": 2, "utf-32-le": 4, "utf-32-be": 4}
MULTIBYTE = ("utf-8", *PAIR_CODECS, *UNIT_BYTES)
# One pair of high bytes in seven or so follows the rules of UTF-8 by chance: log(7) nats.
_VALID_UTF8 = 2.0
_ALIGNMENTS = {"utf-8": 1, "pair": 2, "utf-16": 2, "utf-32": 4, "single": 1}
_ALIGNMENTS |= {"foreign pair": 2, "foreign single": 1}
# Other scripts are tried where Chinese reads badly; they must read better by as much a byte.
_POOR_BITS = 2.3
_GOOD_MEAN, _GOOD_SHARE = -7.6, 0.3
_FOREIGN_LEAD, _FOREIGN_BITS = 0.4, 1.3
_STRETCH = 64  # bytes
_HEAD = 200  # bytes by which the edge of a window is mended
_PREVIEW = 24  # characters shown
# U+FFFD in a UTF-8 text, and □, which takes as many bytes.
OLD_MARKS = (b"\xef\xbf\xbd", b"\xe2\x96\xa1")
_CONTINUATION = bytes(range(0x80, 0xC0))  # what no character of UTF-8 begins with
_NULS = re.compile("\0+")
_LEAST_BITS = 1.5  # a byte; a reading with less may have begun within a character
# The zeros of UTF-32 save so much that the wrong byte order in step beats the right one askew.
_ASKEW_UTF32 = 4.0  # bits a byte; text has 5.4
# Bits a byte that no wrong codec reaches: then nothing is out of step.
_CLEARLY_GOOD = {"utf-8": 4.0, "pair": 2.8, "utf-16": 3.1, "utf-32": 4.5, "single": 2.8}
_PROOF = 1024  # bytes
_FEW_NULS = 0.1  # of the bytes; no UTF-32
_NUL_SHARE = 0.3  # of the bytes; a half and more in UTF-32


@dataclass(frozen=True)
class Candidate:
    """One codec that was tried on the samples.

    `gain` is the bits that the reading saves against random bytes, `score` the same for each byte:
    3.5 for GBK text, 5 for UTF-8, 0 and less for a wrong codec. `preview` is what it makes of the
    first bytes that are not ASCII, `mean` the mean log P of the better half of its characters.
    """

    encoding: str
    invalid_sequences: int
    characters: int
    common_hanzi_share: float
    score: float
    note: str
    gain: float = 0.0
    preview: str = ""
    mean: float = -20.0


def sample_text(source: ByteSource, window: tuple[int, int], encoding: str) -> str:
    """Decode one window, its edges mended so that no character is cut in two.

    A U+FFFD that the text held before is shown as □, so that it is no fault of the codec.
    """
    start, end = window
    data = source.read(start, end)
    # A byte lost at the very beginning also puts all that follows out of step.
    if encoding == "utf-8" and start > 0:
        data = data[len(data[:3]) - len(data[:3].lstrip(_CONTINUATION)) :]
    elif _ALIGNMENTS[family_of(encoding)] > 1:
        data = data[_first_boundary(data, encoding, start > 0) :]
    if encoding == "utf-8":
        data = data.replace(*OLD_MARKS)
    text = data.decode(encoding, "replace")
    # At most one character is cut by the end of the window, and it yields at most two marks.
    marks = min(len(text) - len(text.rstrip("\ufffd")), 2) if end < source.size else 0
    return text[: len(text) - marks]


def _first_boundary(data: bytes, encoding: str, inside: bool) -> int:
    """From which of the first bytes the text reads best; in HZ, from the next line or mark."""
    if encoding == "hz":
        found = re.search(rb"\n|(?=~\{)", data) if inside else None
        return found.end() if found else 0
    family, best = family_of(encoding), 0
    values: list[float] = []
    for shift in range(_ALIGNMENTS[family]):
        head = data[shift : shift + _HEAD]
        values.append(gain(head.decode(encoding, "replace"), family))
        if values[0] > _LEAST_BITS * len(head) * np.log(2):
            break
        best = max(best, shift, key=values.__getitem__)
    return best


def try_codec(
    source: ByteSource, windows: list[tuple[int, int]], encoding: str, askew: bool = False
) -> Candidate:
    """What one codec makes of the windows, with `askew` also where it may be out of step."""
    family = family_of(encoding)
    size = sum(end - start for start, end in windows)
    texts = [sample_text(source, window, encoding) for window in windows]
    text = "".join(texts)
    # A run of NULs is one damage, however long.
    nats = sum(gain(_NULS.sub("\0", part), family) for part in texts)
    if askew and nats < _may_be_askew(encoding) * np.log(2) * size:
        nats = max(nats, sum(_realigned(source.read(*window), encoding) for window in windows))
    invalid = len(re.findall("\ufffd+", text))
    if encoding == "utf-8" and "\ufffd" not in text:
        nats += _VALID_UTF8 * len(re.findall(r"[^\x00-\x7f]", text))
    bits = float(nats / np.log(2))
    fit = judge(text)
    share = fit.common_share
    private = len(re.findall("[\ue000-\uf8ff]", text))
    note = f"{len(text)} 字，常用汉字占 {share:.0%}，解不开 {invalid} 处"
    if private:
        note += f"，造字区 {private} 字"
    return Candidate(
        encoding, invalid, len(text), share, bits / size, note, bits, preview_of(text), fit.mean
    )


def _may_be_askew(encoding: str) -> float:
    """Below how many bits a byte a reading may be out of step in a part of the text."""
    if encoding.startswith("utf-32"):
        return _ASKEW_UTF32
    return _LEAST_BITS if encoding in PAIR_CODECS else -np.inf


def _realigned(data: bytes, encoding: str) -> float:
    """The gain where each stretch may begin at any step, as bytes are askew after a lost one."""
    family, total = family_of(encoding), 0.0
    if family == "utf-32" and data.count(0) < _NUL_SHARE * len(data):
        return -np.inf
    for start in range(0, len(data), _STRETCH):
        piece = data[start : start + _STRETCH]
        shifts = range(_ALIGNMENTS[family])
        readings = (piece[shift:].decode(encoding, "replace") for shift in shifts)
        total += max(gain(_NULS.sub("\0", text), family) for text in readings)
    return total


def preview_of(text: str) -> str:
    """A few characters from where the text stops being ASCII, on one line and printable."""
    found = re.search(r"[^\x00-\x7f]", text)
    start = found.start() if found else 0
    shown = re.sub(r"[\x00-\x20]+", " ", text[start : start + 2 * _PREVIEW]).strip()[:_PREVIEW]
    return "".join(c if c.isprintable() or c == "\u3000" else "·" for c in shown)


def try_all(
    source: ByteSource, windows: list[tuple[int, int]], ascii_only: bool
) -> list[Candidate]:
    """Every codec that the bytes may be in, the best first."""
    sample = b"".join(source.read(start, end) for start, end in windows)
    found = _try_each(source, windows, _seven_bit(sample) if ascii_only else _eight_bit(sample))
    best = max(candidate.score for candidate in found)
    # What is valid UTF-8 is nothing else, however badly it reads.
    valid = any(c.encoding == "utf-8" and not c.invalid_sequences for c in found)
    # Nor is a damaged text, half of which reads well.
    half = any(c.mean > _GOOD_MEAN and c.common_hanzi_share > _GOOD_SHARE for c in found)
    if not ascii_only and not valid and not half and best < _POOR_BITS:
        found += _foreign(source, windows, best)
    # Stable sort: of equal readings the earlier candidate stays first.
    return sorted(found, key=lambda candidate: -candidate.gain)


def _try_each(
    source: ByteSource, windows: list[tuple[int, int]], names: list[str]
) -> list[Candidate]:
    """Each codec on the windows; those that are out of the question only on the first bytes."""
    (start, end), size = windows[0], sum(end - start for start, end in windows)
    little = [(start, min(start + _PROOF, end))]

    def glance(name: str) -> Candidate:
        found = try_codec(source, little, name)
        return replace(found, gain=found.score * size)

    if names[0] == "utf-8":
        first = try_codec(source, windows, "utf-8")
        if not first.invalid_sequences and first.score > _CLEARLY_GOOD["utf-8"]:
            return [first, *map(glance, names[1:])]
    zeros = sum(source.read(*window).count(0) for window in windows)
    few = zeros < _FEW_NULS * size
    found = [
        glance(name) if few and name.startswith("utf-32") else try_codec(source, windows, name)
        for name in names
    ]
    if any(c.score > _CLEARLY_GOOD[family_of(c.encoding)] for c in found):
        return found
    return [try_codec(source, windows, name, askew=True) for name in names]


def _foreign(source: ByteSource, windows: list[tuple[int, int]], score: float) -> list[Candidate]:
    """Codecs of other scripts that read the bytes clearly better than every Chinese one."""
    found = [try_codec(source, windows, name) for name in FOREIGN]
    least = max(score + _FOREIGN_LEAD, _FOREIGN_BITS)
    return [candidate for candidate in found if candidate.score > least]


def _seven_bit(sample: bytes) -> list[str]:
    """ASCII, HZ, and UTF-16/32 where NULs or the lack of spaces make them possible."""
    names = ["ascii"]
    if b"~{" in sample:
        names.append("hz")
    if b"\0" in sample or not re.search(rb"[\r\n\x20]", sample[:4096]):
        names += UNIT_BYTES
    return names


def _eight_bit(sample: bytes) -> list[str]:
    names = list(MULTIBYTE)
    if b"~{" in sample:
        names.append("hz")  # a few damaged bytes can make such a file 8-bit
    high = re.findall(rb"[\x80-\xff]+", sample)
    single = sum(len(run) == 1 for run in high)
    if single >= 0.7 * len(high) and not re.search(rb"[\x00-\x08\x0e-\x1f]", sample):
        names.append("cp1252")  # high bytes few and single, as in a Western text
    return names
