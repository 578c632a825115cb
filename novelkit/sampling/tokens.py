"""What the tokens of a vocabulary say as text, for controls that think in characters."""

import functools
from collections import defaultdict
from collections.abc import Iterable

from novelkit.tokenizing.interface import FIRST_CHARACTER_ID, Tokenizer


@functools.lru_cache(maxsize=4)
def token_texts(tokenizer: Tokenizer) -> "TokenTexts":
    """The texts of a tokenizer's tokens, found once for each of the last few tokenizers."""
    return TokenTexts(tokenizer)


class TokenTexts:
    """The text of every token, and which tokens have a text that begins or holds something.

    A token that spells part of a character says nothing by itself: its text is empty. So is that
    of a special token, but for the one that begins a chapter, which is written as a line end.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._known: dict[int, str] = {}

    def __getitem__(self, token: int) -> str:
        if token not in self._known:
            self._known[token] = self._read(token)
        return self._known[token]

    def _read(self, token: int) -> str:
        tokenizer = self._tokenizer
        if token == tokenizer.chapter and token != tokenizer.end_of_text:
            return "\n"
        if token in tokenizer.byte_ids:
            return ""
        if tokenizer.kind != "foreign":
            return self._names[token] if token >= FIRST_CHARACTER_ID else ""
        text = tokenizer.decode([token])
        return "" if "\N{REPLACEMENT CHARACTER}" in text else text

    @functools.cached_property
    def _names(self) -> list[str]:
        """Of our tokenizers, where a token is called what it says: decoding each takes a second."""
        return list(self._tokenizer.vocabulary)

    @functools.cached_property
    def all(self) -> list[str]:
        """The text of every token, in the order of the ids."""
        return [self[token] for token in range(len(self._tokenizer))]

    @functools.cached_property
    def lengths(self) -> list[int]:
        """Characters of every token; 1 for one that has no text of its own."""
        return [max(1, len(text)) for text in self.all]

    @functools.cached_property
    def by_beginning(self) -> dict[str, list[int]]:
        """Every beginning of a token's text, and the tokens that begin so."""
        found: dict[str, list[int]] = defaultdict(list)
        for token, text in enumerate(self.all):
            for end in range(1, len(text) + 1):
                found[text[:end]].append(token)
        return dict(found)

    @functools.cached_property
    def beginnings_by_length(self) -> dict[int, frozenset[str]]:
        """The beginnings of tokens, by how many characters they have."""
        found: dict[int, set[str]] = defaultdict(set)
        for beginning in self.by_beginning:
            found[len(beginning)].add(beginning)
        return {length: frozenset(texts) for length, texts in sorted(found.items())}

    def containing(self, wanted: Iterable[str]) -> list[int]:
        """The tokens whose text holds one of these."""
        wanted = tuple(wanted)
        return [
            token for token, text in enumerate(self.all) if any(item in text for item in wanted)
        ]
