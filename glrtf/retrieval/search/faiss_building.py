"""Builds faiss indexes and chooses their effort by the recall of a sample.

Threads do not show in what is built: k-means and graphs run on one.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from glrtf.config.search import SearchConfig
from glrtf.embeddings.rows import RowSource, gather_rows
from glrtf.embeddings.subset_rows import SubsetRows
from glrtf.retrieval.search import exact
from glrtf.retrieval.search.faiss_index import FaissIndex
from glrtf.retrieval.search.faiss_library import library, one_thread
from tfrecords_tools.progress import Progress

SAMPLED = 256
"""How many rows of the database are searched for to choose the effort."""

_SEED = 20210831
_ROWS_AT_ONCE = 16_384
_TRAINED_A_LIST = 64
_ITERATIONS = 10
_TRAINED_CODES = 65_536
_CODES = {"sq8": "SQ8", "fp16": "SQfp16", "float32": "Flat"}


def _factory(count: int, dimension: int, config: SearchConfig) -> str:
    """What faiss.index_factory makes of the settings."""
    # Four bits for each two numbers, or for each one where they are an odd number.
    code = _CODES.get(config.faiss_code) or f"PQ{dimension // (2 - dimension % 2)}x4fs"
    if config.faiss_kind == "hnsw":
        return f"HNSW{config.faiss_links},{code}"
    if config.faiss_kind == "flat":
        return code
    # Between √n and 4·√n, as faiss's guidelines have it, a power of two.
    lists = config.faiss_lists or 1 << round(np.log2(2 * max(count, 1) ** 0.5))
    return f"IVF{lists},{code}"


def built(database: RowSource, rows: range, config: SearchConfig) -> Any:
    """Builds faiss's index of a run of rows; k-means takes rows spread evenly over it."""
    faiss = library()
    factory = _factory(len(rows), database.dimension, config)
    index = faiss.index_factory(database.dimension, factory, faiss.METRIC_INNER_PRODUCT)
    trained = _TRAINED_CODES
    if isinstance(index, faiss.IndexIVF):
        trained = max(trained, _TRAINED_A_LIST * index.nlist)
        index.cp.seed, index.cp.niter = _SEED, _ITERATIONS
        index.cp.max_points_per_centroid = _TRAINED_A_LIST
        index.cp.min_points_per_centroid = 1  # Or small parts would be warned of.
    chosen = np.linspace(rows.start, rows.stop - 1, min(trained, len(rows))).astype(np.int64)
    sample = np.concatenate(list(_blocks(database, chosen)))
    with one_thread():
        index.train(sample)
    del sample
    add(index, database, np.arange(rows.start, rows.stop))
    return index


def add(index: Any, database: RowSource, rows: npt.NDArray[np.int64]) -> None:
    """Adds rows of a database to faiss's index, in this order."""
    with Progress("faiss index", len(rows), "row") as progress, one_thread():
        for block in _blocks(database, rows):
            index.add(block)
            progress.update(len(block))


def _blocks(database: RowSource, rows: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.float32]]:
    """Rows as float32, some at a time."""
    if len(rows) == len(database.ids):  # All of them, in order: read without copies in float64.
        for part, length in enumerate(database.part_lengths):
            for start in range(0, length, _ROWS_AT_ONCE):
                yield database.read(part, start, min(start + _ROWS_AT_ONCE, length))
        return
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        chunk = rows[start : start + _ROWS_AT_ONCE]
        yield gather_rows(database, chunk).astype(np.float32)


def tuned(
    opened: FaissIndex,
    database: RowSource,
    rows: npt.NDArray[np.int64],
    config: SearchConfig,
    k: int,
) -> tuple[int, float]:
    """The least effort that has the recall wanted for a sample of rows, and that recall."""
    chosen = rows[np.linspace(0, len(rows) - 1, SAMPLED).astype(np.int64)]
    sample = SubsetRows(database, chosen)
    # A row finds itself however little is looked at: it does not count.
    among = database if len(rows) == len(database.ids) else SubsetRows(database, rows)
    true = rows[exact.search(sample, among, k + 1).indices]
    queries, wanted = sample.read(0, 0, len(chosen)), config.faiss_recall

    def recall(effort: int) -> float:
        near = opened.candidates(queries, rescored(config, k + 1), effort)
        found = [
            np.isin(row[row != own], candidates).mean()
            for row, own, candidates in zip(true, chosen, near, strict=True)
        ]
        return float(np.mean(found))

    efforts = [config.faiss_effort] if config.faiss_effort else _efforts(opened.index)
    # More effort finds no less: the least that finds enough is found by bisection.
    low, high = 0, len(efforts) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if recall(efforts[middle]) >= wanted else (middle + 1, high)
    return efforts[low], recall(efforts[low])


def _efforts(index: Any) -> Sequence[int]:
    """What is tried, ascending, about a quarter more each time."""
    faiss = library()
    if isinstance(index, faiss.IndexIVF):
        low, most = 1, index.nlist
    elif isinstance(index, faiss.IndexHNSW):
        low, most = 16, 8192
    else:
        return [1]
    steps = np.geomspace(low, most, max(2, int(np.log(most / low) / np.log(1.25)) + 1))
    return sorted({round(step) for step in steps})


def rescored(config: SearchConfig, k: int) -> int:
    """How many candidates are scored again for k neighbours."""
    factor = config.faiss_rescored or (4.0 if config.faiss_code == "pq4" else 1.5)
    return int(np.ceil(factor * k))


def named(index: Any, effort: int) -> str:
    """What a note says of an index and its effort."""
    faiss = library()
    if isinstance(index, faiss.IndexIVF):
        return f"{effort} of {index.nlist} lists"
    return f"a graph, ef {effort}" if isinstance(index, faiss.IndexHNSW) else "all rows"
