"""Combines direct and bridged confidence into a ranking: steps 7 and 8."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from glrtf.retrieval.bridging.bridge import Bridges
from glrtf.retrieval.bridging.landmark_confidence import NO_LANDMARK
from glrtf.retrieval.ordering import descending_in_groups, first_of_each, ranges, stable_order
from glrtf.retrieval.search.neighbors import NO_ROW, Neighbors


@dataclasses.dataclass(frozen=True)
class Ranking:
    """The ranked index images of some queries with the evidence for each.

    Attributes:
        images: (queries, limit) int64 index rows, best first; -1 beyond the last.
        final: (queries, limit) float64, F; 0 beyond the last.
        direct: (queries, limit) float64, D; 0 if not among the nearest.
        bridged: (queries, limit) float64, B; 0 without a bridge.
        landmarks: (queries, limit) int64, the bridging landmark; -1 for none.
    """

    images: npt.NDArray[np.int64]
    final: npt.NDArray[np.float64]
    direct: npt.NDArray[np.float64]
    bridged: npt.NDArray[np.float64]
    landmarks: npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class _Pool:
    """Candidates of all queries, one entry per position in any list, the neighbours first."""

    queries: npt.NDArray[np.int64]
    images: npt.NDArray[np.int64]
    direct: npt.NDArray[np.float64]
    similarities: npt.NDArray[np.float64]
    bridged: npt.NDArray[np.float64]
    own: npt.NDArray[np.float64]
    landmarks: npt.NDArray[np.int64]


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
    confident_first: bool,
    limit: int,
    by_similarity: bool = False,
) -> Ranking:
    """F = D^p + B^p; ordered by F, then B, then image id.

    Args:
        neighbors: Each query's nearest index images.
        direct: (queries, k) float64, their direct confidences.
        bridges_of_direct: Their bridges, as `bridge.bridges_of_pairs` returns them.
        bridges: The queries' best bridged images; they must reach `limit` + k
            deep, since k of them may be among the neighbours.
        id_ranks: (images,) int64, each index image's place by ascending id.
        divisor: B = min(C(q, l), C(i, l)) / divisor.
        direct_power: The exponent of D.
        bridge_power: The exponent of B.
        confident_first: Whether ties are broken by C(i, l) before image id.
        limit: How many images are ranked.
        by_similarity: Whether ties are broken by the neighbours' similarity, at most 1, in place
            of B; for rankings without bridges.
    """
    pool = _pooled(neighbors, direct, [bridges_of_direct, bridges])
    first = _merge(pool, id_ranks)
    bridged = np.where(pool.landmarks == NO_LANDMARK, 0, pool.bridged / divisor)
    final = _power(pool.direct, direct_power) + _power(bridged, bridge_power)
    # Sorted by query, and they stay so.
    queries = pool.queries.take(first)
    if confident_first:
        first = first.take(descending_in_groups(queries, pool.own.take(first)))
    second = pool.similarities if by_similarity else bridged
    best = first.take(descending_in_groups(queries, final.take(first), second.take(first)))
    return _ranked(pool, final, bridged, queries, best, len(neighbors.indices), limit)


def _pooled(
    neighbors: Neighbors, direct: npt.NDArray[np.float64], several: Sequence[Bridges]
) -> _Pool:
    near = neighbors.indices.reshape(-1)
    places = np.flatnonzero(near != NO_ROW)
    nothing = np.full(len(places), -np.inf)
    bridged = sum(len(bridges.queries) for bridges in several)
    return _Pool(
        queries=np.concatenate(
            [places // max(neighbors.k, 1), *(bridges.queries for bridges in several)]
        ),
        images=np.concatenate([near.take(places), *(bridges.images for bridges in several)]),
        direct=np.concatenate([direct.reshape(-1).take(places), np.zeros(bridged)]),
        similarities=np.concatenate(
            # Above 1 there is nothing but rounding.
            [np.minimum(neighbors.scores.reshape(-1).take(places), 1), np.full(bridged, -np.inf)]
        ),
        bridged=np.concatenate([nothing, *(bridges.confidences for bridges in several)]),
        own=np.concatenate([nothing, *(bridges.own for bridges in several)]),
        landmarks=np.concatenate(
            [
                np.full(len(places), NO_LANDMARK, np.int64),
                *(bridges.landmarks for bridges in several),
            ]
        ),
    )


def _merge(pool: _Pool, id_ranks: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Merges all entries of a pair into one.

    Of several bridges the one with the highest confidence is kept; ties go to the larger
    C(i, l), then to the smaller landmark id.

    Returns:
        (pairs,) int64 that entry of each pair, by query, then image id.
    """
    pairs = pool.queries * len(id_ranks)
    pairs += id_ranks.take(pool.images)
    order = stable_order(pairs)
    starts = first_of_each(pairs.take(order))
    first = order.take(starts)
    counts = np.diff(starts, append=len(pairs))
    # Nearly all pairs occur once; only the others need comparing.
    again = np.flatnonzero(counts > 1)
    if len(again):
        _merge_several(pool, order, starts[again], counts[again])
    return first


