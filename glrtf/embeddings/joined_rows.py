"""Sets of several models over the same images, joined to wider rows.

Joining concatenates the rows of the models, each multiplied by its vote, and normalises:
L2(vote_1·row_1, vote_2·row_2, …).
"""

import hashlib
import json
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from glrtf.embeddings import part_files as arrays
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.embeddings.rows import FLOAT32_UNIT, gather_rows, normalized
from glrtf.embeddings.set_parts import RowGroup
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files

_NAMED_IN_MESSAGES = 3
# Of 2560 numbers in float32: 2.6 MB, which stay in the cache from reading to normalising.
_ROWS_IN_CACHE = 128


class JoinedRows:
    """Several sets over the same images, matched by id; cut as the first one is.

    Make it with `join`. One set alone is normalised once more, in float64, so
    that float16 storage does not show in the rows' lengths.
    """

    def __init__(self, sets: Sequence[EmbeddingSet], votes: Sequence[float]) -> None:
        self._sets = tuple(sets)
        self._votes = tuple(float(vote) for vote in votes)
        self._orders = [_order_of(self._sets[0], other) for other in self._sets]
        self.name = " + ".join(one.folder for one in self._sets)
        self.part_lengths = self._sets[0].part_lengths
        self.dimension = sum(one.dimension for one in self._sets)
        self.ids = self._sets[0].ids
        # The float32 sum of squares with votes, its root, the product and the quotient.
        self.rounding = (self.dimension + 12) * FLOAT32_UNIT

    @property
    def sets(self) -> tuple[EmbeddingSet, ...]:
        """The sets that are joined."""
        return self._sets

    @property
    def digest(self) -> str:
        """SHA-256 over the sets' digests and their votes."""
        content = json.dumps([[one.digest for one in self._sets], self._votes])
        return hashlib.sha256(content.encode()).hexdigest()

    @property
    def groups(self) -> tuple[RowGroup, ...]:
        """The sets' groups, joined; none where the sets' files hold the rows in other orders."""
        if any(order is not None for order in self._orders):
            return ()
        joined = []
        for of_part in zip(*(one.groups for one in self._sets), strict=True):
            places = of_part[0].places
            if not all(np.array_equal(places, group.places) for group in of_part):
                return ()
            keys = [group.key for group in of_part]
            joined.append(RowGroup(files.json_digest(["joined", keys, self._votes]), places))
        return tuple(joined)

    def read(self, part: int, start: int, stop: int) -> npt.NDArray[np.float32]:
        """Rows start..stop of a part, joined, float32 (stop - start, dimension)."""
        length = len(range(start, min(stop, self.part_lengths[part])))
        joined = np.empty((length, self.dimension), np.float32)
        for begin in range(0, length, _ROWS_IN_CACHE):
            self._read_into(joined[begin : begin + _ROWS_IN_CACHE], part, start + begin)
        return joined

    def _read_into(self, joined: npt.NDArray[np.float32], part: int, start: int) -> None:
        """Reads rows from `start` on, each set's into its columns, and normalises them."""
        first = sum(self.part_lengths[:part]) + start
        squares = np.zeros(len(joined), np.float32)
        column = 0
        for one, vote, order in zip(self._sets, self._votes, self._orders, strict=True):
            block = joined[:, column : column + one.dimension]
            column += one.dimension
            if order is None:
                found = one.read_into(block, part, start)
            else:
                wanted = order[first : first + len(joined)]
                block[:] = gather_rows(one, wanted)
                found = arrays.checked_squares(one.folder, block, one.ids[wanted], wanted)
            squares += found * np.float32(vote * vote)
            if vote != 1:
                block *= np.float32(vote)
        joined /= np.sqrt(squares)[:, None]

    def take(self, rows: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
        """Any rows by their number in the first set, joined, float32 (len(rows), dimension).

        Raises:
            UserError: On a row that is not finite or not of length 1.
        """
        blocks: list[npt.NDArray[np.float32]] = []
        squares = np.zeros(len(rows), np.float32)
        for one, vote, order in zip(self._sets, self._votes, self._orders, strict=True):
            block = one.take(rows if order is None else order[rows])
            squares += np.einsum("ij,ij->i", block, block) * np.float32(vote * vote)
            blocks.append(block if vote == 1 else block * np.float32(vote))
        joined: npt.NDArray[np.float32] = np.concatenate(blocks, axis=1)
        joined /= np.sqrt(squares)[:, None]
        return joined

    def gather(self, part: int, rows: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
        """Any rows of a part, joined, float64 (len(rows), dimension)."""
        first = sum(self.part_lengths[:part])
        blocks = [
            vote * gather_rows(one, first + rows if order is None else order[first + rows])
            for one, vote, order in zip(self._sets, self._votes, self._orders, strict=True)
        ]
        return normalized(np.concatenate(blocks, axis=1))


def join(sets: Sequence[EmbeddingSet], votes: Sequence[float] | None = None) -> JoinedRows:
    """Joins the sets that several models made of the same images.

    Args:
        sets: At least one; the first one's parts and order hold.
        votes: How much each set counts, positive; None counts them alike.

    Returns:
        The joined rows, computed as they are read.

    Raises:
        UserError: If the votes are not one positive number a set, or if a set
            lacks ids of the first or has others.
    """
    votes = [1.0] * len(sets) if votes is None or len(votes) == 0 else list(votes)
    if len(votes) != len(sets) or not all(0 < vote < float("inf") for vote in votes):
        folders = ", ".join(one.folder for one in sets)
        raise UserError(
            f"--votes: expected one positive number for each of {folders}, found {list(votes)}"
        )
    return JoinedRows(sets, votes)


def _order_of(first: EmbeddingSet, other: EmbeddingSet) -> npt.NDArray[np.int64] | None:
    """For each row of the first set the other's row of the same image.

    None if both are cut and ordered alike.
    """
    if other is first:
        return None
    if other.part_lengths == first.part_lengths and np.array_equal(other.ids, first.ids):
        return None
    missing = np.setdiff1d(first.ids, other.ids)
    extra = np.setdiff1d(other.ids, first.ids)
    if len(missing) or len(extra):
        raise UserError(
            f"{other.folder}: expected the image ids of {first.folder}, found "
            f"{_counted(missing)} missing and {_counted(extra)} extra; embed the same images"
        )
    ordered = np.argsort(other.ids)
    return ordered[np.searchsorted(other.ids, first.ids, sorter=ordered)]


def _counted(ids: npt.NDArray[np.bytes_]) -> str:
    named = [one.decode(errors="replace") for one in ids[:_NAMED_IN_MESSAGES]]
    more = ", …" if len(ids) > _NAMED_IN_MESSAGES else ""
    return f"{len(ids)} ids ({', '.join(named)}{more})" if named else "no ids"
