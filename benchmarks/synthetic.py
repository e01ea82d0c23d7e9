"""Synthetic rows, neighbours, image ids and photos for the benchmarks."""

import io

import numpy as np

from glrtf.retrieval.search.neighbors import Neighbors, release

_AT_ONCE = 4096


def photos(count: int) -> list[bytes]:
    """JPEG files of 800 x 600 pixels, about 150 KB each."""
    from PIL import Image

    result = []
    for seed in range(count):
        generator = np.random.default_rng(seed)
        coarse = generator.integers(0, 256, (75, 100, 3), dtype=np.uint8)
        soft = np.asarray(Image.fromarray(coarse).resize((800, 600), Image.Resampling.BICUBIC))
        grainy = np.clip(soft + generator.integers(-10, 11, soft.shape), 0, 255)
        buffer = io.BytesIO()
        Image.fromarray(grainy.astype(np.uint8)).save(buffer, "JPEG", quality=86)
        result.append(buffer.getvalue())
    return result


def unit_rows(count: int, dimension: int, rng: np.random.Generator) -> np.ndarray:
    """Random isotropic unit rows, float32."""
    rows = rng.standard_normal((count, dimension), dtype=np.float32)
    for start in range(0, count, _AT_ONCE):
        chunk = rows[start : start + _AT_ONCE]
        chunk /= np.linalg.norm(chunk, axis=1, keepdims=True)
    return rows


def isotropic(
    counts: tuple[int, int], dimension: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Isotropic queries and rows."""
    return unit_rows(counts[0], dimension, rng), unit_rows(counts[1], dimension, rng)


def clustered(
    counts: tuple[int, int],
    dimension: int,
    rng: np.random.Generator,
    num_centres: int = 2000,
    spread: float = 0.6,
) -> tuple[np.ndarray, np.ndarray]:
    """Queries and rows around centres.

    Args:
        counts: How many of each.
        dimension: Of the rows.
        rng: What draws them.
        num_centres: How many centres.
        spread: Length of a row's offset from its centre, relative to 1.
    """
    centres = unit_rows(num_centres, dimension, rng) * np.float32((1 - spread**2) ** 0.5)
    both = []
    for count in counts:
        rows = unit_rows(count, dimension, rng)
        # In place and in chunks: a benchmark's rows fill much of the memory.
        for start in range(0, count, _AT_ONCE):
            chunk = rows[start : start + _AT_ONCE]
            chunk *= np.float32(spread)
            chunk += centres[rng.integers(num_centres, size=len(chunk))]
            chunk /= np.linalg.norm(chunk, axis=1, keepdims=True)
        both.append(rows)
    return both[0], both[1]


def descriptors(
    counts: tuple[int, int], dimension: int, rng: np.random.Generator, num_landmarks: int = 2000
) -> tuple[np.ndarray, np.ndarray]:
    """Queries and rows that vary as descriptors of landmark photos do.

    Of EfficientNet-Lite0's rows of 703 photos of 27 landmarks, 0.36 of the squared length was the
    mean, 0.31 the landmark's distance from it and 0.34 the photo's from its landmark. The variances
    in the i-th direction fell as i^-0.6 among landmarks and as i^-0.95 within them.

    Args:
        counts: How many of each.
        dimension: Of the rows.
        rng: What draws them.
        num_landmarks: How many landmarks.
    """
    turns = [np.linalg.qr(unit_rows(dimension, dimension, rng))[0] for _ in range(2)]
    scales = []
    for share, slope, turn in zip((0.31, 0.34), (-0.6, -0.95), turns, strict=True):
        variances = np.arange(1, dimension + 1.0) ** slope
        deviations = np.sqrt(share * variances / variances.sum()).astype(np.float32)
        scales.append(deviations[:, None] * turn)
    centres = rng.standard_normal((num_landmarks, dimension), np.float32) @ scales[0]
    centres += np.float32(0.36**0.5) * unit_rows(1, dimension, rng)
    both = []
    for count in counts:
        rows = np.empty((count, dimension), np.float32)
        for start in range(0, count, _AT_ONCE):
            chunk = rows[start : start + _AT_ONCE]
            np.matmul(rng.standard_normal(chunk.shape, np.float32), scales[1], out=chunk)
            chunk += centres[rng.integers(num_landmarks, size=len(chunk))]
            chunk /= np.linalg.norm(chunk, axis=1, keepdims=True)
        both.append(rows)
    return both[0], both[1]


ROWS_OF = {
    "descriptors": descriptors,
    "isotropic": isotropic,
    "clustered": clustered,
    "large_clusters": lambda counts, dimension, rng: clustered(counts, dimension, rng, 200),
}
"""Makers of queries and rows: (counts, dimension, generator) to float32 unit rows."""


def neighbours(
    queries: int, index: int, train: int, k: int, num_landmarks: int, folder: str
) -> tuple[np.ndarray, np.ndarray, Neighbors, Neighbors]:
    """Random neighbours, some of which show the image's own landmark."""
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
