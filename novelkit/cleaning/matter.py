"""Matter that is not the book: licence texts, advertisements, page numbers, rules, title lines.

What a line must look like to be an advertisement is in `advertisements`, a heading in `chapters`.
Prose before the first heading is taken for front matter only under a label (内容简介：); other
prose stays there as a chapter of its own.
"""

import re

from novelkit.cleaning.advertisements import advertisement_lines
from novelkit.cleaning.chapters import Heading, find_headings, volume_units
from novelkit.cleaning.edits import Edits, drop_lines

# --- Project Gutenberg -------------------------------------------------------------------------

# The title between the stars may be broken over two lines. Before 2004 the licence stood first and
# ended with "*END*THE SMALL PRINT!".
_GUTENBERG_START = re.compile(
    r"(?i)\*{3}[ ]*START OF (?:THE |THIS )?PROJECT GUTENBERG[^*]{0,300}(?:\*{3}[^\n]*|(?=\n\s*\n))"
    r"|\*+[ ]*END[ ]*\*?[ ]*THE SMALL PRINT[^\n]*"
)
_ASCII_LINES = r"(?:\n(?=[ ]*[!-~])[ -~]+)*"
_GUTENBERG_CREDIT = re.compile(
    r"(?i)\s*(?:(?:Produced|Prepared|Scanned|Transcribed|Created) by|(?:This )?E-?(?:text|book) "
    r"(?:was )?(?:prepared|produced|created) by|\[?Transcriber'?s? note)[^\n]*" + _ASCII_LINES
)
_GUTENBERG_FIELDS = re.compile(
    r"(?i)(?:\s*(?:The )?Project Gutenberg(?:'s|’s)? E?(?:Book|text)?[^\n]*\n|"
    rf"\s*This e(?:Book|text) is for the use of[^\n]*{_ASCII_LINES}\n|"
    r"\s*(?:Title|Author|Editor|Translator|Release Date|Posting Date|Last Updated|Language|"
    r"Character set encoding|Credits|Illustrator|Original publication)[ ]*:[^\n]*\n"
    r"(?:[ ]{2,}[^\n]*\n)*)+"
)
_GUTENBERG_END = re.compile(
    r"(?i)\n[^\n]{0,8}\*{3}[ ]*END OF (?:THE |THIS )?PROJECT GUTENBERG.*"
    r"|\n[ *]*End of (?:the |this )?Project Gutenberg.*"
    r"|\n[ ]*\*+[ ]*START[ *]*THE SMALL PRINT.*",
    re.DOTALL,
)


def drop_gutenberg(text: str, edits: Edits) -> str:
    """Everything outside the marks of Project Gutenberg, and its fields where a mirror cut them."""
    if "utenberg" not in text and "UTENBERG" not in text and "SMALL PRINT" not in text:
        return text
    head = max((match.end() for match in _GUTENBERG_START.finditer(text)), default=0)
    # The licence may stand behind the text as well: the book is where the hanzi are.
    if _hanzi(text[:head]) > _hanzi(text[head:]):
        head = 0
    for pattern in (_GUTENBERG_FIELDS, _GUTENBERG_CREDIT):
        match = pattern.match(text, head)
        head = match.end() if match else head
    end = _GUTENBERG_END.search(text, max(0, head - 1))
    if end:
        edits.add(end[0].strip())
        text = text[: end.start()]
    if head:
        edits.add(text[:head].strip())
        text = text[head:].lstrip("\n")
    return text


def _hanzi(text: str) -> int:
    return len(re.findall("[\u3400-\u9fff]", text))


# --- lines of a site ---------------------------------------------------------------------------


def drop_advertisements(text: str, edits: Edits) -> str:
    """Lines of a download site go, as do its sentences at the end of a real paragraph."""
    lines = text.split("\n")
    remains = advertisement_lines(lines)
    if not remains:
        return text
    for index, remain in remains.items():
        edits.add(lines[index].strip(), remain.strip())
        lines[index] = remain
    return "\n".join(
        line for index, line in enumerate(lines) if index not in remains or remains[index]
    )


