"""Stage 02, decoding: places of damage, pieces of every size, open files, flat memory."""

import io
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_encoding import sample

from novelkit.encoding import Detection, Segment, decode, decode_stream, detect
from novelkit.errors import InputError

CODECS = (
    "utf-8",
    "utf-8-sig",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "utf-32",
    "utf-32-le",
    "utf-32-be",
    "gb18030",
    "big5hkscs",
    "cp950",
    "hz",
    "cp1252",
)
PARTS = st.lists(
    st.one_of(
        st.binary(max_size=6),
        st.text(max_size=6),
        st.sampled_from(["~{", "~}", "~", "~~", "\n", "中文，", "\ufeff", "\ufffd"]),
    ),
    max_size=10,
)


def as_bytes(parts, codec):
    return b"".join(
        part if isinstance(part, bytes) else part.encode(codec, "ignore") for part in parts
    )


def answer(*segments):
    """A detection with these segments and nothing else."""
    return Detection(segments[0].encoding, 1.0, (), (), segments, 0)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(CODECS), PARTS, st.integers(1, 9))
def test_pieces_of_every_size_are_the_plain_decode(codec, parts, chunk):
    data = as_bytes(parts, codec)
    found = answer(Segment(0, len(data), codec))
    expected = data.decode(codec, "replace").removeprefix("\ufeff")
    assert "".join(decode_stream(io.BytesIO(data), found, chunk)) == expected
    assert decode(data, found) == expected


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(CODECS), PARTS), min_size=1, max_size=3), st.integers(1, 9)
)
def test_segments_are_decoded_one_by_one(pieces, chunk):
    data, segments, expected = b"", [], ""
    for codec, parts in pieces:
        raw = as_bytes(parts, codec)
        segments.append(Segment(len(data), len(data) + len(raw), codec))
        data += raw
        expected += raw.decode(codec, "replace").removeprefix("\ufeff")
    assert "".join(decode_stream(io.BytesIO(data), answer(*segments), chunk)) == expected


@pytest.mark.parametrize("codec", ["utf-8", "gb18030", "utf-16-le", "hz", "utf-8-sig"])
def test_an_open_file_is_answered_like_its_bytes(codec, tmp_path):
    data = bytearray(sample("simplified", 30_000, 21).encode(codec))
    data[20_001] = 0xFF
    path = tmp_path / "book.txt"
    path.write_bytes(data)
    with path.open("rb") as file:
        found = detect(file)
        assert file.tell() == 0
        assert found == detect(bytes(data))
        text = "".join(decode_stream(file, found, 1000))
    assert text == decode(bytes(data), found)
    assert found.characters == len(text)


def test_a_source_that_cannot_seek_is_refused():
    class Pipe(io.BytesIO):
        def seekable(self):
            return False

    with pytest.raises(InputError):
        detect(Pipe("你好".encode()))


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "gb18030"])
def test_the_places_of_damage_are_byte_ranges(codec):
    data = bytearray(sample("simplified", 20_000, 22).encode(codec))
    lines = [at + 1 for at in range(len(data) - 2) if data[at] == 0x0A]
    places = lines[10:200:30]
    for place in places:
        data[place : place + 2] = b"\xff\xff"  # a character at a line start
    found = detect(bytes(data))
    for place in places:
        assert any(start <= place < end for start, end in found.damage_positions)
    assert found.damage == len(found.damage_positions) >= len(places)
    for start, end in found.damage_positions:
        assert "\ufffd" in bytes(data[start:end]).decode(codec, "replace")


def test_adjacent_damage_across_slices_is_one_place_and_a_thousand_are_kept():
    text = sample("simplified", 120_000, 23).encode()
    data = text[:4095] + b"\xff\xff\xff" + text[4095:]
    start = detect(data).damage_positions[0][0]
    assert start <= 4096 and detect(data).damage <= 2
    many = b"".join(line + b"\xff\n" for line in text.split(b"\n") if line)
    found = detect(many)
    assert found.damage == many.count(b"\xff") > 1000
    assert len(found.damage_positions) == 1000


MEMORY = """
import resource, sys
from novelkit.encoding import decode_stream, detect
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
with open(sys.argv[1], "rb") as file:
    small = open(sys.argv[2], "rb")
    found = detect(small)
    sum(map(len, decode_stream(small, found)))
    before = peak()
    found = detect(file)
    characters = sum(map(len, decode_stream(file, found)))
assert characters == found.characters
print(found.encoding, len(found.segments), peak() - before)
"""


def peak_growth(tmp_path: Path, megabytes: int, codec: str) -> tuple[str, int, float]:
    """(encoding, segments, MB that the peak grew over that of a small file) in a new process."""
    script = "traditional" if codec == "big5" else "simplified"
    piece = sample(script, 200_000, 24).encode(codec)
    small, large = tmp_path / "small.txt", tmp_path / "large.txt"
    small.write_bytes(piece)
    with large.open("wb") as file:
        for _ in range(megabytes * 1_000_000 // len(piece)):
            file.write(piece)
        file.write(b"\xff\xff\n" * 5)
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(large), str(small)],
        capture_output=True,
        check=True,
        text=True,
        encoding="utf-8",
        cwd=Path(__file__).resolve().parent.parent,
    )
    encoding, segments, growth = done.stdout.split()
    return encoding, int(segments), float(growth)


@pytest.mark.skipif(sys.platform == "win32", reason="no getrusage there")
@pytest.mark.parametrize("codec", ["utf-8", "gb18030"])
def test_memory_does_not_grow_with_the_file(tmp_path, codec):
    encoding, segments, growth = peak_growth(tmp_path, 30, codec)
    assert (encoding, segments) == (codec, 1)
    assert growth < 24


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no getrusage there")
@pytest.mark.parametrize("codec", ["utf-8", "gb18030", "utf-16-le", "big5"])
def test_memory_does_not_grow_with_a_large_file(tmp_path, codec):
    growth = peak_growth(tmp_path, 400, codec)[2]
    assert growth < 64


def test_many_lost_and_replaced_bytes_end_in_time():
    chance = random.Random(25)
    for codec in ("utf-16-le", "utf-16-be", "utf-32-le", "gb18030", "utf-8"):
        for size in (100, 300, 3000):
            for _ in range(4):
                data = bytearray(sample("simplified", size, size).encode(codec))
                del data[chance.randrange(len(data))]
                data[chance.randrange(len(data))] = chance.randrange(256)
                found = detect(bytes(data))
                assert found.segments[0].start == 0 and found.segments[-1].end == len(data)
