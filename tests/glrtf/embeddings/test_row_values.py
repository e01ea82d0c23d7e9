"""Values of rows by image id, against a dictionary."""

import numpy as np

from glrtf.embeddings import row_values
from glrtf.embeddings.row_values import values_of


def test_values_are_those_of_a_dictionary(monkeypatch):
    monkeypatch.setattr(row_values, "_PAIRS_AT_ONCE", 7)
    draw = np.random.default_rng(0)
    ids = np.array([f"{n:x}" for n in draw.permutation(60)], "S16")
    # Ids of other images, repeated ids, and an id that would be cut to a known one.
    names = [f"{n:x}" for n in draw.integers(0, 90, 80)] + ["0" * 17, "1\0"]
    pairs = list(zip(names, draw.integers(1, 1000, len(names)).tolist(), strict=True))
    by_id = dict(pairs)
    values, found = values_of(ids, pairs, np.int64)
    assert values.dtype == np.int64
    assert found.tolist() == [one.decode() in by_id for one in ids.tolist()]
    assert values.tolist() == [by_id.get(one.decode(), 0) for one in ids.tolist()]
    assert not found.all() and found.any()


def test_no_rows_and_no_pairs():
    values, found = values_of(np.array(["a", "b"], "S16"), [], np.float64)
    assert values.tolist() == [0.0, 0.0] and not found.any()
    assert len(values_of(np.empty(0, "S16"), [("a", 1)], np.int64)[0]) == 0
