"""A map of embeddings: every photo is a point, and similar photos are close to each other."""

import dataclasses
import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from glrtf.evaluation.solutions import RetrievalSolution
from tfrecords_tools.errors import UserError

FEWEST_POINTS = 5
_COMPONENTS = 50
_SIDE = 1000


@dataclasses.dataclass(frozen=True)
class EmbeddingMap:
    """Points on a square.

    Attributes:
        method: How they were arranged: ``t-SNE`` or ``PCA``.
        ids: The photos.
        is_query: (n,) bool; the others are index photos.
        group: (n,) int64; photos of one landmark share a number, -1 for none.
        places: (n, 2) int64, in 0..1000.
    """

    method: str
    ids: Sequence[str]
    is_query: np.ndarray
    group: np.ndarray
    places: np.ndarray

    def as_json(self) -> dict[str, Any]:
        """The map as the page's script reads it: columns of equal length."""
        return {
            "ids": list(self.ids),
            "query": self.is_query.astype(int).tolist(),
            "group": self.group.tolist(),
            "x": self.places[:, 0].tolist(),
            "y": self.places[:, 1].tolist(),
        }


def landmark_groups(solution: RetrievalSolution) -> dict[str, int]:
    """A number for each landmark, given to its queries and its index images."""
    numbers: dict[frozenset[str], int] = {}
    groups: dict[str, int] = {}
    for query_id, relevant in solution.relevant.items():
        number = numbers.setdefault(relevant, len(numbers))
        groups[query_id] = number
        for image_id in relevant:
            groups.setdefault(image_id, number)
    return groups


def choose_points(
    query_ids: Collection[str],
    index_ids: Collection[str],
    groups: Mapping[str, int],
    most: int,
) -> tuple[list[str], list[str]]:
    """Queries and index images for a map of bounded size, stably.

    At most half of the points are queries; index images that are right for some query take
    precedence.
    """
    queries = sorted(query_ids, key=_hash)[: most // 2]
    wanted = {groups[query_id] for query_id in queries if query_id in groups}
    index = sorted(index_ids, key=lambda i: (groups.get(i, -1) not in wanted, _hash(i)))
    return queries, index[: most - len(queries)]


def place(rows: np.ndarray, method: str, seed: int = 0) -> tuple[str, np.ndarray]:
    """Places rows on a square.

    Args:
        rows: (n, dimension) float, n at least `FEWEST_POINTS`.
        method: ``tsne`` (van der Maaten and Hinton, 2008, after PCA to 50
            dimensions), ``pca``, or ``auto``: the first where scikit-learn is
            installed.
        seed: Equal seeds give equal places.

    Returns:
        The method's name, and (n, 2) int64 places in 0..1000.

    Raises:
        UserError: If t-SNE is wanted and scikit-learn is not installed.
    """
    components = _principal_components(rows, _COMPONENTS)
    if method == "pca":
        return "PCA", _on_square(components[:, :2])
    try:
        import threadpoolctl
        from sklearn.manifold import TSNE
    except ImportError:
        if method == "tsne":
            raise UserError(
                "--map tsne needs scikit-learn, which is not installed: pip install scikit-learn"
            ) from None
        return "PCA", _on_square(components[:, :2])
    perplexity = min(30.0, (len(rows) - 1) / 3)
    tsne = TSNE(init="pca", perplexity=perplexity, random_state=seed)
    # On a busy machine, threads that wait for each other take ten times as long as one thread.
    with threadpoolctl.threadpool_limits(1):
        return "t-SNE", _on_square(tsne.fit_transform(components))


def _principal_components(rows: np.ndarray, most: int) -> np.ndarray:
    centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    left, singular, axes = np.linalg.svd(centred, full_matrices=False)
    # The sign of an axis is arbitrary: let its largest entry be positive.
    largest = np.abs(axes).argmax(axis=1)
    signs = np.where(axes[np.arange(len(axes)), largest] < 0, -1.0, 1.0)
    result = left * singular * signs
    missing = max(0, 2 - result.shape[1])
    return np.pad(result, ((0, 0), (0, missing)))[:, :most]


def _on_square(places: np.ndarray) -> np.ndarray:
    low = places.min(axis=0)
    span = np.maximum(places.max(axis=0) - low, 1e-12)
    return ((places - low) / span * _SIDE).round().astype(np.int64)


def _hash(image_id: str) -> str:
    return hashlib.sha256(image_id.encode()).hexdigest()
