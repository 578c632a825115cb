"""Copied passages against brute force: verbatim, complete, maximal.

The share is that of the characters that stand in at least one passage of `at_least` or more
characters that occurs in the training text.
"""

import tracemalloc

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from novelkit.copying import AT_LEAST, find_copies, passages
from novelkit.copying.reading import read_pieces
from novelkit.errors import InputError

small = st.text("ab", max_size=40) | st.text("abc", max_size=40)


def brute_passages(text, training, at_least):
    """All (start, end) of maximal common substrings, by trying every one."""
    common = {
        (start, end)
        for start in range(len(text))
        for end in range(start + at_least, len(text) + 1)
        if text[start:end] in training
    }
    return {
        (start, end)
        for start, end in common
        if (start - 1, end) not in common and (start, end + 1) not in common
    }


@settings(deadline=None, max_examples=400)
@given(small, small, st.integers(1, 6))
# The second passage begins inside of the first: it must not lose its beginning.
@example("abcdefghij", "abcdef__cdefghij", 4)
# The longest one begins after the first window, at another place.
@example("aabab", "babxaab", 2)
def test_passages_are_those_of_brute_force(text, training, at_least):
    check_against_brute_force(find_copies(text, training, at_least), text, training, at_least)


def check_against_brute_force(report, text, training, at_least):
    expected = brute_passages(text, training, at_least)
    assert {(passage.start, passage.end) for passage in report.passages} == expected
    for passage in report.passages:
        assert passage.text == text[passage.start : passage.end]
        assert training.find(passage.text) == passage.source
    covered = {place for start, end in expected for place in range(start, end)}
    assert report.copied_characters == len(covered)
    assert report.share == (len(covered) / len(text) if text else 0.0)
    lengths = [len(passage.text) for passage in report.passages]
    assert lengths == sorted(lengths, reverse=True)
    longest = max((end - start for start, end in expected), default=0)
    assert len(report.longest.text if report.longest else "") == longest


@settings(deadline=None, max_examples=400)
@given(small, small, st.integers(1, 6), st.integers(1, 8))
# A passage of the whole text that begins at the last character of a piece.
@example("aab", "bbbaab", 2, 4)
def test_passages_across_the_borders_of_pieces(text, training, at_least, piece):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passages, "PIECE", piece)
        report = find_copies(text, training, at_least)
    check_against_brute_force(report, text, training, at_least)
    assert report == find_copies(text, training, at_least)


