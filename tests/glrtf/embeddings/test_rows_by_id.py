import numpy as np
import pytest

from glrtf.embeddings import embedding_set
from glrtf.embeddings.rows_by_id import RowsById
from tfrecords_tools.errors import UserError


@pytest.fixture
def folder(tmp_path):
    """Three rows in two parts; row n has its one in column n."""
    rows = np.eye(3, dtype=np.float32)
    ids = np.array(["c", "a", "b"], "S16")
    embedding_set.write_part(str(tmp_path), 0, 2, rows[:2], ids[:2])
    embedding_set.write_part(str(tmp_path), 1, 2, rows[2:], ids[2:])
    embedding_set.finish(str(tmp_path), 2, model="m", size=0)
    return str(tmp_path)


def test_rows_by_id(folder):
    rows = RowsById.open([folder])
    np.testing.assert_array_equal(rows.rows(["b", "c", "b"]).argmax(axis=1), [2, 0, 2])
    assert rows.known(["z", "b", "0", "a"]) == ["b", "a"]


def test_unknown_id(folder):
    with pytest.raises(KeyError, match="zz"):
        RowsById.open([folder]).rows(["a", "zz"])


def test_an_id_too_long_for_a_set_is_not_cut_to_one_that_is_in_it(tmp_path):
    ids = [16 * "a", 16 * "b"]
    embedding_set.write_part(str(tmp_path), 0, 1, np.eye(2, dtype=np.float32), ids)
    embedding_set.finish(str(tmp_path), 1, model="m", size=0)
    rows = RowsById.open([str(tmp_path)])
    assert rows.known([17 * "a", 16 * "b", "\xe9"]) == [16 * "b"]
    assert rows.known([]) == []
    with pytest.raises(KeyError, match=17 * "a"):
        rows.rows([17 * "a"])


def test_missing_set(tmp_path):
    with pytest.raises(UserError):
        RowsById.open([str(tmp_path / "none")])


def test_a_longer_id_is_not_cut_to_another(tmp_path):
    ids = np.array(["0123456789abcdef", "b"])
    embedding_set.write_part(str(tmp_path), 0, 1, np.eye(2, dtype=np.float32), ids)
    embedding_set.finish(str(tmp_path), 1)
    rows = RowsById.open([str(tmp_path)])
    assert rows.known(["0123456789abcdefg", "é", "0123456789abcdef"]) == ["0123456789abcdef"]
    with pytest.raises(KeyError, match="0123456789abcdefg"):
        rows.rows(["0123456789abcdefg"])
