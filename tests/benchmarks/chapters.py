"""Whether the chapters of books come out with the right numbers and titles, and how fast.

    python tests/benchmarks/chapters.py --corpus ../shared/corpus --dirty ../shared/dirty
    python tests/benchmarks/chapters.py --wrapping
    python tests/benchmarks/chapters.py --newlineless

The lists are compared, not their lengths: a missing and an invented heading cancel in a count.
Titles are right where their hanzi are at least 60 % alike after conversion to simplified
characters (OpenCC, where installed), since editions differ in single ones. Beside ours stands
the one-line expression of the field. `--wrapping` measures the rejoining of hard-wrapped lines
(`chapters_wrapping`), `--newlineless` cuts the numbered books of the corpus after taking their
newlines away, with and without the space between the halves of a title. Tables go to standard
output, each error to standard error.
"""

import argparse
import difflib
import re
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from chapters_facts import CORPUS, DIRTY, LACKING, OTHER_TITLES, STORIES, TITLES
from chapters_wrapping import print_wrapping

from novelkit.cleaning import clean, parse_heading
from novelkit.cleaning.inline_headings import find_inline_headings
from novelkit.cleaning.novel import Novel
from novelkit.cleaning.numerals import NUMERAL, parse_number
from novelkit.encoding import decode

_ONE_LINE = re.compile(r"^第([一二三四五六七八九十百零〇0-9]+)[回章卷]", re.MULTILINE)
_NUMERAL = re.compile(f"第({NUMERAL}{{1,9}})")
_NAMES = ("楔子", "附录", "凡例", "弁言", "引起", "首回", "序", "叙")
_ALIKE = 0.6


@dataclass(frozen=True)
class Row:
    """One file: expected and found headings, and those that are wrong in number or title."""

    file: str
    expected: int
    found: int
    missing: list[str]
    extra: list[str]
    titles: int  # titles that were compared
    wrong: list[tuple[str, str]]
    different: int  # right titles that differ in some character from the other edition
    one_line: bool | None


def converter() -> Callable[[str], str]:
    """Traditional to simplified where OpenCC is installed, else nothing."""
    try:
        from opencc import OpenCC
    except ImportError:
        return lambda text: text
    return OpenCC("t2s").convert


def key_of(title: str) -> str:
    """12 of 第十二回　…, the name of a named heading, "" of text without a heading."""
    if title.isdigit():
        return title
    heading = parse_heading(title)
    if heading is not None and heading.number is not None:
        return str(heading.number)
    # A misprinted unit (第六十二國) is found by its place, with its number in words.
    misprint = _NUMERAL.match(title)
    if misprint:
        return str(parse_number(misprint[1]))
    squeezed = re.sub(r"\s|《.*》|[^\w]", "", title)
    return next((name for name in _NAMES if name in squeezed), squeezed)


def title_of(line: str) -> str:
    """The hanzi of a title without its number."""
    heading = parse_heading(line)
    title = heading.title if heading and heading.title else line
    return re.sub(r"[^\u3400-\u9fff]", "", title)


def heading_lines(text: str) -> list[str]:
    """The headings of a corpus file by its format: lines with an empty line on both sides."""
    lines = ["", *text.strip("\n").split("\n"), ""]
    return [b for a, b, c in zip(lines, lines[1:], lines[2:], strict=False) if b and not a + c]


def judge(file: str, novel: Novel, expected: list[str], titles: list[str] | None, raw: str) -> Row:
    """Align found and expected headings by their keys, then compare the titles of the pairs."""
    simplify = converter()
    found = [chapter.title for chapter in novel.chapters if chapter.title]
    keys = [key_of(simplify(title)) for title in found]
    expected = [key_of(simplify(key)) for key in expected]
    matcher = difflib.SequenceMatcher(None, expected, keys, autojunk=False)
    missing, extra, pairs = [], [], []
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            pairs += list(zip(range(a, b), range(c, d), strict=True))
        else:
            missing += expected[a:b]
            extra += found[c:d]
    wrong, different, compared = [], 0, 0
    for a, b in pairs:
        if not titles or not titles[a]:
            continue
        ours, truth = (title_of(simplify(line)) for line in (found[b], titles[a]))
        compared += 1
        alike = difflib.SequenceMatcher(None, ours, truth, autojunk=False).ratio()
        other_edition = expected[a] in OTHER_TITLES.get(file[:3], ())
        if alike < _ALIKE and not other_edition:
            wrong.append((found[b], titles[a]))
        different += ours != truth and (alike >= _ALIKE or other_edition)
    numbers = [key_of(f"第{match[1]}回") for match in _ONE_LINE.finditer(raw)]
    only_numbers = [key for key in expected if key.isdigit()]
    return Row(
        file,
        len(expected),
        len(found),
        missing,
        extra,
        compared,
        wrong,
        different,
        numbers == only_numbers if only_numbers else None,
    )


def read_corpus(folder: Path) -> dict[str, str]:
    """Title → text of every book of `novels.tar.xz`."""
    with tarfile.open(folder / "novels.tar.xz") as archive:
        files = [(Path(member.name).stem, archive.extractfile(member)) for member in archive]
        return {name: file.read().decode("utf-8") for name, file in files if file}


