"""Spans of a text, (start, end, ...) with the end not included."""

from collections.abc import Iterable, Sequence


def outermost(spans: Iterable[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """The spans that lie in no other, by start; of equal ones that with the smallest last entry."""
    kept: list[tuple[int, int, int]] = []
    for span in sorted(spans, key=lambda span: (span[0], -span[1], span[2])):
        if not kept or span[1] > kept[-1][1]:
            kept.append(span)
    return kept


def count_covered(spans: Sequence[tuple[int, int, int]]) -> int:
    """How many places lie in at least one of the spans, which come in the order of `outermost`."""
    covered, until = 0, 0
    for start, end, _ in spans:
        covered += end - max(start, until)
        until = end
    return covered
