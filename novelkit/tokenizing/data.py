"""Novels to a DATA folder: split, vocabulary, ids, anchors, and a preflight of the whole.

One book at a time is in memory: `DataWriter` takes them one by one, keeps the text of the splits
on disk and counts on the way. The vocabulary comes from the training split alone; what the
held-out chapters add to it is spelled in bytes and counted in the preflight. Layout of the folder:
`novelkit.layouts`. Reading and cleaning files is not here: see `novelkit.pipeline`.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from novelkit import layouts, scores
from novelkit.cleaning.novel import Novel
from novelkit.errors import InputError
from novelkit.tokenizing.blocks import write_tokens
from novelkit.tokenizing.choice import choose_tokenizer
from novelkit.tokenizing.chunks import (
    CHAPTER,
    EncodedChunk,
    Placed,
    encode_chunk,
    encode_chunk_with,
    list_chunks,
    place_share,
    read_pieces,
)
from novelkit.tokenizing.interface import KINDS, Tokenizer
from novelkit.tokenizing.loading import tokenizer_sha256
from novelkit.tokenizing.parts import BookParts, book_header, cut_book
from novelkit.tokenizing.preflight import Census, preflight, refuse_leaks, refuse_short
from novelkit.tokenizing.staging import begin_data, staging

# A character that occurs once is spelled in bytes, so that the byte tokens are learned at all: with
# them untrained, each character that only the held-out chapters have costs three wild guesses.
MINIMUM_COUNT = 2

Progress = Callable[[int, int], None]
# Runs a function over items and yields the results in order: `map`, or one over processes.
OrderedMap = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]
# The vocabulary, the ids of each split, the anchors, the move into place and the header.
WRITE_STEPS = len(layouts.SPLITS) + 4


def write_data(
    novels: Iterable[Novel],
    out: Path,
    tokenizer: Tokenizer | None = None,
    notes: dict[str, Any] | None = None,
    progress: Progress | None = None,
    *,
    headers: bool = False,
) -> dict[str, Any]:
    """Split, encode and write novels as a DATA folder; returns its header.

    Without a `tokenizer`, one of characters is made from the training split. With `headers`, they
    stand before passages of the training text (see `headers`). `notes` are kept in the header;
    `progress(done, total)` counts `WRITE_STEPS`. Raises `InputError` for novels that are too short
    to hold anything out, or whose held-out text stands in the training text.
    """
    step = StepCounter(progress)
    with staging(out) as parts, DataWriter(out, parts) as writer:
        for novel in novels:
            header_of = book_header(novel) if headers else None
            writer.add(cut_book(novel, header=header_of), describe(novel))
        writer.check()
        tokenizer = tokenizer or choose_tokenizer("char", writer.texts("train"))
        step()
        begin_data(out, [])
        writer.encode(tokenizer, step)
        header = writer.header(tokenizer) | (notes or {})
        step()
        writer.publish()
        step()
        writer.commit(header)
        step()
    return header


def describe(novel: Novel) -> dict[str, Any]:
    """What the header says of a novel."""
    return {
        "title": novel.title,
        "chapters": len(novel.chapters),
        "characters": novel.characters,
        "source": novel.source,
    }


class StepCounter:
    """Counts the calls for `progress`."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress, self._done = progress, 0

    def __call__(self) -> None:
        self._done += 1
        if self._progress:
            self._progress(self._done, WRITE_STEPS)


