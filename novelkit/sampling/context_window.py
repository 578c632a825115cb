"""What the model sees of a manuscript: what stays in sight, and the recent text.

    <|book|>header line          how the book is called, by whom, in which style, who is in it
    memory                       what must not be forgotten
    ... recent text ...          from the beginning of a sentence
    author's note                where the story shall go, just before the last paragraph
    last paragraph

A context is short and positions are absolute, so a full one cannot slide: the text is read again
from a later sentence on, and as only half of it is read, this happens once in n_ctx / 2 tokens.
"""

from dataclasses import dataclass

from novelkit.errors import InputError
from novelkit.sampling.pairs import SENTENCE_MARKS, SPEECH_CLOSERS
from novelkit.sampling.tokens import TokenTexts
from novelkit.tokenizing.headers import Header, encode_header
from novelkit.tokenizing.interface import Tokenizer

# A piece of text of so many characters has at least as many tokens as a context, whatever they are.
_CHARACTERS_A_TOKEN = 16


@dataclass(frozen=True)
class Guide:
    """What stays in sight however long the text becomes."""

    header: Header | None = None  # only for models that were trained with headers
    memory: str = ""
    note: str = ""


@dataclass(frozen=True)
class Part:
    """A part of what the model sees: `name` is header, memory, text or note."""

    name: str
    text: str
    tokens: int


@dataclass(frozen=True)
class View:
    """All that the model sees, in its order, and how much of the manuscript it does not see."""

    parts: tuple[Part, ...]
    n_ctx: int
    budget: int  # tokens that header, memory and note may have together
    unseen_characters: int

    @property
    def tokens(self) -> int:
        return sum(part.tokens for part in self.parts)

    @property
    def guide_tokens(self) -> int:
        return sum(part.tokens for part in self.parts if part.name != "text")


class ContextWindow:
    """Places the tokens of a manuscript into a context of `n_ctx`, beside its guide."""

    def __init__(self, tokenizer: Tokenizer, texts: TokenTexts, n_ctx: int, guide: Guide) -> None:
        """Raises `InputError` for a guide that takes more than half of the context."""
        self._tokenizer, self._texts, self.n_ctx = tokenizer, texts, n_ctx
        self._header = encode_header(tokenizer, guide.header).tolist() if guide.header else []
        self._memory, self._note = self._line(guide.memory), self._line(guide.note)
        self._refuse_long_guides()

    @property
    def budget(self) -> int:
        """Tokens that header, memory and note may have together."""
        return self.n_ctx // 2

    @property
    def room(self) -> int:
        """Tokens that are left for the text."""
        return self.n_ctx - len(self._header) - len(self._memory) - len(self._note)

    def encode(self, text: str) -> list[int]:
        """The tokens of the last part of `text`, in any case more than the context holds."""
        most = _CHARACTERS_A_TOKEN * self.n_ctx
        if len(text) > most:
            # From a whole line on, where the tokens are those of the whole text.
            line = text.find("\n", len(text) - most)
            text = text[line + 1 if 0 <= line < len(text) - most // 2 else len(text) - most :]
        return self._tokenizer.encode(text).tolist()

    def place(self, tokens: list[int], new: int) -> list[int]:
        """What the model reads of a text, where it is to write `new` more tokens."""
        return [token for _, part in self._parts(tokens, new) for token in part]

    def view(self, text: str, new: int) -> View:
        """What it reads, for people."""
        parts = [
            Part(name, self._tokenizer.decode(part), len(part))
            for name, part in self._parts(self.encode(text), new)
            if part
        ]
        seen = sum(len(part.text) for part in parts if part.name == "text")
        return View(tuple(parts), self.n_ctx, self.budget, max(0, len(text) - seen))

    def _parts(self, tokens: list[int], new: int) -> list[tuple[str, list[int]]]:
        recent = self._recent(tokens, new)
        line = self._last_line(recent) if self._note else 0
        return [
            ("header", self._header),
            ("memory", self._memory),
            ("text", recent[:line]),
            ("note", self._note),
            ("text", recent[line:]),
        ]

    def _recent(self, tokens: list[int], new: int) -> list[int]:
        """The end of the text, from the beginning of a sentence where there is one."""
        if len(tokens) + new <= self.room or len(tokens) < self.room // 2:
            return tokens
        most = max(1, self.room // 2, self.room - new)
        start = max(0, len(tokens) - most)
        # Not within a character that is spelled in bytes.
        while 0 < start < len(tokens) - 1 and self._continues(tokens[start]):
            start += 1
        if start == 0:
            return tokens
        # Not so far on that little would be left.
        for place in range(start, len(tokens) - most // 2):
            if self._begins_sentence(tokens, place):
                return tokens[place:]
        return tokens[start:]

    def _begins_sentence(self, tokens: list[int], place: int) -> bool:
        """Whether a sentence begins at a place, so far as whole tokens tell."""
        if tokens[place] == self._tokenizer.chapter:
            return True
        before, after = self._texts[tokens[place - 1]], self._texts[tokens[place]]
        if before.endswith("\n"):
            return True
        # The marks that close a speech may be tokens of their own.
        back = place - 1
        while back > 0 and before and not before.strip(SPEECH_CLOSERS):
            back -= 1
            before = self._texts[tokens[back]]
        ended = before.rstrip(SPEECH_CLOSERS)[-1:] in tuple(SENTENCE_MARKS) if before else False
        return ended and after[:1] not in tuple(SENTENCE_MARKS + SPEECH_CLOSERS)

    def _continues(self, token: int) -> bool:
        """Whether a token is a byte within a character (10xxxxxx in UTF-8)."""
        byte_ids = self._tokenizer.byte_ids
        return token in byte_ids and 0x80 <= token - byte_ids.start < 0xC0

    def _last_line(self, tokens: list[int]) -> int:
        """Where the last paragraph begins that has text."""
        place = len(tokens) - 1
        while place > 0 and not self._texts[tokens[place]].strip():
            place -= 1
        while place > 0 and not self._texts[tokens[place - 1]].endswith("\n"):
            place -= 1
        return max(0, place)

    def _line(self, text: str) -> list[int]:
        text = text.strip()
        return self._tokenizer.encode(text + "\n").tolist() if text else []

    def _refuse_long_guides(self) -> None:
        used = self.n_ctx - self.room
        if used <= self.budget:
            return
        names = {"题头": self._header, "备忘": self._memory, "作者按": self._note}
        told = "、".join(f"{name} {len(part)}" for name, part in names.items() if part)
        raise InputError(
            f"{told} 个词元，一共 {used}，超过了上下文 {self.n_ctx} 的一半（{self.budget}）："
            "请写短一些，给正文留下地方。"
        )
