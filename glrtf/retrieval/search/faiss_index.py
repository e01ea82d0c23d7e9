"""faiss indexes of rows, on disk: built once, extended when rows are added, tuned by their recall.

An index holds rows in a short form and finds candidates; their scores are computed from the stored
rows. Rows that came after it was built are searched exactly until there are so many that adding
them to it pays. Threads do not show in what is built: k-means and graphs run on one.
"""

import contextlib
import dataclasses
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from glrtf.config.retrieval import SearchConfig
from glrtf.embeddings.rows import RowSource, gather_rows, groups_of
from glrtf.embeddings.set_parts import RowGroup
from glrtf.embeddings.subset_rows import SubsetRows
from glrtf.retrieval.growing import Growth, Known
from glrtf.retrieval.search import exact, index_files
from glrtf.retrieval.search.neighbors import NO_ROW
from glrtf.retrieval.stage_cache import Written
from tfrecords_tools.errors import UserError
from tfrecords_tools.progress import Progress
from tfrecords_tools.storage import files, json_shapes

BUILD = 1
"""The way indexes are built: those of another way are not found again."""

_LEAST_ROWS = 4096
"""Fewer rows are searched exactly in less time than an index needs."""
_MOST_TAIL = 0.05
"""The share of rows behind an index that are searched exactly."""
_SEED = 20210831
_ROWS_AT_ONCE = 16_384
_TRAINED_A_LIST = 64
_ITERATIONS = 10
_TRAINED_CODES = 65_536
_SAMPLED = 256
_CODES = {"sq8": "SQ8", "fp16": "SQfp16", "float32": "Flat"}


class _Description(Written):
    key: dict[str, Any]
    known: Known
    mapped: bool
    effort: int
    recall: float


@dataclasses.dataclass(frozen=True)
class FaissIndex:
    """An opened index and the rows behind it.

    Attributes:
        index: faiss's index; None if all rows are searched exactly.
        row_of: (rows of the index,) int64, which row of the database each is; -1 for none.
        tail: (n,) int64, rows of the database that the index does not have.
        effort: How many lists are probed, or how many links are followed.
        recall: The share of true neighbours that it found for a sample of the rows.
    """

    index: Any
    row_of: npt.NDArray[np.int64]
    tail: npt.NDArray[np.int64]
    effort: int = 0
    recall: float = 1.0

    def candidates(
        self, queries: npt.NDArray[np.float32], count: int, effort: int = 0
    ) -> npt.NDArray[np.int64]:
        """Rows of the database that are likely among the nearest.

        Args:
            queries: (n, dimension) float32.
            count: How many are wanted for each.
            effort: How hard to look; 0 for the index's own.

        Returns:
            (n, count) int64, -1 where fewer are found.
        """
        if self.index is None:
            return np.full((len(queries), count), NO_ROW, np.int64)
        parameters = self._parameters(effort or self.effort, count)
        _, found = self.index.search(queries, count, params=parameters)
        return np.where(found < 0, NO_ROW, self.row_of[found])

    def _parameters(self, effort: int, count: int) -> Any:
        faiss = library()
        kept = {}
        if (self.row_of < 0).any():
            kept["sel"] = faiss.IDSelectorBatch(np.flatnonzero(self.row_of >= 0))
        if isinstance(self.index, faiss.IndexIVF):
            return faiss.SearchParametersIVF(nprobe=effort, **kept)
        if isinstance(self.index, faiss.IndexHNSW):
            return faiss.SearchParametersHNSW(efSearch=max(effort, count), **kept)
        return faiss.SearchParameters(**kept) if kept else None


