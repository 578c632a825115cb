"""What the readers of EPUB and DOCX share: lines of text, and a count of what they left out.

A heading stands on a line of its own with an empty line around, a paragraph is one line. This is
plain text: emphasis, links, pictures and layout are gone.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from novelkit.errors import InputError

# A tree takes some 30 times its source in memory; the largest package documents have 2 MiB.
LONGEST_XML_BYTES = 16 * 2**20
# What a document's text may lack, and what to call it. Pictures and missing pages are counted in
# pieces, numbers of lists in paragraphs, everything else in characters without spaces.
OMITTED = {
    "images": "图片",
    "ruby": "注音",
    "note_marks": "注释标记",
    "notes": "脚注和尾注",
    "contents": "封面和目录页",
    "auxiliary": "正文之外的页",
    "missing": "目录文件里有、书里没有的页",
    "deleted": "已删除的修订",
    "numbering": "自动编号",
    "undecodable": "无法解码的页",
}


@dataclass(frozen=True)
class Line:
    """A paragraph or a heading; an empty one is an empty line."""

    text: str
    heading: bool = False


@dataclass(frozen=True)
class Document:
    """The text of a book in a structured format, its metadata, and the counts of `OMITTED`."""

    text: str
    title: str = ""
    author: str = ""
    omitted: Mapping[str, int] = field(default_factory=dict)


def lay_out(lines: Iterable[Line]) -> str:
    """Lines to text: never two empty lines in a row, none at either end."""
    laid: list[str] = []
    for line in lines:
        apart = line.heading or not line.text
        if apart and laid and laid[-1]:
            laid.append("")
        if line.text:
            laid.append(line.text)
        if line.heading and line.text:
            laid.append("")
    return "\n".join(laid).strip("\n") + "\n"


def count_characters(text: str) -> int:
    """Characters that are no white space."""
    return len("".join(text.split()))


def counts(counter: Counter[str]) -> dict[str, int]:
    """The counts above zero, in the order of `OMITTED`."""
    return {kind: counter[kind] for kind in OMITTED if counter[kind]}


def parse_xml(data: bytes, name: str) -> Any:
    """The root element of an XML file, by lxml; entities are not expanded, nothing is fetched.

    Small mistakes (a bare & in a title) are mended if every element survives that. Raises
    InputError for anything worse, and where lxml is missing.
    """
    try:
        from lxml import etree
    except ImportError as error:
        raise missing("lxml", "EPUB") from error
    if len(data) > LONGEST_XML_BYTES:
        raise InputError(f"{name} 有 {len(data) / 2**20:.0f} MiB，不像一本书的目录：不能读。")
    options = {"resolve_entities": False, "no_network": True, "load_dtd": False}
    try:
        return etree.fromstring(data, etree.XMLParser(**options))
    except (etree.XMLSyntaxError, ValueError):
        root = _mend(data, etree.XMLParser(**options, recover=True))
    # Mending may end where the mistake is; chapters after it would be lost without a word.
    plain = data.replace(b"\0", b"")
    tags = len(re.findall(rb"<[A-Za-z_]", plain))
    if root is None or _closing_tag(root) not in plain or sum(1 for _ in root.iter("*")) < tags:
        raise InputError(f"{name} 不是完整的 XML，文件坏了：请重新下载，或换一个版本。")
    return root


def _mend(data: bytes, parser: Any) -> Any:
    from lxml import etree

    try:
        return etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError):
        return None


def _closing_tag(root: Any) -> bytes:
    prefix = f"{root.prefix}:" if root.prefix else ""
    return f"</{prefix}{root.tag.rpartition('}')[2]}".encode()


def missing(package: str, suffix: str) -> InputError:
    """The line for a reader whose library is not installed."""
    return InputError(
        f"读 {suffix} 要用 {package}，这里没有装：请运行 pip install {package}，或先另存为 .txt。"
    )
