"""The decision for an encoding, its candidates and its evidence, and decoding with damage counted.

Covers the codecs of Chinese text files, samples of long files, the refusal of binary data. What a
text looks like is in `likelihood`, the reversal of mojibake in `mojibake`.
"""

import codecs
import contextvars
import math
import re
from dataclasses import dataclass, replace

from novelkit.encoding.likelihood import judge, total_weight
from novelkit.encoding.mojibake import find_mojibake
from novelkit.errors import InputError

# Leading bytes of files that are not text. BOMs and HTML are not among them.
_BINARY_SIGNATURES = {
    b"\x89PNG\r\n": "PNG 图片",
    b"\xff\xd8\xff": "JPEG 图片",
    b"GIF8": "GIF 图片",
    b"PK\x03\x04": "zip 压缩包（docx、epub 也是）",
    b"PK\x05\x06": "空的 zip 压缩包",
    b"\x1f\x8b": "gzip 压缩包",
    b"BZh": "bzip2 压缩包",
    b"\xfd7zXZ": "xz 压缩包",
    b"7z\xbc\xaf\x27\x1c": "7z 压缩包",
    b"Rar!\x1a": "rar 压缩包",
    b"%PDF-": "PDF 文件",
    b"\x7fELF": "Linux 可执行文件",
    b"MZ": "Windows 可执行文件",
    b"\xd0\xcf\x11\xe0": "旧版 Word 文档",
    b"\xca\xfe\xba\xbe": "程序文件",
    b"SQLite format 3": "SQLite 数据库",
    b"ID3": "MP3 音频",
    b"BOOKMOBI": "mobi 电子书",
}
_BYTE_ORDER_MARKS = (  # the longer first: a UTF-32 LE mark begins with a UTF-16 LE mark
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# The order breaks ties. big5hkscs stands before cp950, which it nearly contains.
_CANDIDATES = (
    "utf-8",
    "gb18030",
    "big5hkscs",
    "cp950",
    "utf-16-le",
    "utf-16-be",
    "utf-32-le",
    "utf-32-be",
)
_PAIR_CODECS = ("gb18030", "big5hkscs", "cp950")
_DOUBTFUL_SCORE = 0.5
_UNIT_BYTES = {"utf-16-le": 2, "utf-16-be": 2, "utf-32-le": 4, "utf-32-be": 4}
_WINDOW = 8 * 1024  # bytes of one sample; three of them are read from a long file
# Measured: random bytes reach -2.1 in the best codec, text with every tenth byte damaged -1.2.
_LOWEST_TEXT_SCORE = -1.7
# Valid UTF-8 is text even in other scripts (weight -3), unless it is full of control characters.
_LOWEST_UTF8_SCORE = -3.5
_MOJIBAKE_CONFIDENCE = 0.5


@dataclass(frozen=True)
class Candidate:
    """One codec that was tried on the samples; `score` runs from about -8 to 3."""

    encoding: str
    invalid_sequences: int
    characters: int
    common_hanzi_share: float
    score: float
    note: str


@dataclass(frozen=True)
class Segment:
    """A stretch of bytes [start, end) in one encoding."""

    start: int
    end: int
    encoding: str


@dataclass(frozen=True)
class Detection:
    """A Python codec name, how sure (0..1), why, the damage, how reversible mojibake came about."""

    encoding: str
    confidence: float
    evidence: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    segments: tuple[Segment, ...]
    damage: int
    mojibake: str | None = None


# --- decoding with every error counted ------------------------------------------------------

_errors_met: contextvars.ContextVar[list[tuple[int, int]]] = contextvars.ContextVar("errors_met")


def _record_error(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    _errors_met.get().append((error.start, error.end))
    return "\ufffd", error.end


codecs.register_error("novelkit.record", _record_error)


def _decode_counting(data: bytes, encoding: str) -> tuple[str, int]:
    """`data.decode(encoding, "replace")` and the number of runs of undecodable bytes."""
    positions: list[tuple[int, int]] = []
    token = _errors_met.set(positions)
    try:
        text = data.decode(encoding, "novelkit.record")
    finally:
        _errors_met.reset(token)
    ends = {end for _, end in positions}
    return text, sum(start not in ends for start, _ in positions)


# --- samples ----------------------------------------------------------------------------------


def _windows(data: bytes) -> list[tuple[int, int]]:
    """Stretches to judge: everything, or start, middle, end, and where the hanzi begin."""
    size = len(data)
    if size <= 4 * _WINDOW:
        return [(0, size)]
    starts = [0, (size - _WINDOW) // 2, size - _WINDOW]
    if sum(not data[start : start + _WINDOW].isascii() for start in starts) < 2:
        found = re.search(rb"[\x80-\xff]{2}", data)
        starts.append(min(found.start(), size - _WINDOW) if found else 0)
    # A multiple of 4 keeps UTF-16 and UTF-32 units whole.
    return [(start & ~3, min((start & ~3) + _WINDOW, size)) for start in sorted(set(starts))]


def _sample(data: bytes, window: tuple[int, int], encoding: str) -> str:
    """Decode one window, its edges mended so that no character is cut in two."""
    start, end = window
    if encoding not in _UNIT_BYTES and start > 0:
        # A book without newlines has no sure boundary: see from which byte the text reads best.
        heads = [data[start + shift : start + shift + 200] for shift in range(4)]
        scores = [judge(head.decode(encoding, "replace"))[0] for head in heads]
        start += scores.index(max(scores))
    text = data[start:end].decode(encoding, "replace")
    # At most one character is cut by the end of the window, and it yields at most two marks.
    marks = min(len(text) - len(text.rstrip("\ufffd")), 2) if end < len(data) else 0
    return text[: len(text) - marks]


def _try_codec(data: bytes, windows: list[tuple[int, int]], encoding: str) -> Candidate:
    text = "".join(_sample(data, window, encoding) for window in windows)
    invalid = len(re.findall("\ufffd+", text))
    score, share, _ = judge(text)
    if score < _DOUBTFUL_SCORE and encoding in _PAIR_CODECS:
        # After a lost byte all pairs are read askew up to the next newline: from the middle on, one
        # of the two ways to pair the bytes is the right one again.
        start, end = windows[0]
        middle = (start + end) // 2
        tails = [data[middle + shift : end].decode(encoding, "replace") for shift in range(2)]
        score = max(score, *(judge(tail)[0] for tail in tails))
    private = sum(1 for character in text if "\ue000" <= character <= "\uf8ff")
    note = f"{len(text)} 字，常用汉字占 {share:.0%}，解不开 {invalid} 处"
    if private:
        note += f"，造字区 {private} 字"
    return Candidate(encoding, invalid, len(text), share, score, note)


# --- the decision -----------------------------------------------------------------------------


def detect(data: bytes) -> Detection:
    """Find the encoding of a text file's bytes. Raises InputError for empty or binary data."""
    if not data:
        raise InputError("文件是空的（0 字节），没有文字可读：请检查下载是否完成，重新取一份。")
    _refuse_signature(data)
    marked = next((name for mark, name in _BYTE_ORDER_MARKS if data.startswith(mark)), None)
    if marked:
        return _conclude(data, _marked(data, marked))
    if data.isascii():
        return _conclude(data, _seven_bit(data))
    windows = _windows(data)
    candidates = [_try_codec(data, windows, name) for name in _CANDIDATES]
    candidates = _prefer_valid_utf8(data, candidates)
    candidates = _prefer_hz(data, windows, candidates)
    candidates = _add_latin(data, candidates)
    # Stable sort: on equal scores the earlier candidate stays first.
    candidates.sort(key=lambda candidate: -candidate.score)
    return _conclude(data, _choose_big5(data, candidates))


def _refuse_signature(data: bytes) -> None:
    for signature, kind in _BINARY_SIGNATURES.items():
        # The two letters MZ may begin an English text, a program has NULs close behind.
        if data.startswith(signature) and (signature != b"MZ" or b"\0" in data[:64]):
            raise InputError(f"不是文本文件（内容是{kind}）：请先取出里面的文字，存成 .txt 再试。")


def _marked(data: bytes, encoding: str) -> list[Candidate]:
    """The byte order mark decides; it is shown as the only candidate."""
    return [_try_codec(data, _windows(data)[:1], encoding)]


def _seven_bit(data: bytes) -> list[Candidate]:
    """ASCII, HZ, or UTF-16/32 of Latin text, whose every second byte is NUL."""
    names = ["ascii"]
    if b"~{" in data:
        names.append("hz")
    found = [_try_codec(data, _windows(data)[:1], name) for name in names]
    nul_share = data.count(0) / len(data)
    if nul_share or not re.search(rb"[\r\n\x20]", data[:4096]):
        for name in _UNIT_BYTES:
            candidate = _try_codec(data, _windows(data)[:1], name)
            # Either its hanzi are common ones, or NULs fill what Latin letters leave.
            latin = candidate.score >= -0.5 and nul_share >= 0.4
            if latin or candidate.score > 0.5:
                found.append(candidate)
    return sorted(found, key=lambda candidate: -candidate.score)


def _prefer_valid_utf8(data: bytes, candidates: list[Candidate]) -> list[Candidate]:
    """Drop the other multi-byte codecs where the whole file is valid UTF-8 with real 3-byte text.

    Chance makes two-byte sequences (the well-known "联通" in GBK), but never many longer ones.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return candidates
    longer = len(re.findall(r"[\u0800-\U0010ffff]", text[:_WINDOW]))
    short = longer < 3 and len(data) < 64 and not find_mojibake(text)
    return [
        candidate
        for candidate in candidates
        if candidate.encoding == "utf-8" or (short and candidate.score > 0)
    ]


def _add_latin(data: bytes, candidates: list[Candidate]) -> list[Candidate]:
    """Add cp1252 where the high bytes are few and single, as in a Western text."""
    first = re.search(rb"[\x80-\xff]", data)
    sample = data[first.start() if first else 0 :][: 4 * _WINDOW]
    high = re.findall(rb"[\x80-\xff]+", sample)
    single = sum(len(run) == 1 for run in high)
    if re.search(rb"[\x00-\x08\x0e-\x1f]", sample) or single < 0.7 * len(high):
        return candidates
    found = _try_codec(data, _windows(data)[:1], "cp1252")
    # Its weight for Western letters would lose; what it needs is that no Chinese codec reads well.
    return [*candidates, replace(found, score=0.0)] if not found.invalid_sequences else candidates


def _prefer_hz(
    data: bytes, windows: list[tuple[int, int]], candidates: list[Candidate]
) -> list[Candidate]:
    """Add HZ where its marks occur: a few damaged bytes can make such a file 8-bit."""
    if len(re.findall(rb"~\{[\x21-\x7e]{2}", data[: 4 * _WINDOW])) == 0:
        return candidates
    return [*candidates, _try_codec(data, windows[:1], "hz")]


def _choose_big5(data: bytes, candidates: list[Candidate]) -> list[Candidate]:
    """Order cp950 and big5hkscs by what they make of the whole file.

    big5hkscs contains nearly all of cp950 and thousands of hanzi more. They differ in eleven
    symbols (～ or ∼, ‧ or •) and in the ETEN rows C6A1 to C7FC. Where both read everything, the
    likelier characters win, and on a tie the smaller code, as the file needed no extension.
    """
    if candidates[0].encoding not in ("big5hkscs", "cp950"):
        return candidates
    (large, large_damage) = _decode_counting(data, "big5hkscs")
    (small, small_damage) = _decode_counting(data, "cp950")
    first = "big5hkscs" if large_damage <= small_damage else "cp950"
    if large != small and large_damage == small_damage == 0:
        lead = total_weight(large) - total_weight(small)
        first = "big5hkscs" if lead > 0 else "cp950"
    return sorted(candidates, key=lambda candidate: candidate.encoding != first)


def _conclude(data: bytes, candidates: list[Candidate]) -> Detection:
    best = candidates[0]
    text, damage = _decode_counting(data, best.encoding)
    valid_utf8 = best.encoding.startswith("utf-8") and not damage
    # Mojibake saved as UTF-8 is full of what binary data holds too, so that it is asked for first.
    mojibake = find_mojibake(text)
    lowest = _LOWEST_UTF8_SCORE if valid_utf8 else _LOWEST_TEXT_SCORE
    if best.score < lowest and not (valid_utf8 and mojibake):
        raise InputError(
            "这不像文本文件：用任何一种编码读，得到的都几乎全是生僻字和控制符。请检查文件，换一份再试。"
        )
    confidence = _confidence(candidates, damage, len(text))
    evidence = _evidence(data, text, candidates, damage)
    if mojibake:
        confidence = min(confidence, _MOJIBAKE_CONFIDENCE)
        evidence += (f"解出来的字是乱码：{mojibake}过，可以还原（novelkit inspect --repair）。",)
    segments = (Segment(0, len(data), best.encoding),)
    return Detection(
        best.encoding, confidence, evidence, tuple(candidates), segments, damage, mojibake
    )


def _confidence(candidates: list[Candidate], damage: int, characters: int) -> float:
    """Logistic of the lead over the best codec of another family, times the undamaged share."""
    best = candidates[0]
    family = {"cp950": "big5hkscs"}
    name = family.get(best.encoding, best.encoding)
    rivals = [c.score for c in candidates[1:] if family.get(c.encoding, c.encoding) != name]
    lead = (best.score - max(rivals)) * min(characters, 200) if rivals else 20.0
    sure = 1.0 / (1.0 + math.exp(-min(lead, 40.0) / 4))
    return round(sure * (1.0 - min(damage / max(characters, 1), 1.0)), 4)


def _evidence(data: bytes, text: str, candidates: list[Candidate], damage: int) -> tuple[str, ...]:
    best = candidates[0]
    lines = []
    if any(data.startswith(mark) for mark, _ in _BYTE_ORDER_MARKS):
        lines.append(f"文件开头有字节顺序标记（BOM），写明了编码是 {best.encoding}。")
    if best.encoding == "ascii":
        lines.append("全部字节都在 ASCII 范围里，没有汉字。")
    lines += [
        f"按 {entry.encoding} 读：{entry.note}，得分 {entry.score:.2f}。" for entry in candidates
    ]
    lines.append(
        f"选定 {best.encoding}："
        + (f"全文有 {damage} 处字节解不开，用 � 代替。" if damage else "全文每个字节都能解开。")
    )
    existing = text.count("\ufffd")
    if existing and not damage:
        lines.append(f"文中本来就有 {existing} 个 �：存成这个编码以前就已经损坏，无法还原。")
    for garbage in ("锟斤拷", "烫烫烫", "屯屯屯"):
        if garbage in text:
            lines.append(
                f"文中有“{garbage}” {text.count(garbage)} 处：乱码留下的痕迹，原字已经丢失。"
            )
    return tuple(lines)


def decode(data: bytes, detection: Detection | None = None) -> str:
    """The text, U+FFFD for undecodable bytes, newlines kept, the byte order mark dropped."""
    detection = detection or detect(data)
    text = "".join(
        data[segment.start : segment.end].decode(segment.encoding, "replace")
        for segment in detection.segments
    )
    return text.removeprefix("\ufeff")
