"""Rules on markup: HTML tags and entities, and the reading aids of <ruby>.

Covers fragments without a body, upper-case and self-closed tags, entities that were escaped twice.
Does not judge a "<" that opens no tag: he wrote 3<5. Whole HTML files and EPUB are read by a parser
in stage 01; this is for the markup that is left over in plain text.
"""

import html
import re

from novelkit.cleaning.edits import Edits, substitute

_HIDDEN = re.compile(r"(?i)<!--|<(script|style|head)\b[^<>]{0,300}>|<!doctype[^<>]{0,300}>")
# The pronunciation above a hanzi stands after it in the source: 漢<rt>han</rt>.
_RUBY = re.compile(r"(?is)<rp\b[^>]*>[^<]{0,4}</rp\s*>|<rt\b[^>]*>[^<]{0,60}</rt\s*>")
_BREAKS = re.compile(
    r"(?i)<br\s*/?>|</?(?:p|div|h[1-6]|li|ul|ol|tr|table|blockquote|hr|section|article|body|html)"
    r"(?:\s[^<>]{0,300})?/?>"
)
_TAGS = re.compile(r"</?[A-Za-z][A-Za-z0-9]{0,14}(?:\s[^<>]{0,300})?/?>")
# The picture of a character that the font lacked: <bzhlm2_002bz>.
_GLYPH = re.compile(r"<[A-Za-z][A-Za-z0-9]{0,14}_[A-Za-z0-9_]{1,20}/?>")
_ENTITY = re.compile(r"&(?:[A-Za-z]{2,8}|#[0-9]{2,7}|#[xX][0-9A-Fa-f]{2,6});")
_LEVELS = 3  # sites escape what is escaped already: &amp;amp;nbsp;


def drop_tags(text: str, edits: Edits) -> str:
    """Tags go; those that end a line on the screen leave a newline, glyphs □."""
    # Every rule pays only where its mark occurs: most books hold no "<".
    if "<" not in text:
        return text
    text = _drop_hidden(text, edits)
    text = substitute(_RUBY, "", text, edits)
    text = substitute(_BREAKS, r"\n", text, edits)
    text = substitute(_GLYPH, "□", text, edits)
    return substitute(_TAGS, "", text, edits)


def _drop_hidden(text: str, edits: Edits) -> str:
    """Comments and what no browser shows; an opening without an end is left to the other steps.

    Searched step by step: one pattern over both ends would take the square of the length.
    """
    parts, done, unclosed = [], 0, set()
    for match in _HIDDEN.finditer(text):
        name = (match[1] or match[0][:4]).lower()
        if match.start() < done or name in unclosed:
            continue
        end = _end_of_hidden(text, match.end(), name)
        if end < 0:
            unclosed.add(name)
            continue
        edits.add_within(text, match.start(), end, "")
        parts.append(text[done : match.start()])
        done = end
    return "".join(parts) + text[done:]


def _end_of_hidden(text: str, start: int, name: str) -> int:
    if name == "<!do":
        return start
    if name == "<!--":
        found = text.find("-->", start)
        return found + 3 if found >= 0 else -1
    closing = re.compile(rf"(?i)</{name}\s*>").search(text, start)
    return closing.end() if closing else -1


def unescape_entities(text: str, edits: Edits) -> str:
    """&ldquo; and &#20057; become their characters; unknown names stay as they are."""
    if "&" not in text:
        return text

    def unescape(match: re.Match) -> str:
        character = html.unescape(match[0]).replace("\r", "\n")
        if character == match[0] or "\ufffd" in character:
            return match[0]
        edits.add(match[0], character)
        return character

    for _ in range(_LEVELS):
        unescaped = _ENTITY.sub(unescape, text)
        if unescaped == text:
            break
        text = unescaped
    return text
