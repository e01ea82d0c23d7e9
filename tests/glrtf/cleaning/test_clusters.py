"""Tests of agreements and the clusters that they form."""

from pathlib import Path

import numpy as np
import pytest

from glrtf.cleaning import clusters, duplicates
from glrtf.cleaning.duplicates import Pairs
from glrtf.cleaning.margins import Margins
from glrtf.embeddings.rows import ArrayRows
from glrtf.photos.verifiers import FoundPhotos
from glrtf.retrieval.search.neighbors import Neighbors
from tfrecords_tools.errors import UserError


def slow_components(count, edges):
    names = list(range(count))
    changed = True
    while changed:
        changed = False
        for one, two in edges:
            low = min(names[one], names[two])
            changed |= names[one] != low or names[two] != low
            names[one] = names[two] = low
    return names


@pytest.mark.parametrize("edges", [0, 5, 30, 60, 200])
def test_components(edges):
    rng = np.random.default_rng(edges)
    left, right = rng.integers(0, 60, (2, edges))
    pairs = list(zip(left.tolist(), right.tolist(), strict=True))
    assert clusters.components(60, left, right).tolist() == slow_components(60, pairs)


def test_a_long_chain_is_one_component():
    order = np.random.default_rng(0).permutation(500)
    assert not clusters.components(500, order[:-1], order[1:]).any()


def test_clusters_are_numbered_by_size_within_their_landmark():
    #                 0  1  2  3  4  5  6  7
    names = np.array([0, 1, 1, 0, 1, 5, 6, 6])
    codes = np.array([0, 0, 0, 0, 0, 0, 1, 1])
    found = clusters.numbered_by_size(names, codes, least=2)
    assert found.tolist() == [1, 0, 0, 1, 0, -1, 0, 0]


def test_images_agree_that_are_nearer_than_the_best_other_landmark():
    own = Neighbors(
        np.array([[1, 2], [0, 2], [1, -1]]), np.array([[0.9, 0.5], [0.9, 0.6], [0.6, -np.inf]])
    )
    margins = Margins(np.zeros(3), np.array([0.5, 0.7, 0.5]), np.zeros(3, np.int64))
    left, right = clusters.agreements(own, margins, np.ones(3, bool))
    # 0-2 only ties with the best other landmark; 1 does not agree with 2, but 2 does with 1.
    assert list(zip(left.tolist(), right.tolist(), strict=True)) == [(0, 1), (1, 0), (2, 1)]
    left, right = clusters.agreements(own, margins, np.array([True, True, False]))
    assert list(zip(left.tolist(), right.tolist(), strict=True)) == [(0, 1), (1, 0)]


def test_a_verifier_confirms_agreements():
    train = ArrayRows(np.eye(4), ids=["a", "b", "c", "d"])
    seen = []

    def verifier(image_id, others):
        seen.append((image_id, others))
        return [10 if other == "c" else 3 for other in others]

    left, right = np.array([0, 0, 3]), np.array([1, 2, 2])
    confirmed = clusters.verified(left, right, train, verifier, 10, "v")
    assert confirmed.tolist() == [False, True, True]
    assert seen == [("a", ["b", "c"]), ("d", ["c"])]


def test_a_verifier_gets_the_paths_of_photos(tmp_path):
    folder = tmp_path / "a" / "a" / "a"
    folder.mkdir(parents=True)
    for name in ("aaa1", "aaa2"):
        (folder / f"{name}.jpg").write_bytes(name.encode())
    train = ArrayRows(np.eye(2), ids=["aaa1", "aaa2"])

    def same_length(image_id, others, path, paths):
        sizes = [len(Path(one).read_bytes()) for one in (path, *paths)]
        return [float(size == sizes[0]) for size in sizes[1:]]

    photos = FoundPhotos(str(tmp_path), "--images")
    one, two = np.array([0]), np.array([1])
    assert clusters.verified(one, two, train, same_length, 1, "v", photos).tolist() == [True]


@pytest.mark.parametrize("bad", [lambda *_: [1.0, 2.0, 3.0], lambda *_: "x", lambda *_: 1 / 0])
def test_a_verifier_that_fails_is_named(bad):
    train = ArrayRows(np.eye(2), ids=["a", "b"])
    with pytest.raises(UserError, match=r"--verifier m:f: .*image a"):
        clusters.verified(np.array([0]), np.array([1]), train, bad, 1, "--verifier m:f")


def test_the_smallest_id_of_near_duplicates_stays():
    ids = np.array([b"d", b"a", b"c", b"b"])
    pairs = Pairs(np.array([0, 2]), np.array([2, 1]), np.ones(2))
    # d, c and a are connected: d and c repeat a.
    assert duplicates.duplicates_of(pairs, ids).tolist() == [1, -1, 1, -1]


def test_the_nearest_partner_of_each():
    pairs = Pairs(np.array([0, 0, 2, 2]), np.array([5, 6, 8, 7]), np.array([0.96, 0.99, 1.0, 1.0]))
    assert duplicates.nearest_of_each(pairs, 4).tolist() == [6, -1, 7, -1]


def test_how_similar_near_duplicates_are_depends_on_the_nearest_images():
    # Rows 0 to 4 and their nearest others, at distances 0.1, 0.1, 0.2, 0.3 and 0.4.
    scores = np.array([[1, 0.9], [1, 0.9], [1, 0.8], [1, 0.7], [1, 0.6]])
    indices = np.array([[0, 1], [1, 0], [2, 0], [3, 0], [4, 0]])
    overall = Neighbors(indices, scores)
    assert duplicates.least_similarity(overall, 0.2) == pytest.approx(1 - 0.2 * 0.2, abs=2e-6)
    assert duplicates.least_similarity(overall, 0) == pytest.approx(1, abs=2e-6)
    pairs = duplicates.within_train(overall, 0.85)
    assert pairs.left.tolist() == [0, 1]
    assert pairs.right.tolist() == [1, 0]
