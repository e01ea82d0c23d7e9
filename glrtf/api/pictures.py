"""Rows of photos, for notebooks."""

import io
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from glrtf.api.row_sources import Path
from tfrecords_tools.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image

_GAP = 4
_CAPTION = 16


def photo_row(
    source: Path, ids: Sequence[str | bytes], captions: Sequence[str] = (), *, side: int = 128
) -> "Image":
    """Draws photos next to each other, with a line of text below each.

    Args:
        source: The photos: a folder in GLDv2's published layout (tars), or of a/b/c/ID.jpg files.
        ids: The image ids.
        captions: A caption for each; by default its id.
        side: Longest side of a photo in pixels.

    Returns:
        A Pillow image, which notebooks display. The place of a photo that is missing or cannot be
        decoded stays empty.

    Raises:
        UserError: If the folder is missing, there are no ids, or the number of captions differs.
    """
    from PIL import Image, ImageDraw

    from glrtf.photos import find, thumbnails

    names = [each.decode() if isinstance(each, bytes) else str(each) for each in ids]
    if not names:
        raise UserError("ids: expected at least one image id, found none")
    if captions and len(captions) != len(names):
        raise UserError(
            f"captions: expected one for each of {len(names)} photos, found {len(captions)}"
        )
    places = find.find_photos(os.fspath(source), names, quiet=True)
    row = Image.new("RGB", (len(names) * (side + _GAP) + _GAP, side + _CAPTION), "white")
    pen = ImageDraw.Draw(row)
    for number, (name, caption) in enumerate(zip(names, captions or names, strict=True)):
        left = _GAP + number * (side + _GAP)
        pen.text((left, side + 2), caption, fill="black", font_size=10)
        try:
            small = Image.open(io.BytesIO(thumbnails.thumbnail(places[name].read(), side)))
        except (KeyError, OSError):
            pen.rectangle((left, 0, left + side - 1, side - 1), outline="lightgray")
            continue
        row.paste(small, (left + (side - small.width) // 2, (side - small.height) // 2))
    return row
