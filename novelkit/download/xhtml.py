"""One page of an EPUB: XHTML bytes -> lines of text with their headings.

BeautifulSoup over Python's own `html.parser` reads pages that are not well-formed, knows every HTML
entity and expands none that a page declares (no DTD is read). Covers: blocks, <br>, headings, ruby
(the base text stays), tables, marks and texts of notes, white space as a browser collapses it.
Does not cover: style sheets (text hidden by CSS is read), scripts, MathML, pictures of text.
"""

import codecs
import html
import re
import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from novelkit.download.documents import Line, count_characters, missing
from novelkit.errors import InputError

HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_BLOCKS = """
    html body p div section article aside header footer main nav blockquote pre address center
    ul ol li dl dt dd table thead tbody tfoot tr caption figure figcaption hr form fieldset
"""
BLOCKS = HEADINGS | frozenset(_BLOCKS.split())
UNREAD = frozenset({"script", "style", "head", "template", "rp", "audio", "video", "object"})
IMAGES = frozenset({"img", "image"})
# Meanings in epub:type (EPUB Structural Semantics Vocabulary), role (DPUB-ARIA), and the classes of
# Duokan, whose notes most Chinese shops use.
NOTE_MARKS = frozenset({"noteref", "doc-noteref", "duokan-footnote"})
_NOTES = """
    footnote footnotes endnote endnotes rearnote rearnotes doc-footnote doc-endnote doc-endnotes
    duokan-footnote-content duokan-footnote-item
"""
NOTES = frozenset(_NOTES.split())
CONTENTS = frozenset({"toc", "cover", "landmarks", "loi", "lot", "doc-toc", "doc-cover"})
# A browser collapses these; U+3000 and U+00A0 it keeps.
SPACE = " \t\r\n\f"
# A tag takes about 1 KiB in the tree; a novel of 10 MB in one page has 100,000.
MOST_TAGS = 500_000
# A mark of a note is a number in a tag or two.
LARGEST_MARK_NODES, LONGEST_MARK_CHARACTERS = 8, 8
BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass
class Page:
    """Lines of a page; `anchors` is the line at which an element with that id begins."""

    title: str = ""
    lines: list[Line] = field(default_factory=list)
    anchors: dict[str, int] = field(default_factory=dict)
    meanings: frozenset[str] = frozenset()
    omitted: Counter[str] = field(default_factory=Counter)
    links: int = 0
    linked_characters: int = 0

    @property
    def characters(self) -> int:
        """Characters without spaces."""
        return sum(count_characters(line.text) for line in self.lines)


def read_page(data: bytes) -> Page:
    """The text of one XHTML page. Raises InputError where BeautifulSoup is missing."""
    try:
        from bs4 import BeautifulSoup
    except ImportError as error:
        raise missing("beautifulsoup4", "EPUB") from error
    text, undecodable = decode_page(data)
    if text.count("<") > MOST_TAGS:
        raise InputError(f"EPUB 里有一页的标签超过 {MOST_TAGS} 个，不像书：不能读，请换一个版本。")
    with warnings.catch_warnings():
        # It warns of XML in an HTML parser, and of text that looks like a path; both are meant.
        warnings.simplefilter("ignore")
        soup = BeautifulSoup(_closed_markup(text), "html.parser")
    page = Page(title=_line_of(soup.title.get_text()) if soup.title else "")
    page.omitted["undecodable"] = undecodable
    body = soup.body or soup
    page.meanings = _meanings(body) | _only_child_meanings(body)
    _Reader(page).read(body)
    return page


def _closed_markup(text: str) -> str:
    """The page with nothing left open: no DTD, no comments, and no "<" that begins no whole tag.

    Python's parser before 3.14 takes minutes for 100,000 comments or tags that never end.
    """
    start = re.search(r"<(html|body)\b", text, re.IGNORECASE)
    text = text[start.start() :] if start else text
    text = _replace_between(text, "<![CDATA[", "]]>", html.escape)
    text = _replace_between(text, "<!--", "-->", lambda comment: "")
    text = _replace_between(text, "<?", ">", lambda instruction: "")
    return re.sub("<(?=[^<>]*(?:<|$))", "&lt;", text)


def _replace_between(text: str, start: str, end: str, change: Callable[[str], str]) -> str:
    """Change what stands between the marks, in linear time; without an end, the mark is dropped."""
    first, *others = text.split(start)
    pieces = [first]
    for other in others:
        inside, found, after = other.partition(end)
        pieces.append(change(inside) + after if found else other)
    return "".join(pieces)


def decode_page(data: bytes) -> tuple[str, int]:
    """The text of a page by its BOM or its declaration, else UTF-8; and how much of it is U+FFFD.

    The declared gb2312 and gbk are read by their superset gb18030.
    """
    from bs4.dammit import EncodingDetector

    declared = EncodingDetector.find_declared_encoding(data, is_html=True) or "utf-8"
    if re.fullmatch("gb_?2312(-80)?|gbk|cp936|x-gbk", declared, re.IGNORECASE):
        declared = "gb18030"
    marked = [codec for bom, codec in BOMS if data.startswith(bom)]
    if data[:2] in (b"<\0", b"\0<"):
        marked = ["utf-16-le" if data[:1] == b"<" else "utf-16-be"]
    for codec in (*marked, declared, "utf-8", "gb18030"):
        try:
            return data.decode(codec), 0
        # Also a declared name that is no codec, or that holds a zero byte.
        except (ValueError, LookupError):
            continue
    text = data.decode("utf-8", errors="replace")
    return text, text.count("\ufffd")


