import pytest

from glrtf.evaluation import submissions
from glrtf.evaluation.submissions import Recognition
from tfrecords_tools.errors import UserError


def write(folder, data, name="submission.csv"):
    path = folder / name
    path.write_bytes(data)
    return str(path)


def test_rankings_in_order(tmp_path):
    path = write(tmp_path, b"id,images\r\nq1,b a\r\nq2,\r\n")
    expected = [("q1", ["b", "a"]), ("q2", [])]
    assert list(submissions.read_submission(path)) == expected
    assert list(submissions.read_submission(str(tmp_path))) == expected


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"id,images\nq1,a\nq1,b\n", "line 3: query q1 is repeated"),
        (b"id,Images\nq1,a\n", "did you mean Images?"),
    ],
)
def test_wrong_submissions(tmp_path, data, message):
    with pytest.raises(UserError) as caught:
        list(submissions.read_submission(write(tmp_path, data)))
    assert message in str(caught.value)


def test_recognitions(tmp_path):
    path = write(tmp_path, b"id,landmarks\nq1,7 0.5\nq2,\nq3,8 -1e-3\n")
    assert submissions.read_recognitions(path) == {
        "q1": Recognition(7, 0.5),
        "q3": Recognition(8, -0.001),
    }


@pytest.mark.parametrize("field", [b"7", b"7 0.5 8 0.4", b"x 0.5", b"7 nan", b"7 high"])
def test_wrong_recognitions(tmp_path, field):
    path = write(tmp_path, b"id,landmarks\nq1," + field + b"\n")
    with pytest.raises(UserError, match="line 2: expected a landmark number and a score"):
        submissions.read_recognitions(path)


def test_repeated_recognitions(tmp_path):
    with pytest.raises(UserError, match="q is repeated"):
        submissions.read_recognitions(write(tmp_path, b"id,landmarks\nq,1 1\nq,1 1\n"))
