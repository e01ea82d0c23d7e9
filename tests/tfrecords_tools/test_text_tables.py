import csv

import pytest

from tfrecords_tools import csv_rows, text_tables
from tfrecords_tools.errors import UserError
from tfrecords_tools.labels import read_labels


def _read(path):
    with text_tables.open_text(path) as text:
        return list(csv.reader(text))


READERS = {
    "open_text": _read,
    "read_rows": lambda path: list(csv_rows.read_rows(path, ("id", "landmark_id"))),
    "labels": lambda path: read_labels("", "train", path),
}


@pytest.fixture(params=READERS)
def read(request):
    return READERS[request.param]


def test_the_line_that_is_not_utf8_is_named(read, tmp_path):
    path = tmp_path / "table.csv"
    # Far enough down that the decoder has read other blocks before.
    lines = [f"{n:016x},{n},ok" for n in range(5000)]
    lines[4000] = f"{4000:016x},4000,Sées"
    path.write_bytes("\n".join(["id,landmark_id,name", *lines, ""]).encode("cp1252"))
    with pytest.raises(UserError, match=r"table\.csv: line 4002: expected text in UTF-8"):
        read(str(path))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf16_is_named(read, tmp_path, encoding):
    path = tmp_path / "table.csv"
    path.write_bytes(f"id,landmark_id\n{0:016x},1\n".encode(encoding))
    with pytest.raises(UserError, match="found UTF-16 text; save it as CSV UTF-8"):
        read(str(path))


def test_line_ends_and_a_byte_order_mark(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(b'\xef\xbb\xbfid,name\r\n1,"a\nb"\r\n')
    assert _read(str(path)) == [["id", "name"], ["1", "a\nb"]]
