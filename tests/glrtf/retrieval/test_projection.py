"""The cheap first pass: its bound, its choice, and that it changes nothing."""

import numpy as np
import pytest

from glrtf.embedding_rows import ArrayRows, normalized
from glrtf.retrieval import exact, exact_block, first_pass, projection


def low_energy(count, dimension, strong, noise, rng):
    """Clusters in a few strong directions, and some noise in all."""
    basis = np.linalg.qr(np.random.default_rng(7).normal(size=(dimension, strong)))[0]
    centres = np.random.default_rng(8).normal(size=(40, strong))
    inner = normalized(centres[rng.integers(40, size=count)] + rng.normal(size=(count, strong)))
    outer = normalized(rng.normal(size=(count, dimension)))
    return normalized(inner @ basis.T + noise * outer).astype(np.float32)


@pytest.mark.parametrize("rank", [1, 8, 60])
@pytest.mark.parametrize("noise", [0.0, 0.3, 3.0])
def test_no_product_exceeds_its_bound(rank, noise):
    rng = np.random.default_rng(0)
    rows = low_energy(150, 60, 10, noise, rng)
    found = projection.main_directions(rows, rank)
    extended = found.extended(rows)
    bounds = extended.astype(np.float64) @ extended.astype(np.float64).T
    products = rows.astype(np.float64) @ rows.astype(np.float64).T
    assert (products <= bounds + found.error).all()
    if rank >= 10 and noise == 0:
        np.testing.assert_allclose(bounds, products, atol=0.02)


def test_the_main_directions_hold_the_energy():
    rows = low_energy(400, 64, 6, 0.1, np.random.default_rng(0))
    found = projection.main_directions(rows, 6)
    assert np.linalg.norm(found.directions, 2) < 1
    held = ((rows @ found.directions) ** 2).sum(axis=1)
    assert held.mean() > 0.97
    strengths = ((rows @ found.directions) ** 2).sum(axis=0)
    assert (np.diff(strengths) <= 1e-3).all()


def chosen_for(rows):
    queries, sample = rows[:1000], rows[1000:]
    scores = projection.sample_scores(queries, sample)
    floors = projection.sample_floors(scores, 2, 100_000)
    return projection.choose(queries, sample, scores, floors)


def test_the_sample_decides():
    rng = np.random.default_rng(0)
    strong = low_energy(2500, 256, 8, 0.1, rng)
    flat = normalized(rng.normal(size=(2500, 256))).astype(np.float32)
    chosen = chosen_for(strong)
    assert chosen is not None and chosen.directions.shape[1] <= 64
    assert chosen_for(flat) is None


@pytest.mark.parametrize("most_passing", [0.0, 1e-3, 1.0])
@pytest.mark.parametrize("noise", [0.05, 1.0])
def test_the_first_pass_changes_nothing(monkeypatch, noise, most_passing):
    """Also where so many pass that the full product takes over midway."""
    monkeypatch.setattr(exact, "_TILE_NUMBERS", 128 * 64)
    monkeypatch.setattr(exact_block, "_LEAST_ROWS", 16)
    monkeypatch.setattr(exact_block, "_SCORES_A_PRODUCT", 32 * 50)
    monkeypatch.setattr(exact_block, "QUERIES_A_PRODUCT", 32)
    monkeypatch.setattr(exact_block, "_MOST_PASSING", most_passing)
    monkeypatch.setattr(exact_block, "_BOUND_AFTER", 2)
    rng = np.random.default_rng(1)
    queries = low_energy(70, 64, 6, noise, rng)
    rows = low_energy(2000, 64, 6, noise, rng)
    rows[500:520] = rows[3]
    used = []

    def choose(vectors, database, k, threads, float64_scores):
        used.append(projection.main_directions(rows, 6))
        return used[-1]

    left, right = ArrayRows(queries), ArrayRows(rows)
    expected = exact.search(left, right, 10, first_pass=False)
    monkeypatch.setattr(first_pass, "choose", choose)
    for per_part in (0, 4):
        found = exact.search(left, right, 10, per_part)
        plain = expected if not per_part else exact.search(left, right, 10, 4, first_pass=False)
        np.testing.assert_array_equal(found.indices, plain.indices)
        np.testing.assert_array_equal(found.scores, plain.scores)
    assert used
