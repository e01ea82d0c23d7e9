"""Pads photos to one size on the host, so that the device can resize them.

A padded image is uint8 (side + 1, side, 3). Its first row holds the photo's
height and width in four bytes; the photo is below it, at the left; the rest is
black. So a batch is one tensor, which can be split and transferred like any other.
"""

import numpy as np

from glrtf.data.host_images import decode_on_host


def decode(encoded: bytes, padded: np.ndarray) -> None:
    """Decodes an image file into a padded image, in place if it has the same width.

    Args:
        encoded: A file's bytes.
        padded: uint8 (side + 1, side, 3), written to.

    Raises:
        ValueError: If it is not an image, or a side is longer than the padded image's.
    """

    def room(height: int, width: int) -> np.ndarray | None:
        return padded[1 : height + 1] if width == padded.shape[1] >= height else None

    put(decode_on_host(encoded, room), padded)


def put(image: np.ndarray, padded: np.ndarray) -> None:
    """Writes an image and its size into a padded image, overwriting what was there.

    Args:
        image: uint8 (h, w, 3).
        padded: uint8 (side + 1, side, 3), written to.

    Raises:
        ValueError: If a side of the image is longer than the padded image's.
    """
    height, width = image.shape[:2]
    side = padded.shape[1]
    if max(height, width) > side:
        raise ValueError(f"expected at most {side} pixels a side, found {height} x {width}")
    padded[0] = 0
    padded[0, 0] = height // 256, height % 256, width // 256
    padded[0, 1, 0] = width % 256
    place = padded[1 : height + 1, :width]
    if image.ctypes.data != place.ctypes.data:
        place[...] = image
    padded[1 : height + 1, width:] = 0
    padded[height + 1 :] = 0
