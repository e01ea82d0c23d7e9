"""The gallery as the scripts that the page loads: a list, and details in chunks.

A page opened from disk may not fetch files, but it may add scripts; so each chunk is a script that
passes its queries to the page.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from glrtf.reporting.bridge_photos import Bridge
from glrtf.reporting.gallery import QueryView, RankedImage

QUERIES_IN_CHUNK = 50
STRIP_LENGTH = 12
_MARKS = {"right": "r", "wrong": "w", "ignored": "i"}


def query_list(views: Sequence[QueryView]) -> list[dict[str, Any]]:
    """What the page needs about every query from the start: measures and the first images.

    Returns:
        For each query: ``id``, ``usage``, ``ap``, ``gain``,
        ``first``, ``relevant``, ``hits``, ``score``, ``strip`` (ids with line
        ends between), ``marks`` (one letter an image), ``bridged`` (one digit an image).
    """
    return [
        {
            "id": view.query_id,
            "usage": view.usage,
            "ap": _rounded(view.average_precision),
            "gain": _rounded(view.gain),
            "first": view.first_hit,
            "relevant": view.num_relevant,
            "hits": view.hits,
            "score": _rounded(view.top_score),
            "strip": "\n".join(image.image_id for image in view.images[:STRIP_LENGTH]),
            "marks": "".join(_MARKS[image.mark] for image in view.images[:STRIP_LENGTH]),
            "bridged": "".join("01"[image.by_bridge] for image in view.images[:STRIP_LENGTH]),
        }
        for view in views
    ]


def chunk_script(
    number: int,
    views: Sequence[QueryView],
    train_photos: Mapping[int, Sequence[str]],
    bridges: Mapping[Bridge, Sequence[str]],
) -> str:
    """The script with the details of a chunk's queries.

    Args:
        number: The chunk's number.
        views: Its queries.
        train_photos: For each landmark the train photos to show.
        bridges: For both ends of a bridge, the most similar train photos.
    """
    landmarks = sorted(bridging_landmarks(views))
    near: dict[str, list[str]] = {}
    for view in views:
        for image in view.images:
            for image_id in (view.query_id, image.image_id):
                if image.landmark_id is not None and (image_id, image.landmark_id) in bridges:
                    photos = bridges[image_id, image.landmark_id]
                    near[f"{image_id} {image.landmark_id}"] = list(photos)
    details = {
        "queries": {
            view.query_id: {
                "images": [_image(image) for image in view.images],
                "missed": list(view.missed),
            }
            for view in views
        },
        "train": {str(landmark): list(train_photos.get(landmark, ())) for landmark in landmarks},
        "near": near,
    }
    return f"glrtf.receive({number}, {script_json(details)});\n"


def shown_ids(
    views: Sequence[QueryView],
    train_photos: Mapping[int, Sequence[str]],
    bridges: Mapping[Bridge, Sequence[str]],
) -> set[str]:
    """Every photo that the page may show."""
    ids = {view.query_id for view in views}
    for view in views:
        ids.update(image.image_id for image in view.images)
        ids.update(view.missed)
    for photos in (*train_photos.values(), *bridges.values()):
        ids.update(photos)
    return ids


def bridging_landmarks(views: Sequence[QueryView]) -> Collection[int]:
    """The bridging landmarks of all images shown."""
    return {
        image.landmark_id
        for view in views
        for image in view.images
        if image.landmark_id is not None
    }


def script_json(value: Any) -> str:
    """A value as JSON that is safe in a script element.

    Ids come from CSV files: ``</script>`` in one must not end the script.
    """
    text = json.dumps(value, separators=(",", ":"), sort_keys=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028")


def _image(image: RankedImage) -> list[Any]:
    scores = [_rounded(score) for score in (image.final, image.direct, image.bridged)]
    return [image.image_id, _MARKS[image.mark], *scores, image.landmark_id, int(image.by_bridge)]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
