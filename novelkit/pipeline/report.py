"""The report of a DATA folder: what was read, dropped, repeated, and which characters there are.

Plain data for `report.json` and for `novelkit.plots.cleaning.plot_report`.
"""

from collections import Counter
from typing import Any

import numpy as np

from novelkit.pipeline.reading import Prepared
from novelkit.tokenizing.preflight import Census

MOST_COMMON = 100
# A character that occurs at most so often is hardly learned.
RARE_COUNT = 5
RARE_SHOWN = 300
# Points of the curve of frequencies by rank, evenly spaced on its logarithmic axis.
RANKS = 200


class ReportBuilder:
    """Takes the books one by one and keeps a few numbers of each."""

    def __init__(self) -> None:
        self._novels: list[dict[str, Any]] = []
        self._rules: dict[str, dict[str, Any]] = {}
        self.files: set[str] = set()

    def add(self, book: Prepared) -> None:
        """Count a book in."""
        source = book.description["source"]
        self.files.update(book.files)
        self._novels.append(
            {
                "title": book.description["title"],
                "file": source["file"],
                "encoding": source["encoding"],
                "damage": source["damage"],
                "characters_before": book.characters_before,
                "characters_after": book.description["characters"],
                "dropped": book.dropped,
                "chapter_characters": list(book.chapters),
            }
        )
        for name, title, changes, removed in book.rules:
            rule = self._rules.setdefault(name, {"title": title, "changes": 0, "characters": 0})
            rule["changes"] += changes
            rule["characters"] += removed

    def build(self, census: Census, preflight: dict[str, Any]) -> dict[str, Any]:
        """The report of all books, ready for JSON."""
        return {
            "characters_before": sum(novel["characters_before"] for novel in self._novels),
            "characters_after": sum(novel["characters_after"] for novel in self._novels),
            "dropped": self._rules,
            "encodings": dict(Counter(novel["encoding"] for novel in self._novels).most_common()),
            "damage": sum(novel["damage"] for novel in self._novels),
            "characters": count_frequencies(np.sum(list(census.counts.values()), axis=0)),
            "duplicates": {
                "paragraphs": sum(map(len, census.paragraphs["train"])),
                "repeated_in_train": _repeated(census.paragraphs["train"]),
                "in_train_and_held_out": preflight["paragraphs_in_train_and_held_out"],
                "identical_books": preflight["identical_books"],
            },
            "novels": self._novels,
        }


def count_frequencies(counts: np.ndarray) -> dict[str, Any]:
    """Which characters are common and which rare, from the counts of all code points."""
    found = np.flatnonzero(counts)
    order = found[np.argsort(-counts[found], kind="stable")]
    ranks = np.unique(np.geomspace(1, max(1, len(order)), RANKS).astype(int))[: len(order)]
    rare = order[counts[order] <= RARE_COUNT]
    return {
        "total": int(counts.sum()),
        "kinds": len(order),
        "most_common": [[chr(code), int(counts[code])] for code in order[:MOST_COMMON]],
        "by_rank": [[int(rank), int(counts[order[rank - 1]])] for rank in ranks],
        "rare": {
            "at_most": RARE_COUNT,
            "kinds": len(rare),
            "once": int((counts == 1).sum()),
            "examples": "".join(map(chr, rare[::-1][:RARE_SHOWN].tolist())),
        },
    }


def _repeated(paragraphs: list[np.ndarray]) -> int:
    """Paragraphs beyond the first of their kind."""
    hashes = np.concatenate(paragraphs)
    return len(hashes) - len(np.unique(hashes))
