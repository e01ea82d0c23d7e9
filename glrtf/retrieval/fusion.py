"""Direct and bridged confidence make one ranking: steps 7 and 8."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from glrtf.retrieval.bridge import Bridges
from glrtf.retrieval.landmarks import NO_LANDMARK
from glrtf.retrieval.neighbors import NO_ROW, Neighbors


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
    bridges_of_direct: tuple[
        npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.int64]
    ],
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
        bridges_of_direct: Their best bridges, as `bridge.bridges_of_pairs` gives them.
        bridges: The queries' best bridged images; they must reach `limit` + k
            deep, since k of them may be among the neighbours.
        id_ranks: (images,) int64, each index image's place by ascending id.
        divisor: B = min(C(q, l), C(i, l)) / divisor.
        direct_power: The exponent of D.
        bridge_power: The exponent of B.
        surest_first: Whether C(i, l) goes before image id among equals.
        limit: How many images are ranked.
    """
    pool = _pooled(neighbors, direct, bridges_of_direct, bridges, divisor)
    final = _power(pool.direct, direct_power) + _power(pool.bridged, bridge_power)
    keys = [id_ranks[pool.images], -pool.own, -pool.bridged, -final, pool.queries]
    if not surest_first:
        # An image's bridges stay in order of sureness behind its id.
        keys[:2] = [-pool.own, id_ranks[pool.images]]
    order = np.lexsort((pool.landmarks, *keys))
    return _ranked(pool.take(order), final[order], neighbors, limit)


def _pooled(
    neighbors: Neighbors,
    direct: npt.NDArray[np.float64],
    bridges_of_direct: tuple[
        npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.int64]
    ],
    bridges: Bridges,
    divisor: float,
) -> _Pool:
    rows, places = np.nonzero(neighbors.indices != NO_ROW)
    best, own, landmarks = (values[rows, places] for values in bridges_of_direct)
    best = np.where(landmarks == NO_LANDMARK, 0, best / divisor)
    return _Pool(
        queries=np.concatenate([rows, bridges.queries]),
        images=np.concatenate([neighbors.indices[rows, places], bridges.images]),
        direct=np.concatenate([direct[rows, places], np.zeros(len(bridges.images))]),
        bridged=np.concatenate([best, bridges.confidences / divisor]),
        own=np.concatenate([own, bridges.own]),
        landmarks=np.concatenate([landmarks, bridges.landmarks]),
    )


def _power(values: npt.NDArray[np.float64], exponent: float) -> npt.NDArray[np.float64]:
    """Raises to a power, the sign kept for odd and fractional ones alike."""
    return np.sign(values) * np.abs(values) ** exponent


def _ranked(
    pool: _Pool, final: npt.NDArray[np.float64], neighbors: Neighbors, limit: int
) -> Ranking:
    """Keeps each image's first entry and each query's first `limit` images."""
    pairs = pool.queries * (int(pool.images.max(initial=0)) + 1) + pool.images
    _, first = np.unique(pairs, return_index=True)
    first.sort()
    pool, final = pool.take(first), final[first]
    queries = len(neighbors.indices)
    counts = np.bincount(pool.queries, minlength=queries)
    places = np.arange(len(pool.queries)) - np.repeat(np.cumsum(counts) - counts, counts)
    shown = places < limit
    where = pool.queries[shown], places[shown]
    result = Ranking(
        images=np.full((queries, limit), NO_ROW, np.int64),
        final=np.zeros((queries, limit)),
        direct=np.zeros((queries, limit)),
        bridged=np.zeros((queries, limit)),
        landmarks=np.full((queries, limit), NO_LANDMARK, np.int64),
    )
    result.images[where] = pool.images[shown]
    result.final[where] = final[shown]
    result.direct[where] = pool.direct[shown]
    result.bridged[where] = pool.bridged[shown]
    result.landmarks[where] = pool.landmarks[shown]
    return result
