"""Each re-ranking against a slow and obvious version of its formula."""

import csv
import json

import numpy as np
import pytest
import retrieval_worlds as worlds

from glrtf.commands import retrieve
from glrtf.embeddings.rows import ArrayRows, normalized
from glrtf.retrieval.bridging.landmark_confidence import LandmarkConfidences
from glrtf.retrieval.rerank import dba, diffusion, k_reciprocal, label_votes
from glrtf.retrieval.search import exact
from glrtf.retrieval.search.neighbors import Neighbors


def unit_rows(count, dimension, seed=0):
    return normalized(np.random.default_rng(seed).normal(size=(count, dimension)))


def clustered(count, dimension=6, clusters=5, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(clusters, dimension))
    rows = centres[rng.integers(clusters, size=count)] + 0.4 * rng.normal(size=(count, dimension))
    return normalized(rows)


@pytest.mark.parametrize("alpha", [None, 0.0, 3.0])
def test_augmentation_is_the_weighted_mean_of_the_nearest(alpha):
    rows = clustered(30)
    source = ArrayRows(rows)
    near = exact.search(source, source, 4)
    made = dba.augmented(source, near, alpha, ids=source.ids, name="a", digest="0")
    for row in range(30):
        similarities = rows @ rows[row]
        nearest = np.argsort(-similarities, kind="stable")[:4]
        s = similarities[nearest]
        weights = (
            np.sqrt(np.clip(2 - (1 - s), 0, 2)) if alpha is None else np.clip(s, 0, 9) ** alpha
        )
        mean = sum(w * rows[one] for w, one in zip(weights, nearest, strict=True)) / weights.sum()
        expected = mean / np.linalg.norm(mean)
        np.testing.assert_allclose(made.gather(0, np.array([row]))[0], expected, atol=1e-14)
    read = made.read(0, 5, 9)
    assert read.dtype == np.float32 and read.shape == (4, 6)
    distance = np.linalg.norm(read - made.gather(0, np.arange(5, 9)), axis=1)
    assert (distance <= made.rounding).all()


def test_expansion_adds_the_nearest_index_rows_to_the_query():
    query, index = unit_rows(4, 5, 1), unit_rows(20, 5, 2)
    near = exact.search(ArrayRows(query), ArrayRows(index), 3)
    made = dba.expanded(ArrayRows(query), ArrayRows(index), near, 2.0, digest="0")
    for row in range(4):
        similarities = index @ query[row]
        nearest = np.argsort(-similarities)[:3]
        total = query[row] + sum(max(similarities[one], 0) ** 2 * index[one] for one in nearest)
        expected = total / np.linalg.norm(total)
        np.testing.assert_allclose(made.gather(0, np.array([row]))[0], expected, atol=1e-14)


def slow_descriptions(similarities, k1, k2):
    """Dense rows of weights, in the words of the paper."""
    count = len(similarities)
    order = np.argsort(-similarities, axis=1, kind="stable")

    def reciprocal(p, k):
        return {q for q in order[p, :k] if p in order[q, :k]}

    dense = np.zeros((count, count))
    for p in range(count):
        chosen = set(reciprocal(p, k1))
        for q in reciprocal(p, k1):
            candidate = reciprocal(q, max(1, round(k1 / 2)))
            if 3 * len(candidate & reciprocal(p, k1)) >= 2 * len(candidate):
                chosen |= candidate
        for one in chosen:
            listed = one in order[p, :k1]
            s = similarities[p, one] if listed else similarities[p, order[p, :k1]].min()
            dense[p, one] = np.exp(-(1 - s))
    dense /= dense.sum(axis=1, keepdims=True)
    return np.stack([dense[order[p, :k2]].mean(axis=0) for p in range(count)])


@pytest.mark.parametrize(("k1", "k2"), [(8, 3), (5, 1), (40, 6), (1, 1)])
def test_k_reciprocal(k1, k2):
    rows = clustered(40)
    source = ArrayRows(rows)
    near = exact.search(source, source, k1)
    dense = slow_descriptions(rows @ rows.T, k1, k2)
    described = k_reciprocal.describe(near, k1, k2)
    for image in range(40):
        expected = [
            np.minimum(dense[image], dense[other]).sum()
            / np.maximum(dense[image], dense[other]).sum()
            for other in range(40)
        ]
        found = k_reciprocal.jaccard_similarities(described, image, np.arange(40))
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_diffusion_solves_the_linear_system():
    index, query = clustered(50, seed=1), clustered(6, seed=2)
    among = exact.search(ArrayRows(index), ArrayRows(index), 8)
    near = exact.search(ArrayRows(query), ArrayRows(index), 4)
    graph = diffusion.mutual_graph(among, gamma=3.0)
    affinity = np.zeros((50, 50))
    for i in range(50):
        for j in among.indices[i]:
            if i != j and i in among.indices[j]:
                affinity[i, j] = max(index[i] @ index[j], 0) ** 3
    degree = affinity.sum(axis=1)
    scale = np.array([0 if d == 0 else d**-0.5 for d in degree])
    system = np.eye(50) - 0.9 * scale[:, None] * affinity * scale
    starts = np.zeros((50, 6))
    for q in range(6):
        for i in near.indices[q]:
            starts[i, q] = max(index[i] @ query[q], 0) ** 3
    np.testing.assert_allclose(diffusion.sources(near, 50, 3.0), starts, atol=1e-14)
    found = diffusion.diffuse(graph, starts, alpha=0.9, steps=100)
    np.testing.assert_allclose(found, np.linalg.solve(system, starts), atol=1e-8)
    assert np.abs(diffusion.diffuse(graph, starts, 0.9, steps=2) - found).max() > 1e-6


