"""What is known of photos by their ids: the landmarks they show, and their own names."""

import csv
import io

import numpy as np
import numpy.typing as npt

from glrtf.data.photo_folders import LIST_NAME
from glrtf.retrieval.bridging.landmark_confidence import NO_LANDMARK
from glrtf.retrieval.tables import read_rows
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files


def landmarks_of(path: str, ids: npt.NDArray[np.bytes_]) -> npt.NDArray[np.int64]:
    """The landmarks of photos; unlike train photos, some may have none.

    Args:
        path: CSV id,landmark_id or landmark_id,images; empty for none.
        ids: (photos,) S16.

    Returns:
        (photos,) int64; -1 where the file does not have the photo.

    Raises:
        UserError: On missing columns or a landmark that is no number.
    """
    found = np.full(len(ids), NO_LANDMARK, np.int64)
    if not path:
        return found
    places: dict[bytes, int] = {one: row for row, one in enumerate(ids.tolist())}
    for line, row in read_rows(path, ["id", "landmark_id"], ["landmark_id", "images"]):
        number, names = row["landmark_id"], row.get("id") or row["images"]
        if not number.isdecimal():
            raise UserError(f"{path}:{line}: expected a number as landmark_id, found {number!r}")
        for one in names.encode().split():
            if one in places:
                found[places[one]] = int(number)
    return found


def names_of_photos(folder: str) -> dict[str, str]:
    """The photos' paths by image id, where a set was embedded from a folder of photos.

    Args:
        folder: The embedding set.
    """
    path = files.join(folder, LIST_NAME)
    if not files.exists(path):
        return {}
    text = io.StringIO(files.read_bytes(path).decode("utf-8", "replace"), newline="")
    rows = csv.DictReader(text)
    if not {"image_id", "path"} <= set(rows.fieldnames or ()):
        return {}
    return {row["image_id"]: row["path"] for row in rows}
