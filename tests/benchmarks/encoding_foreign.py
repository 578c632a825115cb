"""Rows of the encoding benchmark: what is no Chinese text.

Covers binary data, which must be refused, and sentences of our own in other languages, which must
not be called Chinese with confidence.
"""

import marshal
import random
import struct
import zlib
from collections.abc import Callable, Iterator

from encoding_rows import Row, numbered
from encoding_texts import ENGLISH, Library

BINARY_LENGTHS = (64, 1024, 64 * 1024)

OTHER_SCRIPTS = {
    "English": ENGLISH,
    "French": "La lumière s'éteignit à l'étage, et la rue redevint noire.\nIl n'avait jamais été "
    "à l'heure ; ça ne changerait pas cette année-là.\nOù êtes-vous allés, demanda-t-elle, après "
    "la fête ?\nLe garçon posa la clé sur la table et sortit sans un mot, très pâle.\n",
    "German": "Die Brücke war längst geschlossen, doch die Männer gingen hinüber.\nFür wen läutete "
    "die Glocke so früh am Morgen?\nSie drückte den Brief an sich und lächelte müde.\n"
    "Über den Dächern hing noch der Rauch der großen Öfen.\n",
    "Japanese": "朝の渡し場には、まだ誰もいなかった。\n老人は綱をほどき、静かに舟を出した。\n"
    "「どこまで行くのですか」と少女が小さな声で聞いた。\n川の向こうで、鐘の音が三度ひびいた。\n"
    "ポケットの中の手紙は、雨ですっかりぬれてしまっていた。\n",
    "Korean": "아침 나루터에는 아직 아무도 없었다.\n노인은 밧줄을 풀고 조용히 배를 띄웠다.\n"
    "어디까지 가십니까 하고 소녀가 작은 목소리로 물었다.\n강 건너에서 종소리가 세 번 울렸다.\n"
    "주머니 속의 편지는 비에 젖어 글자를 읽을 수 없었다.\n",
    "Russian": "На пристани ещё никого не было, и туман лежал над рекой.\nСтарик отвязал лодку и "
    "молча взялся за весло.\nКуда вы едете так рано, спросила девочка тихим голосом.\n"
    "За рекой трижды ударил колокол, и всё снова затихло.\n",
}
SCRIPT_CODECS = (
    ("English", "ascii"),
    ("English", "cp1252"),
    ("French", "cp1252"),
    ("French", "utf-8"),
    ("German", "latin-1"),
    ("Japanese", "shift_jis"),
    ("Japanese", "euc_jp"),
    ("Japanese", "utf-8"),
    ("Korean", "euc_kr"),
    ("Korean", "utf-8"),
    ("Russian", "koi8-r"),
    ("Russian", "cp1251"),
    ("Russian", "utf-8"),
)
SCRIPT_LENGTHS = (64, 256, 1024)


def _padded(head: bytes) -> Callable[[int, random.Random], bytes]:
    return lambda length, rng: (head + rng.randbytes(length))[:length]


def _zeros_and_noise(length: int, rng: random.Random) -> bytes:
    return b"".join(
        b"\0" * rng.randrange(2, 12) + rng.randbytes(rng.randrange(1, 9))
        for _ in range(length // 4)
    )[:length]


def _records(length: int, rng: random.Random) -> bytes:
    """A table of integers and floats as a program writes it."""
    rows = (
        struct.pack("<ihf", number, rng.randrange(-99, 99), rng.gauss(0, 1))
        for number in range(length // 10 + 1)
    )
    return b"".join(rows)[:length]


def _sound(length: int, rng: random.Random) -> bytes:
    level, samples = 0, []
    for _ in range(length // 2):
        level = max(-32000, min(32000, level + rng.randrange(-900, 900)))
        samples.append(struct.pack("<h", level))
    return b"".join(samples)


def _bytecode(length: int, rng: random.Random) -> bytes:
    lines = (
        f"def f{rng.randrange(10**6)}(a, b={n}):\n    return a * {n} + b" for n in range(length)
    )
    source = "\n".join(line for line, _ in zip(lines, range(length // 40 + 3), strict=False))
    return marshal.dumps(compile(source, "f.py", "exec"))[:length]


def _compressed(length: int, rng: random.Random) -> bytes:
    return zlib.compress(rng.randbytes(length).hex().encode("ascii"))[:length]


BINARY: dict[str, Callable[[int, random.Random], bytes]] = {
    "random bytes": lambda length, rng: rng.randbytes(length),
    "zeros": lambda length, rng: bytes(length),
    "zeros and noise": _zeros_and_noise,
    "integers and floats": _records,
    "sound samples": _sound,
    "Python bytecode": _bytecode,
    "zlib stream": _compressed,
    "PNG": _padded(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
    "JPEG": _padded(b"\xff\xd8\xff\xe0\0\x10JFIF\0"),
    "zip": _padded(b"PK\x03\x04\x14\0\0\0\x08\0"),
    "gzip": _padded(b"\x1f\x8b\x08\0\0\0\0\0\0\x03"),
    "ELF": _padded(b"\x7fELF\x02\x01\x01" + bytes(9)),
    "PDF": _padded(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"),
}


def binary_rows(library: Library, repeats: int, seed: int) -> Iterator[Row]:
    for name, kind, length, rng in numbered("binary", list(BINARY), BINARY_LENGTHS, repeats, seed):
        yield Row(name, "binary", kind, length, BINARY[kind](length, rng), None)


def script_rows(library: Library, repeats: int, seed: int) -> Iterator[Row]:
    """Sentences of another language in a random order, cut at a whole character."""
    kinds = {f"{language} {codec}": (language, codec) for language, codec in SCRIPT_CODECS}
    names = numbered("script", list(kinds), SCRIPT_LENGTHS, repeats, seed)
    for name, kind, length, rng in names:
        language, codec = kinds[kind]
        sentences = OTHER_SCRIPTS[language].splitlines(keepends=True)
        text = "".join(rng.choice(sentences) for _ in range(length // 20 + 1))
        raw = text.encode(codec, "ignore")[:length].decode(codec, "ignore").encode(codec)
        yield Row(name, "script", kind, length, raw, raw.decode(codec))
