import math
import types

import numpy as np
import pytest

from glrtf.photos import landmark_tables
from glrtf.retrieval.bridging.landmark_confidence import read_landmarks
from glrtf.service.labels import landmarks_of
from tfrecords_tools import csv_rows
from tfrecords_tools.errors import UserError
from tfrecords_tools.labels import read_labels


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        (" 42 ", 42),
        ("007", 7),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", None),
        ("9" * 5000, None),
        ("1_0", None),
        ("\u0664\u0662", None),
        ("\u00b2", None),
        ("+1", None),
        ("-1", None),
        ("1.0", None),
        ("", None),
    ],
)
def test_whole_numbers(text, number):
    assert csv_rows.whole_number(text) == number


@pytest.mark.parametrize(("text", "number"), [("0.5", 0.5), ("-1e3", -1000.0), (" 2 ", 2.0)])
def test_real_numbers(text, number):
    assert csv_rows.real_number(text) == number


@pytest.mark.parametrize("text", ["", "1_0", "half", "1,5"])
def test_no_real_numbers(text):
    assert math.isnan(csv_rows.real_number(text))


def write(folder, data):
    path = folder / "file.csv"
    path.write_bytes(data)
    return str(path)


def test_columns_in_the_requested_order(tmp_path):
    path = write(tmp_path, b"id,url,landmark_id\na,u,1\nb,v,2\n")
    assert list(csv_rows.read_rows(path, ("landmark_id", "id"))) == [
        (2, ["1", "a"]),
        (3, ["2", "b"]),
    ]


def test_windows_lines_byte_order_mark_quotes_and_empty_lines(tmp_path):
    path = write(tmp_path, b'\xef\xbb\xbfid,url\r\n"a","x,y"\r\n\r\nb, z \r\n')
    assert list(csv_rows.read_rows(path, ("id", "url"))) == [(2, ["a", "x,y"]), (4, ["b", "z"])]


def test_very_long_quoted_field(tmp_path):
    path = write(tmp_path, b'id,images\na,"' + b"x" * 300_000 + b'"\n')
    ((_, (_, images)),) = csv_rows.read_rows(path, ("id", "images"))
    assert len(images) == 300_000


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "expected the column 'id', found an empty file"),
        (b"id,image\n", "expected the column 'images', found id,image; did you mean image?"),
        (b"id,images\nab\n", "line 2: expected 2 fields (id,images), found 1"),
        (b"id,images\na,b,c\n", "line 2: expected 2 fields (id,images), found 3"),
        (b'id,images\na,b\nc,"d\ne,f\n', "line 3: expected CSV, found unexpected end of data"),
        (b'id,images\n"a"b,c\n', "line 2: expected CSV, found ',' expected after"),
        (b"\x89PN\r\n\xff\xfe", "line 1: expected text in UTF-8, found another encoding"),
        (b'id,images\na,b\nc,"d\ne,f\n', "line 3: expected CSV, found unexpected end of data"),
        (b'id,images\n"a"b,c\n', "line 2: expected CSV, found ',' expected after"),
        (b"\x89PNG\r\n\x1a\n\xff", "expected CSV text in UTF-8, found a PNG image"),
        ("id,images\na,b\n".encode("utf-16"), "found UTF-16 text; save it as CSV UTF-8"),
    ],
)
def test_what_is_wrong_is_reported(tmp_path, data, message):
    path = write(tmp_path, data)
    with pytest.raises(UserError) as caught:
        list(csv_rows.read_rows(path, ("id", "images")))
    assert path in str(caught.value)
    assert message in str(caught.value)


def test_missing_file(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        list(csv_rows.read_rows(str(tmp_path / "none.csv"), ("id",)))


@pytest.mark.parametrize("header", [b"id, images ,Usage", b'"id","images","Usage"'])
def test_header(tmp_path, header):
    path = write(tmp_path, header + b"\r\nx")
    assert csv_rows.read_header(path) == ["id", "images", "Usage"]


def test_rows_are_counted_by_their_first_line(tmp_path):
    path = write(tmp_path, b'id,url\na,"x\ny"\n,\nb,z\n')
    assert list(csv_rows.read_rows(path, ("id", "url"))) == [(2, ["a", "x\ny"]), (5, ["b", "z"])]


def test_the_first_choice_of_columns_that_a_file_has(tmp_path):
    path = write(tmp_path, b"landmark_id,images\n1,a\n")
    choices = (("landmark_id", "id"), ("landmark_id", "images"))
    assert csv_rows.choose_columns(path, *choices) == choices[1]
    with pytest.raises(UserError, match="columns id,url or url, found landmark_id,images"):
        csv_rows.choose_columns(path, ("id", "url"), ("url",))


def test_a_column_that_comes_twice_is_refused(tmp_path):
    path = write(tmp_path, b"id,images,images\na,b,c\n")
    with pytest.raises(UserError, match="expected one column 'images', found it more than once"):
        list(csv_rows.read_rows(path, ("id", "images")))


def _landmarks(path):
    train = types.SimpleNamespace(ids=np.array([b"a" * 16]), name="train")
    return read_landmarks(path, train).tolist()


TRAIN_READERS = {
    "build": lambda path: read_labels("", "train", path).landmark_ids.tolist(),
    "retrieve": _landmarks,
    "serve": lambda path: landmarks_of(path, np.array([b"a" * 16])).tolist(),
    "report": lambda path: list(landmark_tables.photos_of_landmarks(path, [7])),
}


@pytest.fixture(params=TRAIN_READERS)
def read_train_csv(request):
    return TRAIN_READERS[request.param]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # A quote that is never closed would make one field of the rest of the file.
        ('{id},7,x\n{id},7,"x\n', "line 3: expected CSV, found unexpected end of data"),
        ("{id}\n", r"line 2: expected 3 fields .*, found 1"),
        ("{id},7,x,y\n", r"line 2: expected 3 fields .*, found 4; put a field that holds a comma"),
    ],
)
def test_every_command_reads_train_csv_with_the_same_rules(tmp_path, read_train_csv, text, message):
    header = "id,landmark_id,note\n"
    good = write(tmp_path, (header + f"\r\n{'a' * 16}, 7 ,x\r\n,,\r\n").encode("utf-8-sig"))
    assert read_train_csv(good) == [7]
    long = write(tmp_path, (header + f"{'a' * 16},7,{'x' * 200_000}\n").encode())
    assert read_train_csv(long) == [7]
    bad = write(tmp_path, (header + text.format(id="a" * 16)).encode())
    with pytest.raises(UserError, match=message):
        read_train_csv(bad)
