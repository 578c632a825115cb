"""File names: taken from a URL or a header, and made safe for every file system.

Does not touch the disk.
"""

import contextlib
import os
import re
import unicodedata
from email.message import Message
from urllib.parse import unquote_to_bytes, urlsplit, urlunsplit

# Room for the record's suffix and a number within the 255 bytes of common file systems.
LONGEST_NAME_BYTES = 200
# What follows the last dot of a longer text is no suffix but a part of the name.
LONGEST_SUFFIX_BYTES = 16


def safe_name(name: str) -> str:
    """A file name that Linux, macOS, Windows and Drive accept, close to `name`, keeping its end."""
    visible = (char for char in name if unicodedata.category(char) not in ("Cc", "Cf", "Cs"))
    name = unicodedata.normalize("NFC", "".join(visible)).replace("\\", "/")
    name = re.sub(r'[<>:"|?*]', "_", name.rstrip("/").rsplit("/", 1)[-1]).strip(" .")
    # Device names that Windows reserves, whatever their suffix.
    if re.fullmatch(r"(con|prn|aux|nul|com\d|lpt\d) *(\..*)?", name, re.IGNORECASE):
        name = "_" + name
    if len(name.encode("utf-8")) <= LONGEST_NAME_BYTES:
        return name or "download"
    stem, dot, suffix = name.rpartition(".")
    if not dot or len(suffix.encode("utf-8")) > LONGEST_SUFFIX_BYTES:
        stem, dot, suffix = name, "", ""
    room = LONGEST_NAME_BYTES - len((dot + suffix).encode("utf-8"))
    return stem.encode("utf-8")[:room].decode("utf-8", errors="ignore").rstrip(" .") + dot + suffix


def readable_name(name: str) -> str:
    """A local file's name as text: names out of Chinese zip files are GBK bytes on Linux."""
    raw = os.fsencode(name)
    for codec in ("utf-8", "gb18030"):
        with contextlib.suppress(UnicodeDecodeError):
            return raw.decode(codec)
    return raw.decode("utf-8", errors="replace")


def name_from_disposition(header: str) -> str:
    """The file name in a Content-Disposition header (RFC 6266), or "".

    Chinese servers often send raw UTF-8 or GBK bytes there, which HTTP clients read as Latin-1.
    """
    message = Message()
    message["Content-Disposition"] = header.replace("\r", " ").replace("\n", " ")
    name = message.get_filename("")
    if re.search("[\x80-\xff]", name) and not re.search("[^\x00-\xff]", name):
        raw = name.encode("latin-1")
        try:
            name = raw.decode("utf-8")
        except UnicodeDecodeError:
            name = raw.decode("gb18030", errors="replace")
    return unquoted(name)


def unquoted(text: str) -> str:
    """Percent-encoding undone; what is not UTF-8 comes from an old Chinese site, hence is GBK."""
    raw = unquote_to_bytes(text)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("gb18030", errors="replace")


def name_from_url(url: str) -> str:
    """The last part of the URL's path, or its host when the path has none."""
    parts = urlsplit(url)
    return unquoted(parts.path.rstrip("/").rsplit("/", 1)[-1]) or parts.hostname or ""


def without_credentials(url: str) -> str:
    """The URL without user, password and fragment: the record may be shared."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))
