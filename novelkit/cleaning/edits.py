"""What every cleaning rule shares: the account of its changes, and substitution that keeps it."""

import re
from dataclasses import dataclass, field

EXAMPLES = 3
_EXAMPLE_CHARACTERS = 60
_AROUND = 8


@dataclass
class Edits:
    """What a rule has done so far: how many changes, and the first few of them."""

    count: int = 0
    examples: list[tuple[str, str]] = field(default_factory=list)

    @property
    def has_room(self) -> bool:
        """Whether a further example would be kept."""
        return len(self.examples) < EXAMPLES

    def add(self, before: str, after: str = "") -> None:
        """Count a change and keep it as an example while there is room."""
        self.count += 1
        self.show(before, after)

    def show(self, before: str, after: str) -> None:
        """Keep an example, without counting it, while there is room."""
        if self.has_room:
            self.examples.append((before[:_EXAMPLE_CHARACTERS], after[:_EXAMPLE_CHARACTERS]))

    def add_within(self, text: str, start: int, end: int, after: str) -> None:
        """Count the change of text[start:end] to `after` and show it with what stands around."""
        self.count += 1
        self.show_within(text, start, end, after)

    def show_within(self, text: str, start: int, end: int, after: str) -> None:
        """Keep the change of text[start:end] as an example with a few characters around it."""
        if self.has_room:
            left, right = text[max(0, start - _AROUND) : start], text[end : end + _AROUND]
            self.show(left + text[start:end] + right, left + after + right)


def substitute(pattern: re.Pattern, replacement: str, text: str, edits: Edits) -> str:
    """`re.sub` that counts and shows a few characters around the first matches."""
    # Most texts hold no match: they are searched once and not twice.
    first = pattern.search(text)
    if first is None:
        return text
    for match in pattern.finditer(text, first.start()):
        if not edits.has_room:
            break
        edits.show_within(text, *match.span(), match.expand(replacement))
    text, count = pattern.subn(replacement, text)
    edits.count += count
    return text


def drop_lines(lines: list[str], indexes: set[int], edits: Edits) -> str:
    """The text without these lines, each of them counted."""
    for index in sorted(indexes):
        edits.add(lines[index].strip())
    return "\n".join(line for index, line in enumerate(lines) if index not in indexes)
