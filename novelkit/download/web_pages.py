"""Tell a web page from a book: an error or login page sent with status 200 is no training text.

Does not cover: pages of plain text without any mark ("页面不存在").
"""

import re
from urllib.parse import urlsplit

HEAD_BYTES = 1024
PAGE_SUFFIXES = (".html", ".htm", ".xhtml")
# What may stand before the first tag of a page: space, byte order marks, comments, <?xml ... ?>.
BEFORE = re.compile(rb"(?:[\s\xef\xbb\xbf\xff\xfe]+|<!--.*?-->|<\?xml.*?\?>)*", re.DOTALL)
PAGE = re.compile(
    rb"<(!doctype\s+html|html|head|body|script|meta)(?=[\s/>]|$)|<title>", re.IGNORECASE
)
ANY_TAG = re.compile(rb"<[a-z][a-z0-9]*[\s/>]", re.IGNORECASE)
HTML_TYPES = ("text/html", "application/xhtml+xml")
ERROR_TYPES = ("application/json", "application/problem+json")


def is_web_page(head: bytes, url: str, content_type: str) -> bool:
    """Whether the first bytes are those of a page (or of a JSON answer) that `url` did not name.

    A novel sent as text/html is a novel; with that type, though, any tag at the start is a page's.
    """
    path, kind = urlsplit(url).path.lower(), content_type.partition(";")[0].strip().lower()
    if path.endswith(PAGE_SUFFIXES):
        return False
    # Without the zero bytes a page in UTF-16 shows its tags as well.
    plain = head[:HEAD_BYTES].replace(b"\0", b"")
    start = plain[BEFORE.match(plain).end() :]  # type: ignore[union-attr]
    if kind in ERROR_TYPES and not path.endswith(".json"):
        return start.startswith((b"{", b"["))
    return bool(PAGE.match(start) or (kind in HTML_TYPES and ANY_TAG.match(start)))
