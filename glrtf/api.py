"""The Python interface: what ``import glrtf`` offers, besides the settings and the commands.

Functions import what they need when they are called; none loads TensorFlow unless it says so.
"""

import dataclasses
import os
import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, Union

from glrtf.config.inference import VIEWS
from glrtf.config.retrieval import RetrieveConfig, SearchConfig
from tfrecords_tools.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import tensorflow as tf

    from glrtf.config.data import InputConfig
    from glrtf.embeddings.embedding_set import EmbeddingSet
    from glrtf.embeddings.rows import ArrayRows, JoinedRows
    from glrtf.models.keras_settings import keras
    from glrtf.retrieval.search.neighbors import Neighbors
    from glrtf.service.photo_embedder import PhotoEmbedder

Path: TypeAlias = str | os.PathLike[str]
Rows: TypeAlias = Union[
    Path, "EmbeddingSet", "JoinedRows", "ArrayRows", "np.ndarray", tuple[Any, "np.ndarray"]
]
"""Rows of length 1: a set's folder, an open set, an array (n, d), or a pair (ids, array)."""
Sets: TypeAlias = Rows | list[Union[Path, "EmbeddingSet"]]
"""As `Rows`; a list holds one embedding set a model, over the same images."""


def open_set(folder: Path, verify: Literal["once", "always"] = "once") -> "EmbeddingSet":
    """Opens an embedding set and checks that its files are what its description says.

    Args:
        folder: The set's folder, a path or gs://.
        verify: ``once`` skips files that were compared with their digests before and stand
            unchanged; ``always`` compares all.

    Raises:
        UserError: If the set is missing, unfinished or damaged.
    """
    from glrtf.embeddings.embedding_set import EmbeddingSet

    return EmbeddingSet.open(folder, verify)


def write_set(
    folder: Path, rows: "npt.ArrayLike", ids: "npt.ArrayLike", **meta: Any
) -> "EmbeddingSet":
    """Writes an embedding set of one part.

    Args:
        folder: A new folder.
        rows: (n, dimension) float32 or float16, each of length 1.
        ids: (n,) image ids, 1 to 16 ASCII characters each.
        **meta: What is to be known of the rows, JSON values, such as ``model="mine"``.

    Returns:
        The set, opened.

    Raises:
        UserError: If the folder holds a set already, a row is not finite or not of length 1, or
            an id comes twice or has other characters.
    """
    from glrtf.embeddings import embedding_set
    from glrtf.embeddings.info import INFO_FILE
    from tfrecords_tools.storage import files

    folder = os.fspath(folder)
    if files.exists(files.join(folder, INFO_FILE)):
        raise UserError(f"{folder}: expected a new folder, found an embedding set; name another")
    embedding_set.write_part(folder, 0, 1, rows, ids)
    return embedding_set.finish(folder, 1, **meta)


def join_sets(
    sets: "Sequence[Path | EmbeddingSet]", votes: Sequence[float] | None = None
) -> "JoinedRows":
    """Joins the sets that several models made of the same images, matched by image id.

    Args:
        sets: Folders or open sets, one a model; the order of the first one's images holds.
        votes: How much each counts, positive; None counts them alike.

    Returns:
        L2(vote_1·row_1, vote_2·row_2, …), computed as the rows are read.

    Raises:
        UserError: If the sets are of different images.
    """
    from glrtf.embeddings.rows import join

    return join([_opened(one) for one in sets], votes)


def search(
    queries: Rows, database: Rows, k: int = 100, *, config: SearchConfig | None = None
) -> "Neighbors":
    """Finds the k nearest database rows of every query, by cosine similarity.

    Args:
        queries: The query rows.
        database: The rows to search.
        k: How many neighbours each query gets.
        config: The back end and its settings; None searches exactly.

    Returns:
        ``indices`` (queries, k) int64 into the database and ``scores`` (queries, k) float64,
        descending; -1 and -inf where the database has fewer rows.

    Raises:
        UserError: If rows are not of length 1, or queries and database differ in dimension.
    """
    import numpy as np

    from glrtf.retrieval.search import backends
    from glrtf.retrieval.search.neighbors import Neighbors, stacked

    if k < 1:
        raise UserError(f"k: expected 1 or more, found {k}")
    with tempfile.TemporaryDirectory(prefix="glrtf-") as folder:
        blocks = backends.search_blocks(
            _row_source(queries, "queries"),
            _row_source(database, "database"),
            k,
            0,
            config or SearchConfig(),
            folder,
            "search",
        )
        found = list(blocks)
    if not found:  # No queries.
        return Neighbors(np.empty((0, k), np.int64), np.empty((0, k)))
    return stacked(found)


