"""One answer from those for several photos of one object."""

from collections.abc import Sequence

from glrtf.service.answers import Answer, LandmarkFound, PhotoFound


def best_of(answers: Sequence[Answer], limit: int) -> Answer:
    """Every index photo and every landmark with its best score (maximum of the scores, CombMAX).

    Exact: a photo that is among the first `limit` by its best score is among the first `limit` of
    the answer that gives it this score.

    Args:
        answers: Those for the photos, each with its first `limit` index photos.
        limit: How many index photos to keep.

    Returns:
        The best first, of equals that of the earlier photo. There are as many landmarks as in the
        longest answer.
    """
    photos: dict[str, PhotoFound] = {}
    landmarks: dict[int, LandmarkFound] = {}
    for answer in answers:
        for found in answer.photos:
            if found.image_id not in photos or found.final > photos[found.image_id].final:
                photos[found.image_id] = found
        for mark in answer.landmarks:
            known = landmarks.get(mark.landmark_id)
            if known is None or mark.confidence > known.confidence:
                landmarks[mark.landmark_id] = mark
    most = max((len(answer.landmarks) for answer in answers), default=0)
    return Answer(
        tuple(sorted(landmarks.values(), key=lambda mark: -mark.confidence)[:most]),
        tuple(sorted(photos.values(), key=lambda found: -found.final)[:limit]),
    )
