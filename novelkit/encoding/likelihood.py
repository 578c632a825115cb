"""How much a decoded text looks like text: what each character saves against random bytes.

Covers a probability for every code point (hanzi by frequency, the rest by kind) and the gain of a
reading: log P(character) plus 8 bits for each byte that it took, summed over blocks. Readings of
the same bytes by different codecs can so be compared, as in a test of likelihood ratios. Knows
nothing of bytes and codecs, except the two standards whose order tells common hanzi from rare.
"""

import functools
from dataclasses import dataclass

import numpy as np

from novelkit.encoding.frequencies import COMMON_HANZI, HANZI_BY_FREQUENCY, log_probabilities

BLOCK = 16  # characters judged together
_NATS_PER_BYTE = float(8 * np.log(2))
# A block is never worse than noise: damage spoils single blocks, a wrong codec all of them.
_WORST_BLOCK = -3.0
_DAMAGE_GAIN = -9.0  # of one U+FFFD, however many bytes it stands for
_CONTROL, _CONTROL_GAIN = -19.0, -4.0  # also where four bytes stand for it
_PUNCTUATION = {
    -3.0: "，。",
    -4.5: "、：；“”「」？！",
    -6.5: "‘’『』《》…—·　",
    -8.0: "（）〈〉○□．＊─━〔〕【】　",
}
_ASCII = {-2.5: " ", -3.3: "abcdefghijklmnopqrstuvwxyz\n", -4.5: "\r\t.,'\"-0123456789"}
_ACCENTED = "àâäáçéèêëíîïñóôöúûüÉÀÇßœ’“”–—…«»"  # the letters and marks of most Western texts
_REPLACEMENT = 0xFFFD
# Bytes of a character: ASCII, up to U+07FF, the rest of the basic plane, beyond it.
_WIDTHS = {
    "utf-8": (1, 2, 3, 4),
    "pair": (1, 2, 2, 4),
    "utf-16": (2, 2, 2, 4),
    "utf-32": (4, 4, 4, 4),
    "single": (1, 1, 1, 1),
    "foreign pair": (1, 2, 2, 4),
    "foreign single": (1, 1, 1, 1),
}
# Kana, hangul, Cyrillic capitals and small letters in texts of their own languages.
_FOREIGN_LOGS = (
    (0x3040, 0x3100, -5.0),
    (0xAC00, 0xD7A4, -8.3),
    (0x410, 0x430, -6.5),
    (0x430, 0x450, -3.5),
)
FOREIGN = {
    "cp932": "日文",
    "euc_jp": "日文",
    "cp949": "韩文",
    "cp1251": "俄文",
    "koi8-r": "俄文",
}


def family_of(encoding: str) -> str:
    """How many bytes the codec's characters take: a key of the gain tables."""
    for family in ("utf-8", "utf-16", "utf-32"):
        if encoding.startswith(family):
            return family
    if encoding in FOREIGN:
        return "foreign single" if encoding in ("cp1251", "koi8-r") else "foreign pair"
    return "single" if encoding in ("ascii", "cp1252", "latin-1") else "pair"


def code_points(text: str) -> np.ndarray:
    """Code points of `text`, those above the basic plane clipped to 0x10000."""
    raw = text.encode("utf-32-le", "surrogatepass")
    return np.minimum(np.frombuffer(raw, dtype="<u4"), 0x10000)


@functools.cache
def log_probability_table() -> np.ndarray:
    """log P of each code point below 0x10000 in nats, the last entry for all above."""
    table = np.full(0x10001, -11.0, dtype=np.float32)  # other scripts and rare symbols
    table[0x20:0x7F] = -5.5
    table[0xA0:0x250] = -9.0
    table[0xC0:0x180] = -8.0
    table[0x2000:0x2C00] = -14.0  # symbols
    table[0x2460:0x249C] = -10.0  # numbers in circles and brackets
    table[0x370:0x700] = -8.5  # Greek, Cyrillic, Hebrew, Arabic
    table[0x410:0x450] = -7.0
    table[0x3040:0x3100] = -8.5  # kana
    table[0x3105:0x312A] = -9.5  # bopomofo
    table[0xFF01:0xFF5F] = -9.0
    table[0x3400:0x4E00] = table[0xF900:0xFB00] = -16.0  # extension A, compatibility
    table[0x4E00:0xA000] = -14.0
    _fill_standards(table)
    table[code_points(HANZI_BY_FREQUENCY)] = log_probabilities()
    table[code_points(_ACCENTED)] = -6.0
    for marks in (_PUNCTUATION, _ASCII):
        for value, characters in marks.items():
            table[code_points(characters)] = value
    table[:0x20][table[:0x20] == -11.0] = _CONTROL
    table[0x7F:0xA0] = -14.0
    table[0x0C] = table[0x1A] = -11.0  # form feed, and the end-of-file mark of old systems
    table[0xD800:0xF900] = table[0xFFF0:0x10000] = -18.0  # surrogates, private use, U+FFFD
    table[0xFEFF] = -9.0
    table[0x10000] = -16.0
    return table


