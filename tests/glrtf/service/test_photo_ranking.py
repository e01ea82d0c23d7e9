"""Single photos get the ranking that a retrieval gives them where they are the only query."""

import dataclasses

import numpy as np
import pytest
import retrieval_worlds as worlds

from glrtf.config.ranking import FusionConfig, LandmarkConfig, RankingSettings, TrainNeighborsConfig
from glrtf.config.reranking import DbaConfig, QueryExpansionConfig, RerankConfig
from glrtf.config.retrieval import RetrieveConfig
from glrtf.config.service import SearcherConfig
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.embeddings.joined_rows import join
from glrtf.embeddings.rows import ArrayRows, normalized
from glrtf.retrieval.given_inputs import GivenInputs
from glrtf.retrieval.pipeline import Pipeline
from glrtf.retrieval.stage_cache import StageCache
from glrtf.service.row_searcher import RowSearcher
from glrtf.service.searched import Searched
from tfrecords_tools.errors import UserError

NO_DBA = DbaConfig(rows="none")
SETTINGS = {
    "the published steps without DBA": RankingSettings(dba=NO_DBA),
    "the published steps": RankingSettings(),
    "every other parameter": RankingSettings(
        train_neighbors=TrainNeighborsConfig(per_part=0, k=40),
        landmark=LandmarkConfig(per_landmark=3, aggregate="mean", best_bonus=0.2, keep=3),
        dba=DbaConfig(rows="test", n=3, alpha=2.0),
        query_expansion=QueryExpansionConfig(n=2, alpha=1.5),
        label_vote_weight=0.4,
        fusion=FusionConfig(direct_k=30, bridge_power=2.0, tie_break="bridge"),
    ),
    "direct": RankingSettings(preset="direct"),
    "direct_dba": RankingSettings(preset="direct_dba", query_expansion=QueryExpansionConfig(n=3)),
    "superglobal": RankingSettings(
        rerank=RerankConfig(method="superglobal", top_m=30), fusion=FusionConfig(direct_k=40)
    ),
    "diffusion": RankingSettings(rerank=RerankConfig(method="diffusion", graph_k=20)),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Rows with exact duplicates among queries and index, so that ties decide."""
    folder = tmp_path_factory.mktemp("ranking")
    return worlds.make_world(folder, test=2, index=90, train=150, landmarks=20, duplicates=8)


@pytest.fixture(scope="module")
def sets(world):
    return {
        role: EmbeddingSet.open(world.folder / role)
        for role in ("test", "index", "train", "non_landmark")
    }


def searcher_of(world, sets, ranking, cache, scores=""):
    landmarks = str(world.folder / "train.csv")
    searched = Searched(
        join([sets["index"]]),
        join([sets["train"]]),
        (sets["index"],),
        (sets["train"],),
        landmarks,
        landmarks,
        ranking,
        scores,
    )
    return RowSearcher(searched, SearcherConfig(bundle="unused", cache=str(cache)))


def retrieved(world, sets, ranking, query, folder, **more):
    """The ranking of a retrieval with these query rows alone."""
    named = {field.name: getattr(ranking, field.name) for field in dataclasses.fields(ranking)}
    config = RetrieveConfig(
        ["query"],
        ["index"],
        train=["t"],
        landmarks=str(world.folder / "train.csv"),
        **named,
        **more,
    )
    sources = {"query": [query], "index": [sets["index"]], "train": [sets["train"]]}
    if more:
        sources["non_landmark"] = [sets["non_landmark"]]
    return Pipeline(config, StageCache(str(folder)), GivenInputs(config, sources))


def expect_equal(found, row, expected, own=0, exactly=True):
    np.testing.assert_array_equal(found.images[row], expected.images[own])
    for name in ("final", "direct", "bridged", "landmarks"):
        pair = getattr(found, name)[row], getattr(expected, name)[own]
        if exactly:
            np.testing.assert_array_equal(*pair)
        else:
            np.testing.assert_allclose(*pair, atol=1e-9)


@pytest.mark.parametrize("ranking", SETTINGS.values(), ids=SETTINGS)
def test_each_photo_is_ranked_as_the_only_query(world, sets, tmp_path, ranking):
    rows = normalized(sets["test"].take(np.arange(2)).astype(np.float64))
    # All at once: photos of one batch do not affect each other.
    _, found = searcher_of(world, sets, ranking, tmp_path / "a").rank(rows, 100)
    assert (found.images[:, 0] >= 0).all()
    for row, one in enumerate(rows):
        query = ArrayRows(one[None], "one", [f"q{row}"])
        expected = retrieved(world, sets, ranking, query, tmp_path / f"q{row}").rank()
        # Where conjugate gradients stop depends on the batch: at 1e-10.
        expect_equal(found, row, expected, exactly=ranking.rerank.method != "diffusion")


def test_without_dba_a_whole_test_set_gives_the_same(world, sets, tmp_path):
    ranking = SETTINGS["the published steps without DBA"]
    rows = normalized(sets["test"].take(np.arange(2)).astype(np.float64))
    searcher = searcher_of(world, sets, ranking, tmp_path / "a")
    _, found = searcher.rank(rows, 100)
    query = ArrayRows(rows, "all", sets["test"].ids)
    expected = retrieved(world, sets, ranking, query, tmp_path / "b").rank()
    for row in range(2):
        expect_equal(found, row, expected, row)
    # A shorter list is its head.
    _, head = searcher.rank(rows, 7)
    np.testing.assert_array_equal(head.images, found.images[:, :7])


def test_the_penalty_of_train_photos_counts(world, sets, tmp_path):
    ranking = RankingSettings(dba=NO_DBA, landmark=LandmarkConfig(non_landmark_weight=0.9))
    rows = normalized(sets["test"].take(np.arange(2)).astype(np.float64))
    query = ArrayRows(rows, "all", sets["test"].ids)
    pipeline = retrieved(world, sets, ranking, query, tmp_path / "b", non_landmark=["n"])
    expected, ids = pipeline.rank(), pipeline.inputs.train.ids
    scores = tmp_path / "scores.csv"
    lines = [
        f"{one.decode()},{score!r}"
        for one, score in zip(ids, pipeline.non_landmark_similarities().tolist(), strict=True)
    ]
    scores.write_text("\n".join(["id,non_landmark_confidence", *lines, ""]))
    _, found = searcher_of(world, sets, ranking, tmp_path / "a", str(scores)).rank(rows, 100)
    for row in range(2):
        expect_equal(found, row, expected, row)
    _, other = searcher_of(world, sets, ranking, tmp_path / "c").rank(rows, 100)
    assert not np.array_equal(other.final, found.final)


def test_index_rows_are_averaged_among_themselves(world, sets, tmp_path):
    """By brute force: each index row with its nearest two, itself among them, by s²."""
    ranking = RankingSettings(preset="direct_dba", dba=DbaConfig(rows="index", n=2, alpha=2.0))
    index = world.index
    similar = index @ index.T
    nearest = np.argsort(-similar, axis=1, kind="stable")[:, :2]
    weights = np.clip(np.take_along_axis(similar, nearest, axis=1), 0, None) ** 2
    means = normalized((weights[:, :, None] * index[nearest]).sum(axis=1))
    rows = normalized(sets["test"].take(np.arange(2)).astype(np.float64))
    _, found = searcher_of(world, sets, ranking, tmp_path).rank(rows, 10)
    expected = -np.sort(-(rows @ means.T), axis=1)[:, :10]
    np.testing.assert_allclose(found.direct, np.clip(expected, 0, 1), atol=1e-9)


def test_a_photo_left_out_is_not_averaged_with_itself(world, sets, tmp_path):
    """An index photo left out is ranked as against a set that lacks it, augmentation included."""
    from glrtf.service.landmark_evidence import LeftOut

    ranking = RankingSettings(preset="direct_dba", query_expansion=QueryExpansionConfig(n=2))
    number = 60
    rows = join([sets["index"]])
    row = rows.gather(*_part_and_row(rows, number))
    out = LeftOut(sets["index"].ids[number : number + 1], np.array([-1]))
    _, found = searcher_of(world, sets, ranking, tmp_path / "a").rank(row, 20, out)
    rest = np.delete(np.arange(90), number)
    index = ArrayRows(world.index[rest], "rest", sets["index"].ids[rest])
    query = ArrayRows(row, "one", ["q"])
    expected = retrieved(world, {**sets, "index": index}, ranking, query, tmp_path / "b").rank()
    assert found.images[0].tolist() == rest[expected.images[0, :20]].tolist()
    np.testing.assert_allclose(found.direct[0], expected.direct[0, :20], atol=1e-12)


def _part_and_row(rows, number):
    ends = np.cumsum(rows.part_lengths)
    part = int(np.searchsorted(ends, number, side="right"))
    return part, np.array([number - (ends[part] - rows.part_lengths[part])])


def test_k_reciprocal_is_refused(world, sets, tmp_path):
    ranking = RankingSettings(rerank=RerankConfig(method="k_reciprocal"))
    with pytest.raises(UserError, match="expected one of none, diffusion, superglobal"):
        searcher_of(world, sets, ranking, tmp_path)
