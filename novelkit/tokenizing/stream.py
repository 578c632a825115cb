"""Ids to text one at a time, for text that is shown while a model writes it."""

from typing import TYPE_CHECKING

from novelkit.tokenizing.interface import FIRST_BYTE_ID, FIRST_CHARACTER_ID

if TYPE_CHECKING:
    from novelkit.tokenizing.spelling import SpelledTokenizer


class StreamDecoder:
    """Ids of our tokenizers to text, holding bytes back until their character is complete."""

    def __init__(self, tokenizer: "SpelledTokenizer") -> None:
        self._tokens = list(tokenizer.vocabulary)
        self._pending = bytearray()

    def push(self, token: int) -> str:
        """The text that is certain after `token`; empty while a character is half spelled."""
        if FIRST_BYTE_ID <= token < FIRST_CHARACTER_ID:
            self._pending.append(token - FIRST_BYTE_ID)
            return ""
        text = self.finish()
        return text + (self._tokens[token] if token >= FIRST_CHARACTER_ID else "")

    @property
    def complete(self) -> int:
        """How many characters the bytes held back spell in full."""
        return len(self._pending.decode("utf-8", errors="ignore"))

    def finish(self) -> str:
        """The text of the bytes held back; one U+FFFD a byte if they are no UTF-8."""
        pending, self._pending = bytes(self._pending), bytearray()
        try:
            return pending.decode("utf-8")
        except UnicodeDecodeError:
            # All of the run, as the ByteFallback decoder of `tokenizers` does.
            return "\N{REPLACEMENT CHARACTER}" * len(pending)
