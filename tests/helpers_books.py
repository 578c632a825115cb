"""Small EPUBs, Word files and archives with a chosen property, made in memory."""

import io
import struct
import zipfile

CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OEBPS/content.opf" media-type="application/oebps-package+xml"/>'
    "</rootfiles></container>"
)
XHTML = (
    '<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml" '
    'xmlns:epub="http://www.idpf.org/2007/ops"><head><title>{title}</title></head>{body}</html>'
)


def page(body, title=""):
    return XHTML.format(title=title, body=body if "<body" in body else f"<body>{body}</body>")


def epub(pages, *, spine=None, labels=(), nav=None, properties=None, guide="", linear=(), **files):
    """An EPUB of `pages` (file name -> XHTML text or bytes), in the order of `spine`.

    `labels` are pairs of a toc.ncx, `nav` a whole EPUB 3 navigation page, `files` further members.
    """
    properties = properties or {}
    pages = dict(pages) | ({"nav.xhtml": nav} if nav else {})
    items = "".join(
        f'<item id="i{number}" href="{name}" media-type="application/xhtml+xml" '
        f'properties="{"nav" if name == "nav.xhtml" else properties.get(name, "")}"/>'
        for number, name in enumerate(pages)
    )
    numbers = {name: number for number, name in enumerate(pages)}
    references = "".join(
        f'<itemref idref="i{numbers[name]}" linear="{"no" if name in linear else "yes"}"/>'
        for name in (spine or pages)
    )
    points = "".join(
        f"<navPoint><navLabel><text>{text}</text></navLabel><content src='{target}'/></navPoint>"
        for target, text in labels
    )
    opf = (
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0">'
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>渡口</dc:title>'
        "<dc:creator>某甲</dc:creator></metadata><manifest>"
        f'<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>{items}</manifest>'
        f'<spine toc="ncx">{references}</spine><guide>{guide}</guide></package>'
    )
    ncx = f'<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap>{points}</navMap></ncx>'
    members = {"META-INF/container.xml": CONTAINER, "OEBPS/content.opf": opf, "OEBPS/toc.ncx": ncx}
    members |= {f"OEBPS/{name}": content for name, content in pages.items()}
    return make_zip(members | files)


def make_zip(members, compression=zipfile.ZIP_DEFLATED):
    """A ZIP file of name -> text or bytes, in that order."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def zip_of_raw_names(names, content=b"text"):
    """A ZIP file whose names are these bytes and declare no encoding, as Chinese Windows writes.

    Python marks every name that is not ASCII as UTF-8, so the records are put together here.
    """
    entries = [(raw, content, 0, None, 0) for raw in names]
    return assemble_zip(entries)


def assemble_zip(entries):
    """Stored entries (raw name, content, flags, declared size or None, external attributes)."""
    import zlib

    body, directory = b"", b""
    for raw, content, flags, size, attributes in entries:
        size = len(content) if size is None else size
        common = struct.pack(
            "<HHHHHIIIHH", 20, flags, 0, 0, 33, zlib.crc32(content), size, size, len(raw), 0
        )
        directory += b"PK\x01\x02" + struct.pack("<H", 0x0314) + common
        directory += struct.pack("<HHHII", 0, 0, 0, attributes, len(body)) + raw
        body += b"PK\x03\x04" + common + raw + content
    end = struct.pack("<HHHHIIH", 0, 0, len(entries), len(entries), len(directory), len(body), 0)
    return body + directory + b"PK\x05\x06" + end
