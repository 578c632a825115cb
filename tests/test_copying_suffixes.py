"""The suffix array against naive search: where a passage stands, and what follows there."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from novelkit.copying import SuffixArray

# Few characters, so that passages stand in several places; from the ends of Unicode, too.
ALPHABET = "ab雪😀\0\uffff\U0010ffff"
quick = settings(deadline=None, max_examples=200)
small = st.one_of(
    st.text("ab", max_size=40), st.text("abc", max_size=60), st.text(ALPHABET, max_size=40)
)
depths = st.integers(1, 9)


def places_of(text, passage):
    """Every place of a passage, overlapping ones too, by looking at each."""
    return [at for at in range(len(text)) if text.startswith(passage, at)]


def found(array, passage):
    entries = array.find(passage)
    return sorted(array.places[entries.start : entries.stop].tolist())


@quick
@given(small, st.text(ALPHABET + "c", max_size=9))
@example("", "a")
@example("a", "aa")
@example("ab", "b")
@example("aaaaaaaaa", "aaaa")
@example("雪\0", "雪")
def test_a_passage_stands_where_naive_search_finds_it(text, passage):
    array = SuffixArray.build(text)
    assert found(array, passage) == places_of(text, passage)
    assert (passage in array) == (passage in text and text != "")


@quick
@given(small, st.data())
def test_passages_of_the_text_itself_are_found_also_at_its_end(text, data):
    array = SuffixArray.build(text)
    start = data.draw(st.integers(0, len(text)))
    passage = text[start : start + array.depth]
    if passage:
        assert passage in array and start in found(array, passage)
    assert found(array, text[-3:]) == places_of(text, text[-3:])
    # One character more than the text has stands nowhere.
    assert text[-3:] + "z" not in array


@quick
@given(small, depths)
def test_places_are_ordered_by_so_many_characters(text, depth):
    """Of places where the same stands, the order is free."""
    array = SuffixArray.build(text, depth)
    assert array.depth == depth and array.text == text
    assert sorted(array.places.tolist()) == list(range(len(text)))
    standing = [text[at : at + depth] for at in array.places.tolist()]
    assert standing == sorted(text[at : at + depth] for at in range(len(text)))


@quick
@given(small, depths, st.data())
def test_a_shallow_array_finds_what_it_is_ordered_by(text, depth, data):
    array = SuffixArray.build(text, depth)
    passage = data.draw(st.text("ab雪", max_size=depth))
    assert found(array, passage) == places_of(text, passage)


@quick
@given(small, st.text("ab雪", min_size=1, max_size=3), st.integers(0, 4), st.integers(1, 4))
def test_what_follows_is_what_stands_there(text, passage, skip, length):
    array = SuffixArray.build(text)
    following = array.following(array.find(passage), skip, length)
    expected = {
        text[at + skip : at + skip + length]
        for at in places_of(text, passage)
        if at + skip + length <= len(text)
    }
    assert following == expected


def test_nothing_follows_the_end_or_a_passage_that_stands_nowhere():
    array = SuffixArray.build("天还没有亮")
    assert array.following(array.find("亮"), 1, 1) == set()
    assert array.following(array.find("有亮"), 1, 1) == {"亮"}
    assert array.following(array.find("有亮"), 1, 2) == set()
    assert array.following(array.find("雪"), 1, 1) == set()
    assert array.following(array.find(""), 0, 4) == {"天还没有", "还没有亮"}


@pytest.mark.parametrize("text", ["", "雪", "雪夜", "雪夜雪"])
@pytest.mark.parametrize("depth", [1, 2, 3, 48])
def test_the_shortest_texts(text, depth):
    array = SuffixArray.build(text, depth)
    for start in range(len(text)):
        for end in range(start + 1, min(len(text), start + depth) + 1):
            assert found(array, text[start:end]) == places_of(text, text[start:end])
    assert "灯" not in array and len(array.find("")) == len(text)


@pytest.mark.parametrize("depth", [1, 3, 48])
def test_a_passage_longer_than_the_depth_is_refused(depth):
    array = SuffixArray.build("雪" * 100, depth)
    assert len(array.find("雪" * depth)) == 100 - depth + 1
    for ask in (array.find, array.__contains__):
        with pytest.raises(ValueError, match=f"{depth + 1} characters.*{depth}"):
            ask("雪" * (depth + 1))


def test_a_lone_surrogate_is_a_character_like_others():
    text = "雪\ud800夜\udfff雪\ud800"
    array = SuffixArray.build(text)
    for passage in ("\ud800", "雪\ud800", "\udfff雪", "\ud800夜", "\ud801"):
        assert found(array, passage) == places_of(text, passage)


def test_characters_outside_of_the_first_plane_are_ordered_as_python_orders_them():
    """By code points: a surrogate pair of UTF-16 would stand before U+FFFF."""
    text = "\uffff😀𠮷\ue000\U0010ffffz"
    array = SuffixArray.build(text)
    assert [text[at] for at in array.places.tolist()] == sorted(text)


@pytest.mark.parametrize("period", [1, 2, 7, 48, 49])
def test_a_text_that_repeats_itself(period):
    """Doubling never tells its places apart, and ends all the same."""
    text = "".join(chr(0x4E00 + at % period) for at in range(300))
    array = SuffixArray.build(text)
    for start in (0, 3, 250, 299):
        for length in (1, 3, 4, 47, 48):
            passage = text[start : start + length]
            assert found(array, passage) == places_of(text, passage)


def test_a_long_passage_is_told_from_one_that_differs_at_its_end():
    """At every length up to the depth: doubling compares 3, 6, 12, 24 and 48 characters."""
    line = "".join(chr(0x4E00 + at) for at in range(60))
    for length in range(1, 49):
        text = line[:length] + "甲" + line[: length - 1] + "乙"
        array = SuffixArray.build(text)
        assert found(array, line[:length]) == places_of(text, line[:length])
        assert line[: length - 1] + "乙" in array
        assert line[: length - 1] + "雪" not in array
