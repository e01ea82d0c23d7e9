"""Made-up rows, neighbours and image ids for the retrieval's benchmarks."""

import numpy as np

from glrtf.retrieval.neighbors import Neighbors, release


def unit_rows(count: int, dimension: int, rng: np.random.Generator) -> np.ndarray:
    """Isotropic unit rows, float32."""
    rows = rng.standard_normal((count, dimension), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def made_up(
    queries: int, index: int, train: int, k: int, num_landmarks: int, folder: str
) -> tuple[np.ndarray, np.ndarray, Neighbors, Neighbors]:
    """Random neighbours in which each image sees its own landmark now and then."""
    rng = np.random.default_rng(0)
    known = np.sort(rng.choice(10**7, num_landmarks, replace=False))
    codes = np.sort(rng.integers(num_landmarks, size=train))
    starts = np.searchsorted(codes, np.arange(num_landmarks))
    images = queries + index
    indices = np.lib.format.open_memmap(f"{folder}/i.npy", "w+", np.int64, (images, k))
    scores = np.lib.format.open_memmap(f"{folder}/s.npy", "w+", np.float64, (images, k))
    for start in range(0, images, 4096):
        count = min(4096, images - start)
        own = starts[rng.integers(num_landmarks, size=count)][:, None]
        near = np.minimum(own + rng.integers(0, 20, size=(count, k)), train - 1)
        anything = rng.integers(train, size=(count, k))
        indices[start : start + count] = np.where(rng.random((count, k)) < 0.15, near, anything)
        release(Neighbors(indices, scores))
        scores[start : start + count] = -np.sort(-rng.random((count, k)), axis=1) * 0.6 + 0.3
    direct = Neighbors(
        np.stack([rng.permutation(min(index, 5000))[:100] for _ in range(queries)]),
        -np.sort(-rng.random((queries, 100)), axis=1),
    )
    return known, codes, Neighbors(indices, scores), direct


def image_ids(count: int) -> np.ndarray:
    """Shuffled image ids."""
    return np.array([f"{x:016x}" for x in np.random.default_rng(1).permutation(count)], "S16")
