"""Adapters: the map itself, its folder, and whose rows it takes."""

import itertools

import numpy as np
import pytest

from glrtf.embeddings import adapted_rows, adapter, embedding_set
from glrtf.embeddings.adapted_rows import AdaptedRows, adapted
from glrtf.embeddings.adapter import Adapter
from glrtf.embeddings.rows import ArrayRows
from tfrecords_tools.errors import UserError

MODELS = adapter.model_names([{"model": "m", "model_digest": "1"}])


def made(sizes=(6, 5, 4), models=MODELS, votes=(1.0,), digest="d"):
    draw = np.random.default_rng(0)
    layers = tuple(
        (draw.normal(size=pair).astype(np.float32), draw.normal(size=pair[1]).astype(np.float32))
        for pair in itertools.pairwise(sizes)
    )
    return Adapter(layers, models, votes, "adapted", digest, {"epochs": 3})


def unit_rows(count=7, dimension=6, seed=1):
    rows = np.random.default_rng(seed).normal(size=(count, dimension))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_layers_with_relu_between_and_length_one():
    one, rows = made(), unit_rows()
    (first, added), (second, last) = one.layers
    for row, found in zip(rows, one.apply(rows), strict=True):
        hidden = np.maximum(row @ first + added, 0)
        expected = hidden @ second + last
        np.testing.assert_allclose(found, expected / np.linalg.norm(expected), atol=1e-6)
    assert one.input_dimension == 6 and one.dimension == 4


def test_a_folder_comes_back(tmp_path):
    one = made()
    adapter.save(str(tmp_path), one)
    back = adapter.load(str(tmp_path))
    np.testing.assert_array_equal(back.apply(unit_rows()), one.apply(unit_rows()))
    assert (back.models, back.votes, back.digest) == (one.models, one.votes, "d")
    assert back.fitted == {"epochs": 3}


def test_rows_are_mapped_as_they_are_read(monkeypatch):
    monkeypatch.setattr(adapted_rows, "_ROWS_AT_ONCE", 2)
    one, rows = made(), unit_rows()
    source = AdaptedRows(ArrayRows(rows), one)
    expected = one.apply(rows)
    np.testing.assert_array_equal(source.read(0, 1, 6), expected[1:6])
    np.testing.assert_array_equal(source.take(np.array([5, 0])), expected[[5, 0]])
    np.testing.assert_allclose(source.gather(0, np.array([3])), expected[[3]], atol=1e-7)
    assert source.part_lengths == (7,) and source.dimension == 4
    assert source.digest != AdaptedRows(ArrayRows(rows), made(digest="e")).digest
    with pytest.raises(UserError, match="expected rows of 6 numbers"):
        AdaptedRows(ArrayRows(unit_rows(dimension=5)), one)


def write_set(folder, **meta):
    embedding_set.write_part(str(folder), 0, 1, unit_rows(), [f"i{n}" for n in range(7)])
    return embedding_set.finish(str(folder), 1, **meta)


def test_rows_of_another_model_or_vote_are_refused(tmp_path):
    same = write_set(tmp_path / "a", model="n", model_digest="1")
    other = write_set(tmp_path / "b", model="m", model_digest="2")
    named = write_set(tmp_path / "c", model="m")
    for one in (same, named):
        assert adapted("--index", [one], [], made()).dimension == 4
    with pytest.raises(UserError, match=r"--index: expected rows of the model m, on which"):
        adapted("--index", [other], [], made())
    with pytest.raises(UserError, match="expected the 1 models"):
        adapted("--index", [same, same], [], made())
    with pytest.raises(UserError, match=r"--votes: expected 1, with which .* found 2"):
        adapted("--index", [same], [2.0], made())


def test_a_changed_or_foreign_folder_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"expected an adapter's folder with adapter\.json"):
        adapter.load(str(tmp_path))
    adapter.save(str(tmp_path), made())
    path = tmp_path / "adapter.npz"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UserError, match=r"adapter\.npz: changed since it was written"):
        adapter.load(str(tmp_path))


def test_names_and_digests_follow_both():
    one = made().meta([{"model": "a", "model_digest": "1"}, {"model": "b"}])
    assert one["model"] == "a + b, adapted"
    assert one["model_digest"] != made(digest="e").meta([{"model": "a"}, {"model": "b"}])
