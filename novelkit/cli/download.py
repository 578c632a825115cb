"""`novelkit download WHAT --out DIR`: a title, URL, file or folder to raw bytes with their record.

`--search` only looks into the catalogue.
"""

import argparse
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from novelkit.cli.output import Output
from novelkit.download import Book, Download, download, download_folder, load_catalogue, search
from novelkit.download.sources import is_folder, not_found
from novelkit.errors import InputError

SCRIPTS = {"traditional": "繁", "simplified": "简", "mixed": "繁夹简"}
# The catalogue's remarks, as the table shows them.
NOTES = {
    "classical Chinese, not vernacular": "文言",
    "explicit passages": "有露骨描写",
    "the file carries modern editors' notes that must be stripped": "夹有今人的注",
    "title is in simplified characters": "",
    "bundled, a raw file": "自带的小说，不用联网",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        nargs="?",
        metavar="WHAT",
        help="书名、Project Gutenberg 编号（pg24264）、网址，或本地的文件、文件夹",
    )
    parser.add_argument("--out", type=Path, default=Path("downloads"), help="放到哪个文件夹")
    parser.add_argument("--name", help="存成什么文件名")
    parser.add_argument(
        "--mirror", action="append", default=[], metavar="URL", help="同一个文件的另一个网址"
    )
    parser.add_argument("--licence", default="", help="写进来源记录的授权说明")
    parser.add_argument(
        "--search", action="store_true", help="只在书目里查书名、作者；不给 WHAT 就列出全部"
    )


def run(options: argparse.Namespace) -> int:
    output = Output(options.json)
    if options.search:
        return _show_books(output, options.what)
    if options.what is None:
        raise InputError("缺少 WHAT：请给一个书名、编号、网址或文件路径，或用 --search 查书目。")
    if is_folder(options.what):
        return _copy_folder(output, options)
    with output.bar("下载", unit="B", unit_scale=True) as bar:

        def progress(done: int, total: int | None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        found = download(
            options.what,
            options.out,
            name=options.name,
            mirrors=options.mirror,
            licence=options.licence,
            progress=progress,
        )
    _say_file(output, found)
    output.result(asdict(found))
    return 0


def _say_file(output: Output, found: Download) -> None:
    state = "已有同样的文件" if found.reused else "已保存"
    output.say(f"{state}：{found.path}（{found.bytes:,} 字节，sha256 {found.sha256[:16]}…）")
    if found.mirror and not found.reused:
        output.say(f"  来自镜像 {found.mirror}")
    if found.resumed_from and not found.reused:
        output.say(f"  接着上次断开的地方下载：从第 {found.resumed_from:,} 字节起")
    if found.licence:
        output.say(f"  权利：{found.licence}")


def _copy_folder(output: Output, options: argparse.Namespace) -> int:
    if options.name or options.mirror:
        raise InputError(f"{options.what} 是文件夹，用不上 --name 和 --mirror：请去掉它们。")
    with output.bar("复制") as bar:

        def progress(done: int, total: int | None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        found = download_folder(
            Path(options.what), options.out, licence=options.licence, progress=progress
        )
    for one in found:
        _say_file(output, one)
    output.result({"files": [asdict(one) for one in found]})
    return 0


def _show_books(output: Output, query: str | None) -> int:
    books = search(query) if query and query.strip() else list(load_catalogue())
    if not books:
        raise not_found(query or "")
    for line in _table(books):
        output.say(line)
    output.say(f"共 {len(books)} 本。下载：novelkit download 编号（或书名） --out 文件夹")
    output.result({"books": [_as_result(book) for book in books]})
    return 0


def _as_result(book: Book) -> dict[str, Any]:
    own = {"url": book.url, "mirrors": book.mirrors, "licence": book.licence}
    return {**asdict(book), **own, "part": book.part}


def _table(books: Sequence[Book]) -> list[str]:
    rows = [("编号", "书名", "作者", "卒年", "繁/简", "附注")]
    for book in books:
        who = book.author or book.author_latin or "不详"
        remarks = "，".join(NOTES.get(note, note) for note in book.note.split("; ") if note)
        number = f"pg{book.id}" if book.id else "自带"
        rows.append(
            (number, book.title, who, _year(book.author_death), SCRIPTS[book.script], remarks)
        )
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def _year(death: str) -> str:
    return death.replace("about ", "约 ").replace("after ", "晚于 ") or "不详"


def _width(text: str) -> int:
    """Columns on a terminal: hanzi and full-width marks take two."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)
