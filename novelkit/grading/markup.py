"""The frame of the grader's pages: one style, no scripts, nothing loaded from anywhere.

All text passes `escaped`: names, code and outputs come from students, and a page is opened in an
instructor's browser. The policy in the head forbids what an escape that was forgotten would do.
"""

import base64
import html
import io
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from novelkit.grading.records import Status
from novelkit.grading.sheets import clean
from novelkit.grading.words import WORDS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.5rem 4rem; max-width: 62rem; color: #1f2328;
  background: #fff; line-height: 1.65; font-size: 16px; font-family: system-ui, -apple-system,
  "PingFang SC", "Microsoft YaHei", "Noto Sans SC", "Noto Sans CJK SC", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.3; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.4rem 0 .8rem; padding-bottom: .3rem;
  border-bottom: 1px solid #d8dee4; overflow-wrap: anywhere; }
h3 { font-size: 1rem; margin: 1.2rem 0 .4rem; }
p, ul { margin: .4rem 0 .8rem; }
ul { padding-left: 1.3rem; }
li, p { overflow-wrap: anywhere; white-space: pre-line; }
a { color: #0b5c8a; }
.sub, .code { color: #59636e; }
td .code { white-space: nowrap; }
.sub { margin: .2rem 0 0; overflow-wrap: anywhere; }
.code { font-weight: normal; font-size: .85em; }
.tiles { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1.4rem 0; }
.tile { border: 1px solid #d8dee4; border-radius: 8px; padding: .6rem 1rem; min-width: 8rem; }
.tile b { display: block; font-size: 1.5rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
.tile span { color: #59636e; font-size: .85rem; }
.main { background: #eef4fa; border-color: #b8d0e4; }
.notice { border-left: 4px solid #7a4fa3; background: #f6f1fb; padding: .6rem 1rem;
  margin: 1rem 0; border-radius: 0 6px 6px 0; }
.remark { border-left: 4px solid #0b5c8a; background: #eef4fa; padding: .6rem 1rem;
  margin: .8rem 0; border-radius: 0 6px 6px 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .45rem .6rem;
  border-bottom: 1px solid #e4e8ec; overflow-wrap: anywhere; }
th { color: #59636e; font-weight: 600; border-bottom: 2px solid #d8dee4; white-space: nowrap; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums;
  white-space: nowrap; }
th.number { white-space: pre-line; min-width: 3.4em; vertical-align: bottom; }
td.short { white-space: nowrap; }
td.title { min-width: 13rem; }
td.value { min-width: 6.5em; font-size: .82rem; white-space: pre-wrap; font-family: ui-monospace,
  Menlo, Consolas, "DejaVu Sans Mono", monospace; }
td ul { margin: 0; }
pre { background: #f6f8fa; border: 1px solid #d8dee4; border-radius: 6px; padding: .8rem 1rem;
  font-size: .82rem; line-height: 1.5; white-space: pre-wrap; overflow-wrap: anywhere; tab-size: 4;
  font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; margin: .4rem 0; }
.status { white-space: nowrap; font-weight: 600; }
.status i { font-style: normal; display: inline-block; width: 1.3em; }
.mark { display: inline-block; width: 1.25em; text-align: center; }
h2 .status, h2 .points { font-size: .9rem; float: right; margin-left: 1rem; line-height: 2; }
img { max-width: 100%; height: auto; }
.beside { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; }
.beside > div { min-width: 0; }
@media (max-width: 46rem) { .beside { grid-template-columns: 1fr; } }
@media print { body { max-width: none; padding: 0; font-size: 10.5pt; } a { color: inherit; }
  tr, img, .tile, .remark, .notice { break-inside: avoid; } h2, h3 { break-after: avoid; }
  table { font-size: 8.5pt; } td.title { min-width: 9em; } .wide { overflow: visible; }
  img { max-height: 21cm; width: auto; } pre, .tile, .main, .notice, .remark { background: none; } }
"""
# Names that Windows keeps for devices, whatever the ending.
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
LONGEST_NAME = 60


def escaped(text: str) -> str:
    """Text as HTML: nothing of it is markup, and all of it can be written as UTF-8."""
    return html.escape(clean(text))


def document(title: str, body: str) -> str:
    """A whole page; `title` is text, `body` is HTML."""
    return (
        '<!DOCTYPE html>\n<html lang="zh-CN">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{escaped(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def table(header: Sequence[str], rows: Iterable[Sequence[str]], classes: Sequence[str]) -> str:
    """A table: `header` is text, cells are HTML; `classes` of columns are "", "short" (no line
    breaks), "title", "number" or "value" (code).
    """
    head = "".join(
        f'<th class="{kind}">{escaped(name)}</th>'
        for name, kind in zip(header, classes, strict=True)
    )
    lines = (
        "<tr>"
        + "".join(
            f'<td class="{kind}">{entry}</td>' for entry, kind in zip(row, classes, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    body = "\n".join(lines)
    return (
        f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def bullets(lines: Iterable[str]) -> str:
    """A list of lines of text; nothing where there are none."""
    entries = "".join(f"<li>{escaped(line)}</li>" for line in lines)
    return f"<ul>{entries}</ul>" if entries else ""


def tiles(entries: Iterable[tuple[str, str]]) -> str:
    """Big numbers with their captions (number and caption are text); the first stands out."""
    found = [
        f'<div class="tile{"" if place else " main"}"><b>{escaped(value)}</b>'
        f"<span>{escaped(caption)}</span></div>"
        for place, (value, caption) in enumerate(entries)
    ]
    return f'<div class="tiles">{"".join(found)}</div>'


def anchor(name: str) -> str:
    """The name of an exercise as an `id` inside a page, and behind # in a link to it."""
    return re.sub(r"[^\w-]+", "-", clean(name))


def badge(status: Status) -> str:
    """A status as symbol and word in its colour."""
    word = WORDS[status]
    return (
        f'<span class="status" style="color:{word.colour}"><i>{word.symbol}</i>'
        f"{word.chinese}</span>"
    )


def source_block(source: str) -> str:
    """Code as it was handed in."""
    # Inside <code>, since a line end right after <pre> would be swallowed.
    return f"<pre><code>{escaped(source)}</code></pre>"


def link(address: str, text: str) -> str:
    """A link to a file beside the page, by its relative path."""
    return f'<a href="{quote(clean(address), safe="/#")}">{escaped(text)}</a>'


def picture(figure: "Figure", description: str) -> str:
    """A figure inside the page, as an image that executes nothing; the same figure, same bytes."""
    import matplotlib

    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "novelkit", "svg.fonttype": "path"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f'<img alt="{escaped(description)}" src="data:image/svg+xml;base64,{data}">'


def file_names(names: Sequence[str]) -> list[str]:
    """A safe and different name of a file for each, without ending, in the same order.

    Letters and digits of any script stay; the rest, what Windows reserves, and names that differ
    only in case get something that tells them apart.
    """
    found: list[str] = []
    taken: set[str] = set()
    for name in names:
        safe = re.sub(r"[^\w.-]+", "_", clean(name).replace("\ufffd", "_")).strip("._")
        safe = safe[:LONGEST_NAME] or "student"
        if _RESERVED.fullmatch(safe):
            safe = f"_{safe}"
        chosen, number = safe, 2
        while chosen.casefold() in taken:
            chosen, number = f"{safe}-{number}", number + 1
        taken.add(chosen.casefold())
        found.append(chosen)
    return found
