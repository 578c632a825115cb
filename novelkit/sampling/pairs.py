"""Quotation marks and brackets of Chinese fiction: which are open, and what may come next."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from torch import Tensor

from novelkit.sampling.cuts import MINUS_INFINITY
from novelkit.sampling.tokens import TokenTexts

PAIRS = {"「": "」", "『": "』", "“": "”", "‘": "’", "《": "》", "（": "）"}
CLOSERS = "".join(PAIRS.values())
# A sentence goes on after a title that ends with such a mark: 《救救我！》很好看。
SPEECH_CLOSERS = CLOSERS.replace("》", "")
SENTENCE_MARKS = "。！？…!?"
_OPENER = {closer: opener for opener, closer in PAIRS.items()}
_MARKS = frozenset("".join(PAIRS) + CLOSERS)


def open_marks(text: str) -> str:
    """The opening marks of the last paragraph of `text` that wait for their closing ones.

    A closing mark without its opening one is passed over, and so is what it would have closed.
    """
    return advance("", text[text.rfind("\n") + 1 :])


def advance(waiting: str, text: str) -> str:
    """`waiting` after `text`: the opening marks that are still open, outermost first."""
    for character in text:
        if character in PAIRS:
            waiting += character
        elif character in _OPENER:
            place = waiting.rfind(_OPENER[character])
            waiting = waiting[:place] if place >= 0 else waiting
        elif character == "\n":
            waiting = ""
    return waiting


def is_paired(waiting: str, text: str) -> bool:
    """Whether `text` may follow: it closes only what is open, in order, and ends no paragraph
    before that; within a mark the same one is not opened again."""
    for character in text:
        if character in PAIRS:
            if character in waiting:
                return False
            waiting += character
        elif character in _OPENER:
            if waiting[-1:] != _OPENER[character]:
                return False
            waiting = waiting[:-1]
        elif character == "\n" and waiting:
            return False
    return True


class Pairing:
    """Which tokens a text with open marks may be continued by."""

    def __init__(self, texts: TokenTexts, ends: tuple[int, ...] = ()) -> None:
        """`ends` are tokens that end the text, which no open mark outlives."""
        self._texts, self._ends = texts, ends
        # Few tokens hold a mark or a line end; all others may always come.
        self._marked = [
            token
            for token, text in enumerate(texts.all)
            if "\n" in text or not _MARKS.isdisjoint(text)
        ]
        # Few different marks are open in a text, so this is asked again and again.
        self._banned = lru_cache(maxsize=None)(self._find)

    def __call__(
        self, logits: Tensor, waiting: Sequence[str], spelled: Sequence[Mapping[int, str]] = ()
    ) -> Tensor:
        """Forbid in each row of (B, V) what would leave a mark open or close none.

        `waiting` are the open marks of each row, `spelled` the tokens that would complete a
        character which is spelled in bytes, and that character.
        """
        allowed = logits.clone()
        for row, marks in enumerate(waiting):
            banned = self._banned(marks)
            if spelled:
                others = spelled[row].items()
                banned = banned + [token for token, end in others if not is_paired(marks, end)]
            allowed[row, banned] = MINUS_INFINITY
        return allowed

    def _find(self, marks: str) -> list[int]:
        banned = [token for token in self._marked if not is_paired(marks, self._texts[token])]
        return banned + (list(self._ends) if marks else [])


def sentence_end(text: str, start: int = 0, waiting: str = "") -> int | None:
    """Where the first sentence of `text` ends that ends at `start` or later; None if none does.

    `waiting` are the marks that are open before it. A sentence ends after its mark and the marks
    that close what it opened, and not while a quotation is open. An ellipsis ends one when both
    halves of it are there.
    """
    for place, character in enumerate(text):
        waiting = advance(waiting, character)
        end = place + 1
        if end < start or waiting or text[end : end + 1] in tuple(SENTENCE_MARKS + SPEECH_CLOSERS):
            continue
        said = text[:end].rstrip(SPEECH_CLOSERS)
        if said.endswith("…") and not said.endswith("……"):
            continue
        if said and said[-1] in SENTENCE_MARKS:
            return end
    return None
