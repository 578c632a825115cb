"""Lines that a download site put into a book, by general patterns and not one site's name.

A line is judged by its folded form (NFKC, lower case, no spaces), so that full-width letters and
"w w w . example . com" look like plain ones. An address with www or a path, and a few phrases that
only sites write, count anywhere. Phrases that a narrator may write as well (手机看书, 收藏本站)
count where something speaks for a site: a second phrase, a repetition in the book, or a neighbour
of the kind at the ends of the file, where the disclaimers stand. Does not cover advertisements of
one such phrase that stand alone and once.
"""

import re
import unicodedata
from collections import Counter

_ANYWHERE = re.compile(
    r"(?P<address>(?:https?[:：]?//|(?<![a-z0-9])w[\W_]?w[\W_]?w[\W_]{1,2}[a-z0-9]"
    r"|[a-z0-9-]{2,}[.。·](?:com|net|org|cn|cc|info|tw|hk|xyz|top|vip)/[a-z0-9])[a-z0-9./:_-]*)"
    r"|(?P<reader>手机用户请.{0,30}阅读)|(?P<popup>无弹窗)"
    r"|(?P<text_file>txt(?:电子书|下载|全集|小说下载))|(?P<length>本章字数[:：])"
    r"|(?P<updated>更新时间[:：])"
    r"|(?P<marker>[-=*@]{2,}章节内容(?:开始|结束))"
)
_CONDITIONAL = re.compile(
    r"(?P<domain>[a-z0-9-]{2,}[.。·,、][a-z0-9-]*[.。·]?"
    r"(?:com|net|org|cn|cc|info|tw|hk|xyz|top|vip)(?![a-z])|[a-z0-9_.-]{2,}@[a-z0-9-]{2,}\.[a-z]{2,})"
    r"|(?P<phone>手机用户请|手机(?:电子书|阅读|看书|同步))"
    r"|(?P<origin>(?:本书|小说|本文)(?:下载自|来自|转载自|由.{1,20}?(?:整理|制作|提供|上传|收集)))"
    r"|(?P<more>更多(?:精彩|好看|免费|txt|最新|原创)?.{0,8}(?:小说|电子书|好书)"
    r"[^。]{0,12}?(?:请|尽在|下载|登陆|登录|访问|就到)|更多(?:精彩|好看|免费)(?:小说|好书))"
    r"|(?P<posted>(?:更新|发布|上传)时间[:：]?[0-9])|(?P<keep>(?:记住|收藏)(?:本站|网址))"
    r"|(?P<latest>最新章节(?:请|尽在|列表|免费))|(?P<plain>无广告.{0,6}小.?说)"
    r"|(?P<text_novel>txt小说)|(?P<rights>版权归?(?:原|作者|出版).{0,10}所有)"
    r"|(?P<trade>不得用[作于].{0,6}商业)|(?P<licensed>请(?:支持|购买).{0,4}正版)"
    r"|(?P<day>24小时(?:之)?内.{0,4}删除)|(?P<ebook>电子书.{0,12}?(?:下载|制作|版权))"
    r"|(?P<site>(?:本站|本网).{0,20}?(?:电子书|小说|免费|下载))"
    r"|(?P<marker>章节内容(?:开始|结束))|(?P<vote>(?:求|投)(?:收藏|推荐票|月票))"
    r"|(?P<only>仅供.{0,10}?(?:预览|试读|学习交流|交流学习))"
    r"|(?P<trouble>如(?:有|果有)(?:问题|疑问|侵权).{0,4}(?:邮件|联系|email))"
)
_WEAK = re.compile(
    r"版权|仅供|学习|交流|商业用途|正版|网友|删除|下载|免费|阅读|本站|电子书|txt|email|声明|侵犯|告知"
    r"|网站|订阅|购买"
)
# Whoever is told of, or says something, stands in a story: 小说 and 我们 are words of sites too.
_NARRATED = re.compile(r"[他她]|(?<![小传])(?<!小\W)(?<!小\W\W)[说說]|我(?!们|爱)")
_BOOK_NAME = re.compile(r"《[^》]*》")
_RULE_LINE = re.compile(r"\s*[-=*_~—－＝＊#]{4,}\s*")
_SPEECH = re.compile(r"[\s\u3000]*[“「『]")
_HEADING = re.compile(r"[\s\u3000]*第.{1,9}[章回节節卷集部篇]")
_SENTENCE = re.compile(r"[^。！？]*[。！？]+[”’」』）)]*|[^。！？]+$")
_SUSPECT = re.compile(
    r"[A-Za-zＡ-Ｚａ-ｚ]|手机|手機|小说|小說|电子书|電子書|本站|本网|本书|本書|更新|字数|字數|收藏|版权|版權"
    r"|商业|商業|正版|2[4４]|章节|章節|月票|推荐|仅供|僅供|无弹窗|最新|上传|本文|本章|更多|记住|記住|网址"
)
_LONGEST = 200
_SHORT = 60  # a longer line is a paragraph, of which only whole sentences go
_END_LINES = 30
_REPEATS = 3
# What is left of an address that was cut at its 。 is shorter than a sentence of a novel.
_SHORTEST_REMAINDER = 25


