"""Embedding sets: folders of L2-normalised rows with their image ids.

A set is cut into parts. Each part is `embeddings-00000-of-00004.npy` (float32
or float16, one row an image) next to `ids-00000-of-00004.npy` (S16, or as wide
as its longest id), both read
through memory maps; `embedding_set.json`, written last, says what they hold. Rows are added and
removed by `glrtf.embeddings.versions`, which leaves these files as they are.
Several sets over the same images, one a model, join by image id into wider
rows: see `glrtf.embeddings.rows`.
"""

import dataclasses
import functools
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from glrtf.embeddings import digests as embedding_digests
from glrtf.embeddings import part_files as arrays
from glrtf.embeddings import part_writer
from glrtf.embeddings.digests import Verify
from glrtf.embeddings.info import CHANGED_VERSION, INFO_FILE, digest_of, read_info
from glrtf.embeddings.part_writer import FLOATS, KINDS, part_file, write_part
from glrtf.embeddings.set_parts import RowGroup, SetPart, parts_of
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files, open_files
from tfrecords_tools.storage.local_copies import listed

__all__ = ["KINDS", "EmbeddingSet", "finish", "part_file", "write_part"]


@dataclasses.dataclass(frozen=True)
class EmbeddingSet:
    """A finished embedding set on disk.

    Attributes:
        folder: Its path.
        part_lengths: The number of rows of each part.
        dimension: The length of a row.
        dtype: float32 or float16, as stored.
        meta: What `finish` recorded about the rows: model, size, tta, …
        digest: SHA-256 over the parts' own digests.
        parts: Their files, and which of the rows there count.
        generation: How often the set was changed since it was made.
    """

    folder: str
    part_lengths: tuple[int, ...]
    dimension: int
    dtype: np.dtype
    meta: dict[str, Any]
    digest: str
    parts: tuple[SetPart, ...]
    generation: int = 0

    @classmethod
    def open(cls, folder: str | os.PathLike[str], verify: Verify = "once") -> "EmbeddingSet":
        """Opens a set and checks that its files are what its JSON says.

        Headers, shapes, ids and digests are compared; rows are checked again as they are read.

        Args:
            folder: The set.
            verify: ``once`` does not read files again that were compared with their digests
                before and are unchanged; ``always`` compares all. See `embedding_digests`.

        Raises:
            UserError: On a missing, truncated, pickled, malformed or changed file, a
                set without its JSON, or an id that occurs twice.
        """
        folder = os.fspath(folder)
        info = read_info(folder)
        parts = parts_of(info)
        opened = cls(
            folder=folder,
            part_lengths=tuple(part.num_rows for part in parts),
            dimension=info["dimension"],
            dtype=FLOATS[info["dtype"]],
            meta=dict(info["meta"]),
            digest=digest_of(info),
            parts=parts,
            generation=info.get("generation", 0),
        )
        with listed(folder):
            for part in range(opened.num_parts):
                opened._stored(part)
            arrays.refuse_duplicates(folder, opened.ids)
            opened.verify(verify)
        return opened

    @property
    def name(self) -> str:
        """The set's name in messages: its folder."""
        return self.folder

    @property
    def rounding(self) -> float:
        """How far `read` is from `gather`: nothing, as float32 holds what is stored."""
        return 0.0

    @property
    def num_parts(self) -> int:
        """How many parts the set is cut into."""
        return len(self.part_lengths)

    @property
    def num_rows(self) -> int:
        """How many rows the set has, all parts together."""
        return sum(self.part_lengths)

    @functools.cached_property
    def ids(self) -> npt.NDArray[np.bytes_]:
        """All image ids, (num_rows,) S dtype, part after part."""
        # Copied, so that no map stays open.
        ids = [
            np.array(part.taken(self._load(number, "ids")))
            for number, part in enumerate(self.parts)
        ]
        return np.concatenate(ids) if ids else np.empty(0, arrays.ID_DTYPE)

    def part(self, part: int) -> tuple[np.ndarray, npt.NDArray[np.bytes_]]:
        """A part's rows and its ids, read-only memory maps, or copies where rows were removed.

        Returns:
            (rows, dimension) of the stored dtype, not checked for NaN; (rows,) S dtype.
        """
        rows, ids = self._stored(part)
        return self.parts[part].taken(rows), self.parts[part].taken(ids)

    def _stored(self, part: int) -> tuple[np.ndarray, npt.NDArray[np.bytes_]]:
        """A part's files, checked: all rows and ids, also those that were removed."""
        rows, ids = self._load(part, "embeddings"), self._load(part, "ids")
        length = self.parts[part].stored_rows
        arrays.expect_array(
            self._path(part, "embeddings"), rows, self.dtype, (length, self.dimension)
        )
        arrays.expect_ids(self._path(part, "ids"), ids, length)
        return rows, ids

    @property
    def groups(self) -> tuple[RowGroup, ...]:
        """Which rows of which files the set has, so that what is known of them can be found."""
        return tuple(part.group for part in self.parts)

    def read(self, part: int, start: int, stop: int) -> npt.NDArray[np.float32]:
        """Rows start..stop of a part, float32 (stop - start, dimension).

        Raises:
            UserError: On a row that is not finite or not of length 1.
        """
        length = len(range(start, min(stop, self.part_lengths[part])))
        rows = np.empty((length, self.dimension), np.float32)
        self.read_into(rows, part, start)
        return rows

    def read_into(
        self, target: npt.NDArray[np.float32], part: int, start: int
    ) -> npt.NDArray[np.float32]:
        """Reads the rows from `start` on into an array, as many as it has room for.

        Args:
            target: (rows, dimension) float32, written to.
            part: Which part.
            start: The first row wanted.

        Returns:
            (rows,) float32, their squared lengths.

        Raises:
            UserError: On a row that is not finite or not of length 1.
        """
        target[:] = self.parts[part].taken(self._rows(part), start, start + len(target))
        first = sum(self.part_lengths[:part]) + start
        numbers = range(first, first + len(target))
        return arrays.checked_squares(self.folder, target, self.ids[first:], numbers)

    def take(self, rows: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
        """Any rows by their number in the whole set, float32 (len(rows), dimension).

        Raises:
            UserError: On a row that is not finite or not of length 1.
        """
        taken = np.empty((len(rows), self.dimension), np.float32)
        for part, places, local in arrays.places_by_part(rows, self.part_lengths):
            taken[places] = self._rows(part)[self.parts[part].stored(local)]
        arrays.checked_squares(self.folder, taken, self.ids[rows], rows)
        return taken

    def gather(self, part: int, rows: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
        """Any rows of a part as stored, float64 (len(rows), dimension)."""
        return self._rows(part)[self.parts[part].stored(rows)].astype(np.float64)

    def hold(self) -> None:
        """Maps all rows, so that they can be read when a later version has deleted their files."""
        for part in range(self.num_parts):
            self._rows(part)

    def verify(self, verify: Verify = "always") -> None:
        """Compares the set's files with their digests.

        Args:
            verify: ``always`` reads every file; ``once`` those not compared before.

        Raises:
            UserError: Naming the first file that has changed.
        """
        embedding_digests.compare(self.folder, self._digests(), verify)

    @property
    def file_digests(self) -> dict[str, str]:
        """Name -> SHA-256 of every file of the set but its description."""
        return {os.path.relpath(path, self.folder): one for path, one in self._digests().items()}

    def _digests(self) -> dict[str, str]:
        """Path -> SHA-256 of every file of the set, as its JSON says."""
        return {
            self._path(number, kind): part.digests[kind]
            for number, part in enumerate(self.parts)
            for kind in KINDS
        }

    def __getstate__(self) -> dict[str, Any]:
        """The pickled state: memory maps are reopened in the other process."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @functools.cached_property
    def _memory_maps(self) -> dict[int, np.ndarray]:
        open_files.announce(self.num_parts)
        return {}

    def _rows(self, part: int) -> np.ndarray:
        if part not in self._memory_maps:
            self._memory_maps[part] = self._stored(part)[0]
        return self._memory_maps[part]

    def _path(self, part: int, kind: str) -> str:
        return files.join(self.folder, f"{kind}-{self.parts[part].stem}.npy")

    @functools.cached_property
    def _copies(self) -> dict[str, str]:
        """Where the files are that were checked: for gs:// the copies of those versions."""
        return {}

    def _load(self, part: int, kind: str) -> np.ndarray:
        path = self._path(part, kind)
        copy = self._copies.get(path)
        if copy is None or not os.path.exists(copy):
            copy = self._copies[path] = arrays.copy_of(path)
        return arrays.load_array(path, copy)


def finish(
    folder: str,
    num_parts: int,
    *,
    receipts: Sequence[Mapping[str, str]] | None = None,
    **meta: Any,
) -> EmbeddingSet:
    """Writes the JSON that makes a folder of parts an embedding set.

    Args:
        folder: The folder `write_part` has filled.
        num_parts: How many parts it must hold.
        receipts: embeddings_sha256 and ids_sha256 of each part as it was written; None
            uses the files as they are.
        **meta: Facts about the rows, JSON values: model, size, tta, …

    Returns:
        The set, opened.

    Raises:
        UserError: If a part is missing or is not what its receipt says, parts of another cut
            are left over, or parts disagree in dimension or dtype.
    """
    refuse_changed(folder)
    part_writer.refuse_other_parts(folder, num_parts)
    with listed(folder):
        described = part_writer.describe(folder, num_parts, receipts)
        files.write_json(files.join(folder, INFO_FILE), {**described, "meta": meta})
        return EmbeddingSet.open(folder)


def refuse_changed(folder: str) -> None:
    """Raises a `UserError` if a folder holds a set that was changed since it was made.

    Making it again would undo what was added and removed.
    """
    if not files.exists(files.join(folder, INFO_FILE)):
        return
    if read_info(folder)["schema_version"] == CHANGED_VERSION:
        raise UserError(
            f"{folder}: expected a new folder, found an embedding set that `glrtf index add` or"
            " `glrtf index remove` has changed; choose another output, or remove the folder"
        )
