"""Diffusion on the graph of nearest neighbours (Iscen et al., arXiv 1611.05113).

Similarity spreads from a query's neighbours along mutual neighbours:
f = (I - α·S)⁻¹ y, solved by conjugate gradient, for many queries at once.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from glrtf.retrieval.search.neighbors import NO_ROW, Neighbors

_TOLERANCE = 1e-10


@dataclasses.dataclass(frozen=True)
class Graph:
    """The normalised affinities S = D^-½·A·D^-½ of index images, in padded rows.

    Attributes:
        neighbors: (images, k) int64, each row's neighbours; anything where the affinity is 0.
        affinities: (images, k) float64, symmetric: both directions of a pair are equal.
    """

    neighbors: npt.NDArray[np.int64]
    affinities: npt.NDArray[np.float64]

    def spread(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """S·values: (images, n) in and out."""
        result = np.zeros_like(values)
        for column in range(self.neighbors.shape[1]):
            near = self.neighbors[:, column]
            result += self.affinities[:, column, None] * values[near]
        return result


def mutual_graph(neighbors: Neighbors, gamma: float) -> Graph:
    """Connects images that are among each other's nearest, by s^γ.

    Args:
        neighbors: The index images' nearest among themselves.
        gamma: The power of similarities; negative ones count 0.
    """
    indices = neighbors.indices
    images = np.arange(len(indices))[:, None]
    valid = (indices != NO_ROW) & (indices != images)
    near = np.where(valid, indices, 0)
    forth, back = images * len(indices) + near, near * len(indices) + images
    mutual = valid & np.isin(forth, back[valid])
    affinities = np.where(
        mutual, np.clip(np.where(valid, neighbors.scores, 0), 0, None) ** gamma, 0
    )
    degrees = affinities.sum(axis=1)
    scale = np.divide(1, np.sqrt(degrees), out=np.zeros_like(degrees), where=degrees > 0)
    return Graph(near, affinities * scale[:, None] * scale[near])


def sources(neighbors: Neighbors, images: int, gamma: float) -> npt.NDArray[np.float64]:
    """Where diffusion starts: s^γ at each query's nearest index images.

    Returns:
        (images, queries) float64.
    """
    result = np.zeros((images, len(neighbors.indices)))
    queries, places = np.nonzero(neighbors.indices != NO_ROW)
    strength = np.clip(neighbors.scores[queries, places], 0, None) ** gamma
    result[neighbors.indices[queries, places], queries] = strength
    return result


def diffuse(
    graph: Graph, starts: npt.NDArray[np.float64], alpha: float, steps: int
) -> npt.NDArray[np.float64]:
    """Solves (I - α·S) f = y by conjugate gradient, each column separately.

    Args:
        graph: S.
        starts: (images, queries) float64, y.
        alpha: How far similarity spreads, in [0, 1).
        steps: The largest number of steps; it stops when all residuals are below 1e-10 of y.

    Returns:
        (images, queries) float64, f.
    """
    solution = np.zeros_like(starts)
    residual = starts.copy()
    direction = residual.copy()
    energy = (residual**2).sum(axis=0)
    enough = energy * _TOLERANCE**2
    for _ in range(steps):
        if (energy <= enough).all():
            break
        image = direction - alpha * graph.spread(direction)
        step = _ratio(energy, (direction * image).sum(axis=0))
        solution += step * direction
        residual -= step * image
        fresh = (residual**2).sum(axis=0)
        direction = residual + _ratio(fresh, energy) * direction
        energy = fresh
    return solution


def _ratio(
    above: npt.NDArray[np.float64], below: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)
