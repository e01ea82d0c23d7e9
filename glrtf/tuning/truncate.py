"""The result of a search for a smaller k, taken from that for a larger one."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from glrtf.retrieval.search.neighbors import NO_ROW, Neighbors

_QUERIES_AT_ONCE = 1024


def truncate(wide: Neighbors, per_part: int, part_lengths: Sequence[int]) -> Neighbors:
    """The nearest neighbours of each part, from a search for more neighbours per part.

    Args:
        wide: Neighbours from a search for at least `per_part` per part.
        per_part: How many neighbours per part are wanted.
        part_lengths: The database's parts.

    Returns:
        (num_queries, per_part × parts) neighbours, equal to those of a search for that many.
    """
    width = per_part * len(part_lengths)
    indices = np.full((len(wide.indices), width), NO_ROW, np.int64)
    scores = np.full(indices.shape, -np.inf)
    for start in range(0, len(indices), _QUERIES_AT_ONCE):
        block = slice(start, start + _QUERIES_AT_ONCE)
        found = np.asarray(wide.indices[block])
        kept = _first_of_each_part(found, per_part, part_lengths)
        # The kept ones move to the front in unchanged order.
        order = np.argsort(~kept, axis=1, kind="stable")[:, :width]
        valid = np.take_along_axis(kept, order, axis=1)
        near = np.take_along_axis(found, order, axis=1)
        near_scores = np.take_along_axis(np.asarray(wide.scores[block]), order, axis=1)
        indices[block, : near.shape[1]] = np.where(valid, near, NO_ROW)
        scores[block, : near.shape[1]] = np.where(valid, near_scores, -np.inf)
    return Neighbors(indices, scores)


def _first_of_each_part(
    indices: npt.NDArray[np.int64], per_part: int, part_lengths: Sequence[int]
) -> npt.NDArray[np.bool_]:
    parts = np.searchsorted(np.cumsum(part_lengths), indices, side="right")
    parts[indices == NO_ROW] = NO_ROW
    kept = np.zeros(indices.shape, bool)
    for part in range(len(part_lengths)):
        here = parts == part
        kept |= here & (np.cumsum(here, axis=1) <= per_part)
    return kept
