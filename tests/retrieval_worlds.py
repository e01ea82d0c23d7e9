"""Made-up embedding sets: landmarks as clusters, sparse landmark ids, shuffled image ids."""

import dataclasses
from pathlib import Path

import numpy as np

from glrtf.embeddings.embedding_set import finish, write_part
from glrtf.embeddings.rows import normalized


@dataclasses.dataclass
class World:
    """Rows in float64 as they are stored, ids, and where the sets lie.

    Those of train are by ascending id in the 20 parts of the published run, however their set
    is cut.
    """

    folder: Path
    test: np.ndarray
    index: np.ndarray
    train_parts: list
    train_landmarks: np.ndarray
    non_landmark: np.ndarray
    test_ids: np.ndarray
    index_ids: np.ndarray

    def arguments(self, *more):
        splits = {"query": "test", "index": "index", "train": "train", "landmarks": "train.csv"}
        named = [
            text for flag, name in splits.items() for text in (f"--{flag}", str(self.folder / name))
        ]
        return [*named, *map(str, more)]


def make_world(
    folder,
    *,
    test=30,
    index=200,
    train=1500,
    landmarks=60,
    non_landmark=40,
    dimension=16,
    train_parts=20,
    duplicates=0,
    noise=0.5,
    seed=0,
    dtype=np.float32,
):
    """Writes the sets of a random world.

    Args:
        duplicates: How many index and test rows repeat others exactly.
        train_parts: How many parts, or their lengths.
        noise: How far photos lie from their landmark's direction.
    """
    rng = np.random.default_rng(seed)
    numbers = np.sort(rng.choice(10_000_000, size=landmarks, replace=False))
    centres = normalized(rng.normal(size=(landmarks, dimension)))

    def photos(count):
        which = rng.integers(landmarks, size=count)
        rows = centres[which] + noise * rng.normal(size=(count, dimension)) / dimension**0.5
        return which, normalized(rows).astype(dtype)

    train_which, train_rows = photos(train)
    _, test_rows = photos(test)
    _, index_rows = photos(index)
    others = normalized(rng.normal(size=(non_landmark, dimension))).astype(dtype)
    if duplicates:
        index_rows[rng.integers(index, size=duplicates)] = index_rows[0]
        index_rows[rng.integers(index, size=duplicates)] = test_rows[0]
        test_rows[rng.integers(test, size=duplicates // 4)] = test_rows[0]
    many = 100 * (test + index + train)
    ids = np.array([f"{x:016x}" for x in np.random.default_rng(seed).permutation(many)], "S16")
    test_ids, index_ids, train_ids, other_ids = np.split(ids, np.cumsum([test, index, train]))
    folder = Path(folder)
    write(folder / "test", [test_rows], test_ids)
    write(folder / "index", np.array_split(index_rows, 3), index_ids)
    cut = cut_into(train_rows, train_parts)
    write(folder / "train", cut, train_ids)
    write(folder / "non_landmark", [others], other_ids[:non_landmark])
    write_landmarks(folder / "train.csv", train_ids, numbers[train_which])

    by_id = np.argsort(train_ids[:train])
    return World(
        folder=folder,
        test=stored(test_rows),
        index=stored(index_rows),
        train_parts=[stored(part) for part in np.array_split(train_rows[by_id], 20)],
        train_landmarks=numbers[train_which][by_id],
        non_landmark=stored(others),
        test_ids=test_ids,
        index_ids=index_ids,
    )


def stored(rows):
    """Rows as retrieval sees them."""
    return normalized(rows.astype(np.float64))


def cut_into(rows, parts):
    """Rows in that many parts, or in parts of these lengths."""
    if isinstance(parts, int):
        return np.array_split(rows, parts)
    return np.split(rows, np.cumsum(parts)[:-1])


def write_landmarks(path, ids, landmarks):
    """Writes train.csv, in another order than that of the set."""
    lines = [
        f"{one.decode()},http://photos/{one.decode()},{landmark}"
        for one, landmark in zip(ids, landmarks, strict=True)
    ]
    path.write_text("\n".join(["id,url,landmark_id", *lines[::-1]]) + "\n")


def write(folder, parts, ids):
    first = 0
    for part, rows in enumerate(parts):
        write_part(str(folder), part, len(parts), rows, ids[first : first + len(rows)])
        first += len(rows)
    return finish(str(folder), len(parts), model="synthetic")
