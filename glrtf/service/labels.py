"""Looks up the landmarks and names of photos by id."""

import numpy as np
import numpy.typing as npt

from glrtf.data.photo_folders import LIST_NAME
from glrtf.embeddings.row_values import values_of
from glrtf.retrieval.bridging.landmark_confidence import NO_LANDMARK
from tfrecords_tools import csv_rows, labels
from tfrecords_tools.storage import files


def landmarks_of(path: str, ids: npt.NDArray[np.bytes_]) -> npt.NDArray[np.int64]:
    """The landmarks of photos; unlike train photos, some may have none.

    Args:
        path: CSV id,landmark_id or landmark_id,images; empty for none.
        ids: (photos,) S dtype.

    Returns:
        (photos,) int64; -1 for photos that are not in the file.

    Raises:
        UserError: On missing columns or a landmark that is not a number.
    """
    if not path:
        return np.full(len(ids), NO_LANDMARK, np.int64)
    landmarks, found = values_of(path, ids, labels.image_landmarks(path), np.int64)
    landmarks[~found] = NO_LANDMARK
    return landmarks


def names_of_photos(folder: str) -> dict[str, str]:
    """The paths of photos by image id, if a set was embedded from a folder of photos.

    Args:
        folder: The embedding set.
    """
    path = files.join(folder, LIST_NAME)
    columns = ("image_id", "path")
    if not files.exists(path) or not set(columns) <= set(csv_rows.read_header(path)):
        return {}
    return {image_id: name for _, (image_id, name) in csv_rows.read_rows(path, columns)}
