"""Foreign rows to embedding sets: cast, normalised, cut into splits, bad ones listed."""

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from glrtf.embeddings import embedding_set
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.embeddings.foreign.row_file import RowFile
from glrtf.embeddings.info import INFO_FILE
from glrtf.embeddings.part_files import NORM_TOLERANCE
from tfrecords_tools.errors import UserError
from tfrecords_tools.progress import Progress
from tfrecords_tools.storage import csv_files, files

REJECTS_FILE = "rejects.csv"
DOUBLES_FILE = "doubles.csv"
_BYTES_A_PART = 1 << 28
_MOST_ROWS_A_PART = 1 << 16
# Rows this close to length 1 stay unchanged, so that exported rows come back bit for bit.
_ALREADY_UNIT = 1e-5


@dataclasses.dataclass(frozen=True)
class RowsImportResult:
    """The result of an import.

    Attributes:
        sets: Split (empty if there is only one set) -> the set.
        rejects: (image id, row, reason) of each row left out.
        doubles: (image id, row, other image id) of each row that equals an earlier one; kept.
        unlisted: How many rows are in no split's table.
        missing: Split -> how many ids of its table have no row.
    """

    sets: dict[str, EmbeddingSet]
    rejects: list[tuple[str, int, str]]
    doubles: list[tuple[str, int, str]]
    unlisted: int
    missing: dict[str, int]


def import_rows(
    source: RowFile,
    ids: npt.NDArray[np.bytes_],
    output: str,
    *,
    splits: Mapping[str, npt.NDArray[np.bytes_]] | None = None,
    dtype: str = "float32",
    max_rejects: int | None = None,
    meta: Mapping[str, Any],
) -> RowsImportResult:
    """Writes foreign rows as embedding sets; only part of the rows is in memory at a time.

    Rows are divided by their lengths. Zero and non-finite rows, and all rows of an id but the
    first, are left out and listed in rejects.csv; equal rows of several ids in doubles.csv.

    Args:
        source: The rows.
        ids: (rows,) their ids.
        output: The set's folder; with splits, the parent of their folders.
        splits: Split -> the ids of its images; None writes one set of all rows.
        dtype: How rows are stored, float32 or float16.
        max_rejects: How many rows may be left out; None for any number.
        meta: Facts about the rows: model, …

    Raises:
        UserError: If ids and rows differ in number, a folder holds another set, nothing is
            left, or too many rows are left out.
    """
    if len(ids) != source.num_rows:
        raise UserError(
            f"{source.name}: expected an id for each row, found {source.num_rows} rows and"
            f" {len(ids)} ids"
        )
    work = _Import(source, ids, output, splits, dtype)
    work.run(max_rejects)
    return work.finish(meta)