def corpus_rows(books: dict[str, str]) -> Iterator[Row]:
    """Every book of the corpus through all default rules."""
    for name, text in books.items():
        titles = heading_lines(text)
        expected = CORPUS.get(name) or [key_of(title) for title in titles]
        if name in STORIES and len(titles) != STORIES[name]:
            print(f"{name}: {len(titles)} titles, README says {STORIES[name]}", file=sys.stderr)
        yield judge(name, clean(text)[0], expected, titles, text)


def newlineless_rows(books: dict[str, str], spaces: bool) -> Iterator[Row]:
    """The numbered books of the corpus in one line each; unnumbered headings cannot be known."""
    for name, expected in CORPUS.items():
        text = books[name].replace("\n", "")
        text = text if spaces else text.replace("　", "")
        lines = heading_lines(books[name])
        pairs = [pair for pair in zip(expected, lines, strict=True) if pair[0].isdigit()]
        numbers, titles = map(list, zip(*pairs, strict=True))
        yield judge(name, clean(text)[0], numbers, titles, text)


def dirty_text(path: Path) -> str:
    """The decoded text of a file; an EPUB through stage 01's reader."""
    if path.suffix != ".epub":
        return decode(path.read_bytes())
    from novelkit.download.books import read_books

    return "\n".join(book.content.decode("utf-8") for book in read_books(path))


def dirty_rows(folder: Path, books: dict[str, str]) -> Iterator[Row]:
    """Every file as downloaded; its titles are those of the same book in the corpus."""
    for path in sorted(folder.glob("s[0-9][0-9]_*")):
        book, expected, _ = DIRTY[path.name[:3]]
        text = dirty_text(path)
        titles = TITLES.get(path.name[:3])
        if book in books:
            lines = heading_lines(books[book])
            if not expected:
                lacking = LACKING.get(path.name[:3], ())
                expected = [key_of(line) for line in lines if line not in lacking]
            known = {key_of(line): line for line in reversed(lines)}
            titles = [known.get(key, "") for key in expected]
        raw = re.sub("\r\n?", "\n", text)
        name = f"{path.name[:3]} {book or path.stem[4:10]}"
        yield judge(name, clean(text)[0], expected, titles, raw)


def print_rows(rows: list[Row]) -> None:
    """A Markdown table, and every error on standard error."""
    print("| file | headings | found | numbers | titles | other edition | one-line regex |")
    print("|---|---:|---:|---|---|---:|---|")
    for row in rows:
        right = "right" if not row.missing and not row.extra else "**wrong**"
        titles = f"{row.titles - len(row.wrong)}/{row.titles}" if row.titles else "-"
        field = {True: "right", False: "wrong", None: "-"}[row.one_line]
        print(
            f"| {row.file} | {row.expected} | {row.found} | {right} | {titles} "
            f"| {row.different} | {field} |"
        )
        for name, values in (("missing", row.missing), ("extra", row.extra), ("title", row.wrong)):
            if values:
                print(f"{row.file}: {name} {values[:12]} ({len(values)})", file=sys.stderr)
    good = sum(not row.missing and not row.extra and not row.wrong for row in rows)
    judged = [row.one_line for row in rows if row.one_line is not None]
    print(f"\n{good} of {len(rows)} right; the one-line regex: {sum(judged)} of {len(judged)}\n")


def print_speed(text: str) -> None:
    """MB of UTF-8 a second of this stage's parts on one core."""
    from novelkit.cleaning.chapters import split_chapters
    from novelkit.cleaning.newlineless import break_lines
    from novelkit.cleaning.unwrap import unwrap

    size = len(text.encode("utf-8")) / 1e6
    print("| part | MB/s |\n|---|---:|")
    for part in (find_inline_headings, break_lines, unwrap, split_chapters):
        best = min(_seconds(part, text) for _ in range(5))
        print(f"| `{part.__name__}` | {size / best:.0f} |")


def _seconds(part: Callable, text: str) -> float:
    start = time.perf_counter()
    part(text)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, default=Path("../shared/corpus"))
    parser.add_argument("--dirty", type=Path, default=Path("../shared/dirty"))
    parser.add_argument("--wrapping", action="store_true", help="measure the rejoining of lines")
    parser.add_argument("--newlineless", action="store_true", help="books without newlines")
    options = parser.parse_args()
    books = read_corpus(options.corpus) if options.corpus.is_dir() else {}
    if options.wrapping:
        print_wrapping(books, lambda line: print(line, file=sys.stderr))
        return
    if options.newlineless:
        for spaces in (True, False):
            print(f"## One line a book, {'spaces kept' if spaces else 'no space'}\n")
            print_rows(list(newlineless_rows(books, spaces)))
        return
    if books:
        print("## Corpus\n")
        print_rows(list(corpus_rows(books)))
    if options.dirty.is_dir():
        print("## Files as downloaded\n")
        print_rows(list(dirty_rows(options.dirty, books)))
    if books:
        print("## Speed (红楼梦)\n")
        print_speed(books["红楼梦"])


if __name__ == "__main__":
    main()