class DataWriter:
    """Writes a DATA folder: `add` each book, `check`, `encode`, `header`, `publish`, `commit`.

    Until `publish` everything is in the folder `parts`. Memory holds one book, the hashes of the
    paragraphs and the lengths of the chapters. Call `begin_data` some time before `publish`.
    """

    def __init__(self, out: Path, parts: Path) -> None:
        self.out, self.parts = out, parts
        self.novels: list[dict[str, Any]] = []
        self.census = Census()
        self._placed: dict[str, list[Placed]] = {name: [] for name in layouts.SPLITS}
        self._has_headers = False
        self._headers: dict[str, int] = {}  # the ids that enclose them
        self._files = {name: (parts / f"{name}.txt").open("wb") for name in layouts.SPLITS}
        self._splits: dict[str, dict[str, Any]] = {}
        self._fallback: dict[str, int] = {}
        self._lost = 0

    def __enter__(self) -> "DataWriter":
        return self

    def __exit__(self, *error: object) -> None:
        for file in self._files.values():
            file.close()

    def add(self, book: BookParts, description: dict[str, Any]) -> None:
        """Append a book to the texts of the splits; `description` goes into the header."""
        self.novels.append(description)
        self.census.add(book, str(description["source"].get("file") or f"《{book.title}》"))
        self._has_headers |= book.header is not None
        for name, share in book.shares.items():
            self._placed[name].append(place_share(book, name, self._files[name].tell()))
            self._files[name].write(share.text)

    def check(self) -> None:
        """After the last book: raise `InputError` for what cannot be trained on or measured."""
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
            file.close()
        refuse_short(self.census)
        refuse_leaks(self.census)

    def texts(self, split: str) -> Iterator[str]:
        """The chapters of a split, one after the other, as training reads them."""
        for chunk in self._chunks(split):
            for piece, text in read_pieces(chunk):
                if piece.mark == CHAPTER and not piece.copy:
                    yield text

    def encode(
        self,
        tokenizer: Tokenizer,
        step: Callable[[], object] = lambda: None,
        ordered_map: OrderedMap | None = None,
    ) -> None:
        """Write the ids of each split; an `ordered_map` may run in other processes."""
        tokenizer.save(self.parts)
        identity, runs = tokenizer_sha256(tokenizer), ordered_map or map
        if self._has_headers:
            self._headers = _header_ids(tokenizer)
        for name in layouts.SPLITS:
            # What is measured is plain text: a model must not be told who will come.
            passages = name == "train"
            work: Callable[..., EncodedChunk] = (
                partial(encode_chunk_with, self.parts, identity, passages)
                if ordered_map
                else partial(encode_chunk, tokenizer, passages)
            )
            self._encode_split(name, runs(work, self._chunks(name)))
            step()

    def header(self, tokenizer: Tokenizer) -> dict[str, Any]:
        """What `data.json` says: the arrays, the anchors and the preflight."""
        texts = [
            scores.read_evenly(self.parts / f"{name}.txt", limit)
            for name, limit in zip(layouts.SPLITS, scores.ANCHOR_CHARACTERS, strict=False)
        ]
        anchors = scores.measure_anchors(*texts).as_dict()
        tokens = {name: split["tokens"] for name, split in self._splits.items()}
        checked = preflight(tokenizer, self.census, self._lost, self._fallback, tokens)
        header = {
            "format": "novelkit-data",
            "version": layouts.VERSION,
            "tokenizer": tokenizer.kind,
            "tokenizer_sha256": tokenizer_sha256(tokenizer),
            "vocabulary": len(tokenizer),
            "novels": self.novels,
            "splits": self._splits,
            "anchors": anchors,
            "preflight": checked,
        }
        if self._has_headers:
            header["headers"] = self._headers
        measured = {name: len(text) for name, text in zip(layouts.SPLITS, texts, strict=False)}
        if any(self.census.characters(name) > count for name, count in measured.items()):
            header["anchors_characters"] = measured
        return header

    def publish(self) -> None:
        """Move all files from `parts` to where they belong; all of them have reached the disk."""
        for path in sorted(self.parts.rglob("*")):
            if path.is_file():
                target = self.out / path.relative_to(self.parts)
                target.parent.mkdir(exist_ok=True)
                path.replace(target)

    def commit(self, header: dict[str, Any]) -> None:
        """Write the header, the last of all: a folder without one was not finished."""
        layouts.write_json(self.out / layouts.DATA_FILE, header)
        (self.out / layouts.PREPARING_FILE).unlink()

    def _chunks(self, split: str) -> Iterator[Any]:
        pieces = chain.from_iterable(placed.pieces() for placed in self._placed[split])
        return list_chunks(self.parts / f"{split}.txt", pieces)

    def _encode_split(self, name: str, encoded: Iterable[EncodedChunk]) -> None:
        totals = dict.fromkeys(("tokens", "characters", "header_tokens", "fallback"), 0)

        def ids() -> Iterator[np.ndarray]:
            for chunk in encoded:
                totals["tokens"] += len(chunk.ids)
                for key in ("characters", "header_tokens", "fallback"):
                    totals[key] += getattr(chunk, key)
                self._lost += chunk.lost
                yield chunk.ids

        digest = write_tokens(self.parts / f"{name}.npy", ids())
        self._fallback[name] = totals.pop("fallback")
        if not self._has_headers:
            del totals["header_tokens"]
        chapters = sum(max(0, len(placed.lengths) - 1) for placed in self._placed[name])
        self._splits[name] = {"file": f"{name}.npy", "sha256": digest, **totals} | {
            "chapters": chapters
        }


def _header_ids(tokenizer: Tokenizer) -> dict[str, int]:
    """The ids between which a header stands; raises `InputError` where they do not mark it."""
    line_end = tokenizer.encode("\n")
    if tokenizer.kind not in KINDS or len(line_end) != 1:
        raise InputError("这个分词器没有书的开始标记或换行标记，做不了题头：请去掉 --headers。")
    return {"book": int(tokenizer.book), "line_end": int(line_end[0])}
