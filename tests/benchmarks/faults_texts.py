"""The texts of the harness: corpora of several books, and ways to spoil them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from novelkit.tokenizing import CharTokenizer

# By default these books, one file NAME.txt each in the folder that is named; the parts share
# none. Every corpus has books of several kinds, so that their order matters.
CORPORA: dict[str, dict[str, tuple[str, ...]]] = {
    "develop": {
        "a": ("呐喊", "红楼梦", "三国演义"),
        "b": ("初刻拍案惊奇", "西游记", "官场现形记"),
    },
    "validate": {
        "c": ("镜花缘", "水浒传", "彷徨"),
        "d": ("封神演义", "儒林外史", "狄公案", "缀网劳蛛"),
    },
    "report": {
        "e": ("儿女英雄传", "醒世恒言", "朝花夕拾"),
        "f": ("三侠五义", "二十年目睹之怪现状", "新石头记", "喻世明言"),
    },
}
# Titles, prefaces and tables of contents are left out.
BEGINNING = 2000
SPLIT_CHARACTERS = {"train": 90_000, "validation": 9_000, "test": 12_000}

# Rarer characters are spelled in bytes: a smaller table is learned in fewer steps.
MINIMUM_COUNT = 10


def train_tokenizer(text: str) -> CharTokenizer:
    return CharTokenizer.train(text, MINIMUM_COUNT)


def read_corpus(folder: Path, books: Sequence[str]) -> dict[str, str]:
    """The splits of a corpus: from each book as much, one split behind the other."""
    texts: dict[str, list[str]] = {name: [] for name in SPLIT_CHARACTERS}
    for book in books:
        text = (folder / f"{book}.txt").read_text(encoding="utf-8")[BEGINNING:]
        # Of a book that is too short every split gets its share.
        part = min(1.0, len(text) * len(books) / sum(SPLIT_CHARACTERS.values()))
        start = 0
        for name, characters in SPLIT_CHARACTERS.items():
            length = int(part * (characters // len(books)))
            texts[name].append(text[start : start + length])
            start += length
    return {name: "\n".join(parts) for name, parts in texts.items()}


def spoil(text: str, kind: str, share: float, seed: int) -> str:
    """A text of which a share of the paragraphs, or of the characters, is damaged."""
    random = np.random.default_rng(seed)
    if kind == "substituted":
        characters = np.array(list(text))
        places = random.random(len(text)) < share
        characters[places] = random.choice(characters, int(places.sum()))
        # Of all kinds alike, not by frequency: typing errors of a machine.
        kinds = np.array(sorted(set(text) - {"\n"}))
        characters[places] = random.choice(kinds, int(places.sum()))
        return "".join(characters)
    lines = text.split("\n")
    chosen = random.random(len(lines)) < share
    return "\n".join(
        DAMAGES[kind](line) if hit else line for line, hit in zip(lines, chosen, strict=True)
    )


DAMAGES = {
    # GB 18030 read as a Western encoding.
    "western": lambda line: line.encode("gb18030").decode("latin-1"),
    # UTF-8 read as GB 18030.
    "misread": lambda line: line.encode("utf-8").decode("gb18030", errors="replace"),
    # Decoded by the wrong table, what failed replaced.
    "replaced": lambda line: "".join(c if i % 3 else "\ufffd" for i, c in enumerate(line)),
    "question": lambda line: "".join(c if i % 2 else "?" for i, c in enumerate(line)),
}
