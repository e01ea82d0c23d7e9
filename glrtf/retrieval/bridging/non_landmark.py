"""The similarity of a train image to non-landmarks: step 3.

Train images that resemble non-landmark photos (food, faces, forests) are close to everything; the
similarity increases their distance.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from glrtf.embeddings.row_values import values_of
from glrtf.embeddings.rows import RowSource
from glrtf.retrieval.search.neighbors import Neighbors
from tfrecords_tools import csv_rows
from tfrecords_tools.errors import UserError


def confidences(neighbors: Neighbors) -> npt.NDArray[np.float64]:
    """Mean similarity to the nearest non-landmark images.

    Args:
        neighbors: Each train image's nearest non-landmark images, fewer than
            wanted if there are fewer.

    Returns:
        (num_queries,) float64, in [-1, 1].
    """
    valid = neighbors.indices >= 0
    return np.where(valid, neighbors.scores, 0).sum(axis=1) / valid.sum(axis=1)


def penalized_distances(
    similarities: npt.NDArray[np.float64],
    non_landmark: npt.NDArray[np.float64],
    weight: float,
) -> npt.NDArray[np.float64]:
    """The distance d' = |1 - s| - weight·(1 - n): low is better.

    Args:
        similarities: s of an image and its train neighbours, any shape.
        non_landmark: n of those neighbours, same shape; 1 changes nothing.
        weight: Weight of the similarity to non-landmark images.
    """
    return np.abs(1 - similarities) - weight * (1 - non_landmark)


def read_scores(path: str, train: RowSource) -> npt.NDArray[np.float64]:
    """Reads non-landmark confidences of train images computed elsewhere.

    Args:
        path: CSV with the columns id and non_landmark_confidence.
        train: The train images.

    Returns:
        (train rows,) float64.

    Raises:
        UserError: On missing columns, a value that is not a number, or a train image without a
            value.
    """
    scores, found = values_of(path, train.ids, _scores_by_id(path), np.float64)
    if not found.all():
        missing = train.ids[~found]
        raise UserError(
            f"{path}: expected a line for every image of {train.name}, found none for "
            f"{len(missing)} of them, the first {missing[0].decode()}"
        )
    return scores


def _scores_by_id(path: str) -> Iterator[tuple[int, str, float]]:
    for line, (image_id, text) in csv_rows.read_rows(path, ("id", "non_landmark_confidence")):
        value = csv_rows.real_number(text)
        if not np.isfinite(value):
            raise UserError(
                f"{path}:{line}: expected a number as non_landmark_confidence, found {text[:40]!r}"
            )
        yield line, image_id, value


def rows_without_landmark(solution: str, images: RowSource) -> npt.NDArray[np.int64]:
    """The rows of the images that a recognition solution lists without landmark.

    Args:
        solution: recognition_solution CSV: id,landmarks,Usage.
        images: The images to choose from, usually the test set.

    Returns:
        Rows counted over all parts, ascending.

    Raises:
        UserError: On missing columns, or when no image is left.
    """
    lines = csv_rows.read_rows(solution, ("id", "landmarks"))
    empty = {image_id.encode() for _, (image_id, landmarks) in lines if not landmarks}
    rows = np.array([row for row, one in enumerate(images.ids.tolist()) if one in empty], np.int64)
    if len(rows) == 0:
        raise UserError(
            f"{solution}: expected images of {images.name} with empty landmarks, found none; "
            "leave --non_landmark_solution out to rank without non-landmark images"
        )
    return rows
