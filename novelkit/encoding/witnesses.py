"""What others say about an encoding: chardet, and the file itself in an HTML or XML declaration.

Witnesses are shown beside the evidence and decide nothing: chardet 5 fails on most long GBK slices
and on UTF-16 without a mark, and pages that were converted keep their old declaration.
"""

import re

from novelkit.encoding.sources import ByteSource

_ASKED = 64 * 1024  # bytes given to chardet: its time grows with them, its answers hardly change
_DECLARATION = re.compile(
    rb"<\?xml[^>]{0,80}encoding\s*=\s*[\"']([\w-]{2,20})[\"']"
    rb"|<meta[^>]{0,120}charset\s*=\s*[\"']?\s*([\w-]{2,20})",
    re.IGNORECASE,
)


def declared_encoding(head: bytes) -> str | None:
    """The name in an XML declaration or an HTML `<meta charset>` among the first bytes."""
    found = _DECLARATION.search(head.replace(b"\0", b""))
    return (found[1] or found[2]).decode("ascii").lower() if found else None


def ask_chardet(source: ByteSource | bytes) -> dict[str, str]:
    """What chardet answers (5.x and 7.x alike), {} where it is not installed."""
    try:
        import chardet
    except ImportError:
        return {}
    data = source if isinstance(source, bytes) else source.read(0, _ASKED)
    answer = chardet.detect(data)
    name, sure = answer.get("encoding"), answer.get("confidence") or 0.0
    version = getattr(chardet, "__version__", "")
    words = f"{name}，把握 {sure:.0%}" if name else "看不出来"
    return {f"chardet {version}".strip(): words}