def open_index(
    database: RowSource, rows: range, config: SearchConfig, folder: str, k: int
) -> FaissIndex:
    """Maps the index of some rows; builds it, or adds what is new to it, first.

    Args:
        database: The rows.
        rows: Which of them, a run.
        config: Kind and size of the index, and the recall wanted.
        folder: Where indexes are kept.
        k: For how many neighbours its effort is chosen.
    """
    every = np.arange(rows.start, rows.stop)
    if len(rows) < _LEAST_ROWS:
        return FaissIndex(None, np.empty(0, np.int64), every)
    is_whole = len(rows) == len(database.ids)
    growth = Growth(_key(database, is_whole, config), _groups_of(database, rows), _nothing)
    earlier = _earlier(folder, growth)
    if earlier and (earlier.places < 0).sum() <= _MOST_TAIL * len(rows):
        row_of = _row_of(earlier.known, earlier.places, rows)
        return _opened(earlier.path, row_of, every[earlier.places < 0])
    if earlier and (earlier.places < 0).sum() <= (earlier.places >= 0).sum():
        index = _extended(earlier.path, database, every[earlier.places < 0])
        known = _joined(earlier.known, growth, earlier.places)
    else:
        index, known = _built(database, rows, config), growth.known()
    row_of = _row_of(known, growth.places_in(known), rows)
    effort, recall = _tuned(FaissIndex(index, row_of, every[:0]), database, every, config, k)
    print(
        f"faiss: {len(rows)} rows, {_named(index, effort)}:"
        f" recall@{k} {recall:.3f} of {_SAMPLED} sampled rows",
        file=sys.stderr,
    )
    path = files.join(folder, f"faiss-{files.json_digest(growth.known())[:16]}.faiss")
    index_files.write(
        path,
        lambda temporary: library().write_index(index, temporary),
        **{"key": growth.key, "known": known, "effort": effort, "recall": recall},
        mapped=isinstance(index, library().IndexIVF),
    )
    if earlier and earlier.path != path:
        files.delete(index_files.description_of(earlier.path))
        files.delete(earlier.path)
    return _opened(path, row_of, every[:0])


def _nothing(_: npt.NDArray[np.int64]) -> Iterator[tuple[np.ndarray, ...]]:
    return iter(())


def _opened(path: str, row_of: npt.NDArray[np.int64], tail: npt.NDArray[np.int64]) -> FaissIndex:
    described = index_files.refuse_damaged(path, "a faiss index", _Description)
    faiss = library()
    # Lists are mapped; graphs and plain codes are read.
    index = faiss.read_index(path, faiss.IO_FLAG_MMAP if described["mapped"] else 0)
    return FaissIndex(index, row_of, tail, described["effort"], described["recall"])


class _Earlier(NamedTuple):
    """An index of an earlier version of the rows, and where it has each of today's; -1: nowhere."""

    path: str
    known: Known
    places: npt.NDArray[np.int64]


def _earlier(folder: str, growth: Growth) -> _Earlier | None:
    """The index that has most of the rows; none most of whose own rows are gone."""
    best, most = None, 0
    for name in files.list_names(folder) if files.exists(folder) else []:
        path = files.join(folder, name.removesuffix(".json"))
        if not name.endswith(".faiss.json") or not files.exists(path):
            continue
        try:
            known = json_shapes.read(files.join(folder, name), _Description)["known"]
        except UserError:
            continue
        places = growth.places_in(known)
        count = int((places >= 0).sum())
        if count > most and 2 * count >= _count(known):
            best, most = _Earlier(path, known, places), count
    return best


def _groups_of(database: RowSource, rows: range) -> list[RowGroup]:
    """The groups of a run of rows."""
    groups, first = [], 0
    for group in groups_of(database):
        start, stop = max(rows.start - first, 0), min(rows.stop - first, len(group.places))
        if start < stop:
            groups.append(RowGroup(group.key, group.places[start:stop]))
        first += len(group.places)
    return groups


def _count(known: Known) -> int:
    return sum(stop - start for group in known["groups"] for start, stop in group["runs"])


def _row_of(known: Known, places: npt.NDArray[np.int64], rows: range) -> npt.NDArray[np.int64]:
    """Which row of the database each row of the index is."""
    row_of = np.full(_count(known), NO_ROW, np.int64)
    has = places >= 0
    row_of[places[has]] = np.arange(rows.start, rows.stop)[has]
    return row_of