def _fill_standards(table: np.ndarray) -> None:
    """GB 2312 and Big5 sort their hanzi into a level of common ones and a level of the rest."""
    rows = [bytes((high, low)) for high in range(0xB0, 0xF8) for low in range(0xA1, 0xFF)]
    gb_common = b"".join(rows[: 94 * 40]).decode("gb2312", "ignore")
    gb_rare = b"".join(rows[94 * 40 :]).decode("gb2312", "ignore")
    trails = [*range(0x40, 0x7F), *range(0xA1, 0xFF)]
    rows = [bytes((high, low)) for high in range(0xA4, 0xFA) for low in trails]
    level = rows.index(b"\xc6\xa1")
    big_common = b"".join(rows[:level]).decode("big5", "ignore")
    big_rare = b"".join(rows[level:]).decode("big5", "ignore")
    for characters, value in ((gb_rare + big_rare, -13.0), (gb_common + big_common, -12.0)):
        points = code_points(characters)
        table[points[points >= 0x4E00]] = value  # Big5 also holds kana, behind its common hanzi


@functools.cache
def width_table(family: str) -> np.ndarray:
    """How many bytes each code point takes, float32 (0x10001,)."""
    widths = np.empty(0x10001, dtype=np.float32)
    bounds = (0, 0x80, 0x800, 0x10000, 0x10001)
    for start, end, width in zip(bounds, bounds[1:], _WIDTHS[family], strict=False):
        widths[start:end] = width
    return widths


@functools.cache
def gain_table(family: str) -> np.ndarray:
    """What each code point saves against its bytes at random, in nats, float32 (0x10001,)."""
    table = log_probability_table() + _NATS_PER_BYTE * width_table(family)
    if family.startswith("foreign"):
        for low, high, log in _FOREIGN_LOGS:
            table[low:high] = log + _NATS_PER_BYTE * width_table(family)[low:high]
    table[0xD800:0xE000] = table[_REPLACEMENT] = _DAMAGE_GAIN
    controls = log_probability_table() == _CONTROL
    table[controls] = np.minimum(table[controls], _CONTROL_GAIN)
    return table.astype(np.float32)


@functools.cache
def _common_table() -> np.ndarray:
    table = np.zeros(0x10001, dtype=bool)
    table[code_points(COMMON_HANZI)] = True
    return table


def gain(text: str, family: str) -> float:
    """Gain of a reading in nats, that of each block at least `_WORST_BLOCK`."""
    gains = gain_table(family)[code_points(text)]
    whole = len(gains) // BLOCK * BLOCK
    blocks = gains[:whole].reshape(-1, BLOCK).sum(axis=1)
    rest = float(gains[whole:].sum())
    return float(np.maximum(blocks, _WORST_BLOCK).sum()) + max(rest, _WORST_BLOCK)


def total_gain(text: str, family: str) -> float:
    """The sum of the gains of all characters, to compare readings that differ in a few."""
    return float(gain_table(family)[code_points(text)].sum(dtype=np.float64))


def total_log(text: str) -> float:
    """log P of a text, whatever its bytes, in nats."""
    return float(log_probability_table()[code_points(text)].sum(dtype=np.float64))


@dataclass(frozen=True)
class Fit:
    """How a text reads: mean log P of what is not ASCII, share of common hanzi, counts."""

    mean: float
    common_share: float
    telling: int
    hanzi: int


def judge(text: str) -> Fit:
    """Whether a text reads well, whatever its bytes; the mean is that of its better half."""
    points = code_points(text)
    logs = log_probability_table()[points]
    telling = logs[(points >= 0x80) | (logs < -10.0)]
    is_hanzi = (points >= 0x3400) & (points < 0xA000) | (points == 0x10000)
    hanzi = int(is_hanzi.sum())
    common = int(_common_table()[points].sum())
    share = common / hanzi if hanzi else 0.0
    return Fit(_better_half(telling), share, len(telling), hanzi)


def _better_half(logs: np.ndarray) -> float:
    """Mean of the better half of the blocks of `BLOCK` values; of all where they are few."""
    blocks = len(logs) // BLOCK
    if blocks < 2:
        return float(logs.mean()) if len(logs) else 0.0
    means = np.sort(logs[: blocks * BLOCK].reshape(blocks, BLOCK).mean(axis=1))
    return float(means[blocks // 2 :].mean())
