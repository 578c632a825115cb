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

from novelkit.cleaning.site_phrases import (
    ANYWHERE,
    CONDITIONAL,
    FURNITURE,
    KEYWORDS,
    SIMPLIFIED,
    STREWN_RARE,
    suspicious_lines,
)

# Signs strewn into a site's name: 小◇说◇网, c○m.
_STREWN = re.compile("[◇☆★△▲◆□◎※▽▼♀♂⊙≮≯＊*^~`$\"']+")
_CIRCLE = re.compile("(?<=[a-z])[○〇](?=[a-z])")
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
_SUSPECT = re.compile(f"[A-Za-zＡ-Ｚａ-ｚ{STREWN_RARE[1:]}^]|" + "|".join(KEYWORDS)).search
# Two of these in a short line that comes back all through the book make a site's line.
_OF_SITES = re.compile(
    "阅读|小说|书友|章节|更新|收藏|推荐|下载|免费|正版|本站|作者|书签|书架|目录|广告|手机|网|字体"
)
# An address inside of prose, so written that no filter finds it: 泪盈满脸ｗωｗ某某書com网，悲泣
_DISGUISED = re.compile(
    r"[（(【\[]?(?:[wWｗＷωΩ][\W_]{0,2}){3}"
    r"(?:[^，。！？；：“”‘’「」『』\s]|。(?=[A-Za-zＡ-Ｚａ-ｚ])){2,24}?"
    r"(?:[cｃＣC][oｏＯO0○〇][mｍＭM]|[nｎＮN][eｅＥE][tｔＴT]|[oｏＯO][rｒＲR][gｇＧG]|[cｃ][nｎcｃ])"
    r"(?![A-Za-z])(?:[书書小][说說屋]?[网網]|[网網])?[）)】\]]?"
)
_BRACKETS = re.compile(r"[（(【\[][^（）()【】\[\]\n]{4,60}[）)】\]]")
_PLAIN_ADDRESS = re.compile(r"[（(【\[]?www\.[a-z0-9.-]+[）)】\]]?", re.IGNORECASE)
_HANZI = re.compile("[\u3400-\u9fff]").search
_LONGEST = 200
_SHORT = 60  # a longer line is a paragraph, of which only whole sentences go
_END_LINES = 30
_REPEATS = 3
_OFTEN = 5
# What is left of an address that was cut at its 。 is shorter than a sentence of a novel.
_SHORTEST_REMAINDER = 25


_INVISIBLE = re.compile(r"[\s\u200b-\u200f\ufeff]+")


def fold(line: str) -> str:
    """ASCII letters in lower case, simplified characters, no spaces or invisible characters."""
    folded = unicodedata.normalize("NFKC", line).lower().translate(SIMPLIFIED)
    return _CIRCLE.sub("o", _INVISIBLE.sub("", folded))


def _weight(folded: str) -> int:
    """The kinds of marks in a folded text; one that counts anywhere weighs two.

    What is a whole line of a site's page weighs three.
    """
    if FURNITURE.fullmatch(folded):
        return 3
    bare = _STREWN.sub("", folded)
    return max(_marks(folded), _marks(bare) if len(bare) < len(folded) else 0)


def _marks(folded: str) -> int:
    found = {match.lastgroup for match in ANYWHERE.finditer(folded)}
    rest = ANYWHERE.sub("\n", folded)
    return 2 * len(found) + len({match.lastgroup for match in CONDITIONAL.finditer(rest)})


def _narrated(text: str) -> bool:
    return bool(_NARRATED.search(_BOOK_NAME.sub("", text)))


def is_advertisement(text: str, support: int = 0) -> bool:
    """Whether the marks in a line or sentence suffice; `support` is what speaks for it outside.

    Two are asked for, where a story is told three: 他在手机看书，又找无弹窗的 is not one.
    """
    if len(text) > _LONGEST or not _SUSPECT(text):
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
    whole = len(line) <= _SHORT and is_advertisement(line, support)
    if len(kept) == len(sentences):
        return "" if whole else line
    if whole:
        # The 。 of an address ends no sentence.
        kept = [sentence for sentence in kept if not _weight(fold(sentence)) and _HANZI(sentence)]
    remainder = "".join(kept)
    long = len(remainder.strip()) >= _SHORTEST_REMAINDER
    return remainder if long or _narrated(remainder) else ""


def without_insertions(line: str) -> str:
    """`line` without disguised addresses and bracketed site names in it.

    An address in the form in which a story writes it stays.
    """

    def drop(match: re.Match) -> str:
        return match[0] if _PLAIN_ADDRESS.fullmatch(match[0]) else ""

    def drop_brackets(match: re.Match) -> str:
        return "" if is_advertisement(match[0]) else match[0]

    return _BRACKETS.sub(drop_brackets, _DISGUISED.sub(drop, line))


def advertisement_lines(lines: list[str]) -> dict[int, str]:
    """Index → what remains of it, for the lines with advertisements and the disclaimers near."""
    # Most lines are prose without a Latin letter or any of the phrases' key words.
    suspects = suspicious_lines("\n".join(lines))
    folded = {index: fold(lines[index]) for index in suspects if len(lines[index]) <= _LONGEST}
    counts = Counter(folded.values())
    remains = {}
    for index in suspects:
        if len(lines[index]) > _SHORT:
            # Before its whole sentence is taken for the site's: what else it says decides.
            remain = without_insertions(lines[index])
            if remain != lines[index] and not _weight(fold(remain)):
                remains[index] = remain
                continue
        count = counts[folded.get(index, "")]
        if count >= _OFTEN and _is_refrain_of_a_site(lines[index]):
            remains[index] = ""
            continue
        remain = without_advertisement(lines[index], support=int(count >= _REPEATS))
        remain = without_insertions(remain)
        if remain != lines[index]:
            remains[index] = remain
    whole = {index for index, remain in remains.items() if not remain}
    filled = [index for index, line in enumerate(lines) if line.strip()]
    for end in (filled[:_END_LINES], filled[-_END_LINES:]):
        remains |= dict.fromkeys(_disclaimers(lines, end, whole), "")
    return remains


def _is_refrain_of_a_site(line: str) -> bool:
    return _may_belong(line) and len(set(_OF_SITES.findall(fold(line)))) >= 2


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
