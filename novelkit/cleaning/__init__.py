"""Stage 03: raw text to a `Novel` of chapters of paragraphs, and to JSON Lines.

`clean` runs the named rules of `RULES` and cuts the text at its headings; its report accounts for
every character that went. Does not convert between simplified and traditional characters, nor
drop repeated chapters.
"""

from novelkit.cleaning.chapters import Heading, find_headings, parse_heading, split_chapters
from novelkit.cleaning.cleaner import CleaningReport, RuleReport, clean
from novelkit.cleaning.novel import Chapter, Novel, read_jsonl, write_jsonl
from novelkit.cleaning.rules import RULES, Rule

__all__ = [
    "RULES",
    "Chapter",
    "CleaningReport",
    "Heading",
    "Novel",
    "Rule",
    "RuleReport",
    "clean",
    "find_headings",
    "parse_heading",
    "read_jsonl",
    "split_chapters",
    "write_jsonl",
]
