"""A manuscript as a file that others open: text, Markdown, EPUB 3, Word.

Chapters are found by their headings, as `prepare` finds them. Text keeps every character; the
others keep chapters and paragraphs.
"""

import hashlib
import html
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from novelkit import layouts
from novelkit.cleaning.chapters import Chapter, split_chapters
from novelkit.errors import InputError

Writer = Callable[[str, Path, str, str], None]

# EPUB 3 (w3.org/TR/epub-33): what the container, the package and a page must hold.
_CONTAINER = """<?xml version="1.0" encoding="UTF-8"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<rootfiles><rootfile full-path="EPUB/package.opf" media-type="application/oebps-package+xml"/>
</rootfiles></container>
"""
_PAGE = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops"
 xml:lang="zh-Hans" lang="zh-Hans"><head><title>{title}</title>
<style>p {{ text-indent: 2em; margin: 0; line-height: 1.8; }}</style></head>
<body>{body}</body></html>
"""
# Entries need a time, which no reader shows; the package says when the book was made.
_TIME = (1980, 1, 1, 0, 0, 0)


def export(text: str, path: Path, title: str = "", author: str = "") -> Path:
    """Write a manuscript to `path`, in the format of its ending; returns the path.

    Raises `InputError` for another ending, an empty manuscript, or where python-docx is missing.
    """
    path = Path(path)
    writer = WRITERS.get(path.suffix.lower())
    if writer is None:
        raise InputError(
            f"不会写 {path.suffix or path.name} 文件：可以用 {'、'.join(WRITERS)}，请改一下文件名。"
        )
    if not text.strip():
        raise InputError("稿子还是空的，没有可以导出的字：请先写几个字。")
    path.parent.mkdir(parents=True, exist_ok=True)
    writer(text, path, title or path.stem, author)
    return path


def _write_text(text: str, path: Path, title: str, author: str) -> None:
    layouts.write_text(path, text if text.endswith("\n") else text + "\n")


def _write_markdown(text: str, path: Path, title: str, author: str) -> None:
    lines = [f"# {_plain(title)}", ""]
    if author:
        lines += [_plain(author), ""]
    for chapter in split_chapters(text):
        if chapter.title:
            lines += [f"## {_plain(chapter.title)}", ""]
        for paragraph in chapter.paragraphs:
            lines += [_plain(paragraph), ""]
    layouts.write_text(path, "\n".join(lines))


def _plain(text: str) -> str:
    """Text that Markdown (CommonMark) shows as it is."""
    escaped = "".join(f"\\{c}" if c in "\\`*_[]<>&#|~" else c for c in text)
    # A line that begins so would be a list.
    if escaped[:1] in "+-":
        return f"\\{escaped}"
    number = len(escaped) - len(escaped.lstrip("0123456789"))
    if number and escaped[number : number + 1] in (".", ")"):
        return f"{escaped[:number]}\\{escaped[number:]}"
    return escaped


def _write_epub(text: str, path: Path, title: str, author: str) -> None:
    chapters = split_chapters(text)
    pages = {f"chapter-{number:04}.xhtml": item for number, item in enumerate(chapters, 1)}
    with (
        layouts.replacing(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as book,
    ):
        # First and not packed, so that a reader knows the file by its bytes.
        _add(book, "mimetype", "application/epub+zip", zipfile.ZIP_STORED)
        _add(book, "META-INF/container.xml", _CONTAINER)
        _add(book, "EPUB/package.opf", _package(text, title, author, list(pages)))
        _add(book, "EPUB/nav.xhtml", _contents(title, pages))
        for name, chapter in pages.items():
            heading = f"<h1>{_xml(chapter.title)}</h1>" if chapter.title else ""
            body = "".join(f"<p>{_xml(paragraph)}</p>" for paragraph in chapter.paragraphs)
            page = _PAGE.format(title=_xml(chapter.title or title), body=heading + body)
            _add(book, f"EPUB/{name}", page)


def _add(book: zipfile.ZipFile, name: str, text: str, kind: int = zipfile.ZIP_DEFLATED) -> None:
    info = zipfile.ZipInfo(name, _TIME)
    info.compress_type = kind
    book.writestr(info, text.encode("utf-8"))


def _package(text: str, title: str, author: str, pages: list[str]) -> str:
    identifier = hashlib.sha256(text.encode("utf-8")).hexdigest()[:32]
    creator = f"<dc:creator>{_xml(author)}</dc:creator>" if author else ""
    kind = 'media-type="application/xhtml+xml"'
    items = "".join(f'<item id="{page[:-6]}" href="{page}" {kind}/>' for page in pages)
    spine = "".join(f'<itemref idref="{page[:-6]}"/>' for page in pages)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:identifier id="id">urn:novelkit:{identifier}</dc:identifier>
<dc:title>{_xml(title)}</dc:title><dc:language>zh-Hans</dc:language>{creator}
<meta property="dcterms:modified">{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}</meta></metadata>
<manifest><item id="nav" href="nav.xhtml" properties="nav" {kind}/>{items}</manifest>
<spine>{spine}</spine></package>
"""


def _contents(title: str, pages: dict[str, Chapter]) -> str:
    entries = "".join(
        f'<li><a href="{name}">{_xml(chapter.title or title)}</a></li>'
        for name, chapter in pages.items()
    )
    body = f'<nav epub:type="toc"><h1>目录</h1><ol>{entries}</ol></nav>'
    return _PAGE.format(title=_xml(title), body=body)


def _xml(text: str) -> str:
    """Text for XML 1.0, which has no way to write most control characters."""
    allowed = "".join(c for c in text if c in "\t\n" or (c >= " " and c not in "\ufffe\uffff"))
    return html.escape(allowed)


def _write_word(text: str, path: Path, title: str, author: str) -> None:
    try:
        import docx
        from docx.oxml.ns import qn
        from docx.shared import Pt
    except ImportError as error:
        raise InputError(
            "要写 Word 文件，请先安装 python-docx（pip install python-docx），"
            "或改存 .txt、.md、.epub。"
        ) from error
    document = docx.Document()
    normal = document.styles["Normal"]
    normal.font.name = "SimSun"
    # Word takes another font for East Asian characters, which the library has no name for.
    normal.element.rPr.rFonts.set(qn("w:eastAsia"), "SimSun")
    document.core_properties.title, document.core_properties.author = _word(title), _word(author)
    document.add_heading(_word(title), level=0)
    for chapter in split_chapters(text):
        if chapter.title:
            document.add_heading(_word(chapter.title), level=1)
        for paragraph in chapter.paragraphs:
            # Two characters of Word's usual 11 points.
            document.add_paragraph(_word(paragraph)).paragraph_format.first_line_indent = Pt(22)
    with layouts.replacing(path) as temporary:
        document.save(str(temporary))


def _word(text: str) -> str:
    return "".join(c for c in text if c == "\t" or (c >= " " and c not in "\ufffe\uffff"))


WRITERS: dict[str, Writer] = {
    ".txt": _write_text,
    ".md": _write_markdown,
    ".epub": _write_epub,
    ".docx": _write_word,
}
