"""Stage 09: a manuscript as text, Markdown, EPUB and Word, read again by others."""

import builtins
import re
import zipfile
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novelkit.download import read_books
from novelkit.errors import InputError
from novelkit.writing import export

TEXT = (
    "第一章 雪夜\n\n那年冬天，老周在河边站了一夜。\n“你来了？”他说。\n\n"
    "第二章 归人\n\n*星号* 与 <尖括号> & 1. 项\n- 破折\n"
)
XHTML = "{http://www.w3.org/1999/xhtml}"


def test_text_keeps_every_character(tmp_path):
    path = export(TEXT, tmp_path / "稿子.txt")
    assert path.read_bytes().decode("utf-8") == TEXT
    # A last line without its end gets one.
    assert export("雪", tmp_path / "b.txt").read_bytes() == "雪\n".encode()


def test_markdown_has_headings_and_shows_marks_as_they_are(tmp_path):
    text = export(TEXT, tmp_path / "稿子.md", "雪河", "某人").read_text(encoding="utf-8")
    headings = re.findall(r"^(#+) (.+)$", text, re.MULTILINE)
    assert headings == [("#", "雪河"), ("##", "第一章　雪夜"), ("##", "第二章　归人")]
    assert r"\*星号\* 与 \<尖括号\> \& 1. 项" in text
    assert "\n\\- 破折\n" in text
    assert "\n\n“你来了？”他说。\n\n" in text


@pytest.mark.parametrize("line", ["1. 一", "12) 二", "+ 三", "- 四", "# 五", "> 六"])
def test_no_paragraph_becomes_a_list_or_a_heading(tmp_path, line):
    text = export(f"开头。\n{line}", tmp_path / "a.md", "书").read_text(encoding="utf-8")
    shown = text.split("\n\n")[2].strip()
    assert re.match(r"(\d+)?\\", shown), shown


def test_an_epub_is_read_again_chapter_by_chapter(tmp_path):
    path = export(TEXT, tmp_path / "稿子.epub", "雪河 & <上>", "某人")
    with zipfile.ZipFile(path) as book:
        first = book.infolist()[0]
        assert (first.filename, first.compress_type) == ("mimetype", zipfile.ZIP_STORED)
        assert book.read("mimetype") == b"application/epub+zip"
        package = ElementTree.fromstring(book.read("EPUB/package.opf"))
        listed = [item.get("href") for item in package.iter("{http://www.idpf.org/2007/opf}item")]
        assert listed == ["nav.xhtml", "chapter-0001.xhtml", "chapter-0002.xhtml"]
        assert {f"EPUB/{name}" for name in listed} <= set(book.namelist())
        page = ElementTree.fromstring(book.read("EPUB/chapter-0002.xhtml"))
        paragraphs = [item.text for item in page.iter(f"{XHTML}p")]
        assert paragraphs == ["*星号* 与 <尖括号> & 1. 项", "- 破折"]
        nav = ElementTree.fromstring(book.read("EPUB/nav.xhtml"))
        entries = [link.text for link in nav.iter(f"{XHTML}a")]
        assert entries == ["第一章　雪夜", "第二章　归人"]
    [book] = read_books(path)
    assert "“你来了？”他说。" in book.content.decode("utf-8")


def test_word_has_chapters_as_headings_and_the_title(tmp_path):
    docx = pytest.importorskip("docx")
    path = export(TEXT, tmp_path / "稿子.docx", "雪河", "某人")
    document = docx.Document(str(path))
    styles = [(item.style.name, item.text) for item in document.paragraphs]
    assert styles[:3] == [
        ("Title", "雪河"),
        ("Heading 1", "第一章　雪夜"),
        ("Normal", "那年冬天，老周在河边站了一夜。"),
    ]
    assert document.core_properties.author == "某人"
    [book] = read_books(path)
    assert "“你来了？”他说。" in book.content.decode("utf-8")


def test_without_python_docx_one_line_says_what_to_do(tmp_path, monkeypatch):
    real = builtins.__import__

    def missing(name, *rest, **options):
        if name.split(".")[0] == "docx":
            raise ImportError(name)
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(InputError, match="pip install python-docx"):
        export(TEXT, tmp_path / "a.docx")
    assert not (tmp_path / "a.docx").exists()


@pytest.mark.parametrize("name", ["a.pdf", "a", "a.TXT.rar"])
def test_other_endings_are_refused(tmp_path, name):
    with pytest.raises(InputError, match=r"可以用 \.txt"):
        export(TEXT, tmp_path / name)


def test_an_empty_manuscript_is_refused(tmp_path):
    with pytest.raises(InputError, match="空的"):
        export(" \n", tmp_path / "a.txt")


@settings(deadline=None, max_examples=40)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60))
def test_any_text_makes_files_that_can_be_read(tmp_path_factory, text):
    if not text.strip():
        return
    folder = tmp_path_factory.mktemp("any")
    with zipfile.ZipFile(export(text, folder / "a.epub", text, text)) as book:
        for name in book.namelist():
            if name.endswith(("xhtml", "opf", "xml")):
                ElementTree.fromstring(book.read(name))
    export(text, folder / "a.md", text, text)
    export(text, folder / "a.docx", text, text)
