"""How much of a text stands word for word in another: is it a continuation or a recitation?

passages.py   the passages that a text shares with a training text, exactly
filter.py     the same question without the training text: a small file for a model's folder
suffixes.py   where any passage of a text stands, and what follows there
reading.py    a training text of any size in overlapping pieces, and hashes of its windows
"""

from novelkit.copying.filter import (
    FILTER_FILE,
    FilteredSpan,
    FilterReport,
    NgramFilter,
)
from novelkit.copying.passages import AT_LEAST, CopyReport, Passage, find_copies
from novelkit.copying.suffixes import SuffixArray

__all__ = [
    "AT_LEAST",
    "FILTER_FILE",
    "CopyReport",
    "FilterReport",
    "FilteredSpan",
    "NgramFilter",
    "Passage",
    "SuffixArray",
    "find_copies",
]
