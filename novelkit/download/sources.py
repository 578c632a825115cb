"""What the user means by a path, an address, a number or a title: where the bytes are to come from.

A file on disk comes before a title of the same name. Does not cover: fetching or copying it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from novelkit.download.catalogue import (
    BUNDLED,
    Book,
    by_author,
    by_id,
    fold,
    load_catalogue,
    search,
    similar,
    with_title,
)
from novelkit.errors import InputError

REMOTE = ("http", "https")
SHOWN_BOOKS = 10


@dataclass(frozen=True)
class Source:
    """A local file, or the addresses to be tried in turn for `url`; `book` if one is meant."""

    file: Path | None = None
    url: str = ""
    addresses: tuple[str, ...] = ()
    book: Book | None = None


def resolve(what: str | int | Path, mirrors: Sequence[str] = ()) -> Source:
    """Where `what` comes from; raises InputError where it is nothing, or several books."""
    if isinstance(what, str) and scheme_of(what) in REMOTE:
        addresses = (what, *mirrors)
        _check_addresses(addresses)
        return Source(url=what, addresses=addresses)
    found = _book(what) if is_name(what) else local_file(what)  # type: ignore[arg-type]
    book, file = (found, found.file) if isinstance(found, Book) else (None, found)
    if file is None and book is not None:
        _check_addresses(mirrors)
        return Source(None, book.url, (*mirrors, *book.mirrors, book.url), book)
    if mirrors:
        raise InputError(f"{what} 不从网上下载，用不上镜像：请去掉 --mirror。")
    if book is not None and file is not None and not file.is_file():
        raise InputError(f"没有自带的小说 {file}：单装的包不带它，请克隆仓库来用。")
    return Source(file, book=book)


def is_name(what: str | int | Path) -> bool:
    """Whether `what` can only be a number or a title: no path, no address, no file of that name."""
    if not isinstance(what, str):
        return isinstance(what, int)
    if not what.strip() or scheme_of(what) or re.search(r"[/\\]|\.[A-Za-z0-9]{1,5}$", what):
        return False
    try:
        return not Path(what).exists()
    except (OSError, ValueError):
        return False


def is_folder(what: str) -> bool:
    """Whether `what` is the path of a folder."""
    try:
        return bool(what) and Path(what).is_dir()
    except (OSError, ValueError):
        return False


def scheme_of(text: str) -> str:
    """The lower-case scheme of an address, "" for anything else."""
    found = re.match(r"([a-zA-Z][a-zA-Z0-9+.-]*)://", text)
    return found.group(1).lower() if found else ""


def _check_addresses(addresses: Sequence[str]) -> None:
    for address in addresses:
        try:
            usable = scheme_of(address) in REMOTE and urlsplit(address).hostname
        except ValueError:
            usable = None
        if not usable:
            raise InputError(f"{address} 不是能打开的网址：请检查拼写，要以 https:// 开头。")


def local_file(what: str | Path) -> Path:
    """The existing, non-empty file that `what` names, as a path or a file:// URL."""
    if isinstance(what, str) and not what.strip():
        raise InputError("没有给出要下载的内容：请给一个书名、编号、网址或文件路径。")
    scheme = scheme_of(what) if isinstance(what, str) else ""
    if scheme and scheme != "file":
        raise InputError(f"不支持 {scheme}:// 开头的地址：请给 http、https 或 file 地址。")
    path = Path(url2pathname(urlsplit(str(what)).path) if scheme else what)
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except (OSError, ValueError) as error:
        told = getattr(error, "strerror", None) or error
        raise InputError(
            f"不能用作路径：{str(what)[:80]}（{told}）。请给一个书名、网址或文件路径。"
        ) from error
    if is_folder:
        raise InputError(f"{path} 是文件夹，这里要一个文件：请指定其中的一个文件。")
    if not is_file:
        hint = "若是网址，请以 https:// 开头" if re.match(r"[\w-]+(\.[\w-]+)+/", str(what)) else ""
        raise InputError(f"没有这个文件：{path}。{hint or '请检查路径和文件名'}。")
    if path.stat().st_size == 0:
        raise InputError(f"{path} 是空文件，没有内容可用：请检查它是否复制完整。")
    return path


def _book(what: str | int) -> Book:
    """The one book that a number, "pg" and a number, or a title means."""
    text = str(what).strip()
    number = re.fullmatch(r"(pg)?0*([1-9][0-9]{0,7})", text, re.IGNORECASE | re.ASCII)
    if number:
        book = by_id(int(number[2]))
        # Bare digits may be a title or a slip; a number of the program's own is meant as one.
        if not book.title and not number[1] and isinstance(what, str):
            raise InputError(
                f"书目里没有 {text} 号书：若是 Project Gutenberg 的编号，请写成 pg{number[2]}。"
            )
        return book
    if isinstance(what, int):
        raise InputError(f"没有 {what} 号书：编号是正整数，请用 novelkit download --search 查。")
    if fold_quietly(text) == BUNDLED.title:
        return BUNDLED
    exact = with_title(text)
    if len(exact) == 1:
        return exact[0]
    raise _ambiguous(text, exact) if exact else not_found(text)


def fold_quietly(text: str) -> str:
    """As `fold`, also where there is no catalogue: then the text as it is."""
    try:
        return fold(text)
    except InputError:
        return text


def _ambiguous(title: str, books: Sequence[Book]) -> InputError:
    numbers = "、".join(f"pg{book.id}" for book in books)
    return InputError(
        f"书目里有 {len(books)} 本《{books[0].title}》：{numbers}。它们可能是不同的本子，"
        f"请用编号指定一本，例如 novelkit download pg{books[0].id}。"
    )


def not_found(text: str) -> InputError:
    """The error for a text that is no title: with the author's books, or names that are close."""
    if written := by_author(text):
        return InputError(
            f"{text} 是作者，书目里有 {len(written)} 本：{_listed(written)}。"
            "请用书名或编号指定一本。"
        )
    near = search(text) or similar(text)
    if near:
        return InputError(
            f"没有《{text}》这本书，也没有这个文件。是不是想找：{_listed(near)}？请用编号指定一本。"
        )
    return InputError(
        f"没有这个文件，书目里也没有这本书：{text[:80]}。请检查书名（简体、繁体都可以），"
        "用 novelkit download --search 看全部书目，或给出网址、文件路径。"
    )


def _listed(books: Sequence[Book]) -> str:
    """The books in a line: pg24264《紅樓夢》."""
    shown = "、".join(
        (f"pg{book.id}" if book.id else "") + f"《{book.title}》" for book in books[:SHOWN_BOOKS]
    )
    return shown + ("……" if len(books) > SHOWN_BOOKS else "")


def file_name(book: Book) -> str:
    """The name for a book's file: its title, with the number where another has the same title."""
    if not book.title:
        return f"pg{book.id}.txt"
    if book.id and sum(other.title == book.title for other in load_catalogue()) > 1:
        return f"{book.title} pg{book.id}.txt"
    return f"{book.title}.txt"
