"""EPUB 2 and 3 -> text: container.xml -> package document -> the pages of the spine, in order.

Our own reader of the package (EPUB 3.3, sections 4 and 5) over `zipfile`, lxml and BeautifulSoup,
since the one widely used reader, EbookLib, is under the AGPL and the others are young; and it would
leave the choice of pages, labels and notes to us. Left out and counted: covers, tables of contents,
pages outside the reading order, notes and their marks, ruby, pictures. A chapter whose page has no
heading gets its label from the table of contents. Refused: DRM. Does not cover: text in pictures,
fixed layouts, Kindle files.
"""

import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

from novelkit.download.archives import Archive, Budget, Member
from novelkit.download.documents import Document, Line, counts, lay_out, parse_xml
from novelkit.download.xhtml import CONTENTS, Page, read_page
from novelkit.errors import InputError

CONTAINER = "META-INF/container.xml"
ENCRYPTION = "META-INF/encryption.xml"
PAGE_TYPES = (
    "application/xhtml+xml",
    "text/html",
    "application/x-dtbook+xml",
    "text/x-oeb1-document",
)
# Embedded fonts are scrambled to honour their licence; the text is not touched.
FONT_OBFUSCATION = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
CONTENTS_TITLES = re.compile(
    r"目\s*[录錄次]|封[面底]頁?|书脊|table of contents|contents|cover|title ?page", re.IGNORECASE
)
# A page of several short links, and little text beside them, is a table of contents.
CONTENTS_LINKED_SHARE = 0.8
CONTENTS_LINKS = 3
LONGEST_ENTRY_CHARACTERS = 60
# How far below the top of a page a line may be that is the chapter's heading.
HEADING_WITHIN_LINES = 12


@dataclass(frozen=True)
class Label:
    """An entry of the table of contents; `fragment` is the id it points at, "" for the top."""

    fragment: str
    text: str


@dataclass(frozen=True)
class Package:
    """What the package document says: the pages to read, with their labels, and the metadata."""

    title: str
    author: str
    pages: tuple[str, ...]
    contents: tuple[str, ...]
    auxiliary: tuple[str, ...]
    missing: int
    labels: Mapping[str, list[Label]] = field(default_factory=dict)


def read_epub(file: BinaryIO, name: str, budget: Budget) -> Document:
    """The text of an EPUB, with empty lines around headings and between pages."""
    book = _Container(Archive(file, name, budget))
    book.refuse_drm()
    package = _read_package(book)
    book.check(package.pages)
    omitted: Counter[str] = Counter(missing=package.missing)
    for kind in ("contents", "auxiliary"):
        for path in getattr(package, kind):
            omitted[kind] += read_page(book.read(path)).characters
    lines: list[Line] = []
    # A title that all pages share names the book, not the chapter.
    seen = {_squeeze(package.title), "未知"}
    for path in package.pages:
        page = read_page(book.read(path))
        omitted.update(page.omitted)
        labels = package.labels.get(path, [])
        if _is_contents(page, labels):
            omitted["contents"] += page.characters
            continue
        if lines and page.lines:
            lines.append(Line(""))
        lines += _with_headings(page, labels, seen)
    if not any(line.text for line in lines):
        raise InputError(f"{name} 里没有文字（可能是图片版）：请换一个有文字的版本。")
    return Document(lay_out(lines), package.title, package.author, counts(omitted))


