"""Search rows, and rank images for queries, in memory."""

import dataclasses
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from glrtf.api.row_sources import Path, Rows, Sets, require_one_model, row_source, sources_of
from glrtf.config.retrieval import RetrieveConfig
from glrtf.config.search import SearchConfig
from tfrecords_tools.command.typed_settings import checked
from tfrecords_tools.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from glrtf.retrieval.search.neighbors import Neighbors


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
        UserError: If rows are not of length 1, or queries and database differ in dimension or
            are of different models.
    """
    import numpy as np

    from glrtf.retrieval.search import backends
    from glrtf.retrieval.search.neighbors import Neighbors, stacked

    if k < 1:
        raise UserError(f"k: expected 1 or more, found {k}")
    query_rows, searched = row_source(queries, "queries"), row_source(database, "database")
    require_one_model(query_rows, searched)
    with tempfile.TemporaryDirectory(prefix="glrtf-") as folder:
        blocks = backends.search_blocks(
            query_rows,
            searched,
            k,
            0,
            checked(config or SearchConfig(), SearchConfig),
            folder,
            "search",
        )
        found = list(blocks)
    if not found:  # No queries.
        return Neighbors(np.empty((0, k), np.int64), np.empty((0, k)))
    return stacked(found)


@dataclasses.dataclass(frozen=True)
class RankResult:
    """A ranking: for every query its images, best first, with the evidence for each.

    Attributes:
        query_ids: (queries,) S dtype.
        index_ids: (index images,) S dtype.
        images: (queries, limit) int64 rows of the index, -1 beyond the last.
        final: (queries, limit) float64, the confidence that orders them.
        direct: (queries, limit) float64, by similarity of query and image.
        bridged: (queries, limit) float64, by train images of a landmark that resemble both.
        landmarks: (queries, limit) int64, that landmark; -1 if there is none.
        notes: Messages for the user.
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
    verifier: Callable[..., Sequence[float]] | None = None,
    **settings: Any,
) -> RankResult:
    """Ranks the index images for every query: the steps of ``glrtf retrieve``, in memory.

    Args:
        query: The test images' rows.
        index: The index images' rows.
        train: The train images' rows, for bridged confidence.
        landmarks: The train images' landmarks: train.csv or train_clean.csv, or id -> number.
        non_landmark: Rows of images without a landmark.
        verifier: Gets a query id and the ids of its first `verifier_top` images, and with
            `verifier_images` their paths, too, and returns a score for each image.
        **settings: Any other setting of `RetrieveConfig`, such as ``votes``, ``dba`` or
            ``fusion``. `preset` is by default fifth_place with `train`, else direct_dba.

    Raises:
        UserError: If sets are damaged, were made with different models, or do not fit the table.
        ValueError: On settings that contradict each other.
    """
    from glrtf.photos.verifiers import verifier_of
    from glrtf.retrieval.given_inputs import GivenInputs
    from glrtf.retrieval.pipeline import Pipeline
    from glrtf.retrieval.stage_cache import StageCache

    given = {"query": query, "index": index, "train": train, "non_landmark": non_landmark}
    sources = {role: sources_of(rows, role) for role, rows in given.items() if rows is not None}
    settings.setdefault("preset", "direct_dba" if train is None else "fifth_place")
    # The role names are placeholders for the given rows; no folder of that name is read.
    named: dict[str, Any] = {role: [role] for role in sources}
    of_ids = None if landmarks is None or isinstance(landmarks, str | os.PathLike) else landmarks
    table = os.fspath(landmarks) if isinstance(landmarks, str | os.PathLike) else None
    config = checked(
        RetrieveConfig(
            output="", landmarks="landmarks" if of_ids is not None else table, **named, **settings
        ),
        RetrieveConfig,
    )
    with tempfile.TemporaryDirectory(prefix="glrtf-") as folder:
        inputs = GivenInputs(config, sources, of_ids)
        verifies = verifier_of(config, verifier)
        pipeline = Pipeline(config, StageCache(folder), inputs, verifies)
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
