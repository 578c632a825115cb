"""Lines that a download site put into a book, by general patterns and not one site's name.

A line is judged by its folded form (NFKC, lower case, no spaces), so that full-width letters and
"w w w . example . com" look like plain ones. Strong patterns count
anywhere, weak ones only beside an advertisement at both ends of the file, where disclaimers stand.
"""

from __future__ import annotations

import re
import unicodedata

_URL = re.compile(
    r"https?[:：/]|(?<![a-z])www[\W_]|[a-z0-9-]{2,}[.。·,、][a-z0-9-]*[.。·]?"
    r"(?:com|net|org|cn|cc|info|tw|hk|xyz|top|vip)(?![a-z])|[\w.]{2,}@[a-z0-9]{2,}\.[a-z]{2,}"
)
_STRONG = re.compile(
    r"手机用户请|手机(?:电子书|阅读|看书|同步)"
    r"|(?:本书|小说|本文)(?:下载自|来自|转载自|由.{1,20}(?:整理|制作|提供|上传|收集))"
    r"|更多(?:精彩|好看|免费|txt|最新|原创)?.{0,8}(?:小说|电子书|好书)"
    r"[^。]{0,12}(?:请|尽在|下载|登陆|登录|访问|就到)"
    r"|更多(?:精彩|好看|免费)(?:小说|好书)|(?:更新|发布|上传)时间[:：]?[0-9]|本章字数[:：]"
    r"|(?:记住|收藏)(?:本站|网址)|最新章节(?:请|尽在|列表|免费)|无弹窗|无广告.{0,6}小.?说"
    r"|txt(?:电子书|小说|下载|全集)|版权归?(?:原|作者|出版).{0,10}所有"
    r"|不得用[作于].{0,6}商业|请(?:支持|购买).{0,4}正版|24小时(?:之)?内.{0,4}删除"
    r"|电子书.{0,12}(?:下载|制作|版权)|(?:本站|本网).{0,20}(?:电子书|小说|免费|下载)"
    r"|章节内容(?:开始|结束)|(?:求|投)(?:收藏|推荐票|月票)"
    r"|仅供.{0,10}(?:预览|试读|学习交流|交流学习)"
)
_WEAK = re.compile(
    r"版权|仅供|学习|交流|商业用途|正版|网友|删除|下载|免费|阅读|本站|电子书|txt|email|声明|侵犯|告知"
    r"|网站|订阅|购买"
)
_RULE_LINE = re.compile(r"\s*[-=*_~—－＝＊#]{4,}\s*")
_SPEECH = re.compile(r"[\s\u3000]*[“「『]")
_SUSPECT = re.compile(
    r"[A-Za-zＡ-Ｚａ-ｚ]|手机|手機|小说|小說|电子书|電子書|本站|本网|本书|本書|更新|字数|字數|收藏|版权|版權"
    r"|商业|商業|正版|2[4４]|章节|章節|月票|推荐|仅供|僅供|无弹窗|最新|上传|本文|本章|更多|记住|記住"
)
_LONGEST = 200
_END_LINES = 30
# What is left of an address that was cut at its 。 is shorter than a sentence of a novel.
_SHORTEST_REMAINDER = 25


def fold(line: str) -> str:
    """Full-width letters to ASCII, lower case, without spaces or invisible characters."""
    folded = unicodedata.normalize("NFKC", line).lower()
    return re.sub(r"[\s\u200b-\u200f\ufeff]+", "", folded)


def is_advertisement(text: str) -> bool:
    """Whether a line or a sentence holds an address or a phrase that only sites use."""
    if len(text) > _LONGEST:
        return False
    folded = fold(text)
    return bool(_STRONG.search(folded) or _URL.search(folded))


def without_advertisement(line: str) -> str:
    """The sentences of `line` that are the book's own, "" where hardly any is."""
    if _SPEECH.match(line):
        return line
    if not is_advertisement(line) and (len(line) <= _LONGEST or not is_advertisement(line[-80:])):
        return line
    # Sites hang their name on the end of a real paragraph as well.
    sentences = re.findall(r"[^。！？]*[。！？]+[”’」』）]*|[^。！？]+$", line)
    kept = "".join(sentence for sentence in sentences if not is_advertisement(sentence))
    return kept if len(kept.strip()) >= _SHORTEST_REMAINDER else ""


def advertisement_lines(lines: list[str]) -> dict[int, str]:
    """Index → what remains of it, for the lines with advertisements and the disclaimers near."""
    remains = {}
    for index, line in enumerate(lines):
        # Most lines are prose without a Latin letter or any of the phrases' key words.
        if _SUSPECT.search(line):
            remain = without_advertisement(line)
            if remain != line:
                remains[index] = remain
    whole = {index for index, remain in remains.items() if not remain}
    filled = [index for index, line in enumerate(lines) if line.strip()]
    for end in (filled[:_END_LINES], filled[-_END_LINES:]):
        remains |= dict.fromkeys(_weak_neighbours(lines, end, whole), "")
    return remains


def _weak_neighbours(lines: list[str], block: list[int], found: set[int]) -> set[int]:
    """Lines with weak words beside an advertisement already found, spreading from it."""
    grown = set(found)
    for order in (block, block[::-1]):
        for before, index in zip(order, order[1:], strict=False):
            beside = before in grown or (
                _RULE_LINE.fullmatch(lines[before]) and any(near in grown for near in block)
            )
            short = len(lines[index]) <= 60 and not _SPEECH.match(lines[index])
            if beside and short and _WEAK.search(fold(lines[index])):
                grown.add(index)
    return grown - found
