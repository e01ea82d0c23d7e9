"""Confidence that an image shows a landmark, from its train neighbours: step 4."""

import dataclasses

import numpy as np
import numpy.typing as npt

from glrtf.embeddings.row_values import values_of
from glrtf.embeddings.rows import RowSource
from glrtf.retrieval.ordering import bits_of_places, sorted_with_places
from tfrecords_tools import labels
from tfrecords_tools.errors import UserError

NO_LANDMARK = -1
_FEWEST_BITS = 24


@dataclasses.dataclass(frozen=True)
class LandmarkConfidences:
    """The landmarks each image keeps.

    Attributes:
        landmarks: (images, keep) int64 landmark ids, best first, ties by
            ascending id; -1 if an image has fewer.
        confidences: (images, keep) float64; -inf where an image has fewer.
    """

    landmarks: npt.NDArray[np.int64]
    confidences: npt.NDArray[np.float64]


def read_landmarks(path: str, train: RowSource) -> npt.NDArray[np.int64]:
    """Reads the landmark of every train row.

    Args:
        path: train.csv (id, url, landmark_id) or train_clean.csv (landmark_id,
            images separated by spaces).
        train: The train images.

    Returns:
        (train rows,) int64, 0 or more.

    Raises:
        UserError: On missing columns, a landmark that is not a number, or a train image without
            landmark or with several.
    """
    landmarks, found = values_of(
        path, train.ids, labels.image_landmarks(path), np.int64, "landmark"
    )
    if not found.all():
        missing = train.ids[~found]
        raise UserError(
            f"{path}: expected the landmark of every image of {train.name}, found none for "
            f"{len(missing)} of them, the first {missing[0].decode()}; give the CSV the train "
            "set was made from"
        )
    return landmarks


def landmark_confidences(
    codes: npt.NDArray[np.int64],
    distances: npt.NDArray[np.float64],
    known: npt.NDArray[np.int64],
    *,
    per_landmark: int,
    best_bonus: float,
    keep: int,
    mean: bool = False,
) -> LandmarkConfidences:
    """C(q, l) = Σ (1 - d') over q's nearest neighbours of landmark l.

    Args:
        codes: (images, k) int64, the neighbours' landmarks as places in
            `known`, -1 for none.
        distances: (images, k) float64, their penalised distances d'.
        known: Landmark ids, ascending.
        per_landmark: How many neighbours of a landmark count, the nearest.
        best_bonus: Added to an image's best landmark.
        keep: How many landmarks an image keeps.
        mean: Whether to average instead of to sum.

    Returns:
        The kept landmarks of every image.
    """
    missing = codes < 0
    if missing.any():
        # After all landmarks, so that they form a separate group.
        codes = np.where(missing, len(known), codes)
        distances = np.where(missing, 0, distances)
    grouped, nearest = group_by_code(codes, distances, len(known) + 1)
    confidences = _sum_of_groups(grouped, np.subtract(1, nearest, out=nearest), per_landmark, mean)
    if missing.any():
        confidences[grouped == len(known)] = -np.inf
    return _keep_best(np.append(known, NO_LANDMARK), grouped, confidences, best_bonus, keep)


def group_by_code(
    codes: npt.NDArray[np.int64], distances: npt.NDArray[np.float64], num_codes: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Orders each row by code, then distance.

    Code, rounded distance and position are packed into one integer, since
    sorting integers is many times as fast as a lexicographic sort. If rounding left a row out of
    order, it is sorted the slow way.

    Args:
        codes: (rows, k) int64 in 0..num_codes-1.
        distances: (rows, k) float64, finite for all codes that matter.
        num_codes: Number of codes.

    Returns:
        (rows, k) codes and distances, reordered.
    """
    rows, width = codes.shape
    bits = 62 - bits_of_places(width) - num_codes.bit_length()
    low, high = distances.min(initial=0), distances.max(initial=0)
    if bits < _FEWEST_BITS or not np.isfinite(high):
        return _group_slowly(codes, distances)
    # Integers up to 2**bits.
    scaled = distances - low
    scaled *= 2.0**bits / (high - low) if high > low else 0.0
    keys = scaled.astype(np.int64)
    keys += codes << (bits + 1)
    keys, places = sorted_with_places(keys)
    places += np.arange(0, rows * width, width)[:, None]
    nearest = distances.reshape(-1).take(places)
    keys >>= bits + 1
    wrong = nearest[:, 1:] < nearest[:, :-1]
    wrong &= keys[:, 1:] == keys[:, :-1]
    if wrong.any():
        again = wrong.any(axis=1)
        keys[again], nearest[again] = _group_slowly(codes[again], distances[again])
    return keys, nearest


def _group_slowly(
    codes: npt.NDArray[np.int64], distances: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    order = np.lexsort((distances, codes), axis=1)
    return np.take_along_axis(codes, order, axis=1), np.take_along_axis(distances, order, axis=1)


def _sum_of_groups(
    grouped: npt.NDArray[np.int64],
    values: npt.NDArray[np.float64],
    per_landmark: int,
    mean: bool,
) -> npt.NDArray[np.float64]:
    """Sums the first values of each run of equal landmarks, at the run's first place.

    Elsewhere -inf.
    """
    same = grouped[:, 1:] == grouped[:, :-1]
    most = min(per_landmark, values.shape[1])
    sums = values.copy() if most > 2 else values
    counts = np.ones(values.shape, np.int64) if mean else None
    for step in range(1, most):
        alike = same if step == 1 else grouped[:, step:] == grouped[:, :-step]
        sums[:, :-step] += values[:, step:] * alike
        if counts is not None:
            counts[:, :-step] += alike
    if counts is not None:
        sums /= counts
    np.copyto(sums[:, 1:], -np.inf, where=same)
    return sums


def _keep_best(
    known: npt.NDArray[np.int64],
    grouped: npt.NDArray[np.int64],
    confidences: npt.NDArray[np.float64],
    best_bonus: float,
    keep: int,
) -> LandmarkConfidences:
    images = len(grouped)
    landmarks = np.full((images, keep), NO_LANDMARK, np.int64)
    kept = np.full((images, keep), -np.inf)
    every = np.arange(images)
    # argmax takes the first of equal values: landmarks are in ascending order.
    for place in range(min(keep, confidences.shape[1])):
        column = confidences.argmax(axis=1)
        kept[:, place] = confidences[every, column]
        landmarks[:, place] = known[grouped[every, column]]
        confidences[every, column] = -np.inf
    landmarks[np.isneginf(kept)] = NO_LANDMARK
    kept[:, 0] += best_bonus
    return LandmarkConfidences(landmarks, kept)
