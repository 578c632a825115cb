"""What is refused: files that are no text, in one Chinese line that says what they are.

Covers the leading bytes of common binary formats, and bytes that no codec reads as text.
"""

import re

from novelkit.encoding.candidates import UNIT_BYTES, Candidate
from novelkit.errors import InputError

# Leading bytes of files that are not text. BOMs and HTML are not among them.
_BINARY_SIGNATURES = {
    b"\x89PNG\r\n": "PNG 图片",
    b"\xff\xd8\xff": "JPEG 图片",
    b"GIF8": "GIF 图片",
    b"II*\0": "TIFF 图片",
    b"MM\0*": "TIFF 图片",
    b"PK\x03\x04": "zip 压缩包（docx、epub 也是）",
    b"PK\x05\x06": "空的 zip 压缩包",
    b"\x1f\x8b": "gzip 压缩包",
    b"BZh": "bzip2 压缩包",
    b"\xfd7zXZ": "xz 压缩包",
    b"(\xb5/\xfd": "zstd 压缩包",
    b"7z\xbc\xaf\x27\x1c": "7z 压缩包",
    b"Rar!\x1a": "rar 压缩包",
    b"%PDF-": "PDF 文件",
    b"{\\rtf": "RTF 文档",
    b"AT&TFORM": "DjVu 文档",
    b"\x7fELF": "Linux 可执行文件",
    b"MZ": "Windows 可执行文件",
    b"\0asm": "程序文件",
    b"\xd0\xcf\x11\xe0": "旧版 Word 文档",
    b"\xca\xfe\xba\xbe": "程序文件",
    b"SQLite format 3": "SQLite 数据库",
    b"ID3": "MP3 音频",
    b"OggS": "Ogg 音频",
    b"fLaC": "FLAC 音频",
    b"BOOKMOBI": "mobi 电子书",
    b"ITSF": "chm 电子书",
    b"OTTO": "字体文件",
    b"wOFF": "字体文件",
}
# Formats whose name stands a few bytes behind the beginning.
_LATER_SIGNATURES = (
    (8, b"WEBP", "WebP 图片"),
    (8, b"WAVE", "WAV 音频"),
    (8, b"AVI ", "AVI 视频"),
    (4, b"ftyp", "MP4 视频或 HEIC 图片"),
    (60, b"BOOKMOBI", "mobi 电子书"),
    (257, b"ustar", "tar 归档"),
)
_NEEDS_NUL = (b"MZ", b"BZh", b"ID3", b"OTTO", b"wOFF", b"ITSF", b"OggS")
# Measured, bits saved a byte: random bytes at most 0.2, text with every tenth byte damaged 1.5.
_LEAST_BITS = 0.4
# Half a dozen words of a program, half of them zeros, reach 0.5 as UTF-16 by chance.
_LEAST_BITS_OF_FEW, _FEW = 0.8, 128  # bytes
# Valid UTF-8 is text in every script, unless it is full of control characters.
_LEAST_UTF8_BITS = -2.5
_MOST_CONTROLS = 0.05  # of the bytes of the beginning; a tenth of it in a very damaged text


def refuse_signature(head: bytes) -> None:
    """Raise InputError where the first bytes are those of a well-known binary format."""
    for signature, kind in _BINARY_SIGNATURES.items():
        # Letters may begin an English text; a binary file has control characters close behind.
        sure = signature not in _NEEDS_NUL or re.search(rb"[\x00-\x08]", head[:64])
        if head.startswith(signature) and sure:
            _refuse(kind)
    for offset, signature, kind in _LATER_SIGNATURES:
        if head[offset : offset + len(signature)] == signature and b"\0" in head[:300]:
            _refuse(kind)


def _refuse(kind: str) -> None:
    raise InputError(f"不是文本文件（内容是{kind}）：请先取出里面的文字，存成 .txt 再试。")


def refuse_noise(candidates: list[Candidate], mojibake: str | None, head: bytes) -> None:
    """Raise InputError where even the best codec yields what chance would."""
    # Mojibake saved as UTF-8 is full of what binary data holds too, so that it is asked for first.
    utf8 = any(c.encoding.startswith("utf-8") and not c.invalid_sequences for c in candidates)
    least = _LEAST_UTF8_BITS if utf8 else _LEAST_BITS
    if candidates[0].encoding in UNIT_BYTES and len(head) < _FEW:
        least = _LEAST_BITS_OF_FEW
    noise = max(tried.score for tried in candidates) < least
    if not candidates[0].encoding.startswith("utf-"):
        noise |= len(re.findall(rb"[\x01-\x08\x0e-\x19]", head)) > _MOST_CONTROLS * len(head)
    if noise and not mojibake:
        raise InputError(
            "这不像文本文件：用任何一种编码读，得到的都几乎全是生僻字和控制符。请检查文件，换一份再试。"
        )
