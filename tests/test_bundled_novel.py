"""The bundled novel: its files agree with its chapters, and its dirty twin comes back clean."""

import difflib
import re
from pathlib import Path

import pytest
from helpers_assets import script

from novelkit.cleaning import clean
from novelkit.encoding import decode, detect

FOLDER = Path(__file__).resolve().parent.parent / "assets" / "novel"


@pytest.fixture(scope="module")
def maker():
    return script("novel/make_raw.py")


@pytest.fixture(scope="module")
def book(maker):
    return maker.read_chapters(FOLDER)


@pytest.fixture(scope="module")
def raw_bytes():
    return (FOLDER / "raw.txt").read_bytes()


@pytest.fixture(scope="module")
def cleaned(raw_bytes):
    return clean(decode(raw_bytes), source={"file": "raw.txt"})


def similarity(left: str, right: str) -> float:
    """Share of equal characters, paragraph by paragraph so that difflib stays fast."""
    if left == right:
        return 1.0
    pairs = difflib.SequenceMatcher(None, left.split("\n"), right.split("\n"), autojunk=False)
    equal = 0
    for tag, a, b, c, d in pairs.get_opcodes():
        # With their newlines, so that a joined or split paragraph costs something too.
        one = "".join(line + "\n" for line in left.split("\n")[a:b])
        other = "".join(line + "\n" for line in right.split("\n")[c:d])
        if tag == "equal":
            equal += len(one)
        else:
            inner = difflib.SequenceMatcher(None, one, other, autojunk=False)
            equal += sum(block.size for block in inner.get_matching_blocks())
    return 2 * (equal - 1) / (len(left) + len(right))


def test_similarity_counts_characters():
    assert similarity("甲乙\n丙丁", "甲乙\n丙丁") == 1.0
    assert similarity("甲乙丙丁" * 50, "甲乙丙丁" * 49 + "甲乙丙戊") == pytest.approx(199 / 200)
    assert similarity("甲乙", "丙丁") < 0.5


def test_the_novel_is_long_enough_and_purely_chinese(book):
    title, chapters = book
    text = (FOLDER / "novel.txt").read_text(encoding="utf-8")
    assert title
    assert len(chapters) >= 12
    assert len(text) >= 30_000
    assert not re.search("[A-Za-zＡ-Ｚａ-ｚ\ufffd\r\t]", text)
    headings = [heading for heading, _ in chapters]
    assert len(set(headings)) == len(headings)
    assert all(re.match("第[一二三四五六七八九十]+章　", heading) for heading in headings)


def test_quotes_are_balanced(book):
    _, chapters = book
    for heading, paragraphs in chapters:
        for paragraph in paragraphs:
            for opening, closing in ("“”", "‘’", "《》", "（）"):
                assert paragraph.count(opening) == paragraph.count(closing), (heading, paragraph)


def test_novel_txt_is_the_chapters(maker, book):
    _, chapters = book
    assert (FOLDER / "novel.txt").read_bytes() == maker.clean_text(chapters).encode("utf-8")


def test_raw_txt_is_what_make_raw_makes(maker, book, raw_bytes):
    assert maker.make_raw(*book).data == raw_bytes


def test_raw_is_as_dirty_as_promised(raw_bytes):
    text = raw_bytes.decode("gb18030", "replace")
    assert "\r\n" in text and "\n" not in text.replace("\r\n", "")
    for dirt in (
        "ｗｗｗ．ｅｘａｍｐｌｅ．ｃｏｍ",
        "&nbsp;",
        "&ldquo;",
        "&mdash;",
        "目　录",
        "本章字数",
    ):
        assert dirt in text
    with pytest.raises(UnicodeDecodeError):
        raw_bytes.decode("utf-8")


def test_detect_counts_the_planted_damage(maker, book, raw_bytes):
    planted = maker.make_raw(*book).damaged
    detection = detect(raw_bytes)
    assert detection.encoding == "gb18030"
    assert 3 <= len(planted) <= 5
    assert detection.damage == len(planted)
    assert all(raw_bytes[place] == 0xFF for place in planted)


def test_the_bundled_novel_is_not_called_mojibake(raw_bytes):
    files = [(FOLDER / "novel.txt"), *sorted((FOLDER / "chapters").glob("*.txt"))]
    assert [detect(file.read_bytes()).mojibake for file in files] == [None] * len(files)
    assert detect(raw_bytes).mojibake is None
    # The same file opened in the wrong way and saved again, its damaged bytes included.
    saved = detect(raw_bytes.decode("latin-1").encode())
    assert (saved.encoding, saved.mojibake is not None) == ("utf-8", True)


def test_every_chapter_comes_back(book, cleaned):
    title, chapters = book
    novel, _ = cleaned
    assert novel.title == title
    assert [chapter.title for chapter in novel.chapters] == [heading for heading, _ in chapters]
    for chapter, (heading, paragraphs) in zip(novel.chapters, chapters, strict=True):
        truth = f"{heading}\n\n" + "\n".join(paragraphs)
        assert similarity(chapter.text, truth) >= 0.995, heading


def test_paragraphs_are_neither_joined_nor_split(book, cleaned):
    _, chapters = book
    novel, _ = cleaned
    expected = [len(paragraphs) for _, paragraphs in chapters]
    assert [len(chapter.paragraphs) for chapter in novel.chapters] == expected


def test_nothing_of_the_site_remains(cleaned):
    novel, report = cleaned
    assert not re.search("[A-Za-zａ-ｚ&]", novel.text)
    removed = sum(rule.removed_characters for rule in report.rules)
    assert removed == report.characters_before - report.characters_after
    changes = {rule.name: rule.changes for rule in report.rules}
    for name in ("newlines", "entities", "advertisements", "separators", "contents", "unwrap"):
        assert changes[name] > 0, name
