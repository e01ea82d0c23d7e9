"""Photos under image ids in the layout that shards are built from: SPLIT/a/b/c/ID.jpg."""

import os
import shutil

from glrtf.evaluation import revisited
from tfrecords_tools import pixels
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files

FIRST_QUERY = 0xF << 60
"""Queries have image ids from here on, so that none has that of an index photo."""


def write_query(source: str, box: pixels.Box | None, folder: str, image_id: str) -> None:
    """Writes a query photo, cut to its box if it has one.

    Raises:
        UserError: If the photo cannot be read, or the box does not lie on it.
    """
    try:
        cut = revisited.crop_query(files.read_bytes(source), box)
    except OSError as error:
        raise UserError(
            f"{source}: expected a photo that holds its query's box, found: {error}"
        ) from None
    with open(_place(folder, "test", image_id), "wb") as file:
        file.write(cut)


def link(source: str, folder: str, split: str, image_id: str) -> None:
    """Makes a hard link of a photo where the disk allows it, else a copy."""
    target = _place(folder, split, image_id)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _place(folder: str, split: str, image_id: str) -> str:
    path = os.path.join(folder, split, *image_id[:3], f"{image_id}.jpg")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path
