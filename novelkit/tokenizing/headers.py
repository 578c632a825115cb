"""The header of a passage: which book it is from, in which style, and who is in it.

A header is one line, between the book token and the end of the line:

    <|book|>书名：呐喊；作者：鲁迅；风格：现代小说；章节：故乡；人物：闰土、杨二嫂

Before passages of the training text it stands with some of its fields left out by chance, or not at
all, so that at the end any of them can be given, and none must. This is conditioning by control
codes (Keskar et al. 2019, arXiv:1909.05858), but in words. A header is given and not learned: its
tokens are no targets of training.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from novelkit.errors import InputError
from novelkit.tokenizing.interface import Tokenizer

# Passages are cut at the first end of a paragraph after so many characters. A header costs about 45
# characters, so shorter passages would spend more of the training on headers; after longer ones few
# of the blocks that a model of 512 tokens sees would hold one.
PASSAGE_CHARACTERS = 700
# Of the training passages, so many have a header, and of it each field with this probability.
HEADER_SHARE = 0.7
FIELD_SHARE = 0.7
# More would crowd out the text that they steer.
MOST_NAMES = 5
LONGEST_FIELD = 40

LABELS = {"title": "书名", "author": "作者", "style": "风格", "chapter": "章节", "names": "人物"}
_FIELD_END, _NAME_END = "；", "、"


@dataclass(frozen=True, slots=True)
class Header:
    """What is said of a passage; an empty field is not mentioned."""

    title: str = ""
    author: str = ""
    style: str = ""
    chapter: str = ""
    names: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) for field in fields(self))

    @property
    def line(self) -> str:
        """The header as it stands before the text, with its line end; only that if it is empty.

        Characters that mean something in the line become spaces, long fields are cut.
        """
        values = {name: _tidy(str(getattr(self, name)), _FIELD_END) for name in LABELS}
        names = [_tidy(name, _FIELD_END + _NAME_END) for name in self.names[:MOST_NAMES]]
        values["names"] = _NAME_END.join(filter(None, names))
        return _FIELD_END.join(f"{LABELS[k]}：{v}" for k, v in values.items() if v) + "\n"

    @classmethod
    def parse(cls, line: str) -> "Header":
        """A header from its line, fields in any order; raises `InputError` for unknown ones."""
        known = {label: name for name, label in LABELS.items()}
        found: dict[str, str] = {}
        for part in filter(None, line.strip().split(_FIELD_END)):
            label, colon, value = part.partition("：")
            if not colon or label.strip() not in known:
                raise InputError(
                    f"题头里的“{part}”看不懂：请写成“书名：…；作者：…；风格：…；章节：…；人物：甲、乙”，"
                    "可以只写其中几项。"
                )
            found[known[label.strip()]] = value.strip()
        names = tuple(filter(None, map(str.strip, found.pop("names", "").split(_NAME_END))))
        return cls(**found, names=names)

    def of_passage(self, text: str) -> "Header":
        """Only those names that occur in the passage, in the order in which they come."""
        places = {name: text.find(name) for name in self.names}
        present = sorted((place, name) for name, place in places.items() if place >= 0)
        return replace(self, names=_not_within([name for _, name in present])[:MOST_NAMES])

    def thinned(self, random: np.random.Generator) -> "Header | None":
        """With some fields left out by chance, or None where there is to be no header."""
        draws = random.random(1 + len(LABELS))
        if draws[0] >= HEADER_SHARE:
            return None
        empty = type(self)()
        left_out = {
            name: getattr(empty, name)
            for name, draw in zip(LABELS, draws[1:], strict=True)
            if draw >= FIELD_SHARE
        }
        thinned = replace(self, **left_out)
        return thinned if thinned else None


def encode_header(tokenizer: Tokenizer, header: Header) -> np.ndarray:
    """The book token and the header's line, int32 of shape (tokens,)."""
    return np.append(np.int32(tokenizer.book), tokenizer.encode(header.line)).astype(np.int32)


def header_spans(tokens: np.ndarray, book: int, line_end: int) -> np.ndarray:
    """Where headers stand in a stream of ids: begins and ends, int64 of shape (headers, 2).

    Each begins with a book token and ends after the next line end.
    """
    begins = np.flatnonzero(tokens == book)
    line_ends = np.append(np.flatnonzero(tokens == line_end), len(tokens) - 1)
    return np.stack([begins, line_ends[np.searchsorted(line_ends, begins)] + 1], axis=1)


def cut_passages(text: str, least: int = PASSAGE_CHARACTERS) -> list[str]:
    """The text in passages of whole lines, each but the last of at least so many characters."""
    passages, start = [], 0
    for match in re.finditer("\n", text):
        if match.end() - start >= least:
            passages.append(text[start : match.end()])
            start = match.end()
    return [*passages, text[start:]] if start < len(text) else passages


def split_names(text: str) -> tuple[str, ...]:
    """Names as people write them in a row: with 、, commas or spaces between them."""
    return tuple(filter(None, re.split(r"[、，,\s]+", text)))


def _tidy(value: str, marks: str) -> str:
    for mark in marks:
        value = value.replace(mark, " ")
    return " ".join(value.split())[:LONGEST_FIELD].strip()


def _not_within(names: Sequence[str]) -> tuple[str, ...]:
    """The names less those that are part of another one (凤姐 where there is 凤姐儿)."""
    return tuple(
        name for name in names if not any(name != other and name in other for other in names)
    )
