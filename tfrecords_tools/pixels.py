"""Any image file to an upright RGB picture, within bounds of memory."""

import io
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tfrecords_tools import exif
from tfrecords_tools.jpeg import JpegHeader

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF")
_ROWS = 256

Box: TypeAlias = tuple[float, float, float, float]
"""Left, upper, right and lower end."""


class RejectedError(Exception):
    """An image that is rejected; the message is a short reason."""


def check_bounds(
    width: int, height: int, min_side: int, max_pixels: int, sample_bytes: int = 1
) -> None:
    """Refuses images that are too small, or take more memory than `max_pixels` pixels of 8 bits.

    Args:
        width: Pixels.
        height: Pixels.
        min_side: The shortest side allowed, pixels.
        max_pixels: The most pixels allowed; one with 16 bits per sample counts as two.
        sample_bytes: Bytes that a decoded sample takes.

    Raises:
        RejectedError: If they are.
    """
    if width * height * sample_bytes > max_pixels:
        depth = f", {8 * sample_bytes} bits a sample" if sample_bytes > 1 else ""
        raise RejectedError(f"too large ({width}x{height}{depth})")
    if min(width, height) < min_side:
        raise RejectedError(f"too small ({width}x{height})")


def read_upright(
    data: bytes,
    header: JpegHeader | None,
    min_side: int,
    max_pixels: int,
    draft: int = 0,
    box: Box | None = None,
) -> tuple["Image", str]:
    """Decodes an image, or a part of it, and turns it upright.

    Args:
        data: An image file's bytes.
        header: The result of `jpeg.read_header`.
        min_side: See `check_bounds`.
        max_pixels: See `check_bounds`.
        draft: A JPEG may be decoded at a reduced scale that keeps this many pixels a
            side; 0 for full size.
        box: The part, in pixels of the image as it is stored, at full size; None for all.


    Returns:
        The RGB image, and the name of its format.

    Raises:
        RejectedError: If it is out of bounds or animated, or the box is outside of it.
        Exception: Decoders can raise almost anything for hostile bytes.
    """
    from PIL import Image

    Image.init()
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        check_bounds(image.width, image.height, min_side, max_pixels, _sample_bytes(image.mode))
        if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
            raise RejectedError(f"animated {image.format}")
        if draft and header and header.is_common:
            image.draft("RGB", (draft, draft))
        image.load()
        kind = image.format or ""
        part = _cut(image, box) if box else image
        return _turned(_to_rgb(part), _orientation(data, header, image)), kind


def _cut(image: "Image", box: Box) -> "Image":
    left, upper = (max(round(end), 0) for end in box[:2])
    right, lower = min(round(box[2]), image.width), min(round(box[3]), image.height)
    if left >= right or upper >= lower:
        raise RejectedError(f"box {list(box)} outside of its {image.width}x{image.height} pixels")
    return image.crop((left, upper, right, lower))


def _sample_bytes(mode: str) -> int:
    """Bytes that Pillow needs for a sample of an image of this mode."""
    if mode in ("I", "F"):
        return 4
    return 2 if mode.startswith("I;16") else 1


def _orientation(data: bytes, header: JpegHeader | None, image: "Image") -> int:
    """By `exif`'s rule; Pillow's own would also use the last entry, XMP and text chunks."""
    if header is not None:
        return header.orientation
    if image.format == "PNG":
        return exif.png_orientation(data)
    if image.format in ("WEBP", "AVIF"):
        return exif.block_orientation(image.info.get("exif", b"").removeprefix(exif.MARK))
    return exif.UPRIGHT  # GIF and BMP have none; Pillow turns TIFF itself.


def _turned(image: "Image", orientation: int) -> "Image":
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return image.transpose(turns[orientation]) if orientation in turns else image


def _to_rgb(image: "Image") -> "Image":
    """Any mode to RGB: 16 bit scaled (not clipped) to 8, transparency composited on white.

    In bands of rows: whole images in float64 or RGBA would take many times the memory of the
    result.
    """
    from PIL import Image

    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    boxes = [
        (0, top, image.width, min(top + _ROWS, image.height))
        for top in range(0, image.height, _ROWS)
    ]
    deep = image.mode in ("I", "F") or image.mode.startswith("I;16")
    scale = 255
    if deep and any(np.asarray(image.crop(box)).max(initial=0) > 255 for box in boxes):
        scale = 65535
    result = Image.new("RGB", image.size)
    for box in boxes:
        band: Any = image.crop(box)
        if deep:
            samples = np.nan_to_num(np.asarray(band, dtype=np.float64))
            levels = np.clip(samples * (255 / scale), 0, 255).round().astype(np.uint8)
            band = Image.fromarray(levels)
        elif band.has_transparency_data:
            white = Image.new("RGBA", band.size, "white")
            band = Image.alpha_composite(white, band.convert("RGBA"))
        result.paste(band.convert("RGB"), box)
    return result
