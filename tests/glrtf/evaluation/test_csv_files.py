import pytest

from glrtf.evaluation import csv_files
from tfrecords_tools.errors import UserError


def write(folder, data):
    path = folder / "file.csv"
    path.write_bytes(data)
    return str(path)


def test_columns_in_the_order_asked_for(tmp_path):
    path = write(tmp_path, b"id,url,landmark_id\na,u,1\nb,v,2\n")
    assert list(csv_files.read_rows(path, ("landmark_id", "id"))) == [
        (2, ["1", "a"]),
        (3, ["2", "b"]),
    ]


def test_windows_lines_byte_order_mark_quotes_and_empty_lines(tmp_path):
    path = write(tmp_path, b'\xef\xbb\xbfid,url\r\n"a","x,y"\r\n\r\nb, z \r\n')
    assert list(csv_files.read_rows(path, ("id", "url"))) == [(2, ["a", "x,y"]), (4, ["b", "z"])]


def test_very_long_quoted_field(tmp_path):
    path = write(tmp_path, b'id,images\na,"' + b"x" * 300_000 + b'"\n')
    ((_, (_, images)),) = csv_files.read_rows(path, ("id", "images"))
    assert len(images) == 300_000


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "expected the column 'id', found an empty file"),
        (b"id,image\n", "expected the column 'images', found id,image; did you mean image?"),
        (b"id,images\nab\n", "line 2: expected 2 fields (id,images), found 1"),
        (b"id,images\na,b,c\n", "line 2: expected 2 fields (id,images), found 3"),
        (b"\x89PN\r\n\xff\xfe", "line 1: expected text in UTF-8, found another encoding"),
        (b"\x89PNG\r\n\x1a\n\xff", "expected CSV text in UTF-8, found a PNG image"),
        ("id,images\na,b\n".encode("utf-16"), "found UTF-16 text; save it as CSV UTF-8"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, data, message):
    path = write(tmp_path, data)
    with pytest.raises(UserError) as caught:
        list(csv_files.read_rows(path, ("id", "images")))
    assert path in str(caught.value)
    assert message in str(caught.value)


def test_missing_file(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        list(csv_files.read_rows(str(tmp_path / "none.csv"), ("id",)))


def test_header(tmp_path):
    assert csv_files.read_header(write(tmp_path, b"id, images ,Usage\r\nx")) == [
        "id",
        "images",
        "Usage",
    ]


def test_a_column_that_comes_twice_is_refused(tmp_path):
    path = write(tmp_path, b"id,images,images\na,b,c\n")
    with pytest.raises(UserError, match="expected one column 'images', found it more than once"):
        list(csv_files.read_rows(path, ("id", "images")))