_SEPARATOR = re.compile(
    r"[ \u3000\t]*(?:[-=_~—－＝─]{4,}|[-=*＊※☆★◇◆#+]{3,}|`{3}\w*|~{3})[ \u3000\t]*"
)
_SEPARATOR_SIGNS = frozenset("-=_~—－＝─*＊※☆★◇◆#+`")


def drop_separators(text: str, edits: Edits) -> str:
    """Lines of dashes or stars, and the fence around a code block of Markdown."""
    lines = text.split("\n")
    dropped = {
        index
        for index, line in enumerate(lines)
        if line.lstrip(" \u3000\t")[:1] in _SEPARATOR_SIGNS and _SEPARATOR.fullmatch(line)
    }
    return drop_lines(lines, dropped, edits) if dropped else text


# --- page numbers --------------------------------------------------------------------------------

_OF_PAGES = re.compile(
    r"第[ \u3000]*[0-9０-９]{1,4}[ \u3000]*[页頁]"
    r"(?:[ \u3000,，/／]*共[ \u3000]*[0-9０-９]{1,4}[ \u3000]*[页頁])?"
    r"|[页頁]码?[:：][ ]*[0-9]{1,4}(?:[ ]*/[ ]*[0-9]{1,4})?"
)
_PAGE = re.compile(r"[-—－–·•~(（\[【]{0,2}[ ]*([0-9０-９]{1,4})[ ]*[-—－–·•~)）\]】]{0,2}")
_SENTENCE_END = tuple("。！？…”’」』）》!?:：")
_FEWEST_PAGES = 3


def drop_page_numbers(text: str, edits: Edits) -> str:
    """Lines that are the number of a page: 第12页, and -12- or 12 where it breaks sentences.

    A bare number may be the heading of a section; it does not stand inside of sentences.
    """
    lines = text.split("\n")
    certain, bare = set(), []
    before = ""
    for index, line in enumerate(lines):
        stripped = line.strip(" \u3000\t\xa0\x0c")
        if not stripped:
            continue
        if len(stripped) > 20 or not any(map(str.isdecimal, stripped)):
            before = stripped
        elif _OF_PAGES.fullmatch(stripped):
            certain.add(index)
        elif match := _PAGE.fullmatch(stripped):
            bare.append((index, int(match[1]), not before.endswith(_SENTENCE_END) and before != ""))
        else:
            before = stripped
    rising = sum(b[1] == a[1] + 1 for a, b in zip(bare, bare[1:], strict=False))
    inside = sum(interrupts for _, _, interrupts in bare)
    if len(bare) >= _FEWEST_PAGES and rising >= 0.5 * (len(bare) - 1) and inside >= len(bare) / 3:
        certain |= {index for index, _, _ in bare}
    return drop_lines(lines, certain, edits) if certain else text


# --- front matter --------------------------------------------------------------------------------

# ︽ ︾ are the brackets of a text that was set in columns.
_FRONT = re.compile(
    r"[《︽][^》︾]*[》︾].{0,24}|[\[【].{0,40}[\]】]|[（(][明清宋元唐民][^）)]{0,4}[）)].{2,12}"
    r"|(?:作者名?|著者|译者|譯者|编者|編者|编|主角|书名|書名|又名|版本|类型|类别|分类|字数|状态|出版社?"
    r"|书籍介绍|書籍介紹|内容简介|內容簡介|简介|簡介)[:：；《].{0,60}"
    r"|.{0,20}[著撰編编译譯][ \u3000]*"
)
# What stands under one of these was written by the site or a modern publisher.
_LABEL = re.compile(
    r"[【\[]?(?:(?:内容|內容|作品|本书|本書|书籍|書籍|小说|小說|作者)?(?:简介|簡介|介绍|介紹|提要)"
    r"|版本|作者)[】\]]?[ ]*[:：]?"
)
_AUTHOR = re.compile(
    r".{0,20}[著撰編编译譯]|作者.{1,20}|[·・•][ ]*\S{2,4}[ ]*[·・•]"
    r"|[（(][明清宋元唐民].{0,5}[）)].{2,6}"
)
_TITLE_LINES = 4
_FEW_NAMES = 3
_LONGEST_NAME = 20
_SERIES = re.compile(r"[^，。！？；：“”]{2,16}(?:文[库庫]|[丛叢][书書]|[书書]系|全集|系列)")


