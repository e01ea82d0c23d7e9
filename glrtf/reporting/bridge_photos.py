"""The train photos of a bridge: those most similar to the query, and to the hit."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from glrtf.embeddings.rows_by_id import RowsById
from glrtf.reporting.gallery import QueryView

SHOWN = 3

Bridge = tuple[str, int]


def bridges_of(views: Sequence[QueryView]) -> tuple[set[Bridge], set[Bridge]]:
    """The pairs of image and landmark at either end of every bridge shown.

    Returns:
        Those of queries, and those of index images.
    """
    queries: set[Bridge] = set()
    index: set[Bridge] = set()
    for view in views:
        for image in view.images:
            if image.landmark_id is not None:
                queries.add((view.query_id, image.landmark_id))
                index.add((image.image_id, image.landmark_id))
    return queries, index


def nearest_train_photos(
    pairs: Collection[Bridge],
    images: RowsById,
    train: RowsById,
    train_ids: Mapping[int, Sequence[str]],
    most: int = SHOWN,
) -> dict[Bridge, list[str]]:
    """For images, the most similar train photos of a landmark.

    Args:
        pairs: Images and landmarks.
        images: The images' embeddings.
        train: The train photos' embeddings.
        train_ids: For each landmark its train photos.
        most: How many are returned for a pair.

    Returns:
        For each pair its train photos, the most similar first, ties by id.
    """
    by_landmark: dict[int, list[str]] = {}
    for image_id, landmark_id in sorted(pairs):
        by_landmark.setdefault(landmark_id, []).append(image_id)
    nearest: dict[Bridge, list[str]] = {}
    for landmark_id, image_ids in by_landmark.items():
        photos = train.known(sorted(train_ids.get(landmark_id, ())))
        image_ids = images.known(image_ids)
        if not photos or not image_ids:
            continue
        scores = images.rows(image_ids) @ train.rows(photos).T
        order = np.argsort(-scores, axis=1, kind="stable")[:, :most]
        for image_id, chosen in zip(image_ids, order, strict=True):
            nearest[image_id, landmark_id] = [photos[place] for place in chosen]
    return nearest
