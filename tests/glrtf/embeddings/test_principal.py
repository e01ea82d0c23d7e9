import numpy as np

from glrtf.embeddings import principal
from glrtf.embeddings.principal import principal_map
from glrtf.embeddings.rows import ArrayRows


def unit_rows(count=60, width=5, seed=0):
    rows = np.random.default_rng(seed).normal([2, 0, 0, 0, 0], [1, 3, 0.5, 2, 1], (count, width))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_the_map_gives_the_scores_of_a_singular_value_decomposition():
    rows = unit_rows()
    weight, bias = principal_map(ArrayRows(rows), 3)
    centred = rows.astype(float) - rows.mean(axis=0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    scores = rows @ weight + bias
    np.testing.assert_allclose(np.abs(scores), np.abs(left * values)[:, :3], atol=1e-5)
    assert (weight[np.abs(weight).argmax(axis=0), range(3)] > 0).all()


def test_directions_without_spread_are_left_out():
    rows = np.zeros((4, 5), np.float32)
    rows[np.arange(4), [0, 1, 0, 1]] = 1
    # The rows lie on a line: one direction, (1, -1)/√2, with scores of ±½·√2.
    weight, bias = principal_map(ArrayRows(rows), 3)
    np.testing.assert_allclose(np.abs(rows @ weight + bias)[:, 0], 0.5**0.5, rtol=1e-6)
    assert not weight[:, 1:].any()


def test_of_many_rows_blocks_are_spread_over_the_set(monkeypatch):
    monkeypatch.setattr(principal, "_ROWS_AT_ONCE", 2)
    monkeypatch.setattr(principal, "_MOST_BLOCKS", 3)
    # Parts of 5 and 7 rows have the blocks 0 2 4 and 0 2 4 6: of seven numbers 0, 2 and 4.
    assert principal._blocks((5, 7)) == [(0, 0), (0, 4), (1, 2)]
