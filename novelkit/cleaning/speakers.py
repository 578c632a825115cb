"""Who speaks in a novel: the names that stand before a verb of saying, most frequent first.

Chinese novels tell on nearly every page who says what ("宝玉笑道：“…"), so that counting the words
before 道, 曰 and 说 finds the cast without a dictionary of names, in any century's prose. It finds
those who speak, under each of their names; who only acts or is only spoken of is not found, and now
and then an adverb slips through.
"""

import re
from collections import Counter

from novelkit.cleaning.novel import Novel

# Fewer times than this, and it is more often a turn of phrase than a person.
MINIMUM_COUNT = 3
# Longer than this a name is rarely, and what stands before 道 often.
LONGEST = 4

_HAN = "一-鿿"
_SAYS = "道|曰|说|说道|問|问|答道|喊"
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
# No name begins so: pronouns, adverbs and verbs that the search takes for a name's first character.
_NEVER_FIRST = set(
    "我你他她它伊谁您咱这那此其某各每几两二三四五六七八九十百千"
    "便因又忙就也都却只遂即乃才方再还复且忽正已可但而并若如岂何怎则故亦"
    "一不大小低高厉齐同忍口心嘴自相接连轻慢慌从向对问说答笑哭怒喝叫骂叹喊回书诗随想听看"
    "指拍拉抬点摇含有没是把被将与和当所于以为在"
)
# Nor ends so.
_NEVER_LAST = set(
    "声大奏语笑怒哭叹说道曰问答叫喝骂喊想听看着了的地得过来去上下中里有无是诗又便忙就也都却即"
)
_NO_NAMES = (
    "众人、大家、旁人、别人、来人、众将、众官、众臣、群臣、众军、众妇、左右、使者、报子、探子、后人、古人、后来、"
    "自己、彼此、忽然、连连、喟然、慨然、喃喃、徐徐、良久、半晌、分付、吩咐、仍然、反而、分明、老实、但是、只是"
)


def find_speakers(novel: Novel, minimum_count: int = MINIMUM_COUNT) -> dict[str, int]:
    """Names and how often each of them speaks, most frequent first; empty where nobody does."""
    counts: Counter[str] = Counter()
    for chapter in novel.chapters:
        for paragraph in chapter.paragraphs:
            for pattern in (_BEFORE, _AFTER):
                counts.update(match[1] for match in pattern.finditer(paragraph))
    names = (
        (name, count)
        for name, count in counts.most_common()
        if count >= minimum_count and _may_be_name(name)
    )
    return dict(names)


def _may_be_name(word: str) -> bool:
    return (
        word not in _NO_NAMES.split("、")
        and word[0] not in _NEVER_FIRST
        and word[-1] not in _NEVER_LAST
    )