@dataclasses.dataclass(frozen=True)
class RankResult:
    """A ranking: for every query its images, best first, and what speaks for them.

    Attributes:
        query_ids: (queries,) S16.
        index_ids: (index images,) S16.
        images: (queries, limit) int64 rows of the index, -1 beyond the last.
        final: (queries, limit) float64, the confidence that orders them.
        direct: (queries, limit) float64, by similarity of query and image.
        bridged: (queries, limit) float64, by train images of a landmark that both resemble.
        landmarks: (queries, limit) int64, that landmark; -1 where there is none.
        notes: What the user should know.
    """

    query_ids: "npt.NDArray[np.bytes_]"
    index_ids: "npt.NDArray[np.bytes_]"
    images: "npt.NDArray[np.int64]"
    final: "npt.NDArray[np.float64]"
    direct: "npt.NDArray[np.float64]"
    bridged: "npt.NDArray[np.float64]"
    landmarks: "npt.NDArray[np.int64]"
    notes: tuple[str, ...] = ()

    @property
    def ids(self) -> dict[str, list[str]]:
        """Query id -> the ids of its ranked images, best first."""
        return {
            query.decode(): [one.decode() for one in self.index_ids[rows[rows >= 0]].tolist()]
            for query, rows in zip(self.query_ids.tolist(), self.images, strict=True)
        }

    def write(self, path: Path) -> str:
        """Writes submission.csv: ``id,images``.

        Returns:
            The path.
        """
        from glrtf.retrieval.output import write_submission

        write_submission(os.fspath(path), self.query_ids, self.index_ids, self.images)
        return os.fspath(path)


def rank(
    query: Sets,
    index: Sets,
    train: Sets | None = None,
    landmarks: Path | Mapping[str, int] | None = None,
    *,
    non_landmark: Sets | None = None,
    **settings: Any,
) -> RankResult:
    """Ranks the index images for every query: the steps of ``glrtf retrieve``, in memory.

    Args:
        query: The test images' rows.
        index: The index images' rows.
        train: The train images' rows, for bridged confidence.
        landmarks: The train images' landmarks: train.csv or train_clean.csv, or id -> number.
        non_landmark: Rows of images without a landmark.
        **settings: Any other setting of `RetrieveConfig`, such as ``votes``, ``dba`` or
            ``fusion``. `preset` is by default fifth_place with `train`, else direct_dba.

    Raises:
        UserError: If sets are damaged, were made with different models, or do not fit the table.
        ValueError: On settings that do not go together.
    """
    from glrtf.retrieval.given_inputs import GivenInputs
    from glrtf.retrieval.pipeline import Pipeline
    from glrtf.retrieval.stage_cache import StageCache

    given = {"query": query, "index": index, "train": train, "non_landmark": non_landmark}
    sources = {role: _sources(rows, role) for role, rows in given.items() if rows is not None}
    settings.setdefault("preset", "direct_dba" if train is None else "fifth_place")
    # The roles stand for what is given; no folder of that name is read.
    named: dict[str, Any] = {role: [role] for role in sources}
    of_ids = None if landmarks is None or isinstance(landmarks, str | os.PathLike) else landmarks
    table = os.fspath(landmarks) if isinstance(landmarks, str | os.PathLike) else None
    config = RetrieveConfig(
        output="", landmarks="landmarks" if of_ids is not None else table, **named, **settings
    )
    with tempfile.TemporaryDirectory(prefix="glrtf-") as folder:
        inputs = GivenInputs(config, sources, of_ids)
        pipeline = Pipeline(config, StageCache(folder), inputs)
        found = pipeline.rank()
    return RankResult(
        query_ids=inputs.query.ids,
        index_ids=inputs.index.ids,
        images=found.images,
        final=found.final,
        direct=found.direct,
        bridged=found.bridged,
        landmarks=found.landmarks,
        notes=tuple(pipeline.notes),
    )


def score(
    submission: Path | RankResult | Mapping[str, Sequence[str]],
    solution: Path | Mapping[str, Collection[str]],
    *,
    resamples: int = 0,
) -> dict[str, dict[str, Any]]:
    """Scores ranked images against a ground truth, as ``glrtf evaluate`` does.

    Args:
        submission: A CSV file, a retrieval folder, a `RankResult`, or query id -> ranked ids.
        solution: retrieval_solution CSV, or query id -> the ids of its relevant images.
        resamples: Bootstrap resamples of the interval of mAP; 0 leaves it out.

    Returns:
        Part (``Public``, ``Private``, ``All``) -> measures such as ``map@100``; of a mapping as
        solution ``All`` alone.

    Raises:
        UserError: If a file is not as expected, or the two know no common query.
    """
    from glrtf.evaluation import scoring, summary
    from glrtf.evaluation.solutions import RetrievalSolution, read_retrieval_solution
    from glrtf.evaluation.submissions import read_submission

    predictions: Iterable[tuple[str, list[str]]]
    name = "submission"
    if isinstance(submission, RankResult):
        predictions = submission.ids.items()
    elif isinstance(submission, Mapping):
        predictions = [(query, list(images)) for query, images in submission.items()]
    else:
        name = os.fspath(submission)
        predictions = read_submission(name)
    if not isinstance(solution, Mapping):
        truth = read_retrieval_solution(os.fspath(solution))
        return summary.retrieval_measures(
            scoring.judge(predictions, truth, name=name), resamples=resamples
        )
    truth = RetrievalSolution(
        {query: frozenset(images) for query, images in solution.items() if images},
        {query: "Private" if images else "Ignored" for query, images in solution.items()},
    )
    judged = scoring.judge(predictions, truth, name=name)
    return {"All": summary.retrieval_measures(judged, resamples=resamples)["All"]}


