"""What `prepare` refuses of a book's bytes, and what it only counts."""

import pytest
from test_encoding import sample

from novelkit.download.books import RawBook
from novelkit.errors import InputError
from novelkit.pipeline.reading import Task, read_novel

GOOD = sample("simplified", 3000, 95)


def read(text):
    raw = RawBook("书.txt", text.encode("utf-8"))
    return read_novel(Task(raw, "书.txt", True))


def refused(text):
    with pytest.raises(InputError) as caught:
        read(text)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_reversible_mojibake_is_sent_to_repair():
    said = refused(GOOD.encode("utf-8").decode("latin-1"))
    assert "可以还原" in said and "novelkit inspect 书.txt --repair" in said


def test_mojibake_that_lost_characters_is_not():
    said = refused(GOOD.encode("utf-8").decode("big5hkscs", "replace"))
    assert "--repair" not in said and "找不回来" in said and "换一份" in said


@pytest.mark.parametrize("scar", ["\ufffd\ufffd", "锟斤拷", "????"])
def test_a_text_that_is_mostly_scars_is_refused_with_their_number(scar):
    clauses = "\n".join(line[:6] + scar * 12 for line in GOOD.split("\n") if line)
    said = refused(clauses)
    assert "丢失" in said and "换一份" in said and "--repair" not in said


@pytest.mark.parametrize("scar", ["\ufffd\ufffd", "锟斤拷", "????"])
def test_scars_in_a_good_text_are_counted_and_kept(scar):
    cleaned = read(GOOD + scar * 3 + "\n" + GOOD)
    assert sum(cleaned.detection.lost.values()) >= 3
    assert cleaned.detection.mojibake is None