class _Import:
    """One import in progress."""

    def __init__(
        self,
        source: RowFile,
        ids: npt.NDArray[np.bytes_],
        output: str,
        splits: Mapping[str, npt.NDArray[np.bytes_]] | None,
        dtype: str,
    ) -> None:
        self._source, self._ids, self._output = source, ids, output
        self._rejects: list[tuple[str, int, str]] = []
        self._hashes = np.zeros(len(ids), np.uint64)
        self._kept = np.zeros(len(ids), bool)
        first = _first_of_each(ids)
        self._rejects += [
            (ids[row].decode(), int(row), f"the id of row {first[row]} again")
            for row in np.flatnonzero(first != np.arange(len(ids)))
        ]
        once = first == np.arange(len(ids))
        wanted = {"": once}
        self._missing: dict[str, int] = {}
        if splits is not None:
            wanted = {name: once & np.isin(ids, table) for name, table in splits.items()}
            self._missing = {
                name: int((~np.isin(np.unique(table), ids)).sum()) for name, table in splits.items()
            }
        self._unlisted = int((once & ~np.logical_or.reduce(list(wanted.values()))).sum())
        most = min(_MOST_ROWS_A_PART, max(1, _BYTES_A_PART // (4 * source.dimension)))
        self._writers = {
            name: _PartWriter(
                files.join(output, name) if name else output, int(mask.sum()), most, dtype
            )
            for name, mask in wanted.items()
        }
        self._wanted = wanted
        for name, writer in self._writers.items():
            if not writer.total:
                what = f"rows of the ids of {name}" if name else "rows"
                raise UserError(f"{source.name}: expected {what}, found none")

    def run(self, max_rejects: int | None) -> None:
        """Reads all rows and writes each part once it is full."""
        start = 0
        with Progress("import", self._source.num_rows, "row") as progress:
            for block in self._source.blocks():
                rows, reasons = unit_rows(block)
                number = np.arange(start, start + len(rows))
                bad = np.array([bool(reason) for reason in reasons], bool)
                any_split = np.logical_or.reduce([m[number] for m in self._wanted.values()])
                for place in np.flatnonzero(bad & any_split):
                    row = start + int(place)
                    self._rejects.append((self._ids[row].decode(), row, reasons[place]))
                if max_rejects is not None and len(self._rejects) > max_rejects:
                    image_id, row, reason = self._rejects[-1]
                    raise UserError(
                        f"{self._source.name}: expected at most {max_rejects} rows to leave out"
                        f" (--max_rejects), found row {row} (image {image_id}): {reason}"
                    )
                self._note_hashes(rows, number, any_split & ~bad)
                for name, mask in self._wanted.items():
                    chosen = mask[number]
                    self._writers[name].add(rows, self._ids[number], chosen, chosen & ~bad)
                start += len(rows)
                progress.update(len(rows))
        if start != self._source.num_rows:
            raise UserError(
                f"{self._source.name}: expected {self._source.num_rows} rows, found {start}"
            )

    def finish(self, meta: Mapping[str, Any]) -> RowsImportResult:
        """Finishes the sets and writes the lists."""
        for name, mask in self._wanted.items():
            if not (mask & self._kept).any():
                image_id, row, reason = min(
                    (reject for reject in self._rejects if mask[reject[1]]),
                    key=lambda reject: reject[1],
                )
                raise UserError(
                    f"{self._source.name}: expected rows{f' of {name}' if name else ''} with a"
                    f" direction, found none; the first row left out is {row} (image {image_id}):"
                    f" {reason}"
                )
        doubles = self._doubles()
        rejects = sorted(self._rejects, key=lambda reject: reject[1])
        csv_files.write(
            files.join(self._output, REJECTS_FILE), ("image_id", "row", "reason"), rejects
        )
        csv_files.write(
            files.join(self._output, DOUBLES_FILE), ("image_id", "row", "equals"), doubles
        )
        sets = {
            name: writer.finish(**meta, **({"split": name} if name else {}))
            for name, writer in self._writers.items()
        }
        return RowsImportResult(sets, rejects, doubles, self._unlisted, self._missing)

    def _note_hashes(
        self, rows: npt.NDArray[np.float32], numbers: np.ndarray, kept: np.ndarray
    ) -> None:
        for place in np.flatnonzero(kept):
            digest = hashlib.blake2b(rows[place].tobytes(), digest_size=8).digest()
            self._hashes[numbers[place]] = int.from_bytes(digest, "little")
        self._kept[numbers] = kept

    def _doubles(self) -> list[tuple[str, int, str]]:
        rows = np.flatnonzero(self._kept)
        first = _first_of_each(self._hashes[rows])
        return [
            (self._ids[rows[place]].decode(), int(rows[place]), self._ids[rows[other]].decode())
            for place, other in enumerate(first.tolist())
            if place != other
        ]


class _PartWriter:
    """Writes one set's rows, part after part.

    Rows are divided into parts by the number of rows before any is left out, so the number of parts
    is known at the start; a part with rows left out is shorter by these. A set that an earlier,
    interrupted import has finished is compared instead, and stays as it is.
    """

    def __init__(self, folder: str, total: int, most: int, dtype: str) -> None:
        finished = files.exists(files.join(folder, INFO_FILE))
        self._finished = EmbeddingSet.open(folder) if finished else None
        self.total = total
        self._folder, self._dtype = folder, dtype
        self._num_parts = max(1, -(-total // most))
        self._bounds = [total * part // self._num_parts for part in range(self._num_parts + 1)]
        self._seen = self._part = 0
        self._rows: list[np.ndarray] = []
        self._held_ids: list[np.ndarray] = []
        self._receipts: list[dict[str, str]] = []

    def add(
        self, rows: np.ndarray, ids: npt.NDArray[np.bytes_], wanted: np.ndarray, kept: np.ndarray
    ) -> None:
        """Takes the kept rows of a block; `wanted` counts the rows for the division into parts."""
        places = np.flatnonzero(wanted)
        while len(places):
            room = self._bounds[self._part + 1] - self._seen
            now, places = places[:room], places[room:]
            good = now[kept[now]]
            self._rows.append(rows[good].astype(self._dtype))
            self._held_ids.append(ids[good])
            self._seen += len(now)
            if self._seen == self._bounds[self._part + 1]:
                self._write()

    def _write(self) -> None:
        rows, ids = np.concatenate(self._rows), np.concatenate(self._held_ids)
        if self._finished is not None:
            self._compare(self._finished, rows, ids)
        else:
            written = embedding_set.write_part(self._folder, self._part, self._num_parts, rows, ids)
            self._receipts.append(written)
        self._rows, self._held_ids = [], []
        self._part += 1

    def finish(self, **meta: Any) -> EmbeddingSet:
        """Finishes the set after all its rows were added."""
        if self._finished is not None:
            if self._finished.meta != meta:
                raise self._refusal()
            return self._finished
        return embedding_set.finish(self._folder, self._num_parts, receipts=self._receipts, **meta)

    def _compare(
        self, finished: EmbeddingSet, rows: np.ndarray, ids: npt.NDArray[np.bytes_]
    ) -> None:
        if finished.num_parts != self._num_parts or finished.generation:
            raise self._refusal()
        known, known_ids = finished.part(self._part)
        same = known.dtype == rows.dtype and np.array_equal(known_ids, ids)
        if not (same and np.array_equal(known, rows)):
            raise self._refusal()

    def _refusal(self) -> UserError:
        return UserError(
            f"{self._folder}: expected a new folder, found an embedding set of other rows; name"
            " another"
        )


def unit_rows(block: np.ndarray) -> tuple[npt.NDArray[np.float32], list[str]]:
    """Rows of length 1, and why a row has no direction.

    Args:
        block: (n, dimension) numbers.

    Returns:
        (n, dimension) float32, zero if there is no direction; n reasons, empty for none.
    """
    exact = block.astype(np.float64)
    finite = np.isfinite(exact).all(axis=1)
    exact[~finite] = 0
    # Divided by the largest value first, so that squares neither overflow nor underflow.
    largest = np.abs(exact).max(axis=1, initial=0)
    good = largest > 0
    lengths = np.ones(len(exact))
    scaled = exact[good] / largest[good, None]
    lengths[good] = np.sqrt(np.einsum("ij,ij->i", scaled, scaled)) * largest[good]
    near = NORM_TOLERANCE / 2 if block.dtype == np.float16 else _ALREADY_UNIT
    lengths[np.abs(lengths - 1) <= near] = 1
    rows = (exact / lengths[:, None]).astype(np.float32)
    reasons = np.where(finite, np.where(good, "", "only zeros"), "NaN or infinity")
    return rows, reasons.tolist()


def _first_of_each(values: np.ndarray) -> npt.NDArray[np.int64]:
    """For each value, the index of the first equal value."""
    _, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    return first[inverse]
