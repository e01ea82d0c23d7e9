"""The rounded prefilter: its bound, its choice, and that it changes nothing."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from glrtf.embeddings.concatenated_rows import ConcatenatedRows
from glrtf.embeddings.rows import ArrayRows, normalized
from glrtf.retrieval.search import bfloat16, exact, neighbors, prefilter, query_block
from glrtf.retrieval.search.bfloat16 import Bfloat16Products, rounded
from glrtf.retrieval.search.top_k import Candidates


@pytest.fixture(scope="module")
def threads():
    with ThreadPoolExecutor(2) as pool:
        yield pool


def unit_rows(count, dimension, seed=0):
    rows = np.random.default_rng(seed).normal(size=(count, dimension))
    return normalized(rows).astype(np.float32)


def wide(halves):
    return (halves.astype(np.uint32) << 16).view(np.float32)


def test_rounding_goes_to_the_nearest(threads):
    rows = unit_rows(300, 70) * np.float32(0.37)
    halves, lost = rounded(rows, threads)
    found = wide(halves)
    # Neighbours are 2^-7 apart between 1 and 2, so each number loses half of that of its power.
    spacing = 2.0 ** (np.floor(np.log2(np.abs(rows))) - 7)
    assert (np.abs(found - rows) <= spacing / 2).all()
    assert (found != rows).any()
    slow = np.linalg.norm(rows.astype(float) - found, axis=1).max()
    assert slow <= lost <= slow * 1.01


@pytest.mark.parametrize("dimension", [1, 7, 512, 2560])
def test_no_product_is_further_off_than_its_bound(threads, dimension):
    queries, rows = unit_rows(40, dimension, 1), unit_rows(60, dimension, 2)
    # All coordinates lose as much as they can, in the same direction.
    rows[0] = queries[0] = np.float32((1 + 2.0**-8) / dimension**0.5)
    rows[0] /= np.linalg.norm(rows[0])
    queries[0] /= np.linalg.norm(queries[0])
    products = Bfloat16Products(queries, threads)
    prepared, lost = products.prepared(rows)
    found = wide(products.halves(slice(None), prepared, slice(None)).view(np.uint16))
    true = queries.astype(float) @ rows.astype(float).T
    # The last rounding apart: 2^-8 of the product at most.
    error = products.error(lost, dimension) + np.abs(true) * 2.0**-8 * 1.01
    assert (np.abs(found - true) <= error).all()
    assert products.error(lost, dimension) < 0.009


def test_offsets_are_subtracted_before_products_are_rounded(threads):
    queries, rows = unit_rows(40, 512, 1), unit_rows(60, 512, 2)
    rows[:40] = queries
    wanted = np.linspace(-1, 1, 40).astype(np.float32)
    products = Bfloat16Products(queries, threads)
    offsets = products.set_offsets(wanted)
    # Two bfloat16 numbers hold 16 bits, and the sign of the second is one more.
    assert (np.abs(offsets - wanted) <= np.abs(wanted) * 2.0**-17).all()
    prepared, lost = products.prepared(rows)
    found = wide(products.halves(slice(None), prepared, slice(None)).view(np.uint16))
    true = queries.astype(float) @ rows.astype(float).T - offsets[:, None]
    error = products.error(lost, 512) + np.abs(true) * 2.0**-8 * 1.01
    assert (np.abs(found - true) <= error).all()
    # Beyond all scores, and below none: what has no threshold yet.
    far = products.set_offsets(np.full(40, -np.inf, np.float32))
    np.testing.assert_array_equal(far, np.full(40, -2, np.float32))
    shifted = wide(products.halves(slice(None), prepared, slice(None)).view(np.uint16))
    assert np.abs(shifted - (true + offsets[:, None] + 2)).max() < 3 * 2.0**-8


def test_fine_steps_leave_fewer_pairs_to_score(monkeypatch):
    """A cluster: scores around 0.97, where bfloat16 numbers are 0.004 apart and many would tie."""
    centre = unit_rows(1, 256)
    rows = normalized(centre + 0.01 * np.random.default_rng(1).normal(size=(6000, 256)))
    queries = rows[:64].astype(np.float32)
    scored = []

    def counted(*arguments):
        scored.append(len(arguments[2]))
        return neighbors.score_pairs(*arguments)

    monkeypatch.setattr(exact, "_TILE_NUMBERS", 512 * 256)
    monkeypatch.setattr(exact, "score_pairs", counted)
    monkeypatch.setattr(
        prefilter, "choose", lambda vectors, *others, **_: Bfloat16Products(vectors, others[-1])
    )
    wanted, searched = ArrayRows(queries), ArrayRows(rows.astype(np.float32))
    found = exact.search(wanted, searched, 10)
    fine = sum(scored)
    plain = exact.search(wanted, searched, 10, prefilter=False)
    np.testing.assert_array_equal(found.indices, plain.indices)
    # Steps as they would be without offsets.
    monkeypatch.setattr(query_block, "_BELOW_THRESHOLDS", 1.0)
    scored.clear()
    exact.search(wanted, searched, 10)
    assert fine < 0.8 * sum(scored)


@pytest.mark.parametrize("k", [1, 3, 50])
@pytest.mark.parametrize("spread", [1.0, 1e-3])
@pytest.mark.parametrize("best", [1.0, 0.02, -0.1])
@pytest.mark.parametrize("below", [2.0**-6, 0.3])
def test_candidates_survive_rounded_scores(k, spread, best, below):
    """Scores are moved by up to the error, then rounded; true ones tie in thousandths."""
    error = 2e-3
    rng = np.random.default_rng(k)
    true = np.round(best - spread * rng.random((6, 3000)), 3)
    moved = (true + error * rng.choice([-0.999, 0, 0.999], size=true.shape)).astype(np.float32)
    collected = Candidates(6, k, lambda queries, rows: true[queries, rows])
    collected.add(moved[:, :64], 0, error)
    for start in range(64, 3000, 50):
        block = slice(start, start + 50)
        # Offsets follow the thresholds now and then.
        if start % 600 == 64:
            offsets = collected.thresholds - np.float32(below)
            collected.subtract(offsets, start)
            halves = rounded(moved - offsets[:, None])[0].view(np.int16)
        for first in (0, 2):
            chunk = slice(first, 2 if first == 0 else 6)
            assert collected.add_halves(halves[chunk, block].copy(), start, error, first)
    found = collected.finish()
    order = np.argsort(-true, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(found.indices, order)
    np.testing.assert_array_equal(found.scores, np.take_along_axis(true, order, axis=1))


def test_thresholds_not_above_their_offsets_are_left_to_the_full_product():
    collected = Candidates(2, 1, lambda queries, rows: np.zeros(len(queries)))
    collected.add(np.array([[0.5, 0.1], [-0.2, 1e-4]], np.float32), 0, 1e-3)
    collected.subtract(np.zeros(2, np.float32), 2)
    halves = np.zeros((2, 4), np.int16)
    assert collected.add_halves(halves[:1], 2, 1e-3, 0)
    assert not collected.add_halves(halves, 2, 1e-3, 0)


WORLDS = {
    "isotropic": lambda: (unit_rows(70, 96, 1), unit_rows(900, 96, 2)),
    "near ties": lambda: (
        normalized(unit_rows(3, 96)[np.arange(70) % 3] + 0.1 * unit_rows(70, 96, 1)),
        normalized(unit_rows(3, 96)[np.arange(900) % 3] + 1e-4 * unit_rows(900, 96, 2)),
    ),
    # Half of the queries have no row on their side: their thresholds are below 0.
    "opposite": lambda: (
        np.abs(unit_rows(70, 96, 1)) * np.where(np.arange(70) % 2, 1, -1)[:, None],
        np.abs(unit_rows(900, 96, 2)),
    ),
}


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("k", [1, 10, 200])
def test_the_prefilter_changes_nothing(monkeypatch, world, k):
    monkeypatch.setattr(exact, "_TILE_NUMBERS", 128 * 96)
    monkeypatch.setattr(query_block, "_LEAST_ROWS", 16)
    monkeypatch.setattr(query_block, "_SCORES_A_PRODUCT", 32 * 50)
    monkeypatch.setattr(query_block, "QUERIES_A_PRODUCT", 32)
    queries, rows = (each.astype(np.float32) for each in WORLDS[world]())
    rows[500:520] = rows[3]
    left = ArrayRows(queries)
    right = ConcatenatedRows([ArrayRows(part) for part in np.split(rows, [600, 601])])
    used = []

    def choose(vectors, database, k, threads, float64_scores):
        used.append(Bfloat16Products(vectors, threads))
        return used[-1]

    for per_part in (0, 7):
        plain = exact.search(left, right, k, per_part, prefilter=False)
        with monkeypatch.context() as patched:
            patched.setattr(prefilter, "choose", choose)
            for float64_scores in (True, False):
                found = exact.search(left, right, k, per_part, float64_scores=float64_scores)
                np.testing.assert_array_equal(found.indices, plain.indices)
                np.testing.assert_array_equal(found.scores, plain.scores)
    assert used


def test_small_searches_and_other_processors_go_without(monkeypatch):
    assert bfloat16.share_of_float32(2560, 1e9) == np.inf
    monkeypatch.setattr(bfloat16, "_multiplies_bfloat16", lambda: False)
    assert bfloat16.share_of_float32(2560, 1e15) == np.inf


def test_the_sample_decides(monkeypatch, threads):
    """Where products cost half and few more rows pass, rounding pays; not among near ties."""
    monkeypatch.setattr(bfloat16, "share_of_float32", lambda dimension, work: 0.5)
    flat = unit_rows(600, 256, 1), ArrayRows(unit_rows(33_000, 256, 2))
    assert isinstance(prefilter.choose(*flat, 10, threads), Bfloat16Products)
    centre = unit_rows(1, 256)
    ties = normalized(centre + 1e-4 * unit_rows(33_000, 256, 2)).astype(np.float32)
    chosen = prefilter.choose(ties[:600], ArrayRows(ties), 500, threads)
    assert not isinstance(chosen, Bfloat16Products)
    monkeypatch.setattr(bfloat16, "share_of_float32", lambda dimension, work: np.inf)
    assert prefilter.choose(*flat, 10, threads) is None
