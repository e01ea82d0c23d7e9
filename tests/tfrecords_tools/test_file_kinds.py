import gzip

import pytest

from tfrecords_tools import file_kinds


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (gzip.compress(b"id,url", mtime=0), "gzip data"),
        ("id,url".encode("utf-16"), "UTF-16 text"),
        ("id,url".encode("utf-16-le"), "UTF-16 text"),
        ("id,url".encode("utf-16-be"), "UTF-16 text"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", "a HEIC photo"),
        (b"\x00\x00\x00\x18ftypavif\x00\x00\x00\x00avifmif1", ""),
        (b"  <!DOCTYPE html><title>404</title>", "an HTML page"),
        (b"PK\x03\x04\x14\x00", "a ZIP archive or Excel workbook"),
        (b"id,url,landmark_id\n", ""),
        ("\ufeffid".encode(), ""),
        (b"", ""),
        (b"i", ""),
    ],
)
def test_kinds(head, kind):
    assert file_kinds.describe(head) == kind
