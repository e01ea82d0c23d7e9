"""The kind of a file from its bytes, for messages about unexpected files."""

import re

_MAGIC = (
    (b"\x1f\x8b", "gzip data"),
    (b"PK\x03\x04", "a ZIP archive or Excel workbook"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel or Word document"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
    (b"%PDF-", "a PDF document"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"BZh", "bzip2 data"),
    (b"\xfd7zXZ\x00", "xz data"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
)
# The brand that follows "ftyp" in files of the ISO base media format (ISO/IEC 14496-12, 23008-12).
_BRANDS = {
    b"heic": "a HEIC photo",
    b"heix": "a HEIC photo",
    b"heim": "a HEIC photo",
    b"heis": "a HEIC photo",
    b"hevc": "a HEIC photo",
    b"hevx": "a HEIC photo",
    b"mif1": "a HEIF photo",
    b"msf1": "a HEIF photo",
    b"crx ": "a camera's raw photo (CR3)",
    b"qt  ": "a video",
    b"isom": "a video",
    b"mp41": "a video",
    b"mp42": "a video",
}
_HTML = re.compile(rb"\s*<(!doctype\s+html|html)\b", re.IGNORECASE)
_UTF16_WITHOUT_MARK = re.compile(rb"(?:[\x09\x0a\x0d\x20-\x7e]\x00){4}|(?:\x00[\x20-\x7e]){4}")
MISTAKEN = ("a HEIC photo", "a HEIF photo", "gzip data", "UTF-16 text")
"""Kinds that users may expect to be readable; refused by name."""
HEAD = 64
"""How many of a file's first bytes `describe` needs."""


def describe(head: bytes) -> str:
    """Names the kind of a file from its first bytes.

    Args:
        head: The first `HEAD` bytes, or more.

    Returns:
        The kind with its article, such as ``"a HEIC photo"``; empty if it is not recognised.
    """
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "")
    if _UTF16_WITHOUT_MARK.match(head):
        return "UTF-16 text"
    return "an HTML page" if _HTML.match(head) else ""