def fold(line: str) -> str:
    """Full-width letters to ASCII, lower case, without spaces or invisible characters."""
    folded = unicodedata.normalize("NFKC", line).lower()
    return re.sub(r"[\s\u200b-\u200f\ufeff]+", "", folded)


def _weight(folded: str) -> int:
    """The kinds of marks in a folded text; one that counts anywhere weighs two."""
    found = {match.lastgroup for match in _ANYWHERE.finditer(folded)}
    rest = _ANYWHERE.sub("\n", folded)
    return 2 * len(found) + len({match.lastgroup for match in _CONDITIONAL.finditer(rest)})


def _narrated(text: str) -> bool:
    return bool(_NARRATED.search(_BOOK_NAME.sub("", text)))


def is_advertisement(text: str, support: int = 0) -> bool:
    """Whether the marks in a line or sentence suffice; `support` is what speaks for it outside.

    Two are asked for, where a story is told three: 他在手机看书，又找无弹窗的 is not one.
    """
    if len(text) > _LONGEST:
        return False
    weight = _weight(fold(text))
    return weight > 0 and weight + support >= 2 + _narrated(text)


def without_advertisement(line: str, support: int = 0) -> str:
    """The sentences of `line` that are the book's own, "" where hardly any is."""
    if _SPEECH.match(line):
        return line
    # Sites hang their name on the end of a real paragraph as well.
    sentences = _SENTENCE.findall(line)
    kept = [sentence for sentence in sentences if not is_advertisement(sentence, support)]
    if len(kept) == len(sentences):
        return "" if len(line) <= _SHORT and is_advertisement(line, support) else line
    remainder = "".join(kept)
    long = len(remainder.strip()) >= _SHORTEST_REMAINDER
    return remainder if long or _narrated(remainder) else ""


def advertisement_lines(lines: list[str]) -> dict[int, str]:
    """Index → what remains of it, for the lines with advertisements and the disclaimers near."""
    # Most lines are prose without a Latin letter or any of the phrases' key words.
    suspects = [index for index, line in enumerate(lines) if _SUSPECT.search(line)]
    folded = {index: fold(lines[index]) for index in suspects if len(lines[index]) <= _LONGEST}
    counts = Counter(folded.values())
    remains = {}
    for index in suspects:
        repeated = counts[folded.get(index, "")] >= _REPEATS
        remain = without_advertisement(lines[index], support=int(repeated))
        if remain != lines[index]:
            remains[index] = remain
    whole = {index for index, remain in remains.items() if not remain}
    filled = [index for index, line in enumerate(lines) if line.strip()]
    for end in (filled[:_END_LINES], filled[-_END_LINES:]):
        remains |= dict.fromkeys(_disclaimers(lines, end, whole), "")
    return remains


def _disclaimers(lines: list[str], block: list[int], found: set[int]) -> set[int]:
    """Lines with a mark or weak words beside an advertisement at a file end, spreading from it."""
    grown = set(found)
    for one, other in zip(block, block[1:], strict=False):
        # Two marks in neighbouring lines make a block too, unless the lines are sentences.
        if all(_may_belong(lines[i]) and not _ends(lines[i]) for i in (one, other)) and all(
            _weight(fold(lines[i])) for i in (one, other)
        ):
            grown |= {one, other}
    for order in (block, block[::-1]):
        for before, index in zip(order, order[1:], strict=False):
            beside = before in grown or (
                _RULE_LINE.fullmatch(lines[before]) and any(near in grown for near in block)
            )
            if beside and _may_belong(lines[index]) and _speaks_of_the_site(lines[index]):
                grown.add(index)
    return grown - found


def _may_belong(line: str) -> bool:
    """Short and neither speech, narration nor a heading."""
    story = _SPEECH.match(line) or _narrated(line) or _HEADING.match(line)
    return len(line) <= _SHORT and not story


def _ends(line: str) -> bool:
    return line.rstrip().endswith("。")


def _speaks_of_the_site(line: str) -> bool:
    """One weak word in a line, two in a whole sentence, or a mark."""
    folded = fold(line)
    return len(set(_WEAK.findall(folded))) >= 1 + _ends(line) or _weight(folded) > 0
