"""faiss indexes on disk: built once, extended when rows are added.

Rows that came after an index was built are searched exactly until there are so many that adding
them to it pays. Rows that were removed are masked.
"""

import dataclasses
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt

from glrtf.config.search import SearchConfig
from glrtf.embeddings.rows import RowSource, groups_of
from glrtf.embeddings.set_parts import RowGroup
from glrtf.retrieval.growing import Growth, Known
from glrtf.retrieval.search import faiss_building, index_files
from glrtf.retrieval.search.faiss_index import FaissIndex
from glrtf.retrieval.search.faiss_library import library
from glrtf.retrieval.search.neighbors import NO_ROW
from glrtf.retrieval.stage_cache import Written
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files, json_shapes

BUILD = 2
"""The way indexes are built: those of another way are not found again."""

_LEAST_ROWS = 4096
"""Fewer rows are searched exactly in less time than an index needs."""
_MOST_TAIL = 0.05
"""The share of rows behind an index that are searched exactly."""
_MOST_DENSER = 1.1
"""By how much the share of the rows that is wanted may exceed that of which an effort is known."""


class _Tuned(TypedDict):
    """The effort that finds so many neighbours among so many rows, and the recall measured."""

    neighbors: int
    rows: int
    effort: int
    recall: float


class _Description(Written):
    key: dict[str, Any]
    known: Known
    mapped: bool
    efforts: list[_Tuned]


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
    missing = every[earlier.places < 0] if earlier else every
    if earlier and len(missing) <= _MOST_TAIL * len(rows):
        path, row_of = earlier.path, _row_of(earlier.known, earlier.places, rows)
    else:
        path, known = _written(folder, database, rows, config, growth, earlier)
        row_of, missing = _row_of(known, growth.places_in(known), rows), every[:0]
    return _opened(path, row_of, missing, database, config, k)


def _written(
    folder: str,
    database: RowSource,
    rows: range,
    config: SearchConfig,
    growth: Growth,
    earlier: "_Earlier | None",
) -> tuple[str, Known]:
    """Builds an index, or adds what is new to an earlier one; its file, and what it knows."""
    if earlier and (earlier.places < 0).sum() <= (earlier.places >= 0).sum():
        missing = np.arange(rows.start, rows.stop)[earlier.places < 0]
        index = _extended(earlier.path, database, missing)
        known = _joined(earlier.known, growth, earlier.places)
    else:
        index, known = faiss_building.built(database, rows, config), growth.known()
    path = files.join(folder, f"faiss-{files.json_digest(growth.known())[:16]}.faiss")
    index_files.write(
        path,
        lambda temporary: library().write_index(index, temporary),
        **{"key": growth.key, "known": known, "efforts": []},
        mapped=config.faiss_kind == "ivf" and config.faiss_code != "pq4",
    )
    if earlier and earlier.path != path:
        files.delete(index_files.description_of(earlier.path))
        files.delete(earlier.path)
    return path, known


def _nothing(_: npt.NDArray[np.int64]) -> Iterator[tuple[np.ndarray, ...]]:
    return iter(())


def _opened(
    path: str,
    row_of: npt.NDArray[np.int64],
    tail: npt.NDArray[np.int64],
    database: RowSource,
    config: SearchConfig,
    k: int,
) -> FaissIndex:
    """Maps an index; chooses its effort if none is known for as large a share of the rows.

    Of an index whose other rows are masked, or for more neighbours, more lists must be searched.
    """
    described = index_files.refuse_damaged(path, "a faiss index", _Description)
    faiss = library()
    # Lists are mapped; graphs and plain codes are read.
    index = faiss.read_index(path, faiss.IO_FLAG_MMAP if described["mapped"] else 0)
    opened = FaissIndex(index, row_of, tail)
    rows = np.sort(row_of[row_of >= 0])
    suiting = [
        each
        for each in described["efforts"]
        if k * each["rows"] <= _MOST_DENSER * each["neighbors"] * len(rows)
    ]
    if suiting:
        tuned = min(suiting, key=lambda each: each["effort"])
    else:
        effort, recall = faiss_building.tuned(opened, database, rows, config, k)
        print(
            f"faiss: {len(rows)} rows, {faiss_building.named(index, effort)}:"
            f" recall@{k} {recall:.3f} of {faiss_building.SAMPLED} sampled rows",
            file=sys.stderr,
        )
        tuned = _Tuned(neighbors=k, rows=len(rows), effort=effort, recall=recall)
        index_files.describe_again(path, {**described, "efforts": [*described["efforts"], tuned]})
    return dataclasses.replace(opened, effort=tuned["effort"], recall=tuned["recall"])


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


def _extended(path: str, database: RowSource, rows: npt.NDArray[np.int64]) -> Any:
    index_files.refuse_damaged(path, "a faiss index", _Description)
    index = library().read_index(path)
    faiss_building.add(index, database, rows)
    return index
