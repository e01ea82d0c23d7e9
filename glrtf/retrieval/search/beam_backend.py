"""Exact search as an Apache Beam pipeline: every query block with every part, then a merge.

A worker opens the sets under the same paths as the machine that starts the
pipeline: with runners on other machines they must be on gs://, from which a worker fetches its
parts, or on a file system that all mount.
"""

import contextlib
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from glrtf.embeddings.rows import RowSource
from glrtf.retrieval.search import exact
from glrtf.retrieval.search.neighbors import Neighbors, merge
from tfrecords_tools import beam_options
from tfrecords_tools.errors import optional_package
from tfrecords_tools.storage import array_files, files

_QUERIES_A_BLOCK = 2048


class SliceOfRows:
    """Some rows of one part of a source, as a source of one part."""

    def __init__(self, source: RowSource, part: int, start: int, stop: int) -> None:
        self._source, self._part, self._start = source, part, start
        first = sum(source.part_lengths[:part]) + start
        self.ids = source.ids[first : first + stop - start]
        self.name = source.name
        self.part_lengths = (stop - start,)
        self.dimension = source.dimension
        self.digest = f"{source.digest}-{part}-{start}-{stop}"
        self.rounding = source.rounding

    def read(self, part: int, start: int, stop: int) -> npt.NDArray[np.float32]:
        """Rows start..stop of the slice."""
        return self._source.read(self._part, self._start + start, self._start + stop)

    def gather(self, part: int, rows: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
        """Any rows of the slice."""
        return self._source.gather(self._part, rows + self._start)


def search_blocks(
    queries: RowSource,
    database: RowSource,
    k: int,
    per_part: int,
    options: Sequence[str],
    folder: str,
) -> Iterator[Neighbors]:
    """Like `exact.search_blocks`, with the same result.

    Args:
        queries: The queries.
        database: The rows to search, one task per part and query block.
        k: Number of neighbours wanted.
        per_part: If positive, that many from each part instead.
        options: Beam's own options, such as ``runner=DataflowRunner``.
        folder: Where workers store the blocks' neighbours temporarily, unless the options name a
            temp_location on gs://.

    Raises:
        UserError: If Beam is not installed.
    """
    beam = optional_package(
        *("apache_beam", "--search.backend beam", "apache-beam", "beam"),
        instead="choose --search.backend exact",
    )
    parsed = beam_options.pipeline_options(options, "--search.beam_options")
    blocks = _blocks(queries)
    parts = range(len(database.part_lengths))
    wanted = per_part * len(parts) if per_part else k
    with _passing_folder(parsed, folder) as passing:
        with beam.Pipeline(options=parsed) as pipeline:
            _ = (
                pipeline
                | "Tasks" >> beam.Create([(n, part) for n in range(len(blocks)) for part in parts])
                | "Spread" >> beam.Reshuffle()
                | "Search" >> beam.Map(_PartSearch(queries, database, blocks, per_part or k))
                | "Merge" >> beam.CombinePerKey(merging(wanted))
                | "Keep" >> beam.Map(_keep, passing)
            )
        for number in range(len(blocks)):
            found = array_files.load_archive(_block_file(passing, number), "neighbours")
            yield Neighbors(found["indices"], found["scores"])


@contextlib.contextmanager
def _passing_folder(options: Any, folder: str) -> Iterator[str]:
    """A folder for the time of a search: below Beam's own temporary place if that is on gs://."""
    from apache_beam.options.pipeline_options import GoogleCloudOptions

    shared = options.view_as(GoogleCloudOptions).temp_location or ""
    if not files.is_remote(shared):
        files.make_folder(folder)
        with tempfile.TemporaryDirectory(dir=folder) as passing:
            yield passing
        return
    passing = files.join(shared, f"glrtf-neighbors-{uuid.uuid4().hex}")
    try:
        yield passing
    finally:
        for name, _ in list(files.walk(passing)):
            files.delete(files.join(passing, name))


def merging(k: int) -> Any:
    """A Beam CombineFn: the k best of neighbours in disjoint sets of rows."""
    import apache_beam as beam

    class MergeNeighbors(beam.CombineFn):
        """Merges (indices, scores) of the same queries."""

        def create_accumulator(self) -> list[Neighbors]:
            return []

        def add_input(
            self, accumulator: list[Neighbors], element: tuple[np.ndarray, np.ndarray]
        ) -> list[Neighbors]:
            return [merge([*accumulator, Neighbors(*element)], k)]

        def merge_accumulators(self, accumulators: Sequence[list[Neighbors]]) -> list[Neighbors]:
            found = [one for accumulator in accumulators for one in accumulator]
            return [merge(found, k)] if found else []

        def extract_output(self, accumulator: list[Neighbors]) -> tuple[np.ndarray, np.ndarray]:
            return accumulator[0].indices, accumulator[0].scores

    return MergeNeighbors()


def _blocks(queries: RowSource) -> list[tuple[int, int, int]]:
    """The query blocks: part, start, stop."""
    return [
        (part, start, min(start + _QUERIES_A_BLOCK, length))
        for part, length in enumerate(queries.part_lengths)
        for start in range(0, length, _QUERIES_A_BLOCK)
    ]


class _PartSearch:
    """The nearest rows of one part for one query block, counted over all parts."""

    # An object, since Beam would check a function's arguments against their annotations.
    def __init__(
        self,
        queries: RowSource,
        database: RowSource,
        blocks: Sequence[tuple[int, int, int]],
        k: int,
    ) -> None:
        self._queries = queries
        self._database = database
        self._blocks = blocks
        self._k = k

    def __call__(self, task: tuple[int, int]) -> tuple[int, tuple[np.ndarray, np.ndarray]]:
        number, part = task
        lengths = self._database.part_lengths
        found = exact.search(
            SliceOfRows(self._queries, *self._blocks[number]),
            SliceOfRows(self._database, part, 0, lengths[part]),
            self._k,
        )
        indices = np.where(found.indices < 0, found.indices, found.indices + sum(lengths[:part]))
        return number, (indices, found.scores)


def _keep(block: tuple[int, tuple[np.ndarray, np.ndarray]], folder: str) -> None:
    number, (indices, scores) = block
    with (
        files.atomic_path(_block_file(folder, number)) as temporary,
        open(temporary, "wb") as file,
    ):
        np.savez(file, indices=indices, scores=scores)


def _block_file(folder: str, number: int) -> str:
    return files.join(folder, f"neighbors-{number:06d}.npz")
