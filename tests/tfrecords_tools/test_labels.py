import numpy as np
import pytest

from tfrecords_tools.errors import UserError
from tfrecords_tools.labels import read_labels

_A, _B, _C = "00000000000000aa", "00000000000000bb", "00000000000000cc"


@pytest.fixture
def root(tmp_path):
    (tmp_path / "metadata").mkdir()
    return tmp_path


def _write(root, text, name="train.csv"):
    (root / "metadata" / name).write_bytes(text.encode())


def _pairs(labels):
    return {
        f"{number:016x}": (int(label), int(labels.landmark_ids[label]))
        for number, label in zip(labels.ids, labels.labels, strict=True)
    }


def test_landmarks_are_relabelled_in_their_order(root):
    _write(root, f"id,url,landmark_id\n{_A},u,900\n{_B},u,7\n{_C},u,900\n")
    labels = read_labels(str(root), "train", "full")
    assert labels.landmark_ids.tolist() == [7, 900]
    assert _pairs(labels) == {_A: (1, 900), _B: (0, 7), _C: (1, 900)}
    assert labels.labels.dtype == np.int32


def test_clean_names_the_images_of_each_landmark(root):
    _write(root, f"landmark_id,images\n900,{_A} {_C}\n7,{_B}\n", "train_clean.csv")
    labels = read_labels(str(root), "train", "clean")
    assert _pairs(labels) == {_A: (1, 900), _B: (0, 7), _C: (1, 900)}


def test_labels_may_come_from_ones_own_csv(root):
    _write(root, f"landmark_id,id\n5,{_B}\n", "mine.csv")
    labels = read_labels(str(root), "train", str(root / "metadata" / "mine.csv"))
    assert _pairs(labels) == {_B: (0, 5)}


def test_index_images_have_no_landmark(root):
    _write(root, f"id\n{_B}\n{_A}\n", "index.csv")
    labels = read_labels(str(root), "index", "clean")
    assert labels.labels.tolist() == [-1, -1]
    assert labels.landmark_ids.shape == (0,)
    assert labels.ids.tolist() == [0xAA, 0xBB]


@pytest.mark.parametrize(
    "text",
    [
        f"\ufeffid,url,landmark_id\n{_A},u,3\n",
        f"id,url,landmark_id\r\n{_A},u,3\r\n",
        f'"id","url","landmark_id"\n"{_A}","http://x/a,b.jpg","3"\n',
        f"id,url,landmark_id\n\n{_A},u,3\n\n",
        f" id , url , landmark_id \n {_A} ,u, 3\n",
        f"url,landmark_id,id\nu,3,{_A}\n",
    ],
)
def test_bom_crlf_quotes_blank_lines_and_order_do_not_matter(root, text):
    _write(root, text)
    assert _pairs(read_labels(str(root), "train", "full")) == {_A: (0, 3)}


def test_of_duplicate_rows_the_first_counts_and_the_others_are_reported(root):
    _write(root, f"id,url,landmark_id\n{_A},u,3\n{_B},u,4\n{_A},u,3\n{_A},u,4\n")
    labels = read_labels(str(root), "train", "full")
    assert _pairs(labels) == {_A: (0, 3), _B: (1, 4)}
    assert labels.duplicates.tolist() == [0xAA, 0xAA]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,url\n", "columns id,landmark_id or landmark_id,images, found id,url"),
        ("", "columns id,landmark_id or .*, found an empty file"),
        ("id,url,landmark_id\n", "expected image ids below the header, found none"),
        (f"id,url,landmark_id\n{_A},u,3\n{_B},u,three\n", "line 3: expected a landmark_id"),
        (f"id,url,landmark_id\n{_A},u,\n", "line 2: expected a landmark_id"),
        (f"id,url,landmark_id\n{_A},u,-4\n", "line 2: expected a landmark_id"),
        (f"id,url,landmark_id\n{_A},u,3.0\n", "line 2: expected a landmark_id"),
        (f"id,url,landmark_id\n{_A},u,{2**63}\n", "line 2: expected a landmark_id"),
        (f"id,url,landmark_id\n{_A},u,1_0\n", "line 2: expected a landmark_id"),
        (f"id,url,landmark_id\n{_A},u,\u0661\n", "line 2: expected a landmark_id"),
        (
            f"id,url,landmark_id\n{_A},http://x/Big_Ben,_2012.jpg,3\n",
            "line 2: expected 3 fields .*, found 4; put a field that holds a comma in",
        ),
        (f"id,id,landmark_id\n{_A},{_B},3\n", "expected one column 'id', found it more than once"),
        ("id,url,landmark_id\n0xAB,u,3\n", "line 2: expected an image id of 16 hex digits"),
        (f"id,url,landmark_id\n{_A.upper()},u,3\n", "line 2: expected an image id"),
        (f"id,url,landmark_id\n{_A},u\n", "line 2: expected 3 fields .*, found 2"),
        ("\0\0\0", "expected a CSV with columns id,landmark_id"),
    ],
)
def test_unreadable_text_is_reported_with_its_line(root, text, message):
    _write(root, text)
    with pytest.raises(UserError, match=message):
        read_labels(str(root), "train", "full")


def test_a_missing_csv_is_reported(root):
    with pytest.raises(UserError, match=r"test\.csv: no such file"):
        read_labels(str(root), "test", "full")


def test_a_landmark_of_many_photos_has_a_long_row(root):
    """10,000 photos take 170,000 characters; Python's own limit is 131,072."""
    names = [f"{number:016x}" for number in range(10_000)]
    _write(root, f"landmark_id,images\n7,{' '.join(names)}\n", "train_clean.csv")
    labels = read_labels(str(root), "train", "clean")
    assert labels.ids.tolist() == list(range(10_000))


def test_the_largest_landmark_is_the_largest_int64(root):
    _write(root, f"id,url,landmark_id\n{_A},u,{2**63 - 1}\n")
    assert read_labels(str(root), "train", "full").landmark_ids.tolist() == [2**63 - 1]
