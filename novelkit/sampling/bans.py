"""What must not be written: byte spellings, phrases, and passages of the training text.

Pure functions on logits (B, V). Phrases and passages are compared as text, since the same
characters can be spelled by different tokens.
"""

from collections.abc import Iterable, Sequence

from torch import Tensor

from novelkit.copying.suffixes import SuffixArray
from novelkit.sampling.cuts import MINUS_INFINITY
from novelkit.sampling.penalties import rows_of
from novelkit.sampling.tokens import TokenTexts


def forbid_tokens(logits: Tensor, tokens: Iterable[int]) -> Tensor:
    """Forbid these tokens in every row."""
    banned = list(tokens)
    allowed = logits.clone()
    if banned:
        allowed[..., banned] = MINUS_INFINITY
    return allowed


def forbid_sequences(logits: Tensor, tokens: Tensor, sequences: Iterable[Sequence[int]]) -> Tensor:
    """Forbid the last token of each sequence wherever the tokens before it stand at the end."""
    allowed = logits.clone()
    for row, history in enumerate(rows_of(tokens)):
        for *before, last in map(tuple, sequences):
            if not before or tuple(history[-len(before) :]) == tuple(before):
                allowed[row, last] = MINUS_INFINITY
    return allowed


class PhraseBan:
    """Forbids phrases in any spelling."""

    def __init__(self, phrases: Iterable[str], texts: TokenTexts) -> None:
        self._phrases, self._texts = tuple(dict.fromkeys(phrases)), texts
        self._holding = texts.containing(self._phrases) if self._phrases else []

    def __call__(self, logits: Tensor, written: Sequence[str]) -> Tensor:
        """Forbid in each row what would complete a phrase after the text `written`."""
        allowed = forbid_tokens(logits, self._holding)
        for row, text in enumerate(written):
            allowed[row, self._completing(text)] = MINUS_INFINITY
        return allowed

    def _completing(self, text: str) -> list[int]:
        beginnings = self._texts.by_beginning
        return [
            token
            for phrase in self._phrases
            for split in range(1, len(phrase))
            if text.endswith(phrase[:split])
            for token in beginnings.get(phrase[split:], ())
        ]


class CopyBan:
    """Forbids more than `limit` characters in a row that stand so in the training text."""

    def __init__(self, training: SuffixArray, limit: int, texts: TokenTexts) -> None:
        self._training, self._limit, self._texts = training, limit, texts

    def __call__(self, logits: Tensor, written: Sequence[str]) -> Tensor:
        """Forbid in each row what would copy too much after the text `written`."""
        allowed = logits.clone()
        for row, text in enumerate(written):
            allowed[row, self._completing(text)] = MINUS_INFINITY
        return allowed

    def _completing(self, text: str) -> list[int]:
        """Tokens whose first `new` characters make limit + 1 that stand in the training text."""
        banned: list[int] = []
        for new, beginnings in self._texts.beginnings_by_length.items():
            before = self._limit + 1 - new
            if 0 <= before <= len(text):
                for beginning in self._copied(text[len(text) - before :], new, beginnings):
                    banned += self._texts.by_beginning[beginning]
        return banned

    def _copied(self, before: str, new: int, beginnings: frozenset[str]) -> Iterable[str]:
        """Those of the beginnings, `new` characters long, that come after `before` there."""
        found = self._training.find(before)
        if len(found) > len(beginnings):
            # A short piece of text stands nearly everywhere; few tokens are that long.
            return [item for item in beginnings if before + item in self._training]
        return self._training.following(found, len(before), new) & beginnings
