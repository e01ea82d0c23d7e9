"""Adapters are trained on rows alone: batches, the start, and what training changes."""

import numpy as np
import pytest

from glrtf.config.adapting import AdaptConfig
from glrtf.embeddings.adapter import Adapter
from glrtf.embeddings.concatenated_rows import ConcatenatedRows
from glrtf.embeddings.rows import ArrayRows, normalized
from glrtf.training import adapter_training


def config(**changed):
    settings = {"epochs": 30, "batch_size": 16, "learning_rate": 0.03, "hidden": 8}
    return AdaptConfig(train=["t"], landmarks="l", output="o", **(settings | changed))


def made_rows(landmarks=6, photos=10, dimension=8, seed=0):
    """The last four numbers are noise that hides which landmark it is."""
    draw = np.random.default_rng(seed)
    labels = np.repeat(np.arange(landmarks), photos)
    centers = np.repeat(draw.normal(size=(landmarks, 4)), photos, axis=0)
    noise = 2.5 * draw.normal(size=(len(labels), dimension - 4))
    order = draw.permutation(len(labels))
    rows = np.hstack([centers + 0.2 * draw.normal(size=centers.shape), noise])
    return normalized(rows)[order].astype(np.float32), labels[order]


def nearest_is_right(rows, labels):
    products = rows @ rows.T
    np.fill_diagonal(products, -1)
    return (labels[products.argmax(axis=1)] == labels).mean()


def test_a_pass_reads_every_labelled_row_once(monkeypatch):
    monkeypatch.setattr(adapter_training, "_BLOCK", 7)
    monkeypatch.setattr(adapter_training, "_BLOCKS_SHUFFLED", 2)
    rows, labels = made_rows()
    labels = np.where(labels == 2, -1, labels)
    source = ConcatenatedRows([ArrayRows(rows[:25], "a"), ArrayRows(rows[25:], "b")])
    orders = []
    for seed in (0, 0, 1):
        found = list(adapter_training.batches(source, labels, 8, np.random.default_rng(seed)))
        # 50 rows in batches of 8: six whole ones, and 2 at the end.
        assert [len(batch) for batch, _ in found] == [8] * 6 + [2]
        read = np.concatenate([batch for batch, _ in found])
        wanted = rows[labels >= 0]
        places = [int(np.flatnonzero((wanted == row).all(axis=1))[0]) for row in read]
        assert sorted(places) == list(range(50))
        np.testing.assert_array_equal(
            np.concatenate([numbers for _, numbers in found]), labels[labels >= 0][places]
        )
        orders.append(places)
    assert orders[0] == orders[1] != orders[2]


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_training_begins_with_the_map_given(kind):
    rows, _ = made_rows()
    draw = np.random.default_rng(3)
    start = (draw.normal(size=(8, 5)).astype(np.float32), np.ones(5, np.float32))
    layers = adapter_training.start_layers(start, config(kind=kind))
    expected = normalized(rows @ start[0] + start[1])
    np.testing.assert_allclose(adapter_training.mapped(rows, layers), expected, atol=1e-5)
    arrays = tuple((weight.numpy(), bias.numpy()) for weight, bias in layers)
    by_adapter = Adapter(arrays, (), (), "", "").apply(rows)
    np.testing.assert_allclose(by_adapter, expected, atol=1e-5)


@pytest.mark.parametrize(("kind", "head"), [("linear", "arcface"), ("mlp", "subcenter")])
def test_it_learns_what_tells_landmarks_apart(kind, head):
    rows, labels = made_rows()
    start = (np.eye(8, dtype=np.float32), np.zeros(8, np.float32))
    settings = config(kind=kind, head=head)
    layers = adapter_training.train(ArrayRows(rows), labels * 11, start, settings)
    after = Adapter(layers, (), (), "", "").apply(rows)
    assert nearest_is_right(rows, labels) < 0.8
    assert nearest_is_right(after, labels) > 0.95
    again = adapter_training.train(ArrayRows(rows), labels * 11, start, settings)
    np.testing.assert_allclose(again[0][0], layers[0][0], atol=1e-5)