def drop_front_matter(text: str, edits: Edits) -> str:
    """Title, author and labelled blurb before the first heading and at those of volumes.

    Other prose there is kept as a chapter.
    """
    lines = text.split("\n")
    headings = find_headings(lines)
    dropped = _front_block(lines, headings) if headings else _title_block(lines)
    dropped |= _volume_matter(lines, headings)
    return drop_lines(lines, dropped, edits) if dropped else text


def _front_block(lines: list[str], headings: dict[int, Heading]) -> set[int]:
    """Lines of a title page up to the first prose."""
    # 第一部 may stand between the title and the author: look up to the first real chapter.
    volumes = volume_units(headings)
    end = min((i for i, heading in headings.items() if heading.unit not in volumes), default=0)
    before = [i for i in range(end) if lines[i].strip() and i not in headings]
    dropped: set[int] = set()
    for order, index in enumerate(before):
        line = lines[index].strip(" \u3000\t")
        # A short first line is the title where no prose comes after it.
        following = lines[before[order + 1]].strip() if order + 1 < len(before) else ""
        alone = not following or bool(_FRONT.fullmatch(following))
        first = order == 0 and alone and _is_name(line)
        if _LABEL.fullmatch(line):
            dropped |= _labelled(lines, before[order:])
        elif not first and not _FRONT.fullmatch(line) and index not in dropped:
            break
        dropped.add(index)
    return dropped


def _labelled(lines: list[str], filled: list[int]) -> set[int]:
    """A label and the lines under it: the next one, and more up to an empty line or a label."""
    under = set(filled[:2])
    for before, index in zip(filled[1:], filled[2:], strict=False):
        if index > before + 1 or _LABEL.fullmatch(lines[index].strip(" \u3000\t")):
            break
        under.add(index)
    return under


def _volume_matter(lines: list[str], headings: dict[int, Heading]) -> set[int]:
    """Title and author again behind the heading of a volume, a series' name alone before it."""
    units = volume_units(headings)
    starts = sorted(headings)
    dropped: set[int] = set()
    for order, volume in enumerate(starts):
        if headings[volume].unit not in units:
            continue
        end = starts[order + 1] if order + 1 < len(starts) else len(lines)
        behind = [index for index in range(volume + 1, end) if lines[index].strip()]
        names = [lines[index].strip() for index in behind[: _FEW_NAMES + 1]]
        if 0 < len(names) <= _FEW_NAMES and _AUTHOR.fullmatch(names[-1]):
            dropped |= set(behind) if all(map(_is_name, names)) else set()
        before = volume - 1
        while before > 0 and not lines[before].strip():
            before -= 1
        if 0 < before < volume - 1 and not lines[before - 1].strip():
            dropped |= {before} if _SERIES.fullmatch(lines[before].strip()) else set()
    return dropped


def _is_name(line: str) -> bool:
    """Short and without the marks of a sentence, as a title or an author is."""
    return len(line) <= _LONGEST_NAME and not re.search(r"[，。！？；]", line)


def _title_block(lines: list[str]) -> set[int]:
    """Short lines up to one with an author, at the head of a story without headings."""
    block: set[int] = set()
    for index, line in enumerate(lines):
        stripped = line.strip(" \u3000\t")
        if not stripped:
            continue
        block.add(index)
        if len(stripped) <= 20 and _AUTHOR.fullmatch(stripped):
            return block
        if len(block) == _TITLE_LINES or len(stripped) > 20 or re.search("[，。！？；]", stripped):
            break
    return set()
