"""Answers that resemble one another more than independent work does.

Winnowing (Schleimer, Wilkerson and Aiken 2003): hashes of every GRAM neighbouring tokens of the
syntax tree (see `syntax`), of which the least of every WINDOW neighbours is kept. Whatever two
answers share for GRAM + WINDOW - 1 tokens is thus noticed. Taken out are the fingerprints of the
template and those that much of the class has: what everybody writes tells nothing.

More than COMMON_COUNT people who share one answer look like a class with one obvious solution.

Does not cover: answers copied from outside of the class, and short exercises, whose obvious
solution is everyone's. How many could not be judged is therefore part of the answer. A pair is a
reason to talk to two people, not a proof.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import combinations

from novelkit.grading.syntax import syntax_tokens

GRAM, WINDOW = 6, 2
# Between what honest answers share (at most a fifth) and what disguised copies keep (more than
# half) in tests/test_grading_similarity.py; twenty fingerprints are about five lines.
THRESHOLD = 0.5
FEWEST = 20
# A fingerprint that more than this share of the class has is common, and never one of so few:
# MOSS, which winnows too, stops at ten appearances (its option -m).
COMMON_SHARE, COMMON_COUNT = 0.15, 7


@dataclass(frozen=True)
class Pair:
    """Two students, by name; `similarity` is `shared` over `smaller`, the smaller set's size."""

    first: str
    second: str
    similarity: float
    shared: int
    smaller: int


@dataclass(frozen=True)
class Comparison:
    """The pairs of one exercise, most similar first, and the students who could not be judged."""

    pairs: tuple[Pair, ...] = ()
    judged: tuple[str, ...] = ()
    too_short: tuple[str, ...] = ()
    too_common: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()


def similar_answers(sources: Mapping[str, str], template: str = "") -> list[Pair]:
    """Pairs of students whose answers to one exercise are too similar, most similar first."""
    return list(compare_answers(sources, template).pairs)


def compare_answers(sources: Mapping[str, str], template: str = "") -> Comparison:
    """Compare the answers (student -> source) to one exercise that began as `template`.

    Empty answers are left out without a word: they are nobody's work.
    """
    prints = {name: fingerprints(source) for name, source in sources.items() if source.strip()}
    given = fingerprints(template) or frozenset()
    own = {name: found - given for name, found in sorted(prints.items()) if found is not None}
    common = _common(list(own.values()))
    long_enough = {name: found for name, found in own.items() if len(found) >= FEWEST}
    judged = {
        name: found - common for name, found in long_enough.items() if len(found - common) >= FEWEST
    }
    return Comparison(
        pairs=tuple(_pairs(judged)),
        judged=tuple(judged),
        too_short=tuple(name for name in own if name not in long_enough),
        too_common=tuple(name for name in long_enough if name not in judged),
        unreadable=tuple(sorted(name for name, found in prints.items() if found is None)),
    )


def fingerprints(source: str) -> frozenset[int] | None:
    """The winnowed hashes of a source, the same in every process; None for one without syntax."""
    tokens = syntax_tokens(source)
    if tokens is None:
        return None
    hashes = [_hash(tokens[start : start + GRAM]) for start in range(len(tokens) - GRAM + 1)]
    width = min(WINDOW, len(hashes))
    return frozenset(
        min(hashes[start : start + width]) for start in range(len(hashes) - width + 1) if width
    )


def _hash(tokens: Sequence[str]) -> int:
    # Not hash(), which differs from one process to the next.
    return int.from_bytes(blake2b("\n".join(tokens).encode("utf-8"), digest_size=8).digest())


def _common(sets: Sequence[frozenset[int]]) -> frozenset[int]:
    counts = Counter(one for found in sets for one in found)
    most = max(COMMON_COUNT, COMMON_SHARE * len(sets))
    return frozenset(one for one, count in counts.items() if count > most)


def _pairs(judged: Mapping[str, frozenset[int]]) -> list[Pair]:
    found = []
    for (first, mine), (second, other) in combinations(sorted(judged.items()), 2):
        shared, smaller = len(mine & other), min(len(mine), len(other))
        if shared / smaller >= THRESHOLD:
            found.append(Pair(first, second, round(shared / smaller, 4), shared, smaller))
    return sorted(found, key=lambda pair: (-pair.similarity, pair.first, pair.second))
