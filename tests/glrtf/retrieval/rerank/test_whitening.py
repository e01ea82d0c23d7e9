import importlib.util

import numpy as np
import pytest

from glrtf.embeddings.concatenated_rows import ConcatenatedRows
from glrtf.embeddings.rows import ArrayRows, normalized
from glrtf.retrieval.rerank import whitening
from tfrecords_tools.errors import UserError

# Not imported here, where each process that collects tests would spend seconds on it.
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("sklearn") is None, reason="whitening needs scikit-learn"
)


def made_parts(counts=(30, 0, 70, 45), dimension=6, seed=0):
    """Rows that spread differently in every direction."""
    generator = np.random.default_rng(seed)
    spread = np.linspace(1, 0.2, dimension)
    turn = np.linalg.qr(generator.normal(size=(dimension, dimension)))[0]
    drawn = generator.normal(size=(sum(counts), dimension)) * spread @ turn + 0.3
    return np.split(normalized(drawn), np.cumsum(counts)[:-1])


def source(parts):
    return ConcatenatedRows([ArrayRows(part, f"part {n}") for n, part in enumerate(parts)])


def slowly_whitened(train, rows, dimension):
    """By the singular values of all centred rows at once."""
    mean = train.mean(axis=0)
    _, values, directions = np.linalg.svd(train - mean)
    deviations = values / np.sqrt(len(train) - 1)
    moved = (rows - mean) @ directions[:dimension].T / deviations[:dimension]
    return moved / np.linalg.norm(moved, axis=1, keepdims=True)


def products(rows):
    # Directions are found up to their sign, which no product of two rows shows.
    return rows @ rows.T


@pytest.mark.parametrize("dimension", [6, 3, 1])
def test_it_is_the_svd_of_all_rows(dimension):
    parts = made_parts()
    fitted = whitening.fit(source(parts), dimension)
    rows = made_parts((20,), seed=1)[0]
    result = fitted.apply(rows)
    assert result.dtype == np.float32 and result.shape == (20, dimension)
    expected = slowly_whitened(np.concatenate(parts), rows, dimension)
    np.testing.assert_allclose(products(result), products(expected), atol=1e-5)


def test_rows_come_in_small_blocks(monkeypatch):
    monkeypatch.setattr(whitening, "_ROWS_AT_ONCE", 16)
    parts = made_parts()
    # All directions kept, nothing is lost between the blocks.
    fitted = whitening.fit(source(parts), 6)
    rows = made_parts((20,), seed=1)[0]
    expected = slowly_whitened(np.concatenate(parts), rows, 6)
    np.testing.assert_allclose(products(fitted.apply(rows)), products(expected), atol=1e-5)
    blocks = [len(b) for b in whitening._blocks(source(parts), np.arange(145), 6)]
    assert sum(blocks) == 145
    assert len(blocks) > 5
    assert min(blocks) >= 6


def test_train_rows_spread_alike_in_all_directions():
    parts = np.concatenate(made_parts((4000,)))
    fitted = whitening.fit(ArrayRows(parts), 6)
    moved = (parts - fitted.mean) @ fitted.directions.T / np.sqrt(fitted.variances)
    np.testing.assert_allclose(np.cov(moved.T), np.eye(6), atol=1e-6)


def test_rows_are_drawn_evenly():
    parts = made_parts()
    rows = np.concatenate(parts)
    fitted = whitening.fit(source(parts), 4, max_rows=29)
    # 29 of 145 are every fifth.
    expected = whitening.fit(ArrayRows(rows[::5]), 4)
    np.testing.assert_allclose(fitted.mean, expected.mean, atol=1e-7)
    np.testing.assert_allclose(fitted.variances, expected.variances, atol=1e-7)


def test_a_part_is_whitened_in_blocks(monkeypatch):
    parts = made_parts()
    fitted = whitening.fit(source(parts), 3)
    monkeypatch.setattr(whitening, "_ROWS_AT_ONCE", 16)
    for number, part in enumerate(parts):
        result = whitening.whitened_part(source(parts), number, fitted)
        np.testing.assert_allclose(result, fitted.apply(part), atol=1e-6)


@pytest.mark.parametrize(
    ("rows", "dimension", "message"),
    [
        (made_parts((5,))[0], 5, "expected at most 4 for 5 train rows of 6 numbers, found 5"),
        (made_parts((50,))[0], 7, "expected at most 6 for 50 train rows of 6 numbers, found 7"),
        (np.pad(made_parts((50,), 3)[0], ((0, 0), (0, 3))), 4, "expected at most 3, in so many"),
        (np.tile(made_parts((5,))[0][:1], (5, 1)), 2, "expected different train rows, found 5 eq"),
        (made_parts((5,))[0][:1], 1, "expected at least 2 train rows for a PCA, found 1"),
    ],
)
def test_more_directions_than_there_are(rows, dimension, message):
    with pytest.raises(UserError, match=message):
        whitening.fit(ArrayRows(rows), dimension)


def test_saved_and_loaded(tmp_path):
    fitted = whitening.fit(source(made_parts()), 3)
    paths = [str(tmp_path / name) for name in ("a.npz", "b.npz")]
    for path in paths:
        whitening.save(path, fitted)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    rows = made_parts((20,), seed=1)[0]
    np.testing.assert_array_equal(whitening.load(paths[0]).apply(rows), fitted.apply(rows))
    np.savez(paths[0], mean=fitted.mean)
    with pytest.raises(UserError, match="expected mean, directions, variances, found mean"):
        whitening.load(paths[0])
