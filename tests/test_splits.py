"""Splits: whole chapters in order, nothing lost; without chapters, paragraphs with a gap."""

from itertools import accumulate, chain, pairwise

import pytest
from helpers_text import novel
from hypothesis import given
from hypothesis import strategies as st

from novelkit.cleaning import Chapter, Novel
from novelkit.cleaning.splits import GAP_CHARACTERS, MINIMUM_CHAPTERS, split_novel
from novelkit.errors import InputError


@pytest.mark.parametrize(
    ("chapters", "expected"),
    [(5, (3, 1, 1)), (12, (10, 1, 1)), (16, (14, 1, 1)), (24, (20, 2, 2)), (120, (100, 10, 10))],
)
def test_the_last_chapters_are_held_out(chapters, expected):
    book = Novel("书", tuple(Chapter(f"第{i}章", (f"正文{i}" * 100,)) for i in range(chapters)))
    splits = split_novel(book)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == expected
    assert (*splits.train, *splits.validation, *splits.test) == book.chapters
    assert splits.gap_characters == 0 and splits.by_chapters
    assert [*chain(*splits.positions)] == list(range(chapters))


@given(st.integers(MINIMUM_CHAPTERS, 400))
def test_every_chapter_is_in_exactly_one_split(chapters):
    book = Novel("书", tuple(Chapter(f"第{i}章", (f"正文{i}" * 100,)) for i in range(chapters)))
    splits = split_novel(book)
    assert (*splits.train, *splits.validation, *splits.test) == book.chapters
    assert len(splits.train) > len(splits.validation) == len(splits.test) > 0


def paragraphs(part):
    return [line for chapter in part for line in chapter.paragraphs]


def test_a_book_without_chapters_is_cut_between_paragraphs_with_a_gap():
    lines = tuple(f"第{i:05d}段，" + "雪" * 40 for i in range(1200))
    splits = split_novel(Novel("书", (Chapter("", lines),)))
    train, validation, test = (
        paragraphs(part) for part in (splits.train, splits.validation, splits.test)
    )
    assert train == list(lines[: len(train)]) and test == list(lines[-len(test) :])
    begin = lines.index(validation[0])
    assert validation == list(lines[begin : begin + len(validation)])
    length = len(lines[0])
    for gap in (begin - len(train), lines.index(test[0]) - begin - len(validation)):
        assert GAP_CHARACTERS <= gap * length <= GAP_CHARACTERS + 2 * length
    total = sum(map(len, lines))
    kept = sum(map(len, (*train, *validation, *test)))
    assert splits.gap_characters == total - kept
    assert 0.8 < sum(map(len, train)) / total < 0.85


@given(
    st.lists(st.lists(st.integers(1, 300), min_size=1, max_size=40), min_size=1, max_size=4),
)
def test_under_five_chapters_order_is_kept_and_what_is_left_out_is_counted(sizes):
    book = Novel(
        "书",
        tuple(
            Chapter(f"第{i}章", tuple(f"{i}-{j}".ljust(size, "雪") for j, size in enumerate(lines)))
            for i, lines in enumerate(sizes)
        ),
    )
    everything = paragraphs(book.chapters)
    try:
        splits = split_novel(book)
    except InputError as error:
        assert "《书》" in str(error)
        return
    kept = [paragraphs(part) for part in (splits.train, splits.validation, splits.test)]
    assert all(kept)
    places = [everything.index(line) for part in kept for line in part]
    assert places == sorted(set(places))
    left_out = sum(map(len, everything)) - sum(len(line) for part in kept for line in part)
    assert splits.gap_characters == left_out
    for part, positions in zip(
        (splits.train, splits.validation, splits.test), splits.positions, strict=True
    ):
        titles = [chapter.title for chapter in part]
        assert len(titles) == len(set(titles))
        assert titles == [book.chapters[position].title for position in positions]
    assert not splits.by_chapters


@given(st.lists(st.integers(1, 900), min_size=30, max_size=200))
def test_between_the_parts_lies_at_least_the_gap(sizes):
    lines = tuple(f"{i}".ljust(size, "雪") for i, size in enumerate(sizes))
    total = sum(map(len, lines))
    try:
        splits = split_novel(Novel("书", (Chapter("", lines),)))
    except InputError:
        return
    starts = dict(zip(lines, accumulate(map(len, lines), initial=0), strict=False))
    parts = [paragraphs(part) for part in (splits.train, splits.validation, splits.test)]
    for before, after in pairwise(parts):
        end = starts[before[-1]] + len(before[-1])
        assert starts[after[0]] - end >= min(GAP_CHARACTERS, total // 50)


@pytest.mark.parametrize("lines", [("只有一段。",), ("一段。", "两段。"), ()])
def test_a_text_that_cannot_be_cut_is_refused(lines):
    with pytest.raises(InputError, match="更长"):
        split_novel(Novel("短", (Chapter("", lines),)))


def test_volumes_and_titles_stay_with_their_paragraphs():
    book = novel(3, paragraphs=40)
    splits = split_novel(book)
    titles = {chapter.title for part in (splits.train, splits.test) for chapter in part}
    assert titles <= {chapter.title for chapter in book.chapters}
    assert splits.test[-1].paragraphs[-1] == book.chapters[-1].paragraphs[-1]


def test_a_short_afterword_is_held_out_together_with_the_chapter_before_it():
    book = novel(12)
    afterword = Chapter("后记", ("写完了。",))
    splits = split_novel(Novel(book.title, (*book.chapters[:11], afterword), {}))
    assert splits.test == (book.chapters[10], afterword)
    assert splits.validation == (book.chapters[9],)
    assert splits.train == book.chapters[:9]
