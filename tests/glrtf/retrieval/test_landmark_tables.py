"""The CSV that names the landmark of every train image."""

import numpy as np
import pytest
import retrieval_worlds

from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.retrieval.bridging.landmark_confidence import read_landmarks
from tfrecords_tools.errors import UserError

_A, _B = "00000000000000aa", "00000000000000bb"


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    rows = np.eye(2, 4, dtype=np.float32)
    folder = tmp_path_factory.mktemp("set") / "train"
    retrieval_worlds.write(folder, [rows], np.array([_A, _B]))
    return EmbeddingSet.open(folder)


def _read(tmp_path, train, text):
    path = tmp_path / "train.csv"
    path.write_text(text)
    return read_landmarks(str(path), train)


def test_rows_longer_than_pythons_own_limit(tmp_path, train):
    others = " ".join(f"{number:016x}" for number in range(1000, 11_000))
    found = _read(tmp_path, train, f"landmark_id,images\n7,{others} {_A}\n9,{_B}\n")
    assert found.tolist() == [7, 9]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            f"id,url,landmark_id\n{_A},http://x/a,2012,7\n",
            "train.csv: line 2: expected 3 fields .*, found 4",
        ),
        (
            f"id,landmark_id\n{_A},1_0\n",
            "expected a landmark_id, .*found '1_0'",
        ),
        (
            f"id,landmark_id\n{_A},{2**63}\n",
            "expected a landmark_id, .*found '92233",
        ),
        (f"id,landmark_id\n{_A},\u0661\n", "expected a landmark_id, a whole number from 0"),
        (f"id,landmark_id,id\n{_A},1,{_B}\n", "expected one column 'id', found it more than once"),
    ],
)
def test_rows_that_could_be_read_wrongly_are_refused(tmp_path, train, text, message):
    with pytest.raises(UserError, match=message):
        _read(tmp_path, train, text)
