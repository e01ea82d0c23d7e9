"""The candidates of some queries in one array of integers, a row for each query."""

import numpy as np
import numpy.typing as npt

from glrtf.retrieval.ordering import ranges
from glrtf.retrieval.search.packed_candidates import NOTHING, front


class CandidateTable:
    """Keys as `packed_candidates.packed` makes them: a query's own in front, `NOTHING` behind them.

    Args:
        num_queries: Number of queries.
        room: For how many candidates of each there is room at first.

    Attributes:
        counts: (num_queries,) int64, how many candidates each query has.
    """

    def __init__(self, num_queries: int, room: int) -> None:
        self._keys = np.full((num_queries, room), NOTHING)
        self.counts = np.zeros(num_queries, np.int64)

    @property
    def keys(self) -> npt.NDArray[np.int64]:
        """(num_queries, most candidates of a query) int64, a view."""
        return self._keys[:, : int(self.counts.max(initial=0))]

    def has_room(self, more: npt.NDArray[np.int64]) -> bool:
        """Whether that many more for each query, (num_queries,), fit in."""
        return bool((self.counts + more <= self._keys.shape[1]).all())

    def make_room(self, more: npt.NDArray[np.int64]) -> None:
        """Widens the table until that many more for each query fit in."""
        width = self._keys.shape[1]
        room = int((self.counts + more).max(initial=0))
        # Half as much again, so that the next tiles do not each need a little more.
        wanted = room + room // 2 if room > width // 2 else room
        if wanted > width:
            behind = ((0, 0), (0, wanted - width))
            self._keys = np.pad(self._keys, behind, constant_values=NOTHING)

    def put(
        self,
        keys: npt.NDArray[np.int64],
        counts: npt.NDArray[np.int64],
    ) -> None:
        """Inserts candidates, for which there is room.

        Args:
            keys: (n,) candidates, by ascending query.
            counts: (num_queries,) how many of them each query has.
        """
        next_places = np.arange(len(counts)) * self._keys.shape[1] + self.counts
        self._keys.reshape(-1)[ranges(next_places, counts)[0]] = keys
        self.counts += counts

    def keep(self, k: int, last: npt.NDArray[np.int64] | None) -> None:
        """Drops all but each query's first k and, behind them, those up to its last key.

        Args:
            k: That many stay, whatever they are.
            last: (num_queries, 1) int64; None drops all behind the first k.
        """
        behind = self.keys[:, k:]
        if last is None:
            counts = np.zeros_like(self.counts)
            behind[:] = NOTHING
        else:
            moved, counts = front(behind, last)
            behind[:] = NOTHING
            behind[:, : moved.shape[1]] = moved
        np.minimum(self.counts, k + counts, out=self.counts)

    def replace(self, queries: npt.NDArray[np.int64], keys: npt.NDArray[np.int64]) -> None:
        """Gives some queries, (n,), other candidates, (n, any number), and no more than those."""
        self._keys[queries] = NOTHING
        self._keys[queries, : keys.shape[1]] = keys
        self.counts[queries] = keys.shape[1]