class _Reader:
    """Walks a tree without recursion, since a page may be nested deeper than Python allows."""

    def __init__(self, page: Page):
        self.page = page
        self.pieces: list[str] = []
        self.heading = self.link = self.preformatted = 0

    def read(self, body: Any) -> None:
        from bs4 import CData, NavigableString, Tag

        waiting: list[tuple[Any, bool]] = [(body, False)]
        while waiting:
            node, leaving = waiting.pop()
            if isinstance(node, Tag):
                if leaving:
                    self._leave(node)
                elif self._enter(node):
                    waiting.append((node, True))
                    waiting += [(child, False) for child in reversed(node.contents)]
            # Comments and declarations are subclasses of the string that holds text.
            elif type(node) in (NavigableString, CData):
                self._text(str(node))
        self._end_line()

    def _enter(self, tag: Any) -> bool:
        """Note where `tag` begins; False where its content is not to be read."""
        name = tag.name.lower()
        if name in BLOCKS:
            self._end_line()
        for anchor in (tag.get("id"), tag.get("name") if name == "a" else None):
            if isinstance(anchor, str):
                self.page.anchors.setdefault(anchor, len(self.page.lines))
        if name in UNREAD:
            return False
        if omitted := _omitted_kind(tag, name):
            self._count(omitted, tag)
            return False
        if name == "br":
            # A title broken over two lines is still one title.
            self.pieces.append("\u3000") if self.heading else self._end_line()
        elif name == "hr":
            self.page.lines.append(Line(""))
        elif name in ("td", "th") and "".join(self.pieces).strip():
            self.pieces.append("\u3000")
        # A bare <a id> marks a place, and is often never closed.
        self.page.links += name == "a" and bool(tag.get("href"))
        self._nest(tag, name, 1)
        return True

    def _leave(self, tag: Any) -> None:
        name = tag.name.lower()
        if name in BLOCKS:
            self._end_line()
        self._nest(tag, name, -1)

    def _nest(self, tag: Any, name: str, step: int) -> None:
        self.heading += step * (name in HEADINGS)
        self.preformatted += step * (name == "pre")
        self.link += step * (name == "a" and bool(tag.get("href")))

    def _text(self, text: str) -> None:
        if self.link:
            self.page.linked_characters += count_characters(text)
        if not self.preformatted:
            self.pieces.append(text)
            return
        first, *others = text.splitlines() or [""]
        self.pieces.append(first)
        for line in others:
            self._end_line()
            self.pieces.append(line)

    def _end_line(self) -> None:
        line = _line_of("".join(self.pieces))
        self.pieces.clear()
        if line:
            self.page.lines.append(Line(line, bool(self.heading)))

    def _count(self, kind: str, tag: Any) -> None:
        self.page.omitted[kind] += 1 if kind == "images" else count_characters(tag.get_text())
        # A note's mark may be a picture.
        self.page.omitted["images"] += len(tag.find_all(IMAGES)) if kind != "images" else 0


def _omitted_kind(tag: Any, name: str) -> str | None:
    """Why the content of this element is not part of the running text, or None."""
    if name in IMAGES:
        return "images"
    if name in ("rt", "rtc"):
        return "ruby"
    meanings = _meanings(tag)
    if name in ("a", "sup") and (meanings & NOTE_MARKS or _is_note_mark(tag, name)):
        return "note_marks"
    if meanings & NOTES and name not in ("a", "body"):
        return "notes"
    if name == "nav" or (meanings & {"toc", "landmarks"} and name != "body"):
        return "contents"
    return None


def _is_note_mark(tag: Any, name: str) -> bool:
    """<sup><a href="#n1">1</a></sup>, and the same with the two the other way round."""
    nodes = _first_nodes(tag)
    wanted = "a" if name == "sup" else "sup"
    inner = next((node for node in nodes if getattr(node, "name", None) == wanted), None)
    link = inner if name == "sup" else tag
    if inner is None or link is None or len(nodes) > LARGEST_MARK_NODES:
        return False
    text = "".join(tag.get_text().split())
    short = len(text) <= LONGEST_MARK_CHARACTERS and "#" in str(link.get("href") or "")
    return short and count_characters(inner.get_text()) == len(text)


def _first_nodes(tag: Any) -> list[Any]:
    """A few nodes below `tag`: bs4's own search takes as long as the page is deep."""
    waiting: list[Any] = list(tag.contents)
    found: list[Any] = []
    while waiting and len(found) <= LARGEST_MARK_NODES:
        node = waiting.pop()
        found.append(node)
        waiting += getattr(node, "contents", ())
    return found


def _meanings(tag: Any) -> frozenset[str]:
    found: list[str] = []
    for attribute in ("epub:type", "role", "class"):
        value = tag.get(attribute) or ""
        found += value.split() if isinstance(value, str) else value
    return frozenset(found)


def _only_child_meanings(body: Any) -> frozenset[str]:
    """A whole page's meaning often stands on the one <section> in its body."""
    children = body.find_all(True, recursive=False)
    return _meanings(children[0]) & CONTENTS if len(children) == 1 else frozenset()


def _line_of(text: str) -> str:
    """White space collapsed as in CSS Text 3, 4.1: no space where a line broke between hanzi."""
    text = re.sub(r"[\u200b\ufeff]", "", text)
    text = re.sub(f"[{SPACE}]+", lambda found: _space(text, found), text).strip(SPACE)
    return text if text.strip() else ""


def _space(text: str, found: re.Match[str]) -> str:
    start, end = found.span()
    if not 0 < start <= end < len(text) or "\n" not in found[0]:
        return " "
    return "" if _is_wide(text[start - 1]) and _is_wide(text[end]) else " "


def _is_wide(char: str) -> bool:
    return unicodedata.east_asian_width(char) in "WF"
