"""Thumbnails of many photos, made once."""

import concurrent.futures
import io
import os
from collections.abc import Mapping

from glrtf.photos.find import PhotoPlace
from tfrecords_tools import image_ids, images
from tfrecords_tools.images import ImageSettings
from tfrecords_tools.progress import Progress
from tfrecords_tools.storage import files

# The builder's limit of pixels, 16 times a full-size GLDv2 photo; any side will do.
_SETTINGS = ImageSettings(min_side=1)
_QUALITY = 82
_NAME = 200


def thumbnail(data: bytes, side: int) -> bytes:
    """A photo's thumbnail.

    Args:
        data: An image file's bytes.
        side: The longest side in pixels; a smaller photo is not enlarged.

    Returns:
        A JPEG file's bytes, upright as its EXIF orientation says, in RGB.

    Raises:
        OSError: If the bytes are not an image that can be decoded.
    """
    try:
        upright = images.upright_image(data, _SETTINGS, draft=2 * side)
    except images.RejectedError as error:
        raise OSError(str(error)) from None
    upright.thumbnail((side, side))
    out = io.BytesIO()
    upright.save(out, "JPEG", quality=_QUALITY, optimize=True)
    return out.getvalue()


def relative_path(image_id: str, side: int) -> str:
    """The path of an image's thumbnail below the report's folder, for any id; see app.js."""
    name = image_ids.file_name(image_id)
    # A file's name has at most 255 bytes on most systems.
    pieces = (name[start : start + _NAME] for start in range(0, len(name), _NAME))
    return f"thumbnails-{side}/{name[:2]}/{'/'.join(pieces)}.jpg"


def make_thumbnails(
    places: Mapping[str, PhotoPlace], folder: str, side: int
) -> tuple[set[str], list[str]]:
    """Writes the thumbnails that do not exist yet.

    Args:
        places: The photos' locations.
        folder: The report's folder.
        side: The longest side in pixels.

    Returns:
        The ids of the images that have a thumbnail, and the ids, sorted, of
        those that could not be decoded.
    """
    made: set[str] = set()
    refused: list[str] = []

    def make(image_id: str) -> tuple[str, bool]:
        path = files.join(folder, relative_path(image_id, side))
        if os.path.exists(path):
            return image_id, True
        try:
            small = thumbnail(places[image_id].read(), side)
        except OSError:
            return image_id, False
        files.write_bytes(path, small)
        return image_id, True

    # In the order on disk; decoding releases Python's lock.
    order = sorted(places, key=lambda image_id: (places[image_id].path, places[image_id].offset))
    with (
        Progress("thumbnails", len(order), "photo") as progress,
        concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        for image_id, good in pool.map(make, order):
            if good:
                made.add(image_id)
            else:
                refused.append(image_id)
            progress.update()
    return made, sorted(refused)