@settings(deadline=None, max_examples=100)
@given(st.text("a雪😀\r\n", max_size=30), st.text("a雪😀\r\n", max_size=80), st.integers(1, 8))
def test_a_file_is_searched_as_its_text_is(tmp_path_factory, text, training, piece):
    path = tmp_path_factory.mktemp("training") / "train.txt"
    path.write_bytes(training.encode("utf-8"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passages, "PIECE", piece)
        report = find_copies(text, path, at_least=2)
    assert report == find_copies(text, training, at_least=2)


@settings(deadline=None)
@given(st.text("ab雪", max_size=60), st.integers(1, 9), st.integers(0, 9))
def test_pieces_overlap_and_are_no_longer_than_asked(tmp_path_factory, text, step, overlap):
    path = tmp_path_factory.mktemp("training") / "train.txt"
    path.write_text(text, encoding="utf-8")
    expected = {at: text[at : at + step + overlap] for at in range(0, len(text), step)}
    for training in (text, path):
        found = dict(read_pieces(training, step, overlap))
        pieces = {at: "".join(map(chr, points)) for at, points in found.items()}
        # A file ends where nothing is left to read: a piece that holds nothing new may be missing.
        assert pieces.items() <= expected.items()
        assert all(at + overlap >= len(text) for at in expected.keys() - pieces.keys())


def test_a_file_that_is_no_text_is_refused(tmp_path):
    with pytest.raises(InputError, match="没有找到"):
        find_copies("天亮以前", tmp_path / "none.txt", at_least=2)
    path = tmp_path / "gbk.txt"
    path.write_bytes("天亮以前".encode("gbk"))
    with pytest.raises(InputError, match="UTF-8"):
        find_copies("天亮以前", path, at_least=2)


def test_memory_does_not_grow_with_the_training_text(tmp_path):
    path = tmp_path / "train.txt"
    text = "天亮以前，渡口上只有一盏灯还亮着。"
    peaks = []
    for pieces in (2, 6):
        path.write_text("山" * (pieces * passages.PIECE) + text, encoding="utf-8")
        tracemalloc.start()
        assert find_copies(text, path).share == 1
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert max(peaks) < 60 * passages.PIECE
    assert abs(peaks[1] - peaks[0]) < 0.1 * peaks[0]


@settings(max_examples=50)
@given(st.text(max_size=60), st.text(max_size=20), st.text(max_size=20))
def test_a_recited_text_is_copied_whole(text, before, after):
    report = find_copies(text, before + text + after, at_least=1)
    assert report.share == (1.0 if text else 0.0)


def test_new_text_is_not_copied():
    report = find_copies("春眠不觉晓，处处闻啼鸟。夜来风雨声", "白日依山尽，黄河入海流。欲穷千里目")
    assert (report.share, report.passages, report.longest) == (0.0, (), None)
    assert report.at_least == AT_LEAST and report.characters == 17


def test_a_shared_passage_just_below_the_limit_does_not_count():
    training = "他走到桥头，停了下来，回头看了看那条街。"
    below, enough = training[: AT_LEAST - 1] + "天", training[:AT_LEAST] + "天"
    assert find_copies(below, training).share == 0
    assert find_copies(enough, training).copied_characters == AT_LEAST


@pytest.mark.parametrize(("text", "training"), [("", ""), ("", "有"), ("有", "")])
def test_empty_texts_share_nothing(text, training):
    report = find_copies(text, training, at_least=1)
    assert (report.share, report.longest) == (0.0, None)


def test_surrogates_and_characters_outside_of_the_first_plane():
    text = "😀\ud800𠮷\0" * 5
    report = find_copies("前" + text, text + "后", at_least=4)
    assert report.longest.text == text and report.longest.start == 1


def test_the_first_place_in_the_training_text_is_named():
    report = find_copies("甲乙丙丁", "一甲乙丙丁二甲乙丙丁", at_least=3)
    assert [(passage.start, passage.source) for passage in report.passages] == [(0, 1)]


def test_texts_that_break_polynomial_hashes_are_told_apart():
    """Thue-Morse words of 2**11 letters collide modulo 2**64 for every odd multiplier."""
    word, other = "a", "b"
    for _ in range(11):
        word, other = word + other, other + word
    assert find_copies(word, other, at_least=len(word)).passages == ()
    assert find_copies(word, other + word, at_least=len(word)).share == 1


def test_a_long_repetition_is_one_passage():
    report = find_copies("哈" * 3000, "哈" * 5000)
    assert [(passage.start, passage.end) for passage in report.passages] == [(0, 3000)]


def test_a_passage_longer_than_the_blocks_that_are_compared():
    """Lengths grow by doubling blocks; the ends of texts and of passages stop them."""
    body = "".join(chr(0x4E00 + number * number % 7919) for number in range(3000))
    for text, training in ((body, "前" + body + "后"), ("前" + body + "后", body), (body, body)):
        (passage,) = find_copies(text, training).passages
        assert passage.text == body
        assert text[passage.start : passage.end] == training[passage.source :][: len(body)]


def test_the_best_of_many_places_is_found():
    """A line that stands a thousand times, once with the words around it."""
    line = "－" * 20
    training = (line + "\n甲") * 500 + "雪" + line + "\n乙，" + (line + "\n丙") * 500
    report = find_copies("他说雪" + line + "\n乙，走了", training)
    assert report.longest.text == "雪" + line + "\n乙，"
    assert report.longest.source == training.index("雪")


@pytest.mark.parametrize("at_least", [0, -1])
def test_a_limit_below_one_is_refused(at_least):
    with pytest.raises(ValueError):
        find_copies("甲", "甲", at_least)
