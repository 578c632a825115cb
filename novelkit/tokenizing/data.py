"""Novels to a DATA folder: split, vocabulary, ids, anchors, and a preflight of the whole.

The vocabulary comes from the training split alone; what the held-out chapters add to it is
spelled in bytes and counted in the preflight. Layout of the folder: `novelkit.layouts`.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from novelkit import layouts, scores
from novelkit.cleaning.novel import Chapter, Novel
from novelkit.cleaning.splits import split_novel
from novelkit.errors import InputError
from novelkit.tokenizing.blocks import write_tokens
from novelkit.tokenizing.characters import CharTokenizer, tokenizer_sha256
from novelkit.tokenizing.preflight import SPLIT_NAMES, TINY_CONTEXT, preflight

# A held-out split below the smallest context cannot be measured by any model.
SHORTEST_SPLIT = TINY_CONTEXT

# A character that occurs once is spelled in bytes, so that the byte tokens are learned at all: with
# them untrained, each character that only the held-out chapters have costs three wild guesses.
MINIMUM_COUNT = 2

Part = list[tuple[str, tuple[Chapter, ...], bool]]


Progress = Callable[[int, int], None]
# Each split encoded and written, the vocabulary, the anchors and the preflight.
WRITE_STEPS = 2 * len(layouts.SPLITS) + 3


def write_data(
    novels: Sequence[Novel],
    out: Path,
    tokenizer: CharTokenizer | None = None,
    notes: dict[str, Any] | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Split, encode and write novels as a DATA folder; returns its header.

    Without a `tokenizer`, one is made from the training split. `notes` are kept in the header;
    `progress(done, total)` counts `WRITE_STEPS`. Raises `InputError` for novels that are too
    short to hold anything out.
    """
    step = _Steps(progress)
    # All that can refuse the input comes before the first write.
    parts, texts, gap = split_texts(novels)
    tokenizer = tokenizer or CharTokenizer.train(texts["train"], MINIMUM_COUNT)
    step()
    ids = {}
    for name, part in parts.items():
        ids[name] = encode_chapters(tokenizer, part)
        step()
    # `prepare` has begun already, with the novels.
    if not (out / layouts.PREPARING_FILE).is_file() or (out / layouts.DATA_FILE).exists():
        begin_data(out, [])
    tokenizer.save(out)
    splits = {}
    for name, part in parts.items():
        layouts.write_text(out / f"{name}.txt", texts[name])
        splits[name] = {
            "file": f"{name}.npy",
            "sha256": write_tokens(out / f"{name}.npy", ids[name]),
            "tokens": len(ids[name]),
            "characters": len(texts[name]),
            "chapters": sum(len(chapters) for _, chapters, _ in part),
        }
        step()
    anchors = scores.measure_anchors(texts["train"], texts["validation"]).as_dict()
    step()
    checked = preflight(tokenizer, texts, gap, ids["train"])
    header = {
        "format": "novelkit-data",
        "version": layouts.VERSION,
        "tokenizer": "char",
        "tokenizer_sha256": tokenizer_sha256(tokenizer),
        "vocabulary": len(tokenizer),
        "novels": [_describe(novel) for novel in novels],
        "splits": splits,
        "anchors": anchors,
        "preflight": checked,
        **(notes or {}),
    }
    # The header comes last: a folder without one is a folder that was not finished.
    layouts.write_json(out / layouts.DATA_FILE, header)
    (out / layouts.PREPARING_FILE).unlink()
    step()
    return header


class _Steps:
    """Counts the calls for `progress`."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress, self._done = progress, 0

    def __call__(self) -> None:
        self._done += 1
        if self._progress:
            self._progress(self._done, WRITE_STEPS)


def begin_data(out: Path, novels: Sequence[str]) -> None:
    """Mark `out` as a DATA folder at work, and drop the header of what stood there.

    `novels` are the files of novels/ that are ours: whoever finishes the work after a kill may
    delete them, and no others.
    """
    # First the mark: without it and without a header the folder would seem somebody else's.
    layouts.write_json(out / layouts.PREPARING_FILE, {"novels": sorted(novels)})
    # An older header would vouch for arrays that are about to change.
    (out / layouts.DATA_FILE).unlink(missing_ok=True)


def split_texts(novels: Sequence[Novel]) -> tuple[dict[str, Part], dict[str, str], int]:
    """The chapters and the text of each split, and the characters that fall into gaps.

    Raises `InputError` for novels that are too short to hold anything out.
    """
    if not novels:
        raise InputError("没有可用的小说：请给出至少一个文本文件。")
    parts, gap = _split(novels)
    texts = {name: _text(part) for name, part in parts.items()}
    for name, text in texts.items():
        if len(text) <= SHORTEST_SPLIT:
            raise InputError(
                f"{SPLIT_NAMES[name]}部分只有 {len(text)} 个字，至少要 {SHORTEST_SPLIT + 1} 个："
                "这本书太短，分不出训练、验证和测试，请加长文本或多放几本。"
            )
    return parts, texts, gap


def encode_chapters(tokenizer: CharTokenizer, part: Part) -> np.ndarray:
    """A split as one stream of ids, uint16 or uint32 of shape (tokens,).

    A book opens with its start token and its title, a chapter with its own start token, and a
    book whose end is in this split closes with the end-of-text token.
    """
    pieces: list[np.ndarray] = []
    for title, chapters, ends in part:
        pieces += [np.array([tokenizer.book]), tokenizer.encode(title + "\n")]
        for chapter in chapters:
            pieces += [np.array([tokenizer.chapter]), tokenizer.encode(_chapter_text(chapter))]
        if ends:
            pieces.append(np.array([tokenizer.end_of_text]))
    return np.concatenate(pieces).astype(np.uint16 if len(tokenizer) <= 2**16 else np.uint32)


def _split(novels: Sequence[Novel]) -> tuple[dict[str, Part], int]:
    """Each split as (book title, its chapters, is the book's end here?), and the gap in all."""
    parts: dict[str, Part] = {name: [] for name in layouts.SPLITS}
    gap = 0
    for novel in novels:
        splits = split_novel(novel)
        gap += splits.gap_characters
        for name in layouts.SPLITS:
            parts[name].append((novel.title, getattr(splits, name), name == "test"))
    return parts, gap


def _chapter_text(chapter: Chapter) -> str:
    heading = f"{chapter.title}\n" if chapter.title else ""
    return heading + "\n".join(chapter.paragraphs) + "\n"


def _text(part: Part) -> str:
    """The characters of a split, just as `encode_chapters` encodes them."""
    return "".join(
        title + "\n" + "".join(_chapter_text(chapter) for chapter in chapters)
        for title, chapters, _ in part
    )


def _describe(novel: Novel) -> dict[str, Any]:
    return {
        "title": novel.title,
        "chapters": len(novel.chapters),
        "characters": novel.characters,
        "source": novel.source,
    }
