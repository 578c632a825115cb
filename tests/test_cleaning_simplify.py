"""Stage 03, traditional to simplified: counted, off by default, and a clear line without OpenCC."""

import sys
import types

import pytest
from helpers_cleaning import book

from novelkit.cleaning import clean
from novelkit.cleaning.edits import Edits
from novelkit.cleaning.simplify import simplify
from novelkit.errors import InputError

TEXT = "第一章　雪後\n\n他從頭髮裡看見了後來的事，說：「這是什麼？」"


def test_every_changed_character_is_counted():
    pytest.importorskip("opencc")
    edits = Edits()
    after = simplify(TEXT, edits)
    assert after == "第一章　雪后\n\n他从头发里看见了后来的事，说：「这是什么？」"
    assert edits.count == sum(one != other for one, other in zip(TEXT, after, strict=True))
    assert len(edits.examples) == 3


def test_it_is_a_rule_that_must_be_asked_for():
    pytest.importorskip("opencc")
    assert clean(TEXT)[0].text == TEXT
    novel, report = clean(TEXT, rules=["simplify"])
    assert novel.chapters[0].title == "第一章　雪后"
    assert report.rules[0].changes == 11


def test_a_simplified_book_is_left_alone():
    pytest.importorskip("opencc")
    edits = Edits()
    assert simplify(book(), edits) == book()
    assert edits.count == 0


def test_without_opencc_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "opencc", None)
    with pytest.raises(InputError, match="pip install opencc"):
        clean(TEXT, rules=["simplify"])
    assert clean(TEXT)[0].text == TEXT


def test_two_packages_of_one_name_are_told_apart(monkeypatch):
    def broken(configuration):
        raise OSError(configuration)

    module = types.ModuleType("opencc")
    module.OpenCC = broken
    monkeypatch.setitem(sys.modules, "opencc", module)
    with pytest.raises(InputError, match="opencc-python-reimplemented"):
        clean(TEXT, rules=["simplify"])
