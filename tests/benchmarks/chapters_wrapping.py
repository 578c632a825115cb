"""Hard-wrapped lines made from books whose paragraphs are known, and how many come back right.

Every layout wraps the same paragraphs at several widths. A line end is right where it is kept and
ends a paragraph, or is joined and does not. Precision: kept ends that are true; recall: true ends
that were kept. Some books of the corpus break a paragraph inside a sentence; those are joined, and
count as errors here.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from novelkit.cleaning.unwrap import unwrap

WIDTHS = (20, 25, 30, 36, 40)
_NOT_FIRST = "，。、；：！？”’」』）》…—"
_NOT_LAST = "“‘「『（《"
_CHARACTERS = 120_000  # of each book


def wrap_paragraph(paragraph: str, width: int, kinsoku: bool) -> list[str]:
    """Lines of `width` characters; with kinsoku none begins with 。 or ends with “."""
    lines = []
    while len(paragraph) > width:
        end = width
        while (
            kinsoku
            and end > width - 3
            and (paragraph[end] in _NOT_FIRST or paragraph[end - 1] in _NOT_LAST)
        ):
            end -= 1
        lines.append(paragraph[:end])
        paragraph = paragraph[end:]
    return [*lines, paragraph]


@dataclass(frozen=True)
class Layout:
    """How a page shows paragraphs."""

    name: str
    indent: str = ""  # before the first line of a paragraph
    margin: str = ""  # before every line
    gap: int = 0  # empty lines between paragraphs
    spacing: int = 0  # empty lines between lines
    kinsoku: bool = True
    stripped: bool = False  # the indentation was removed after wrapping

    def lines(self, paragraphs: list[str], width: int) -> Iterator[tuple[str, bool]]:
        """(line, whether it ends a paragraph)"""
        for paragraph in paragraphs:
            wrapped = wrap_paragraph(self.indent + paragraph, width, self.kinsoku)
            for order, line in enumerate(wrapped):
                line = line.strip() if self.stripped else self.margin + line
                yield line, order == len(wrapped) - 1

    def page(self, paragraphs: list[str], width: int) -> tuple[str, list[bool]]:
        """The wrapped text, and for each of its filled lines whether a paragraph ends there."""
        parts, ends = [], []
        for line, end in self.lines(paragraphs, width):
            parts.append(line + "\n" * (1 + self.spacing + (self.gap if end else 0)))
            ends.append(end)
        return "".join(parts), ends


LAYOUTS = (
    Layout("indented", "　　"),
    Layout("indented, no kinsoku", "　　", kinsoku=False),
    Layout("indented by 4 spaces, margin", "    ", "  "),
    Layout("empty line between", gap=1),
    Layout("indented, empty line between", "　　", gap=1),
    Layout("indented, double-spaced", "　　", spacing=1),
    Layout("empty lines, double-spaced", gap=1, spacing=1),
    Layout("nothing marks a paragraph", kinsoku=False),
    Layout("nothing, kinsoku"),
    Layout("indentation removed", "　　", stripped=True),
)


def judge(text: str, ends: list[bool]) -> tuple[int, int, int, int]:
    """(kept rightly, kept wrongly, joined rightly, joined wrongly) line ends of a page."""
    result, _ = unwrap(text)
    kept, position = set(), 0
    for line in result.split("\n"):
        position += len("".join(line.split()))
        kept.add(position)
    counts, position = [0, 0, 0, 0], 0
    filled = [line for line in text.split("\n") if line.strip()]
    for line, end in list(zip(filled, ends, strict=True))[:-1]:
        position += len("".join(line.split()))
        counts[(0 if end else 1) if position in kept else (3 if end else 2)] += 1
    return counts[0], counts[1], counts[2], counts[3]


def print_wrapping(books: dict[str, str], progress: Callable[[str], None]) -> None:
    """A row for each layout, over all books and widths; every book that is below on `progress`."""
    own = Path(__file__).parents[2] / "assets" / "novel"
    texts = {path.stem: path.read_text(encoding="utf-8") for path in sorted(own.glob("novel.txt"))}
    texts |= books
    print("| layout | line ends | right | precision | recall |\n|---|---:|---:|---:|---:|")
    for layout in LAYOUTS:
        total = [0, 0, 0, 0]
        for name, text in texts.items():
            paragraphs = [line for line in text[:_CHARACTERS].split("\n") if line]
            for width in WIDTHS:
                counts = judge(*layout.page(paragraphs, width))
                total = [a + b for a, b in zip(total, counts, strict=True)]
                right = (counts[0] + counts[2]) / sum(counts)
                if right < 0.99:
                    progress(f"{layout.name}: {name} at {width}: {right:.3f} {counts}")
        hits, false, joined, lost = total
        print(
            f"| {layout.name} | {sum(total):,} | {(hits + joined) / sum(total):.2%} "
            f"| {hits / max(1, hits + false):.2%} | {hits / max(1, hits + lost):.2%} |"
        )