def load_embedder(model: Path, checkpoint: str = "", tta: Sequence[str] = VIEWS) -> "PhotoEmbedder":
    """Loads a model to embed photos with; loads TensorFlow.

    Args:
        model: An export's folder, or a training run's workdir.
        checkpoint: Which checkpoint of the workdir; empty takes the last.
        tta: Views to add up, plain and hflip; by default those of `glrtf embed`.

    Raises:
        UserError: If it is neither, or does not load.
    """
    from glrtf.inference.descriptors.kinds import require_model

    if not tta or not set(tta) <= set(VIEWS):
        raise UserError(f"tta: expected some of {', '.join(VIEWS)}, found {list(tta)}")
    require_model("model", os.fspath(model), checkpoint)
    from glrtf.service.photo_embedder import PhotoEmbedder

    return PhotoEmbedder(os.fspath(model), checkpoint, tta)


def build_model(
    backbone: str,
    size: int | None,
    *,
    embedding_dim: int = 512,
    pooling: Literal["avg", "gem"] = "avg",
    dropout: float = 0.2,
    weights: str = "none",
    seed: int = 0,
) -> "keras.Model":
    """Builds an embedding model; loads TensorFlow.

    Args:
        backbone: v2s, v2m, v2l, v2xl, or v2b0 to v2b3.
        size: Side of the square input in pixels; None leaves it open.
        embedding_dim: Length of a row.
        pooling: avg, or gem with a trainable power.
        dropout: Rate before the embedding layer.
        weights: Of the backbone: none, imagenet, or a file.
        seed: Of the initial weights.

    Returns:
        A `keras.Model`: RGB in [0, 1] (batch, size, size, 3) -> unit rows (batch, embedding_dim).

    Raises:
        UserError: If the weights' file is missing or another model's.
        ValueError: If there is no backbone of that name.
    """
    from glrtf.config.backbone_names import canonical
    from glrtf.models.retrieval_model import build_embedding_model
    from glrtf.models.weights import load_backbone

    backbone = canonical(backbone)
    model = build_embedding_model(
        backbone, size, embedding_dim=embedding_dim, pooling=pooling, dropout=dropout, seed=seed
    )
    load_backbone(model.get_layer(f"backbone_{backbone}"), backbone, weights)
    return model


def read_shards(
    data: Path,
    split: str = "train",
    *,
    size: int,
    batch_size: int,
    training: bool = False,
    seed: int = 0,
    config: "InputConfig | None" = None,
) -> "tf.data.Dataset":
    """Reads built shards as a ``tf.data.Dataset``; loads TensorFlow.

    Args:
        data: Folder of built shards, a path or gs://.
        split: train, index, test or validation.
        size: Side of the images in pixels.
        batch_size: Images of a batch.
        training: Endless shuffled batches (images uint8 (b, size, size, 3), labels int32 (b,)).
            Otherwise one pass in order, of mappings with ``image``, ``image_id`` (b,) string and
            ``label`` (b,) int32, -1 where there is none.
        seed: Gives the order, when training.
        config: How shards are read, when training.

    Raises:
        UserError: If there are no shards of that split.
    """
    from glrtf.data import input_pipeline
    from glrtf.data.shards import open_shards

    shards = open_shards(os.fspath(data), split)
    if not training:
        return input_pipeline.eval_batches(shards, size=size, batch_size=batch_size)
    return input_pipeline.train_batches(
        shards, size=size, batch_size=batch_size, seed=seed, config=config
    )


def _opened(one: "Path | EmbeddingSet") -> "EmbeddingSet":
    from glrtf.embeddings.embedding_set import EmbeddingSet

    return one if isinstance(one, EmbeddingSet) else EmbeddingSet.open(one)


def _row_source(rows: Any, name: str) -> Any:
    """What a search reads, of whatever `Rows` may be."""
    import numpy as np

    from glrtf.embeddings.rows import ArrayRows

    if isinstance(rows, str | os.PathLike):
        return _opened(rows)
    if isinstance(rows, np.ndarray):
        return ArrayRows(rows, name)
    if isinstance(rows, tuple):
        ids, array = rows
        if len(ids) != len(array):
            raise UserError(f"{name}: expected an id for each row, found {len(ids)}, {len(array)}")
        return ArrayRows(array, name, ids)
    return rows


def _sources(rows: Any, role: str) -> list[Any]:
    """The sets, one a model, or the one array of a role."""
    from glrtf.embeddings.rows import JoinedRows

    if isinstance(rows, list):
        return [_opened(one) for one in rows]
    if isinstance(rows, JoinedRows):
        raise UserError(
            f"{role}: expected a list of sets, found them joined; give the list and votes"
        )
    return [_row_source(rows, role)]
