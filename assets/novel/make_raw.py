"""Make the bundled novel's two files from its chapters: `python assets/novel/make_raw.py`.

`novel.txt` is the clean whole, `raw.txt` the same book as a download site would hand it out:
GB18030 with CRLF, wrapped lines, a table of contents, advertisements, HTML entities, stray spaces
and a few damaged bytes. The site is invented (example.com is reserved for that by RFC 2606). The
same chapters always give the same bytes.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
WIDTH = 36  # hanzi in a full line, indentation included
DAMAGED_BYTES = 4
# Characters that may not begin a line (kinsoku); a wrapped page moves them up.
NO_LINE_START = "，。、；：？！”’）》」』…—"

HEADER = """\
----------------------------------------------------------------
《{title}》
更多精彩小说、TXT电子书免费下载，请登录 www.example.com
本书下载自ｗｗｗ．ｅｘａｍｐｌｅ．ｃｏｍ
版权声明：本站所有电子书均由网友上传，仅供读者预览，
请在下载后24小时内删除，不得用作商业用途，请购买正版图书！
----------------------------------------------------------------
"""
FOOTER = """\
----------------------------------------------------------------
更多精彩小说请访问 http://www.example.net/txt/
如侵犯了您的版权，请通过Email告知本站，我们将立即删除！
----------------------------------------------------------------
"""
ADVERTISEMENTS = (
    "手机用户请到ｍ．ｅｘａｍｐｌｅ．ｃｏｍ阅读。",
    "（更多好看的小说，尽在 w w w . example . net）",
    "记住本站网址：www。example。com，最新章节免费阅读",
    "w_w_w.example.com TXT小说下载",
)
ENTITIES = {"“": "&ldquo;", "”": "&rdquo;", "…": "&hellip;", "—": "&mdash;"}


@dataclass(frozen=True)
class Raw:
    """The bytes of raw.txt and the offsets of the bytes that were damaged."""

    data: bytes
    damaged: tuple[int, ...]


def read_chapters(folder: Path = HERE) -> tuple[str, list[tuple[str, list[str]]]]:
    """Title and chapters (heading, paragraphs) from TITLE.txt and chapters/*.txt."""
    title = (folder / "TITLE.txt").read_text(encoding="utf-8").strip()
    files = sorted((folder / "chapters").glob("*.txt"))
    if not files:
        raise FileNotFoundError(f"no chapters in {folder / 'chapters'}")
    chapters = []
    for file in files:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
        heading, *paragraphs = [line for line in lines if line]
        chapters.append((heading, paragraphs))
    return title, chapters


def clean_text(chapters: list[tuple[str, list[str]]]) -> str:
    """Heading, an empty line, one paragraph a line, an empty line before the next heading."""
    return "\n\n".join(f"{heading}\n\n" + "\n".join(body) for heading, body in chapters) + "\n"


def make_raw(title: str, chapters: list[tuple[str, list[str]]]) -> Raw:
    """The dirty file. Seeded: the same chapters give the same bytes."""
    chance = random.Random(0)
    header = HEADER.format(title=title) + "\n　　目　录\n\n"
    contents = "".join(f"　　{heading}\n" for heading, _ in chapters)
    body = "".join(_dirty_chapter(heading, text, chance) for heading, text in chapters)
    text = header + contents + "\n\n" + body + FOOTER
    data = bytearray(text.replace("\n", "\r\n").encode("gb18030"))
    start = len((header + contents).replace("\n", "\r\n").encode("gb18030"))
    damaged = _damage(data, start, chance)
    return Raw(bytes(data), damaged)


def _dirty_chapter(heading: str, paragraphs: list[str], chance: random.Random) -> str:
    lines = [
        f"　　{heading.replace('　', '　　')}",
        "更新时间:2010-05-17 本章字数:" + str(sum(map(len, paragraphs))),
        "",
    ]
    for paragraph in paragraphs:
        lines += _wrap(paragraph, chance)
    if chance.random() < 0.6:
        lines += ["", chance.choice(ADVERTISEMENTS)]
    return "\n".join(lines) + "\n\n\n"


def _wrap(paragraph: str, chance: random.Random) -> list[str]:
    """Lines of WIDTH hanzi, the first indented by two full-width spaces; some get dirtier."""
    lines, rest = [], "　　" + paragraph
    while len(rest) > WIDTH:
        end = WIDTH
        while end < len(rest) and rest[end] in NO_LINE_START and end < WIDTH + 2:
            end += 1
        lines.append(rest[:end])
        rest = rest[end:]
    lines.append(rest)
    return [_dirty_line(line, chance) for line in lines if line]


def _dirty_line(line: str, chance: random.Random) -> str:
    luck = chance.random()
    # Dashes and ellipses are rare, so that their lines need a larger chance.
    if luck < (0.3 if "…" in line or "—" in line else 0.06):
        for character, entity in ENTITIES.items():
            line = line.replace(character, entity)
    elif luck < 0.08 and line.startswith("　　"):
        line = "&nbsp;" * 4 + line[2:]
    elif luck < 0.11:
        line += "　"
    elif luck < 0.14 and len(line) > 20:
        # A stray space between two hanzi, the kind a scan leaves behind.
        place = next((i for i in range(12, len(line) - 1) if _both_hanzi(line[i - 1 : i + 1])), 0)
        line = line[:place] + "　" + line[place:] if place else line
    return line


def _both_hanzi(pair: str) -> bool:
    return all("\u4e00" <= character <= "\u9fff" for character in pair)


def _damage(data: bytearray, start: int, chance: random.Random) -> tuple[int, ...]:
    """Replace the second byte of a few hanzi by 0xFF, which no codec can read."""
    places: list[int] = []
    while len(places) < DAMAGED_BYTES:
        place = chance.randrange(start, len(data) - 2000)
        line_start = data.rindex(b"\r\n", 0, place) + 2
        line_end = data.index(b"\r\n", place)
        second = line_start + 2 * ((place - line_start) // 2) + 1
        line = bytes(data[line_start:line_end])
        # Only in a full line of nothing but two-byte characters, so that pairs are known. It must
        # end in text: damage to a heading, an advertisement or an entity is another test.
        if len(line) < 2 * WIDTH - 4 or len(line) % 2 or min(line[::2]) < 0x81:
            continue
        if not 0xB0 <= data[second - 1] <= 0xF7 or b"&" in line or line[-2:] == b"\xa1\xa1":
            continue
        if all(abs(second - other) > 400 for other in places):
            data[second] = 0xFF
            places.append(second)
    return tuple(sorted(places))


def main() -> None:
    title, chapters = read_chapters()
    for name, data in (
        ("novel.txt", clean_text(chapters).encode("utf-8")),
        ("raw.txt", make_raw(title, chapters).data),
    ):
        temporary = HERE / f".{name}.tmp"
        temporary.write_bytes(data)
        temporary.replace(HERE / name)


if __name__ == "__main__":
    main()
