"""Who speaks in a novel: the names that stand before a verb of saying, most frequent first.

Chinese novels tell on nearly every page who says what ("宝玉笑道：“…"), so that counting the words
before 道, 曰 and 说 finds the cast without a dictionary of names, in any century's prose. It finds
those who speak, under each of their names; who only acts or is only spoken of is not found, and now
and then an adverb slips through.
"""

import re
from collections import Counter
from collections.abc import Iterator

from novelkit.cleaning.novel import Novel

# Fewer times than this, and it is more often a turn of phrase than a person.
MINIMUM_COUNT = 3
# Longer than this a name is rarely, and what stands before 道 often.
LONGEST = 4

_HAN = "一-鿿"
_SAYS = "道|曰|说|說|说道|說道|问|問|答道|喊"
# How it is said stands between the name and the verb.
_MANNER = (
    "[又便忙就也都却只遂即因乃才方再还复][又便忙就也都却只遂即因乃才方再还复对向]?"
    "|[笑冷哭怒喝叫骂叹答回说问喊劝嚷哼]{1,2}|大[怒笑叫喝喜惊]|微微|冷冷|连忙|慌忙|急忙|赶忙"
)
# 宝玉笑道：“ and 宝玉说，“, at the beginning of a clause.
_BEFORE = re.compile(
    rf"(?:(?<=[。！？；，：”’」』…—\n])|^)([{_HAN}A-Z]{{2,{LONGEST}}}?)"
    rf"(?:{_MANNER}){{0,3}}(?:{_SAYS})(?:[：:]|，(?=[“「『]))",
    re.MULTILINE,
)
# ”闰土说。
_AFTER = re.compile(
    rf"[”」』]([{_HAN}A-Z]{{2,{LONGEST}}}?)(?:{_MANNER}){{0,3}}(?:{_SAYS})(?=[。，：])"
)
# Hardly a name begins so: pronouns, adverbs and verbs. Those that are surnames too (高, 何, 方, 于,
# 向, 齐, 连) are not among them; what else begins with one stands in `_NO_NAMES`.
_NEVER_FIRST = set(
    "我你他她它伊谁您咱这那此其某各每几两二三四五六七八九十百千"
    "便因又忙就也都却只遂即乃才再还复且忽正已可但而并若如岂怎则故亦"
    "一不大小低厉同忍口心嘴自接轻慢慌从对问说答笑哭怒喝叫骂叹喊回书诗随想听看"
    "指拍拉抬点摇含有没是把被将与和当所以为在"
)
# Nor ends so.
_NEVER_LAST = set(
    "声奏语笑怒哭叹说道曰问答叫喝骂喊想听看着了的地得过来去上下中里有无是诗又便忙就也都却即"
)
_WORDS = (
    "众人、大家、旁人、别人、来人、众将、众官、众臣、群臣、众军、众妇、左右、使者、报子、探子、后人、古人、后来、"
    "连声、连忙、连叫、高声、高叫、高呼、齐声、齐呼、方才、方今、何不、何如、何必、于是、向前、向他、"
    "自己、彼此、忽然、连连、喟然、慨然、喃喃、徐徐、良久、半晌、分付、吩咐、仍然、反而、分明、老实、但是、只是"
)
_NO_NAMES = frozenset(_WORDS.split("、"))


def find_speakers(novel: Novel, minimum_count: int = MINIMUM_COUNT) -> dict[str, int]:
    """Names and how often each of them speaks, most frequent first; empty where nobody does."""
    counts: Counter[str] = Counter()
    for chapter in novel.chapters:
        for paragraph in chapter.paragraphs:
            counts.update(_speakers(paragraph))
    names = (
        (name, count)
        for name, count in counts.most_common()
        if count >= minimum_count and _may_be_name(name)
    )
    return dict(names)


def _speakers(paragraph: str) -> Iterator[str]:
    for pattern in (_BEFORE, _AFTER):
        for match in pattern.finditer(paragraph):
            # 操大笑曰: a name of one character, which the search does not take, and how he says it.
            if not (match[1].endswith("大") and match.string[match.end(1)] in "怒笑叫喝喜惊"):
                yield match[1]


def _may_be_name(word: str) -> bool:
    return word not in _NO_NAMES and word[0] not in _NEVER_FIRST and word[-1] not in _NEVER_LAST
