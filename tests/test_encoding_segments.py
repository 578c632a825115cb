"""Stage 02, files of several encodings: their borders, and files of one that stay whole."""

import itertools
import os.path
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_encoding import sample

from novelkit.encoding import decode, detect

HEADER = "本书由某某书屋整理上传，仅供大家学习交流，请在二十四小时内删除。\r\n"


def parts_of(data):
    return [(part.start, part.end, part.encoding) for part in detect(data).segments]


def test_a_gbk_header_before_a_utf8_book():
    header, book = HEADER.encode("gb18030"), sample("simplified", 5000, 31).encode()
    assert parts_of(header + book) == [
        (0, len(header), "gb18030"),
        (len(header), len(header) + len(book), "utf-8"),
    ]
    found = detect(header + book)
    assert decode(header + book, found) == HEADER + book.decode()
    assert (found.encoding, found.damage) == ("utf-8", 0)
    assert any(f"第 0–{len(header)} 字节像是 gb18030" in line for line in found.evidence)


def test_utf8_appended_to_a_big5_file():
    book = sample("traditional", 8000, 32).rstrip("\n") + "\n"
    note = "掃描校對：一位讀者，如有錯字請見諒，歡迎轉載並註明出處。\n"
    data = book.encode("big5") + note.encode()
    assert decode(data) == book + note
    assert [codec for _, _, codec in parts_of(data)][-1] == "utf-8"
    assert len(parts_of(data)) == 2


@pytest.mark.parametrize("order", [*itertools.permutations(["gb18030", "utf-8", "utf-16-le"])])
def test_chapters_of_three_sources(order):
    texts = [sample("simplified", 4000, seed).rstrip("\n") + "\n" for seed in (33, 34, 35)]
    raw = [text.encode(codec) for text, codec in zip(texts, order, strict=True)]
    data = b"".join(raw)
    ends = list(itertools.accumulate(map(len, raw)))
    assert parts_of(data) == list(zip([0, *ends], ends, order, strict=False))
    assert decode(data) == "".join(texts)


def test_alternating_chapters():
    chapters = [
        (sample("simplified", 1500, 40 + n).strip() + "\n", ("gb18030", "utf-8")[n % 2])
        for n in range(9)
    ]
    data = b"".join(text.encode(codec) for text, codec in chapters)
    assert decode(data) == "".join(text for text, _ in chapters)
    assert len(parts_of(data)) == 9


def test_two_files_with_marks_one_after_the_other():
    first, second = sample("simplified", 900, 36), sample("simplified", 900, 37)
    data = first.encode("utf-8-sig") + second.encode("utf-8-sig")
    assert decode(data) == first + second
    assert [codec for _, _, codec in parts_of(data)] == ["utf-8-sig", "utf-8-sig"]


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_a_lost_byte_costs_one_unit_and_not_the_rest(codec):
    text = sample("simplified", 3000, 38)
    data = text.encode(codec)
    middle = len(data) // 2 // 4 * 4 + 1
    found = detect(data[:middle] + data[middle + 1 :])
    read = decode(data[:middle] + data[middle + 1 :], found)
    assert read[:1400] == text[:1400]
    assert read[-1400:] == text[-1400:]
    assert found.damage <= 2


@pytest.mark.parametrize("codec", ["utf-8", "gb18030", "utf-16-le", "hz"])
def test_one_damaged_stretch_is_no_segment(codec):
    data = bytearray(sample("simplified", 20_000, 39).encode(codec))
    for at in range(10_000, 10_060):
        data[at] = (at * 151 + 17) % 256
    found = detect(bytes(data))
    assert [part.encoding for part in found.segments] == [codec]
    assert found.damage > 0


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["utf-8", "gb18030", "utf-16-be", "utf-32-le", "hz"]),
    st.integers(20, 3000),
    st.integers(0, 10**6),
    st.text(alphabet="0123456789abcXYZ -=*<>/\n　□■①", max_size=80),
)
def test_a_file_of_one_encoding_is_one_segment(codec, length, seed, odd):
    text = sample("simplified", length, seed)
    text = (text[: length // 2] + odd + text[length // 2 :]).encode("gb2312", "ignore")
    data = text.decode("gb2312").encode(codec)
    assert parts_of(data) == [(0, len(data), codec)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=120) | st.sampled_from([
    HEADER.encode("gb18030"), HEADER.encode(), HEADER.encode("utf-16-le"),
    sample("traditional", 60, 1).encode("big5"),
]), min_size=1, max_size=6))  # fmt: skip
def test_segments_always_cover_the_file(parts):
    from novelkit.errors import InputError

    data = b"".join(parts)
    try:
        found = detect(data)
    except InputError:
        return
    borders = [0]
    for part in found.segments:
        assert part.start == borders[-1] < part.end
        borders.append(part.end)
    assert borders[-1] == len(data)
    expected = "".join(
        data[part.start : part.end].decode(part.encoding, "replace").removeprefix("\ufeff")
        for part in found.segments
    )
    assert decode(data, found) == expected
    assert found.characters == len(expected)


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("length", [64, 2000, 9000])
def test_the_step_is_found_again_right_behind_a_lost_byte(codec, length):
    text = sample("simplified", length, 77)
    data = text.encode(codec)
    for place in range(len(data) // 4, 3 * len(data) // 4, len(data) // 9 | 1):
        read = decode(data[:place] + data[place + 1 :])
        head = len(os.path.commonprefix([read, text]))
        tail = len(os.path.commonprefix([read[::-1], text[::-1]]))
        assert head + tail >= len(text) - 8, (place, head, tail)


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_nothing_is_mended_where_no_byte_was_lost(codec):
    for seed in range(20):
        generator = random.Random(seed)
        data = bytearray(sample("simplified", 120 + 40 * seed, seed).encode(codec))
        if seed % 2:
            for place in generator.sample(range(len(data)), max(1, len(data) // 100)):
                data[place] = generator.randrange(256)
        else:
            place = generator.randrange(len(data) - 16)
            data[place : place + 16] = bytes(16)
        found = detect(bytes(data))
        assert [part.encoding for part in found.segments] == [codec]
        assert decode(bytes(data), found) == bytes(data).decode(codec, "replace")
