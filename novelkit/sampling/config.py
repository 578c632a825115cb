"""How to choose the next token and when to stop: one frozen object, checked when it is made."""

from dataclasses import dataclass, fields, replace
from typing import Any

from novelkit.errors import InputError

STOPS = ("length", "sentence", "paragraph", "chapter")


@dataclass(frozen=True)
class SamplingConfig:
    """How to choose the next token, and when to stop. Counts are of tokens where not said else.

    In the order in which they are applied: what may not come at all, penalties for what came
    before, temperature, and the cuts top-k, top-p, min-p and typical.
    """

    # 0 is greedy: always the most probable token.
    temperature: float = 0.8
    # Only the k most probable tokens; 0 keeps all.
    top_k: int = 50
    # Only the most probable tokens that together reach p; 1 keeps all.
    top_p: float = 1.0
    # Another top_p for the first token of a line, where many openings are possible; 0: the same.
    newline_top_p: float = 0.0
    # Only tokens of at least p times the probability of the most probable one; 0 keeps all.
    min_p: float = 0.0
    # Only tokens that say about as much as is expected, up to this mass; 1 keeps all.
    typical_p: float = 1.0

    # Above 1, tokens that stood there before become less probable (CTRL's rule).
    repetition_penalty: float = 1.0
    # Subtracted from the logit of a token that stood there, once and for each time.
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    # So many tokens back look all penalties and the two controls below.
    penalty_window: int = 256
    # No run of n tokens comes twice; 0 allows it.
    no_repeat_ngram: int = 0
    # DRY: multiplier * base ** (L - allowed_length) for going on with a run of L characters that
    # stood there already. Its usual allowed length of 2 is meant for pieces of words.
    dry_multiplier: float = 0.0
    dry_base: float = 1.75
    dry_allowed_length: int = 4
    # Characters at which a run ends. With the usual punctuation marks a short line that is said
    # again and again is never long enough to be one, so none does unless it is asked for.
    dry_breakers: str = ""

    # What is never written.
    banned_phrases: tuple[str, ...] = ()
    # Quotation marks and brackets are closed before a paragraph ends, and none closes nothing.
    close_pairs: bool = False
    # Never more than so many characters as they stand in the training text; 0 allows all.
    no_copy: int = 0
    # A character outside of the vocabulary is spelled in bytes. The model learns how often such
    # characters come and not which, so a drawn one is a random rare character.
    rare_characters: bool = False

    # New characters: exactly so many, or where a sentence or paragraph ends after them, or at most
    # so many until a chapter ends.
    length: int = 200
    stop_at: str = "length"
    seed: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.banned_phrases, list):
            object.__setattr__(self, "banned_phrases", tuple(self.banned_phrases))
        for name, (lowest, highest, rule) in _RANGES.items():
            value = getattr(self, name)
            kind = int if name in _INTEGERS else (int, float)
            is_number = isinstance(value, kind) and not isinstance(value, bool)
            require(is_number and lowest <= value <= highest, name, value, rule)
        require(self.top_p > 0, "top_p", self.top_p, _RANGES["top_p"][2])
        require(self.typical_p > 0, "typical_p", self.typical_p, _RANGES["typical_p"][2])
        require(self.no_copy == 0 or self.no_copy >= 10, "no_copy", self.no_copy, _NO_COPY)
        require(self.stop_at in STOPS, "stop_at", self.stop_at, "、".join(STOPS) + " 之一")
        require(
            all(isinstance(phrase, str) and phrase for phrase in self.banned_phrases),
            "banned_phrases",
            self.banned_phrases,
            "不含空字符串的词语",
        )

    def changed(self, **settings: Any) -> "SamplingConfig":
        """With other settings; raises `InputError` for one that does not exist."""
        known = [field.name for field in fields(self)]
        for name in settings:
            require(name in known, "设置的名字", name, f"：{'、'.join(known)}")
        return replace(self, **settings)


_NO_COPY = "0（不限）或 10 到 40"
_WHOLE = 2**31
_RANGES: dict[str, tuple[float, float, str]] = {
    "temperature": (0, 10, "0 到 10"),
    "top_k": (0, _WHOLE, "0（不限）或正整数"),
    "top_p": (0, 1, "大于 0、不超过 1"),
    "newline_top_p": (0, 1, "0（同 top_p）到 1"),
    "min_p": (0, 1, "0（不限）到 1"),
    "typical_p": (0, 1, "大于 0、不超过 1"),
    "repetition_penalty": (0.1, 10, "0.1 到 10，1 是不罚"),
    "presence_penalty": (-10, 10, "-10 到 10，0 是不罚"),
    "frequency_penalty": (-10, 10, "-10 到 10，0 是不罚"),
    "penalty_window": (1, _WHOLE, "正整数"),
    "no_repeat_ngram": (0, _WHOLE, "0（不限）或正整数"),
    "dry_multiplier": (0, 100, "0（不罚）到 100"),
    "dry_base": (1, 10, "1 到 10"),
    "dry_allowed_length": (1, 100, "1 到 100"),
    "no_copy": (0, 40, _NO_COPY),
    "length": (1, _WHOLE, "至少 1"),
    "seed": (0, 2**63 - 1, "0 到 2 的 63 次方"),
}
_INTEGERS = {
    "top_k",
    "penalty_window",
    "no_repeat_ngram",
    "dry_allowed_length",
    "no_copy",
    "length",
    "seed",
}


def require(condition: bool, name: str, value: object, rule: str) -> None:
    if not condition:
        raise InputError(f"{name} 是 {value}，可用的范围是{rule}：请改一下再续写。")
