"""The decision in words that a student can read, and how sure it is.

Covers the Chinese lines of evidence and the confidence, which is calibrated: see the tests.
"""

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from novelkit.encoding.borders import same_family
from novelkit.encoding.candidates import Candidate
from novelkit.encoding.decoding import BYTE_ORDER_MARKS
from novelkit.encoding.likelihood import FOREIGN
from novelkit.encoding.misreadings import LOSSY
from novelkit.encoding.sources import ByteSource

if TYPE_CHECKING:
    from novelkit.encoding.detection import Detection

_TEMPERATURE = 6.0  # characters of a text are not independent: a bit counts for a sixth of one
_DOUBTFUL_CONFIDENCE = 0.5
_LOST = {
    "\ufffd": "存成这个编码以前就已经损坏",
    "锟斤拷": "UTF-8 的 � 被当成 GBK 读出来的，原来的字已经丢了",
    "烫烫烫": "程序把没有初始化的内存（0xCC）当成 GBK 写进了文件，不是正文",
    "屯屯屯": "程序把没有初始化的内存（0xCD）当成 GBK 写进了文件，不是正文",
    "????": "转码时目标编码里没有的字变成了问号，原来的字已经丢了",
    "ï¿½": "UTF-8 的 � 被当成西文读出来的，原来的字已经丢了",
}


def confidence(
    candidates: list[Candidate], used: set[str], damage: int, characters: int, mojibake: str | None
) -> float:
    """Logistic of the lead over the best codec of another family, times the undamaged share.

    `used` are the codecs of the parts of the file: they are no rivals of each other.
    """
    own = [c.gain for c in candidates if any(same_family(c.encoding, name) for name in used)]
    rivals = [c.gain for c in candidates if not any(same_family(c.encoding, name) for name in used)]
    best = max(own, default=0.0)
    lead = best - max(rivals) if rivals else best + 40.0
    sure = 1.0 / (1.0 + math.exp(-max(-40.0, min(lead / _TEMPERATURE, 40.0))))
    sure *= 1.0 - min(damage / max(characters, 1), 1.0)
    doubtful = mojibake or used & set(FOREIGN)
    return round(min(sure, _DOUBTFUL_CONFIDENCE) if doubtful else sure, 4)


def explained(found: "Detection", source: ByteSource) -> "Detection":
    """The detection with its evidence."""
    lines = [*_mark(source, found), *_tried(found), *_damage(source, found), *_parts(found)]
    lines += _lost(found)
    for name, said in found.witnesses.items():
        lines.append(f"旁证：{name}说是 {said}（只作参考）。")
    lines += _mojibake(found)
    return replace(found, evidence=tuple(lines))


def _mark(source: ByteSource, found: "Detection") -> list[str]:
    head = source.read(0, 4)
    if any(head.startswith(mark) for mark, _ in BYTE_ORDER_MARKS):
        return [f"文件开头有字节顺序标记（BOM），写明了编码是 {found.candidates[0].encoding}。"]
    if found.encoding in FOREIGN:
        return [f"读出来像是{FOREIGN[found.encoding]}，不是中文：这个工具只认得准中文的编码。"]
    if found.encoding == "ascii":
        return ["全部字节都在 ASCII 范围里，没有汉字。"]
    return []


def _tried(found: "Detection") -> list[str]:
    return [
        f"按 {entry.encoding} 读：「{entry.preview}」{entry.note}，得分 {entry.score:.2f}。"
        for entry in found.candidates
    ]


def _damage(source: ByteSource, found: "Detection") -> list[str]:
    if not found.damage:
        return [f"选定 {found.encoding}：全文每个字节都能解开。"]
    places = "、".join(f"{start:,}" for start, _ in found.damage_positions[:5])
    more = " 等" if found.damage > 5 else ""
    line = f"选定 {found.encoding}：全文有 {found.damage} 处字节解不开，用 � 代替"
    lines = [f"{line}（在第 {places}{more} 字节）。"]
    if found.encoding == "gb18030":
        # Windows' cp936 has the sign at 0x80, GB 18030 has nothing there.
        euros = sum(source.read(*place) == b"\x80" for place in found.damage_positions)
        if euros:
            lines.append(
                f"其中至少 {euros} 处是单独的字节 0x80：在 Windows 的 GBK 里它是欧元符号 €。"
            )
    return lines


def _parts(found: "Detection") -> list[str]:
    if len(found.segments) < 2:
        return []
    return [
        f"第 {part.start:,}–{part.end:,} 字节像是 {part.encoding}：各部分按自己的编码读。"
        for part in found.segments[:20]
    ]


def _lost(found: "Detection") -> list[str]:
    return [
        f"文中有 {count} 个“{mark}”：{_LOST[mark]}，无法还原。"
        for mark, count in found.lost.items()
    ]


def _mojibake(found: "Detection") -> list[str]:
    lines = []
    for stretch in found.mojibake_stretches[:20]:
        after = "可以还原" if stretch.reversible else "不能完全还原"
        lines.append(
            f"第 {stretch.start:,}–{stretch.end:,} 字节的字是乱码（{stretch.how}），{after}。"
        )
    if found.mojibake:
        after = (
            "请换一份文件" if LOSSY in found.mojibake else "可以还原（novelkit inspect --repair）"
        )
        lines.append(f"解出来的字是乱码：{found.mojibake}过，{after}。")
    return lines