class _Container:
    """The files of an EPUB by their path inside it, upper and lower case taken as equal."""

    def __init__(self, archive: Archive):
        self._archive = archive
        self.name = archive.name
        self._members: dict[str, Member] = {}
        for member in archive.members:
            self._members.setdefault(member.info.filename.casefold(), member)

    def __contains__(self, path: str) -> bool:
        return path.casefold() in self._members

    def read(self, path: str) -> bytes:
        member = self._members.get(path.casefold())
        if member is None:
            raise InputError(f"{self.name} 里缺少 {path}，EPUB 不完整：请重新下载。")
        return self._archive.read(member)

    def xml(self, path: str) -> Any:
        return parse_xml(self.read(path), f"{self.name}/{path}")

    def check(self, paths: tuple[str, ...]) -> None:
        """A book in many pages is still one book: their sum stays within its limit."""
        members = [self._members[path.casefold()] for path in paths if path in self]
        self._archive.check(members, self._archive.budget.limits.book_bytes)

    def refuse_drm(self) -> None:
        if ENCRYPTION not in self:
            return
        methods = {
            element.get("Algorithm") for element in _all(self.xml(ENCRYPTION), "EncryptionMethod")
        }
        if methods - set(FONT_OBFUSCATION):
            raise InputError(
                f"{self.name} 有 DRM 加密，读不出文字：请用没有加密的版本，或从书店导出的纯文本。"
            )


def _read_package(book: _Container) -> Package:
    roots = [element.get("full-path") for element in _all(book.xml(CONTAINER), "rootfile")]
    opf = next((root for root in roots if root and root in book), None)
    if opf is None:
        raise InputError(f"{book.name} 没有指明书的目录文件（OPF），EPUB 不完整：请重新下载。")
    root = book.xml(opf)
    items = {
        str(item.get("id")): (_resolve(opf, item.get("href")), item) for item in _all(root, "item")
    }
    contents = _contents_pages(root, opf, items.values())
    main: list[str] = []
    auxiliary: list[str] = []
    spine = [
        (items.get(str(reference.get("idref"))), reference.get("linear") != "no")
        for reference in _all(root, "itemref")
    ]
    for entry, linear in spine:
        if entry and _is_page(*entry) and entry[0] not in contents:
            (main if linear else auxiliary).append(entry[0])
    if not main:
        # Someone marked everything as outside the reading order; then that is the book.
        main, auxiliary = auxiliary, []
    if not main:
        raise InputError(f"{book.name} 的书脊（spine）里没有正文页，读不出文字：请换一个版本。")
    in_spine = {entry[0] for entry, _ in spine if entry}
    return Package(
        title=_first_text(root, "title"),
        author="、".join(_texts(root, "creator")),
        pages=tuple(dict.fromkeys(main)),
        contents=tuple(path for path in sorted(contents & in_spine) if path in book),
        auxiliary=tuple(path for path in auxiliary if path in book),
        missing=sum(entry is None for entry, _ in spine),
        labels=_labels(book, root, items),
    )


def _contents_pages(root: Any, opf: str, items: Any) -> set[str]:
    """Pages that the package itself calls navigation, cover or contents (EPUB 3 and 2)."""
    pages = {path for path, item in items if "nav" in (item.get("properties") or "").split()}
    for reference in _all(root, "reference"):
        if (reference.get("type") or "").lower() in CONTENTS:
            pages.add(_resolve(opf, reference.get("href")))
    return pages


def _is_page(path: str, item: Any) -> bool:
    kind = (item.get("media-type") or "").lower()
    return kind in PAGE_TYPES or path.lower().endswith((".xhtml", ".html", ".htm"))


def _labels(book: _Container, root: Any, items: Mapping[str, Any]) -> dict[str, list[Label]]:
    """Path of a page -> its entries in the EPUB 3 navigation page, else in the EPUB 2 toc.ncx."""
    labels: dict[str, list[Label]] = {}
    for path, item in items.values():
        if "nav" in (item.get("properties") or "").split() and path in book:
            for target, text in _navigation_entries(book.read(path)):
                _add_label(labels, path, target, text)
    spine = next(iter(_all(root, "spine")), None)
    ncx = items.get(str(spine.get("toc")) if spine is not None else "", ("", None))[0]
    ncx = ncx or next((path for path, _ in items.values() if path.lower().endswith(".ncx")), "")
    if not labels and ncx in book:
        for point in _all(book.xml(ncx), "navPoint"):
            content = next((child for child in point if _tag(child) == "content"), None)
            label = next((child for child in point if _tag(child) == "navLabel"), None)
            if content is not None and label is not None:
                _add_label(labels, ncx, content.get("src"), "".join(label.itertext()))
    return labels