def test_diffusion_from_nowhere_stays_nowhere():
    graph = diffusion.mutual_graph(
        Neighbors(np.array([[0, -1], [1, 0]]), np.array([[1.0, -np.inf], [1.0, 0.5]])), 3.0
    )
    np.testing.assert_array_equal(diffusion.diffuse(graph, np.zeros((2, 1)), 0.9, 5), 0)


def test_votes_add_up_shared_landmarks():
    query = LandmarkConfidences(np.array([[7, 3]]), np.array([[3.0, 1.0]]))
    index = LandmarkConfidences(
        np.array([[7, -1], [3, 7], [5, -1], [-1, -1], [7, -1]]),
        np.array([[2, -np.inf], [1, 1], [9, -np.inf], [-np.inf, -np.inf], [-0.5, -np.inf]]),
    )
    # Shares: the query has 3/4 of landmark 7 and 1/4 of 3; image 1 half of each.
    expected = [0.75 * 1, 0.25 * 0.5 + 0.75 * 0.5, 0, 0, 0, 0]
    found = label_votes.votes(query, index, np.array([[0, 1, 2, 3, 4, -1]]))
    np.testing.assert_allclose(found, [expected])


@pytest.mark.parametrize(
    "flags",
    [
        ["--query_expansion.n=3"],
        ["--rerank.method=k_reciprocal"],
        ["--rerank.method=diffusion"],
        ["--rerank.method=superglobal", "--rerank.top_m=60"],
        ["--landmark_rerank.steps=sort"],
        ["--landmark_rerank.steps=sort_insert", "--landmark_rerank.threshold=0"],
        ["--label_vote_weight=0.5"],
    ],
)
def test_every_step_can_be_switched_on(noisy, tmp_path, flags):
    world, plain = noisy
    found = ranked_ids(world, tmp_path / "with", *flags)
    assert found != plain
    for images in found:
        assert len(set(images)) == len(images) <= 100


@pytest.fixture(scope="module")
def noisy(tmp_path_factory):
    """A world, and what is retrieved in it without further steps."""
    folder = tmp_path_factory.mktemp("noisy")
    world = worlds.make_world(folder, test=12, index=150, train=400, noise=1.5, train_parts=2)
    return world, ranked_ids(world, folder / "plain")


def ranked_ids(world, output, *flags):
    assert retrieve.main(world.arguments("--output", output, *flags)) == 0
    with open(output / "submission.csv", newline="") as file:
        return [row["images"].split() for row in csv.DictReader(file)]


def test_superglobal_keeps_its_stages(tmp_path):
    """Its searches and scores are found again; another β computes only the scores."""
    world = worlds.make_world(tmp_path, test=8, index=90, train=100, train_parts=2)
    flags = ["--preset=direct", "--rerank.method=superglobal", "--rerank.top_m=6"]

    def reused(*more):
        first = ranked_ids(world, tmp_path / "out", *flags, *more)
        described = json.loads((tmp_path / "out" / "retrieval.json").read_text())
        return first, described["reused_stages"]

    first, none = reused()
    assert none == []
    assert reused() == (first, ["direct_neighbors", "superglobal"])
    other, found = reused("--rerank.beta=0.9")
    assert found == ["direct_neighbors"] and other != first
    # The 6 nearest change places, and those behind them stay where they are.
    plain = ranked_ids(world, tmp_path / "plain", "--preset=direct")
    for one, before in zip(first, plain, strict=True):
        assert set(one[:6]) == set(before[:6])
        assert one[6:12] == before[6:12]


def test_the_train_set_may_re_rank_a_direct_ranking(tmp_path, capsys):
    world = worlds.make_world(tmp_path, test=8, index=90, train=300, train_parts=2, noise=1.0)
    flags = ["--preset=direct", "--landmark_rerank.steps=sort_insert", "--fusion.limit=10"]
    plain = ranked_ids(world, tmp_path / "plain", "--preset=direct", "--fusion.limit=10")
    found = ranked_ids(world, tmp_path / "found", *flags)
    assert found != plain and all(len(one) == 10 for one in found)
    sets = ["--query", str(world.folder / "test"), "--index", str(world.folder / "index")]
    assert retrieve.main([*sets, "--output", str(tmp_path / "none"), *flags]) == 2
    error = capsys.readouterr().err
    assert "train: landmark_rerank.steps needs the train images' embedding sets" in error
    too_many = [*flags, "--landmark_rerank.k=16"]
    assert retrieve.main(world.arguments("--output", tmp_path / "none", *too_many)) == 2
    error = capsys.readouterr().err
    assert "landmark_rerank.k: expected at most train_neighbors.per_part (15), found 16" in error
