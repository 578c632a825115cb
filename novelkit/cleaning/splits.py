"""Split novels into train, validation and test by whole chapters.

Random overlapping windows leak: a window of the validation set then shares most of its characters
with one in the training set, and the validation loss measures memory. A chapter is the smallest
unit that a reader would call unseen. Within each book the last chapters are kept out, validation
before test, so that a continuation is asked for where the story really goes on.
"""

from dataclasses import dataclass
from itertools import groupby

from novelkit.cleaning.novel import Chapter, Novel
from novelkit.errors import InputError

# A share of 1/12 on each side: 12 chapters give 10/1/1, 120 give 100/10/10.
HELD_OUT_SHARE = 1 / 12
MINIMUM_CHAPTERS = 5
# A held-out part of fewer characters says nothing: about two pages.
MINIMUM_CHARACTERS = 300
# Without chapters the cut falls inside a scene; a gap of this many characters (one block of the
# longest context that we train) keeps a training block from running up to the first held-out one.
GAP_CHARACTERS = 1024


@dataclass(frozen=True)
class Splits:
    """Chapters by split; `gap_characters` counts what lies in gaps and belongs to none.

    `positions` are those of the chapters in the book; one that was cut between paragraphs
    (`by_chapters` is False) may stand in two splits.
    """

    train: tuple[Chapter, ...]
    validation: tuple[Chapter, ...]
    test: tuple[Chapter, ...]
    gap_characters: int = 0
    by_chapters: bool = True
    positions: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]] = ((), (), ())


def split_novel(novel: Novel) -> Splits:
    """Split one book; under 5 chapters, or of scraps, it is cut between paragraphs with a gap."""
    count = len(novel.chapters)
    if count < MINIMUM_CHAPTERS:
        return _split_paragraphs(novel)
    test = _held_out(novel.chapters, count)
    validation = _held_out(novel.chapters[:test], count)
    if validation < count / 2:
        return _split_paragraphs(novel)
    return Splits(
        train=novel.chapters[:validation],
        validation=novel.chapters[validation:test],
        test=novel.chapters[test:],
        positions=(
            tuple(range(validation)),
            tuple(range(validation, test)),
            tuple(range(test, count)),
        ),
    )


def _held_out(chapters: tuple[Chapter, ...], count: int) -> int:
    """Where the last part of `chapters` begins: its share of `count`, or more if that is short.

    Books end with afterwords of a few lines, on which nothing can be measured.
    """
    start = len(chapters) - max(1, round(count * HELD_OUT_SHARE))
    while start > 0 and sum(part.characters for part in chapters[start:]) < MINIMUM_CHARACTERS:
        start -= 1
    return start


def _split_paragraphs(novel: Novel) -> Splits:
    """Cut a book without chapters at 10/12 and 11/12 of its characters, between paragraphs."""
    lines = [
        (position, line)
        for position, chapter in enumerate(novel.chapters)
        for line in chapter.paragraphs
    ]
    total = sum(len(line) for _, line in lines)
    gap = min(GAP_CHARACTERS, total // 50)
    buckets: list[list[tuple[int, str]]] = [[], [], []]
    skipped = start = 0
    # Where the part before the current one ends: the gap is counted from there.
    ends = [0, 0, 0]
    for position, line in lines:
        end = start + len(line)
        middle = (start + end) / 2
        bucket = 0 if middle < total * 10 / 12 else 1 if middle < total * 11 / 12 else 2
        if bucket and start < ends[bucket - 1] + gap:
            skipped += len(line)
        else:
            buckets[bucket].append((position, line))
            ends[bucket:] = [end] * (3 - bucket)
        start = end
    if not all(buckets):
        raise InputError(
            f"《{novel.title}》只有 {total} 个字、{len(lines)} 段，分不出训练、验证、测试三部分："
            "请换一本更长的小说，或检查换行是否丢失。"
        )
    train, validation, test = (_regroup(novel, bucket) for bucket in buckets)
    first, second, third = (tuple(dict.fromkeys(p for p, _ in bucket)) for bucket in buckets)
    return Splits(train, validation, test, skipped, False, (first, second, third))


def _regroup(novel: Novel, lines: list[tuple[int, str]]) -> tuple[Chapter, ...]:
    """Put the paragraphs of one chapter back together, under its heading."""
    chapters = []
    for position, group in groupby(lines, key=lambda entry: entry[0]):
        chapter = novel.chapters[position]
        paragraphs = tuple(line for _, line in group)
        chapters.append(Chapter(chapter.title, paragraphs, chapter.volume))
    return tuple(chapters)
