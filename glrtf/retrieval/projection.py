"""A cheap first pass: products of a few directions, and a bound on all the rest.

With a d × r matrix V whose largest singular value is at most 1,
⟨a, b⟩ = ⟨Vᵀa, Vᵀb⟩ + aᵀ(I - VVᵀ)b, and by Cauchy–Schwarz in that second form,
which is positive, the rest is at most R(a)·R(b), R(a)² = ‖a‖² - ‖Vᵀa‖². So

    ⟨a, b⟩ ≤ ⟨(Vᵀa, R(a)), (Vᵀb, R(b))⟩,

one product of r + 1 columns in place of d. Where the rows' energy lies in few
directions most rows stay below what their query already has, and are done.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from glrtf.embedding_rows import FLOAT32_UNIT

_SHRUNK = 1 - 2.0**-12
"""V is shortened by this, so that rounding never lifts a singular value above 1."""
_PAIR_COST = 120.0
"""A pair multiplied alone costs this many times what it costs within a product."""
_MOST_DIRECTIONS = 256
WORTHWHILE = 0.6
"""The share of the full product's time that a first pass may be expected to take."""
_SCAN_COST = 0.05
"""The share of a full product's time that looking through the bounds takes."""


@dataclasses.dataclass(frozen=True)
class Projection:
    """Directions that hold most of the rows' energy.

    Attributes:
        directions: (dimension, r) float32, V.
    """

    directions: npt.NDArray[np.float32]

    @property
    def error(self) -> float:
        """How far rounding can push a bound below the true product, at most.

        Each of the r projections is off by γ_d at most, each product of them
        by γ_(r+1); the squares below the root count with both.
        """
        dimension, rank = self.directions.shape
        gamma = (dimension + 8) * FLOAT32_UNIT * 1.01
        return 2.02 * rank**0.5 * gamma + (rank + 9) * FLOAT32_UNIT

    def extended(self, rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(Vᵀa, R(a)) of each row, R rounded up: (n, dimension) in, (n, r + 1) float32 out."""
        dimension, rank = self.directions.shape
        result = np.empty((len(rows), rank + 1), np.float32)
        np.matmul(rows, self.directions, out=result[:, :rank])
        whole = np.einsum("ij,ij->i", rows, rows)
        held = np.einsum("ij,ij->i", result[:, :rank], result[:, :rank])
        gamma = np.float32((dimension + 8) * FLOAT32_UNIT * 1.05)
        rounding = gamma * np.float32(2 * rank**0.5 + 2)
        result[:, rank] = np.sqrt(np.maximum(whole - held, 0) + rounding) * np.float32(1 + 1e-6)
        return result


def main_directions(sample: npt.NDArray[np.float32], rank: int, seed: int = 0) -> Projection:
    """The directions that hold most of a sample's energy, the greatest first.

    Any directions give a true bound; these give a tight one (randomized
    subspace iteration, Halko et al., arXiv 0909.4061, algorithms 4.4 and 5.1).

    Args:
        sample: (n, dimension) float32 rows, n at least `rank`.
        rank: How many directions, at most `dimension`.
        seed: Of the random start.
    """
    start = np.random.default_rng(seed).standard_normal((sample.shape[1], rank), dtype=np.float32)
    basis, _ = np.linalg.qr(sample.T @ (sample @ start))
    held = sample @ basis
    _, turn = np.linalg.eigh(held.T @ held)
    return Projection(((basis @ turn[:, ::-1]) * np.float32(_SHRUNK)).astype(np.float32))


def sample_scores(
    queries: npt.NDArray[np.float32], sample: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Products of some of the queries with a sample of rows: (some, n) float32."""
    return _some(queries) @ sample.T


def sample_floors(
    scores: npt.NDArray[np.float32], k: int, num_rows: int
) -> npt.NDArray[np.float32]:
    """(some,) what the k-th best of all rows scores, as a sample of them tells."""
    num_sampled = scores.shape[1]
    place = min(num_sampled - 1, max(1, round(k * num_sampled / num_rows)))
    return -np.partition(-scores, place - 1, axis=1)[:, place - 1]


def choose(
    queries: npt.NDArray[np.float32],
    sample: npt.NDArray[np.float32],
    scores: npt.NDArray[np.float32],
    floors: npt.NDArray[np.float32],
    most: float = WORTHWHILE,
) -> Projection | None:
    """Decides from a sample whether a first pass pays, and with how many directions.

    Args:
        queries: (m, dimension) float32, all the queries that will be asked at once.
        sample: (n, dimension) float32 rows taken evenly from the database.
        scores: What `sample_scores` makes of them.
        floors: What `sample_floors` makes of those.
        most: The share of the full product's time that it may take.

    Returns:
        The projection of least expected cost, or None where that is not below `most`.
    """
    dimension = sample.shape[1]
    asked = _some(queries)
    largest = min(_MOST_DIRECTIONS, dimension // 4, len(sample) // 4)
    # The r greatest of eigenvalues λ sum to at most √(r·Σλ²), and Σλ² is the mean squared product:
    # where even that leaves more than most floors, no directions can help.
    if 1 - np.sqrt(largest * np.mean(np.square(scores))) > np.median(floors):
        return None
    widest = main_directions(sample, largest)
    best, least = None, most
    for rank in (largest // 8, largest // 4, largest // 2, largest):
        if rank == 0:
            continue
        tried = Projection(np.ascontiguousarray(widest.directions[:, :rank]))
        bounds = tried.extended(asked) @ tried.extended(sample).T + tried.error
        passing = float((bounds >= floors[:, None]).mean())
        cost = rank / dimension + rank / len(queries) + _SCAN_COST + _PAIR_COST * passing
        if cost < least:
            best, least = tried, cost
    return best


def _some(queries: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return queries[:: max(1, len(queries) // 128)]
