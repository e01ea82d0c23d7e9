"""Values of rows by image id, against a dictionary."""

import numpy as np
import pytest

from glrtf.embeddings import row_values
from glrtf.embeddings.row_values import values_of
from tfrecords_tools.errors import UserError


def test_values_are_those_of_a_dictionary(monkeypatch):
    monkeypatch.setattr(row_values, "_AT_ONCE", 7)
    draw = np.random.default_rng(0)
    ids = np.array([f"{n:x}" for n in draw.permutation(60)], "S16")
    # Ids of other images, repeated ids, and an id that would be cut to a known one.
    names = [f"{n:x}" for n in draw.integers(0, 90, 80)] + ["0" * 17, "1\0"]
    pairs = list(zip(names, draw.integers(1, 1000, len(names)).tolist(), strict=True))
    by_id = dict(pairs)
    values, found = values_of("t.csv", ids, [(0, *pair) for pair in pairs], np.int64)
    assert values.dtype == np.int64
    assert found.tolist() == [one.decode() in by_id for one in ids.tolist()]
    assert values.tolist() == [by_id.get(one.decode(), 0) for one in ids.tolist()]
    assert not found.all() and found.any()


def test_no_rows_and_no_pairs():
    values, found = values_of("t.csv", np.array(["a", "b"], "S16"), [], np.float64)
    assert values.tolist() == [0.0, 0.0] and not found.any()
    assert len(values_of("t.csv", np.empty(0, "S16"), [(2, "a", 1)], np.int64)[0]) == 0


@pytest.mark.parametrize("at_once", [1, 2, 100])
def test_an_id_with_two_values_is_refused(monkeypatch, at_once):
    monkeypatch.setattr(row_values, "_AT_ONCE", at_once)
    table = [(2, "b", 5), (3, "x", 1), (4, "a", 7), (5, "x", 2), (6, "b", 5), (7, "a", 8)]
    ids = np.array(["a", "b"], "S16")
    assert values_of("t.csv", ids, table, np.int64)[0].tolist() == [8, 5]
    # Line 6 repeats b's value, and x is no row.
    message = "t.csv, line 7: expected one landmark for image a, found 8 after 7; remove one"
    with pytest.raises(UserError, match=message):
        values_of("t.csv", ids, table, np.int64, "landmark")
