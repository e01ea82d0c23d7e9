"""Train photos that support an image's landmarks."""

import numpy as np
import numpy.typing as npt

from glrtf.retrieval.bridging.landmark_confidence import NO_LANDMARK
from glrtf.retrieval.search.neighbors import NO_ROW, Neighbors


def supporting_rows(
    near: Neighbors,
    landmarks_of_near: npt.NDArray[np.int64],
    kept: npt.NDArray[np.int64],
    most: int,
) -> npt.NDArray[np.int64]:
    """The nearest train rows of each landmark that images keep.

    Args:
        near: The images' nearest train rows.
        landmarks_of_near: (images, k) int64, what they show; -1 for none.
        kept: (images, keep) int64, the landmarks kept; -1 for none.
        most: Number of rows wanted for a landmark.

    Returns:
        (images, keep, most) int64 train rows, the nearest first; -1 if there are fewer.
    """
    images, keep = kept.shape
    rows = np.full((images, keep, most), NO_ROW, np.int64)
    wanted = min(most, near.k)
    for place in range(keep):
        landmark = kept[:, place, None]
        matches = (landmarks_of_near == landmark) & (landmark != NO_LANDMARK)
        # A stable sort puts the matches first and leaves them in order.
        order = np.argsort(~matches, axis=1, kind="stable")[:, :wanted]
        found = np.take_along_axis(near.indices, order, axis=1)
        valid = np.take_along_axis(matches, order, axis=1)
        rows[:, place, :wanted] = np.where(valid, found, NO_ROW)
    return rows
