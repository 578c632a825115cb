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
MOST_HELD_OUT = 0.2
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


@dataclass(frozen=True)
class HoldOut:
    """What of a book is kept out of training."""

    share: float = HELD_OUT_SHARE  # of its chapters for validation, and as many for test
    test: bool = True  # False where other books are the test, whole
    whole: bool = False  # the book itself is such a test

    def __post_init__(self) -> None:
        if not 0 < self.share <= MOST_HELD_OUT:
            raise InputError(
                f"留出的比例 {self.share} 不能用：请大于 0、不超过 {MOST_HELD_OUT}，"
                "例如 0.02（五十分之一）。"
            )


def split_novel(novel: Novel, hold_out: HoldOut | None = None) -> Splits:
    """Split one book; under 5 chapters, or of scraps, it is cut between paragraphs with a gap."""
    hold_out = hold_out or HoldOut()
    count = len(novel.chapters)
    if hold_out.whole:
        return Splits((), (), novel.chapters, positions=((), (), tuple(range(count))))
    if count < MINIMUM_CHAPTERS:
        return _split_paragraphs(novel, hold_out)
    wanted = max(1, round(count * hold_out.share))
    test = _held_out(novel.chapters, wanted) if hold_out.test else count
    validation = _held_out(novel.chapters[:test], wanted)
    if validation < count / 2:
        return _split_paragraphs(novel, hold_out)
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


def _held_out(chapters: tuple[Chapter, ...], wanted: int) -> int:
    """Where the last part of `chapters` begins: `wanted` of them, or more if they are short.

    Books end with afterwords of a few lines, on which nothing can be measured.
    """
    start = len(chapters) - wanted
    while start > 0 and sum(part.characters for part in chapters[start:]) < MINIMUM_CHARACTERS:
        start -= 1
    return start


def _split_paragraphs(novel: Novel, hold_out: HoldOut) -> Splits:
    """Cut a book without chapters where the held-out shares begin, between paragraphs."""
    lines = [
        (position, line)
        for position, chapter in enumerate(novel.chapters)
        for line in chapter.paragraphs
    ]
    total = sum(len(line) for _, line in lines)
    # Of a short book a small share would be too little to measure anything on.
    share = max(hold_out.share, min(HELD_OUT_SHARE, 2 * MINIMUM_CHARACTERS / max(1, total)))
    tests = share if hold_out.test else 0
    borders = [total * (1 - share - tests), total * (1 - tests)]
    # At most a quarter of what is held out, or the gap would leave nothing of it.
    gap = min(GAP_CHARACTERS, total // 50, int(total * share / 4))
    buckets: list[list[tuple[int, str]]] = [[], [], []]
    skipped = start = 0
    # Where the part before the current one ends: the gap is counted from there.
    ends = [0, 0, 0]
    for position, line in lines:
        end = start + len(line)
        middle = (start + end) / 2
        bucket = sum(middle >= border for border in borders)
        if bucket and start < ends[bucket - 1] + gap:
            skipped += len(line)
        else:
            buckets[bucket].append((position, line))
            ends[bucket:] = [end] * (3 - bucket)
        start = end
    if not all(buckets[: 3 if hold_out.test else 2]):
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
