"""A manuscript that knows of every character whether a person or the model wrote it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from novelkit.sampling import Alternative, Piece


@dataclass(frozen=True)
class Span:
    """A piece of text and where it is from; the rest is known only of what the model wrote.

    `probability` and `alternatives` are the model's own, of the token that this text is from.
    """

    text: str
    by_model: bool = False
    probability: float = 1.0
    alternatives: tuple[Alternative, ...] = ()

    def part(self, start: int, end: int) -> "Span":
        """Some of its characters. Alternatives stand in place of its beginning."""
        kept = self.alternatives if start == 0 else ()
        return replace(self, text=self.text[start:end], alternatives=kept)


@dataclass(frozen=True)
class Manuscript:
    """Spans in their order. It never changes: every change is a new manuscript."""

    spans: tuple[Span, ...] = ()

    @classmethod
    def typed(cls, text: str) -> "Manuscript":
        return cls((Span(text),)) if text else cls()

    @property
    def text(self) -> str:
        return "".join(span.text for span in self.spans)

    @property
    def characters_by_model(self) -> int:
        return sum(len(span.text) for span in self.spans if span.by_model)

    def written(self, pieces: Iterable[Piece]) -> "Manuscript":
        """With what the model wrote at its end."""
        new = tuple(
            Span(piece.text, True, piece.probability, piece.alternatives)
            for piece in pieces
            if piece.text
        )
        return Manuscript(self.spans + new)

    def replaced(self, start: int, end: int, text: str) -> "Manuscript":
        """With `text`, typed by hand, in place of the characters from `start` to `end`."""
        middle = (Span(text),) if text else ()
        return Manuscript(self._part(0, start) + middle + self._part(end, len(self.text)))

    def edited(self, text: str) -> "Manuscript":
        """As a person left it: what is equal at both ends stays whose it was."""
        start, end = changed_part(self.text, text)
        return self.replaced(start, end, text[start : len(text) - (len(self.text) - end)])

    def before(self, position: int) -> "Manuscript":
        """Up to a character."""
        return Manuscript(self._part(0, position))

    def _part(self, start: int, end: int) -> tuple[Span, ...]:
        found, place = [], 0
        for span in self.spans:
            first, last = max(start - place, 0), min(end - place, len(span.text))
            if first < last:
                whole = first == 0 and last == len(span.text)
                found.append(span if whole else span.part(first, last))
            place += len(span.text)
        return tuple(found)


def changed_part(old: str, new: str) -> tuple[int, int]:
    """Start and end in `old` of what is not the same in `new`."""
    shorter = min(len(old), len(new))
    start = next((i for i in range(shorter) if old[i] != new[i]), shorter)
    left = shorter - start
    same = next((i for i in range(left) if old[-1 - i] != new[-1 - i]), left)
    return start, len(old) - same