def _merge_several(
    pool: _Pool,
    order: npt.NDArray[np.int64],
    starts: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
) -> None:
    """Merges the entries of pairs that occur several times into the first entry of each."""
    begins = np.cumsum(counts) - counts
    places, pair_of = ranges(starts, counts)
    entries = order[places]
    bridges, owns = pool.bridged[entries], pool.own[entries]
    bridged = np.maximum.reduceat(bridges, begins)
    stands = bridges == bridged[pair_of]
    own = np.maximum.reduceat(np.where(stands, owns, -np.inf), begins)
    stands &= owns == own[pair_of]
    landmarks = np.where(stands, pool.landmarks[entries], np.iinfo(np.int64).max)
    first = entries[begins]
    pool.direct[first] = np.maximum.reduceat(pool.direct[entries], begins)
    pool.bridged[first], pool.own[first] = bridged, own
    pool.landmarks[first] = np.minimum.reduceat(landmarks, begins)


def _power(values: npt.NDArray[np.float64], exponent: float) -> npt.NDArray[np.float64]:
    """Raises to a power, the sign kept for odd and fractional ones alike; 0 stays 0."""
    raised = np.zeros(len(values))
    # Half of them are 0: an image is rarely both near and bridged.
    nonzero = np.flatnonzero(values != 0)
    values = values.take(nonzero)
    if values.min(initial=0) < 0:
        raised[nonzero] = np.copysign(np.abs(values) ** exponent, values)
    else:
        raised[nonzero] = values**exponent
    return raised


def _ranked(
    pool: _Pool,
    final: npt.NDArray[np.float64],
    bridged: npt.NDArray[np.float64],
    queries: npt.NDArray[np.int64],
    best: npt.NDArray[np.int64],
    num_queries: int,
    limit: int,
) -> Ranking:
    """Each query's first `limit` entries.

    Args:
        pool: All entries.
        final: (entries,) F.
        bridged: (entries,) B.
        queries: (pairs,) ascending.
        best: (pairs,) entries, those of a query together and the best first.
        num_queries: Number of queries.
        limit: How many images are ranked.
    """
    bounds = np.searchsorted(queries, np.arange(num_queries + 1))
    places = bounds[:-1, None] + np.arange(limit)
    beyond = places >= bounds[1:, None]
    # One extra entry, so that a query without entries can be indexed.
    entries = np.append(best, -1).take(places, mode="clip")
    some_beyond = beyond.any()

    def table(values: npt.NDArray, nothing: float) -> npt.NDArray:
        if not len(values):
            return np.full(places.shape, nothing, values.dtype)
        shown = values.take(entries, mode="wrap")
        if some_beyond:
            shown[beyond] = nothing
        return shown

    return Ranking(
        images=table(pool.images, NO_ROW),
        final=table(final, 0),
        direct=table(pool.direct, 0),
        bridged=table(bridged, 0),
        landmarks=table(pool.landmarks, NO_LANDMARK),
    )
