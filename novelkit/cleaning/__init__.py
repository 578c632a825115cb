"""Stage 03: raw text to a `Novel` of chapters of paragraphs, and to JSON Lines.

`clean` runs the named rules of `RULES` and cuts the text at its headings; its report accounts for
every character that went. The rules cover newlines, tags and control characters; what a site, a
licence or a title page added; hard-wrapped lines and books without lines; half-width punctuation;
chapters and paragraphs that stand there twice. What would change the author's own characters
(traditional to simplified, full-width letters, nearly repeated paragraphs) is off unless asked for.
Lost characters (U+FFFD, □) are counted and stay. `exports` and `splits` write what training needs.
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
