"""What must not be written: byte spellings, phrases, and passages of the training text.

Pure functions on logits (B, V). Phrases and passages are compared as text, since the same
characters can be spelled by different tokens.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence

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
    allowed, wanted = logits.clone(), [tuple(sequence) for sequence in sequences]
    for row, history in enumerate(rows_of(tokens)):
        for *before, last in wanted:
            if not before or tuple(history[-len(before) :]) == tuple(before):
                allowed[row, last] = MINUS_INFINITY
    return allowed


class TextBan(ABC):
    """Forbids tokens by the text that they would make with what was written.

    `written` is the text of each row; `spelled` are the tokens that would complete a character
    which is spelled in bytes, and that character.
    """

    def __call__(
        self, logits: Tensor, written: Sequence[str], spelled: Sequence[Mapping[int, str]] = ()
    ) -> Tensor:
        allowed = logits.clone()
        for row, text in enumerate(written):
            banned = self.completing(text)
            if spelled:
                others = spelled[row].items()
                banned += [token for token, end in others if self.is_banned(text + end)]
            allowed[row, banned] = MINUS_INFINITY
        return allowed

    @abstractmethod
    def completing(self, text: str) -> list[int]:
        """Tokens with a text of their own that may not follow `text`."""

    @abstractmethod
    def is_banned(self, text: str) -> bool:
        """Whether a text ends with something that may not be."""


class PhraseBan(TextBan):
    """Forbids phrases, whatever tokens spell them.

    But for tokens of a foreign tokenizer that hold parts of characters: those are compared only in
    the usual spelling of a phrase, by `forbid_sequences`.
    """

    def __init__(self, phrases: Iterable[str], texts: TokenTexts) -> None:
        self._phrases, self._texts = tuple(dict.fromkeys(phrases)), texts
        self._holding = texts.containing(self._phrases) if self._phrases else []

    def completing(self, text: str) -> list[int]:
        beginnings = self._texts.by_beginning
        return self._holding + [
            token
            for phrase in self._phrases
            for split in range(1, len(phrase))
            if text.endswith(phrase[:split])
            for token in beginnings.get(phrase[split:], ())
        ]

    def is_banned(self, text: str) -> bool:
        return text.endswith(self._phrases)


class CopyBan(TextBan):
    """Forbids more than `limit` characters in a row that stand so in the training text."""

    def __init__(self, training: SuffixArray, limit: int, texts: TokenTexts) -> None:
        self._training, self._limit, self._texts = training, limit, texts
        # Few vocabularies have a token of so many characters; it may be a copy by itself.
        self._copies = [
            token
            for token, text in enumerate(texts.all)
            if len(text) > limit
            and any(text[i : i + limit + 1] in training for i in range(len(text) - limit))
        ]

    def completing(self, text: str) -> list[int]:
        """Tokens whose first `new` characters make limit + 1 that stand in the training text."""
        banned = list(self._copies)
        for new, beginnings in self._texts.beginnings_by_length.items():
            before = self._limit + 1 - new
            if 0 <= before <= len(text):
                for beginning in self._copied(text[len(text) - before :], new, beginnings):
                    banned += self._texts.by_beginning[beginning]
        return banned

    def is_banned(self, text: str) -> bool:
        return len(text) > self._limit and text[-self._limit - 1 :] in self._training

    def _copied(self, before: str, new: int, beginnings: frozenset[str]) -> Iterable[str]:
        """Those of the beginnings, `new` characters long, that come after `before` there."""
        found = self._training.find(before)
        if len(found) > len(beginnings):
            # A short piece of text stands nearly everywhere; few tokens are that long.
            return [item for item in beginnings if before + item in self._training]
        return self._training.following(found, len(before), new) & beginnings
