"""DOCX -> text: the paragraphs of the body in order, headings on lines of their own.

python-docx opens the package and knows the styles; the text is taken from the elements, since its
`Paragraph.text` skips what a tracked insertion holds. Kept: insertions, tables, content controls,
text boxes, the numbers that Word puts before headings. Left out and counted: deleted revisions,
notes, pictures, ruby, tables of contents, numbers of lists. Not read: headers, footers, comments.
Does not cover: .doc, .odt, .wps.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, BinaryIO

from novelkit.download.archives import MIB, Archive, Budget
from novelkit.download.documents import (
    Document,
    Line,
    count_characters,
    counts,
    lay_out,
    missing,
)
from novelkit.download.word_numbers import WORD, Numbering, value_of
from novelkit.errors import InputError

COMPATIBILITY = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
CORE_PROPERTIES = "docProps/core.xml"
# A second rendering of the same text (for old programs), or text that is no longer there.
UNREAD = {f"{COMPATIBILITY}Fallback", f"{WORD}pPr", f"{WORD}rPr", f"{WORD}rt"}
DELETED = {f"{WORD}del", f"{WORD}moveFrom"}
LITERAL = {
    f"{WORD}tab": "\t",
    f"{WORD}br": "\n",
    f"{WORD}cr": "\n",
    f"{WORD}noBreakHyphen": "-",
}
PICTURES = {f"{WORD}drawing", f"{WORD}pict"}
NOTE_MARKS = {f"{WORD}footnoteReference", f"{WORD}endnoteReference"}
# document.xml is about ten times its text, and its tree about ten times itself.
LONGEST_XML_BYTES = 100 * MIB
# Parents of styles are followed this far; a damaged file may make a circle of them.
STYLE_DEPTH = 10


def read_docx(file: BinaryIO, name: str, budget: Budget) -> Document:
    """The text of a Word document. Raises InputError where python-docx is missing."""
    try:
        import docx
    except ImportError as error:
        raise missing("python-docx", "DOCX") from error
    archive = Archive(file, name, budget)
    parts = [member for member in archive.members if not member.info.is_dir()]
    # python-docx unpacks every part, pictures too, without a limit of its own.
    texts = [part for part in parts if part.name.endswith((".xml", ".rels"))]
    archive.check(texts, min(LONGEST_XML_BYTES, budget.limits.book_bytes))
    archive.check(parts)
    budget.take(sum(part.info.file_size for part in parts), name)
    file.seek(0)
    try:
        document = docx.Document(file)
        reader = _Reader(document)
        lines = list(reader.lines())
        has_properties = any(part.info.filename == CORE_PROPERTIES for part in parts)
        properties = document.core_properties if has_properties else None
        title, author = (properties.title, properties.author) if properties else ("", "")
        reader.count_notes(document.part)
    # Not a known list: it passes on what lxml, zipfile and its own look-ups raise on damage.
    except Exception as error:
        raise InputError(
            f"{name} 不是能读的 Word 文档（{type(error).__name__}）："
            "请用 Word 或 WPS 打开后另存为 .docx 或 .txt。"
        ) from error
    if not any(line.text for line in lines):
        raise InputError(f"{name} 里没有文字：请确认它是书的正文。")
    # What python-docx writes itself is nobody's name.
    author = "" if author == "python-docx" else author
    return Document(lay_out(lines), title.strip(), author.strip(), counts(reader.omitted))


class _Reader:
    """Paragraphs of a body in order, with the counts of what is not part of the text."""

    def __init__(self, document: Any):
        self._document = document
        self._styles = {style.style_id: style for style in document.styles}
        self._numbering = Numbering(_numbering_root(document.part))
        self.omitted: Counter[str] = Counter()

    def lines(self) -> Iterator[Line]:
        for paragraph in self._document.element.body.iter(f"{WORD}p"):
            if any(parent.tag in UNREAD | DELETED for parent in paragraph.iterancestors()):
                continue
            properties = paragraph.find(f"{WORD}pPr")
            text = "".join(self._pieces(paragraph))
            if _style_name(properties, self._styles).startswith("toc "):
                self.omitted["contents"] += count_characters(text)
                continue
            heading = _is_heading(properties, self._styles)
            number = self._number(properties)
            if heading:
                # A title broken over two lines is still one title.
                text = "\u3000".join(part.strip() for part in text.split("\n") if part.strip())
                text = f"{number} {text}" if number and text else number or text
            self.omitted["numbering"] += number is None or bool(number and not heading)
            for line in text.split("\n"):
                if line.strip():
                    yield Line(line.strip(" \t\r"), heading)

    def _number(self, properties: Any) -> str | None:
        """What Word writes before this paragraph: "" for nothing, None for what we cannot tell."""
        if properties is None:
            return ""
        own = properties.find(f"{WORD}numPr")
        level = value_of(own, "ilvl")
        number_id, style_id = value_of(own, "numId"), ""
        style = self._styles.get(value_of(properties, "pStyle"))
        for _ in range(STYLE_DEPTH):
            if number_id or style is None:
                break
            number_id, style_id = _style_number(style), style.style_id
            style = style.base_style
        if number_id in ("", "0"):
            return ""
        # A number without a level is on the first, unless a style says it.
        at = int(level) if level.isdecimal() else None if style_id else 0
        return self._numbering.next(number_id, at, style_id)

    def _pieces(self, paragraph: Any) -> Iterator[str]:
        """The text of a paragraph, not of paragraphs in text boxes inside it."""
        waiting = list(reversed(paragraph))
        while waiting:
            element = waiting.pop()
            tag = element.tag
            if tag in DELETED:
                self.omitted["deleted"] += _characters(element, f"{WORD}delText", f"{WORD}t")
            elif tag in UNREAD or tag == f"{WORD}p":
                self.omitted["ruby"] += (
                    _characters(element, f"{WORD}t") if tag == f"{WORD}rt" else 0
                )
            elif tag == f"{WORD}t":
                yield element.text or ""
            elif tag in LITERAL and element.get(f"{WORD}type") not in ("page", "column"):
                yield LITERAL[tag]
            else:
                self.omitted["images"] += tag in PICTURES
                self.omitted["note_marks"] += tag in NOTE_MARKS
                waiting += reversed(element)

    def count_notes(self, part: Any) -> None:
        """Footnotes and endnotes are parts of their own, beside the body."""
        from docx.oxml import parse_xml

        for relation in part.rels.values():
            if relation.reltype.endswith(("/footnotes", "/endnotes")):
                notes = parse_xml(relation.target_part.blob)
                self.omitted["notes"] += _characters(notes, f"{WORD}t")


def _characters(element: Any, *tags: str) -> int:
    return sum(count_characters(text.text or "") for text in element.iter(*tags))


def _is_heading(properties: Any, styles: dict[str, Any]) -> bool:
    """An outline level, set on the paragraph or by its style or a parent of that style."""
    if properties is None:
        return False
    level = properties.find(f"{WORD}outlineLvl")
    if level is not None:
        return _is_level(level)
    named = properties.find(f"{WORD}pStyle")
    style = styles.get(named.get(f"{WORD}val")) if named is not None else None
    for _ in range(STYLE_DEPTH):
        if style is None:
            return False
        level = style.element.find(f"{WORD}pPr/{WORD}outlineLvl")
        if level is not None:
            return _is_level(level)
        # Titles have no outline level; Word's own names are English in every language.
        if (style.name or "").lower().startswith(("heading", "title", "subtitle", "标题")):
            return True
        style = style.base_style
    return False


def _style_name(properties: Any, styles: dict[str, Any]) -> str:
    named = properties.find(f"{WORD}pStyle") if properties is not None else None
    style = styles.get(named.get(f"{WORD}val")) if named is not None else None
    return (style.name or "").lower() if style is not None else ""


def _is_level(element: Any) -> bool:
    # Level 9 means body text (ECMA-376, 17.3.1.20).
    return element.get(f"{WORD}val") != "9"


def _style_number(style: Any) -> str:
    return value_of(style.element.find(f"{WORD}pPr/{WORD}numPr"), "numId")


def _numbering_root(part: Any) -> Any:
    from docx.oxml import parse_xml

    found = (rel for rel in part.rels.values() if rel.reltype.endswith("/numbering"))
    relation = next(found, None)
    return None if relation is None else parse_xml(relation.target_part.blob)
