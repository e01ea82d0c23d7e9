"""Boxes: the part of a photo to search with."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_FORM = "x0,y0,x1,y1, left, upper, right and lower end, in pixels of the upright photo or as shares"


class NothingInsideError(Exception):
    """A box lies outside its photo."""


@dataclass(frozen=True)
class Box:
    """A rectangle on an upright photo.

    Attributes:
        left: Its left edge, in pixels of the photo at full size; if all four values are at most
            1, they are shares of its width and height.
        upper: See left.
        right: See left.
        lower: See left.
    """

    left: float
    upper: float
    right: float
    lower: float

    @classmethod
    def parse(cls, text: str) -> "Box":
        """Parses a box such as ``40,30,200,180`` or ``0.1,0,0.6,1``.

        Raises:
            ValueError: If the text is not a box.
        """
        try:
            ends = [float(each) for each in text.split(",")]
        except ValueError:
            ends = []
        if len(ends) != 4 or not all(map(math.isfinite, ends)):
            raise ValueError(f"expected {_FORM}, found {text!r}")
        left, upper, right, lower = ends
        if min(ends) < 0 or left >= right or upper >= lower:
            raise ValueError(f"expected x0 below x1 and y0 below y1, from 0 on, found {text!r}")
        return cls(left, upper, right, lower)

    @property
    def ends(self) -> tuple[float, float, float, float]:
        """The left, upper, right and lower edge."""
        return self.left, self.upper, self.right, self.lower

    def cut(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Crops a photo to the box; parts of the box outside the photo are ignored.

        Args:
            pixels: (height, width, 3), the photo at full size.

        Raises:
            NothingInsideError: If the box lies outside the photo.
        """
        height, width = pixels.shape[:2]
        scales = (width, height, width, height) if max(self.ends) <= 1 else (1, 1, 1, 1)
        left, upper, right, lower = (
            round(end * scale) for end, scale in zip(self.ends, scales, strict=True)
        )
        part = pixels[upper:lower, left:right]
        if not part.size:
            raise NothingInsideError(
                f"the box {','.join(f'{end:g}' for end in self.ends)} lies outside the"
                f" photo of {width}x{height} pixels"
            )
        return part


def parse_all(texts: Sequence[str], photos: int) -> list[Box | None]:
    """Parses the box of each photo; None stands for the whole photo.

    Args:
        texts: A box for each photo, or ``all``; if empty, all photos are used whole.
        photos: The number of photos.

    Raises:
        ValueError: If the numbers differ, or a text is not a box.
    """
    if texts and len(texts) != photos:
        raise ValueError(f"expected one for each of {photos} photos, or all, found {len(texts)}")
    return [None if each == "all" else Box.parse(each) for each in texts] or [None] * photos


def as_png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Encodes pixels as a lossless image file."""
    from PIL import Image

    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "PNG", compress_level=0)
    return written.getvalue()
