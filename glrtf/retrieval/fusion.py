"""Direct and bridged confidence make one ranking: steps 7 and 8."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from glrtf.retrieval.bridge import Bridges
from glrtf.retrieval.landmarks import NO_LANDMARK
from glrtf.retrieval.neighbors import NO_ROW, Neighbors
from glrtf.retrieval.ordering import descending_in_groups, places_in_groups, stable_order


@dataclasses.dataclass(frozen=True)
class Ranking:
    """The ranked index images of some queries and what speaks for them.

    Attributes:
        images: (queries, limit) int64 index rows, best first; -1 beyond the last.
        final: (queries, limit) float64, F; 0 beyond the last.
        direct: (queries, limit) float64, D; 0 where there is none.
        bridged: (queries, limit) float64, B; 0 where there is none.
        landmarks: (queries, limit) int64, the bridging landmark; -1 for none.
    """

    images: npt.NDArray[np.int64]
    final: npt.NDArray[np.float64]
    direct: npt.NDArray[np.float64]
    bridged: npt.NDArray[np.float64]
    landmarks: npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class _Pool:
    """Candidates of all queries, one entry a place in any list."""

    queries: npt.NDArray[np.int64]
    images: npt.NDArray[np.int64]
    direct: npt.NDArray[np.float64]
    bridged: npt.NDArray[np.float64]
    own: npt.NDArray[np.float64]
    landmarks: npt.NDArray[np.int64]

    def take(self, order: npt.NDArray) -> "_Pool":
        return _Pool(*(getattr(self, field.name)[order] for field in dataclasses.fields(self)))


def concatenated(blocks: Sequence[Ranking]) -> Ranking:
    """The rankings of several blocks of queries as one."""
    names = [field.name for field in dataclasses.fields(Ranking)]
    return Ranking(*(np.concatenate([getattr(one, name) for one in blocks]) for name in names))


def fuse(
    neighbors: Neighbors,
    direct: npt.NDArray[np.float64],
    bridges_of_direct: Bridges,
    bridges: Bridges,
    id_ranks: npt.NDArray[np.int64],
    *,
    divisor: float,
    direct_power: float,
    bridge_power: float,
    surest_first: bool,
    limit: int,
) -> Ranking:
    """F = D^p + B^p; ordered by F, then B, then image id.

    Args:
        neighbors: Each query's nearest index images.
        direct: (queries, k) float64, their direct confidences.
        bridges_of_direct: Their bridges, as `bridge.bridges_of_pairs` gives them.
        bridges: The queries' best bridged images; they must reach `limit` + k
            deep, since k of them may be among the neighbours.
        id_ranks: (images,) int64, each index image's place by ascending id.
        divisor: B = min(C(q, l), C(i, l)) / divisor.
        direct_power: The exponent of D.
        bridge_power: The exponent of B.
        surest_first: Whether C(i, l) goes before image id among equals.
        limit: How many images are ranked.
    """
    pool = _merged(_pooled(neighbors, direct, [bridges_of_direct, bridges]), id_ranks)
    bridged = np.where(pool.landmarks == NO_LANDMARK, 0, pool.bridged / divisor)
    final = _power(pool.direct, direct_power) + _power(bridged, bridge_power)
    if surest_first:
        surest = descending_in_groups(pool.queries, pool.own)
        pool, bridged, final = pool.take(surest), bridged[surest], final[surest]
    order = descending_in_groups(pool.queries, final, bridged)
    return _ranked(pool, final, bridged, order, len(neighbors.indices), limit)


def _pooled(
    neighbors: Neighbors, direct: npt.NDArray[np.float64], several: Sequence[Bridges]
) -> _Pool:
    rows, places = np.nonzero(neighbors.indices != NO_ROW)
    nothing = np.full(len(rows), -np.inf)
    bridged = sum(len(bridges.queries) for bridges in several)
    return _Pool(
        queries=np.concatenate([rows, *(bridges.queries for bridges in several)]),
        images=np.concatenate(
            [neighbors.indices[rows, places], *(bridges.images for bridges in several)]
        ),
        direct=np.concatenate([direct[rows, places], np.zeros(bridged)]),
        bridged=np.concatenate([nothing, *(bridges.confidences for bridges in several)]),
        own=np.concatenate([nothing, *(bridges.own for bridges in several)]),
        landmarks=np.concatenate(
            [
                np.full(len(rows), NO_LANDMARK, np.int64),
                *(bridges.landmarks for bridges in several),
            ]
        ),
    )


def _merged(pool: _Pool, id_ranks: npt.NDArray[np.int64]) -> _Pool:
    """One entry a pair, by query, then image id.

    Of several bridges the surest stands, then that of the greater C(i, l), then that of the
    smaller landmark id.
    """
    pairs = pool.queries * len(id_ranks) + id_ranks[pool.images]
    order = stable_order(pairs)
    starts = np.flatnonzero(np.diff(pairs[order], prepend=-1))
    merged = pool.take(order[starts])
    counts = np.diff(starts, append=len(pairs))
    # Nearly all pairs come once; only the others are compared with one another.
    again = np.flatnonzero(counts > 1)
    if len(again):
        _merge_several(pool, order, starts[again], counts[again], merged, again)
    return merged


def _merge_several(
    pool: _Pool,
    order: npt.NDArray[np.int64],
    starts: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
    merged: _Pool,
    where: npt.NDArray[np.int64],
) -> None:
    """Fills in the merged entries of pairs that come several times."""
    first = np.cumsum(counts) - counts
    pair_of = np.repeat(np.arange(len(counts)), counts)
    several = pool.take(order[np.arange(len(pair_of)) + (starts - first)[pair_of]])
    bridged = np.maximum.reduceat(several.bridged, first)
    stands = several.bridged == bridged[pair_of]
    own = np.maximum.reduceat(np.where(stands, several.own, -np.inf), first)
    stands &= several.own == own[pair_of]
    last = np.iinfo(np.int64).max
    merged.direct[where] = np.maximum.reduceat(several.direct, first)
    merged.bridged[where], merged.own[where] = bridged, own
    merged.landmarks[where] = np.minimum.reduceat(np.where(stands, several.landmarks, last), first)


def _power(values: npt.NDArray[np.float64], exponent: float) -> npt.NDArray[np.float64]:
    """Raises to a power, the sign kept for odd and fractional ones alike; 0 stays 0."""
    raised = np.zeros(len(values))
    # Half of them are 0: an image is seldom both near and bridged.
    some = np.flatnonzero(values != 0)
    values = values[some]
    raised[some] = np.copysign(np.abs(values) ** exponent, values)
    return raised


def _ranked(
    pool: _Pool,
    final: npt.NDArray[np.float64],
    bridged: npt.NDArray[np.float64],
    order: npt.NDArray[np.int64],
    queries: int,
    limit: int,
) -> Ranking:
    """Each query's first `limit` entries in the order given."""
    asked = pool.queries[order]
    places = places_in_groups(asked, queries)
    shown = places < limit
    where, entries = asked[shown] * limit + places[shown], order[shown]

    def table(values: npt.NDArray, nothing: float) -> npt.NDArray:
        result = np.full((queries, limit), nothing, values.dtype)
        result.reshape(-1)[where] = values[entries]
        return result

    return Ranking(
        images=table(pool.images, NO_ROW),
        final=table(final, 0),
        direct=table(pool.direct, 0),
        bridged=table(bridged, 0),
        landmarks=table(pool.landmarks, NO_LANDMARK),
    )
