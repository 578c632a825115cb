"""How much of a text a vocabulary spells in bytes, what that means, and what to do about it."""

from collections import Counter
from dataclasses import dataclass

from novelkit.tokenizing.interface import Tokenizer

# The same common characters in both scripts; where they differ, no other character is meant.
SIMPLIFIED = "这说们时来个为国会对过还没后么见问进让谁样听开门东车长书气马头话几实现点爷"
TRADITIONAL = "這說們時來個為國會對過還沒後麼見問進讓誰樣聽開門東車長書氣馬頭話幾實現點爺"
# Above this share of the characters the model wastes its context and its capacity on bytes.
WORRYING_SHARE = 0.02


@dataclass(frozen=True)
class FallbackReport:
    """Characters that a vocabulary lacks; `most_common` are those that occur most, with counts."""

    characters: int
    fallback: int
    most_common: tuple[tuple[str, int], ...]
    looks_traditional: bool
    lacks_traditional: bool

    @property
    def share(self) -> float:
        """The part of the characters that are spelled in bytes, 0 to 1."""
        return self.fallback / self.characters if self.characters else 0.0

    @property
    def advice(self) -> str:
        """What this means and what to do, one line of Chinese; empty where there is nothing."""
        if not self.fallback:
            return ""
        shown = "".join(item for item, _ in self.most_common[:8])
        found = f"{self.fallback:,} 个字（{self.share:.2%}）不在词表里，按字节拼写，如 {shown}"
        if self.looks_traditional and self.lacks_traditional:
            return (
                f"{found}：文本是繁体，而词表是简体的，模型几乎要从头学字。"
                "请加 --simplify 先转成简体，或用 --tokenizer char 为这本书另做词表。"
            )
        if self.share > WORRYING_SHARE:
            return f"{found}：比例偏高，一个字占三个词元。请用 --tokenizer char 为这些书另做词表。"
        return f"{found}：不会丢字，只是模型写这些字容易出错。"


def fallback_report(tokenizer: Tokenizer, text: str, examples: int = 20) -> FallbackReport:
    """What `tokenizer` spells in bytes of `text`, and whether the script is the reason."""
    counts = Counter(text)
    unknown = Counter(
        {item: count for item, count in counts.items() if tokenizer.count_fallback(item)}
    )
    simplified = sum(counts[item] for item in SIMPLIFIED)
    traditional = sum(counts[item] for item in TRADITIONAL)
    lacking = sum(tokenizer.count_fallback(item) for item in TRADITIONAL)
    return FallbackReport(
        characters=len(text),
        fallback=unknown.total(),
        most_common=tuple(unknown.most_common(examples)),
        looks_traditional=traditional > simplified,
        lacks_traditional=lacking > len(TRADITIONAL) // 2,
    )