def _joined(known: Known, growth: Growth, places: npt.NDArray[np.int64]) -> Known:
    """What an index knows that rows it did not have were added to."""
    new, first = [], 0
    for group in growth.groups:
        missing = places[first : first + len(group.places)] < 0
        first += len(group.places)
        if missing.any():
            new.append(RowGroup(group.key, group.places[missing]))
    added = dataclasses.replace(growth, groups=new).known()
    return Known(key=known["key"], groups=[*known["groups"], *added["groups"]])


def _key(database: RowSource, is_whole: bool, config: SearchConfig) -> dict[str, Any]:
    return {
        "build": BUILD,
        "whole": is_whole,
        "dimension": database.dimension,
        "kind": config.faiss_kind,
        "code": config.faiss_code,
        "links": config.faiss_links,
        "lists": config.faiss_lists,
        "recall": config.faiss_recall,
        "rescored": config.faiss_rescored,
        "effort": config.faiss_effort,
    }


def _factory(count: int, config: SearchConfig) -> str:
    """What faiss.index_factory makes of the settings."""
    code = _CODES[config.faiss_code]
    if config.faiss_kind == "hnsw":
        return f"HNSW{config.faiss_links},{code}"
    if config.faiss_kind == "flat":
        return code
    # Between √n and 4·√n, as faiss's guidelines have it, a power of two.
    lists = config.faiss_lists or 1 << round(np.log2(2 * max(count, 1) ** 0.5))
    return f"IVF{lists},{code}"


def _built(database: RowSource, rows: range, config: SearchConfig) -> Any:
    faiss = library()
    factory = _factory(len(rows), config)
    index = faiss.index_factory(database.dimension, factory, faiss.METRIC_INNER_PRODUCT)
    trained = _TRAINED_CODES
    if isinstance(index, faiss.IndexIVF):
        trained = max(trained, _TRAINED_A_LIST * index.nlist)
        index.cp.seed, index.cp.niter = _SEED, _ITERATIONS
        index.cp.max_points_per_centroid = _TRAINED_A_LIST
        index.cp.min_points_per_centroid = 1  # Or small parts would be warned of.
    chosen = np.linspace(rows.start, rows.stop - 1, min(trained, len(rows))).astype(np.int64)
    sample = np.concatenate(list(_blocks(database, chosen)))
    with _one_thread():
        index.train(sample)
    del sample
    _add(index, database, np.arange(rows.start, rows.stop))
    return index


def _extended(path: str, database: RowSource, rows: npt.NDArray[np.int64]) -> Any:
    index_files.refuse_damaged(path, "a faiss index", _Description)
    index = library().read_index(path)
    _add(index, database, rows)
    return index


def _add(index: Any, database: RowSource, rows: npt.NDArray[np.int64]) -> None:
    with Progress("faiss index", len(rows), "row") as progress, _one_thread():
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


def _tuned(
    opened: FaissIndex,
    database: RowSource,
    rows: npt.NDArray[np.int64],
    config: SearchConfig,
    k: int,
) -> tuple[int, float]:
    """The least effort that has the recall wanted for a sample of rows, and that recall."""
    chosen = rows[np.linspace(0, len(rows) - 1, _SAMPLED).astype(np.int64)]
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
    return int(np.ceil(config.faiss_rescored * k))


def _named(index: Any, effort: int) -> str:
    faiss = library()
    if isinstance(index, faiss.IndexIVF):
        return f"{effort} of {index.nlist} lists"
    return f"a graph, ef {effort}" if isinstance(index, faiss.IndexHNSW) else "all rows"


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """What faiss builds on one thread does not depend on the processors."""
    faiss = library()
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def library() -> Any:
    """The faiss package.

    Raises:
        UserError: If it is not installed.
    """
    try:
        import faiss
    except ImportError:
        raise UserError(
            "--search.backend faiss: expected the faiss-cpu package, found none; install it with "
            "pip install '.[faiss]' in the project's folder, or choose --search.backend exact"
        ) from None
    return faiss
