"""Stage 02, mojibake: whole texts, stretches of good texts, scars, and good text left alone."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_encoding import misread, sample, saved_mojibake

from novelkit.encoding import decode, detect, repair, repair_stream

GOOD = sample("simplified", 1200, 51).rstrip("\n") + "\n"
GOOD_TRADITIONAL = sample("traditional", 1200, 52).rstrip("\n") + "\n"


def stretch_of(true, wrong, script="simplified"):
    """(text, its mojibake): lines that the wrong codec can read back."""
    lines = []
    for line in sample(script, 3000, 53).split("\n"):
        for end in range(len(line), 9, -1):
            try:
                bad = misread(line[:end], true, wrong)
                back = bad.encode(wrong).decode(true)
            except UnicodeError:
                continue
            if back == line[:end]:
                lines.append((line[:end], bad))
                break
        if len(lines) == 6:
            break
    return "\n".join(good for good, _ in lines), "\n".join(bad for _, bad in lines)


@pytest.mark.parametrize(
    ("true", "wrong", "script"),
    [
        ("utf-8", "latin-1", "simplified"),
        ("gb18030", "latin-1", "simplified"),
        ("big5", "latin-1", "traditional"),
        ("utf-8", "gb18030", "simplified"),
        ("gb18030", "big5hkscs", "simplified"),
        ("big5", "gb18030", "traditional"),
    ],
)
def test_a_pasted_stretch_is_found_and_only_it_is_repaired(true, wrong, script):
    was, bad = stretch_of(true, wrong, script)
    around = GOOD if script == "simplified" else GOOD_TRADITIONAL
    text = around + bad + "\n" + around
    fixed = repair(text)
    assert fixed.text == around + was + "\n" + around
    assert fixed.how is not None and "被当成" in fixed.how
    assert all(part.start >= len(around) - 1 for part in fixed.stretches)
    data = text.encode()
    found = detect(data)
    assert found.mojibake is None and found.encoding == "utf-8"
    first, last = found.mojibake_stretches[0], found.mojibake_stretches[-1]
    start, end = len(around.encode()), len((around + bad).encode())
    assert abs(first.start - start) <= 3 and abs(last.end - end) <= 3
    assert any("乱码" in line for line in found.evidence)


def test_a_stretch_saved_by_a_browser():
    was = sample("simplified", 200, 54).rstrip("\n")
    bad = saved_mojibake(was.encode(), "cp1252").decode()
    assert repair(GOOD + bad + "\n" + GOOD).text == GOOD + was + "\n" + GOOD


def test_the_stream_repairs_like_the_whole():
    was, bad = stretch_of("utf-8", "latin-1")
    text = (GOOD + bad + "\n") * 3 + GOOD
    pieces = [text[start : start + 777] for start in range(0, len(text), 777)]
    repaired = list(repair_stream(pieces, 2000))
    assert len(repaired) > 1
    assert "".join(piece.text for piece in repaired) == (GOOD + was + "\n") * 3 + GOOD


@pytest.mark.parametrize(
    "scar", ["锟斤拷锟斤拷", "烫烫烫烫", "屯屯屯屯", "????????", "\ufffd\ufffd"]
)
def test_scars_are_counted_and_left_alone(scar):
    text = GOOD + scar + GOOD
    found = detect(text.encode())
    assert sum(found.lost.values()) >= 1
    assert any("无法还原" in line for line in found.evidence)
    assert repair(text).text == text
    assert decode(text.encode(), found) == text


def test_a_text_that_lost_characters_on_the_way_is_not_called_reversible():
    text = sample("simplified", 3000, 55)
    bad = text.encode().decode("big5hkscs", "replace")
    found = detect(bad.encode())
    assert found.mojibake is not None
    assert "不能还原" in found.mojibake or repair(bad).how is not None
    assert found.confidence <= 0.5


@pytest.mark.parametrize("wrong", ["gb18030", "big5hkscs", "utf-8"])
@pytest.mark.parametrize("size", [40, 80, 300, 3000])
def test_a_text_full_of_old_replacement_marks_is_still_utf_8(wrong, size):
    for seed in range(12):
        raw = sample("traditional", size, seed).encode("utf-8" if wrong != "utf-8" else "gb18030")
        text = raw.decode(wrong, "replace")
        found = detect(text.encode("utf-8"))
        assert (found.encoding, found.damage) == ("utf-8", 0)
        assert found.lost.get("\ufffd", 0) == text.count("\ufffd")
        assert decode(text.encode("utf-8"), found) == text


def test_old_marks_and_new_damage_are_counted_apart():
    data = (GOOD + "\ufffd\ufffd" + GOOD).encode("utf-8") + b"\xff\xfe\xff" + GOOD.encode("utf-8")
    found = detect(data)
    assert (found.damage, found.lost) == (1, {"\ufffd": 2})
    damaged = detect(GOOD.encode("utf-8") + b"\xff\xfe\xff" + GOOD.encode("utf-8"))
    assert (damaged.damage, damaged.lost) == (1, {})


ODD = st.text(
    alphabet="的一是在不了有和人这，。“”？！\n ÄäÖöÜüßéèàçñ¿¡§©®°±µ¶·½«»"
    "ĀāБбДдさのアイ가나①②㈠★→■□℃％ABCabc123",
    max_size=150,
)


@settings(max_examples=150, deadline=None)
@given(ODD, st.integers(0, 10**6))
def test_odd_characters_in_good_text_stay(odd, seed):
    text = sample("simplified", 300, seed) + odd + sample("traditional", 300, seed)
    assert repair(text).text == text


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["simplified", "traditional"]), st.integers(0, 4000), st.integers(0, 10**6))
def test_good_text_is_found_free_of_mojibake(script, length, seed):
    text = sample(script, length, seed)
    assert repair(text).text == text
    if text:
        found = detect(text.encode())
        assert (found.mojibake, found.mojibake_stretches) == (None, ())
