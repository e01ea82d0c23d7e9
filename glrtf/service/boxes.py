"""The part of a photo that is searched with."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_FORM = "x0,y0,x1,y1, left, upper, right and lower end, in pixels of the upright photo or as shares"


class NothingInsideError(Exception):
    """A box that does not lie on its photo."""


@dataclass(frozen=True)
class Box:
    """A rectangle on an upright photo.

    Attributes:
        left: Its ends, in pixels of the photo at full size; or where all four are at most 1, as
            shares of its width and height.
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
        """A box as it is typed, such as ``40,30,200,180`` or ``0.1,0,0.6,1``.

        Raises:
            ValueError: If it is no box.
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
        """left, upper, right and lower."""
        return self.left, self.upper, self.right, self.lower

    def cut(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """The part of a photo inside the box; what of the box lies outside is left off.

        Args:
            pixels: (height, width, 3) of the photo at full size.

        Raises:
            NothingInsideError: If nothing of the box lies on it.
        """
        height, width = pixels.shape[:2]
        scales = (width, height, width, height) if max(self.ends) <= 1 else (1, 1, 1, 1)
        left, upper, right, lower = (
            round(end * scale) for end, scale in zip(self.ends, scales, strict=True)
        )
        part = pixels[upper:lower, left:right]
        if not part.size:
            raise NothingInsideError(
                f"the box {','.join(f'{end:g}' for end in self.ends)} has nothing of its"
                f" {width}x{height} pixels"
            )
        return part


def parse_all(texts: Sequence[str], photos: int) -> list[Box | None]:
    """The box of each photo, None for all of it.

    Args:
        texts: One for each photo, ``all`` for the whole photo; none for whole photos.
        photos: How many photos.

    Raises:
        ValueError: If there are not as many, or one is no box.
    """
    if texts and len(texts) != photos:
        raise ValueError(f"expected one for each of {photos} photos, or all, found {len(texts)}")
    return [None if each == "all" else Box.parse(each) for each in texts] or [None] * photos


def as_png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Pixels as a file that loses nothing."""
    from PIL import Image

    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "PNG", compress_level=0)
    return written.getvalue()