def _navigation_entries(data: bytes) -> Iterator[tuple[str, str]]:
    from bs4 import BeautifulSoup

    from novelkit.download.xhtml import decode_page

    soup = BeautifulSoup(decode_page(data)[0], "html.parser")
    lists = [nav for nav in soup.find_all("nav") if "toc" in str(nav.get("epub:type")).split()]
    for nav in lists[:1]:
        for link in nav.find_all("a"):
            yield str(link.get("href") or ""), link.get_text()


def _add_label(labels: dict[str, list[Label]], base: str, target: str | None, text: str) -> None:
    fragment = unquote(urlsplit(target or "").fragment)
    text = " ".join(text.split(" ")).strip() if "\n" not in text else " ".join(text.split())
    if text.strip():
        labels.setdefault(_resolve(base, target), []).append(Label(fragment, text))


def _is_contents(page: Page, labels: list[Label]) -> bool:
    """A cover or table of contents that the package does not declare as such."""
    if page.meanings & CONTENTS:
        return True
    titles = [label.text for label in labels] or [page.title]
    if len(titles) == 1 and CONTENTS_TITLES.fullmatch(titles[0].strip()):
        return True
    return (
        page.links >= CONTENTS_LINKS
        and page.linked_characters <= page.links * LONGEST_ENTRY_CHARACTERS
        and page.linked_characters >= CONTENTS_LINKED_SHARE * page.characters > 0
    )


def _with_headings(page: Page, labels: list[Label], seen: set[str]) -> list[Line]:
    """The lines of a page, where what the contents call its chapters stands as headings.

    A line that repeats the label becomes the heading; a page without any heading gets the label.
    """
    lines = list(page.lines)
    bare = not any(line.heading for line in lines)
    if bare and lines and not labels and _squeeze(page.title) not in seen:
        # Without hanzi it is a file name or "Unknown".
        labels = [Label("", page.title)] if re.search("[\u4e00-\u9fff]", page.title) else []
    places = [(page.anchors.get(label.fragment, 0), label.text) for label in labels]
    for place, text in sorted(places, key=lambda pair: pair[0], reverse=True):
        seen.add(_squeeze(text))
        found = _find(lines, place, text)
        if found is not None:
            lines[found] = Line(lines[found].text, heading=True)
        elif bare and lines:
            lines.insert(place, Line(text, heading=True))
    return lines


def _find(lines: list[Line], start: int, text: str) -> int | None:
    """The line near `start` that is the label, white space aside."""
    squeezed = _squeeze(text)
    for index in range(start, min(start + HEADING_WITHIN_LINES, len(lines))):
        if _squeeze(lines[index].text) == squeezed:
            return index
    return None


def _squeeze(text: str) -> str:
    return "".join(text.split())


def _resolve(base: str, target: str | None) -> str:
    """The path inside the EPUB that a link in the file `base` leads to."""
    path = unquote(urlsplit(target or "").path)
    if not path:
        return base if target else ""
    return posixpath.normpath(posixpath.join("/", posixpath.dirname(base), path)).lstrip("/")


def _tag(element: Any) -> str:
    """The name without its namespace; comments and instructions have none."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _all(root: Any, tag: str) -> list[Any]:
    return [element for element in root.iter() if _tag(element) == tag]


def _texts(root: Any, tag: str) -> list[str]:
    texts = (" ".join("".join(element.itertext()).split()) for element in _all(root, tag))
    return [text for text in texts if text]


def _first_text(root: Any, tag: str) -> str:
    return next(iter(_texts(root, tag)), "")
