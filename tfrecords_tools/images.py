"""Decides whether an image can be trained on: the header first, then as much as needed."""

import dataclasses
import io
import warnings
from typing import TYPE_CHECKING

import numpy as np

from tfrecords_tools import fast_jpeg, file_kinds, jpeg, pixels
from tfrecords_tools.jpeg import JpegHeader
from tfrecords_tools.pixels import RejectedError as RejectedError

if TYPE_CHECKING:
    from PIL.Image import Image

KEPT, REENCODED, REJECTED = "kept", "reencoded", "rejected"

_KEEPABLE_FRAMES = (0xC0, 0xC1, 0xC2)
# Entropy coding produces such a run only in flat pictures; otherwise it is a hole in the file.
_HOLE = bytes(512)
# Encoders write about ten scans; each takes 0.6 ns per pixel even if it is empty.
_MOST_SCANS = 20


@dataclasses.dataclass(frozen=True)
class ImageSettings:
    """The requirements for images, and how others are handled.

    Attributes:
        verify: ``header`` checks markers, tables and the end of the file, and decodes only what
            looks damaged; ``decode`` decodes every image.
        max_side: Longer images are resized to this many pixels; None keeps their size.
        min_side: Images with a shorter side are rejected, pixels.
        max_pixels: Images with more are rejected before they are decoded. A pixel with 16 bits per
            sample counts as two, one with 32 as four; a JPEG with more than 20 scans may have
            proportionally fewer pixels, since each scan takes equally long.
        quality: JPEG quality of images that are re-encoded, 1..95.
    """

    verify: str = "header"
    max_side: int | None = None
    min_side: int = 16
    max_pixels: int = 64_000_000
    quality: int = 95


@dataclasses.dataclass(frozen=True, slots=True)
class Inspected:
    """An image's fate.

    Attributes:
        fate: `KEPT`, `REENCODED` or `REJECTED`.
        reason: Why it was not kept unchanged; empty if it was.
        encoded: An upright gray or RGB JPEG; empty if it was rejected.
        width: Pixels of `encoded`.
        height: Pixels of `encoded`.
    """

    fate: str
    reason: str
    encoded: bytes = b""
    width: int = 0
    height: int = 0


def inspect(data: bytes, settings: ImageSettings) -> Inspected:
    """Decides what happens to a file: kept byte for byte, re-encoded, or rejected."""
    try:
        header = admit(data, settings)
        if header is None:
            return _reencode(data, None, "not a JPEG", settings)
        if reason := _must_change(header, settings):
            fast_jpeg.verify(data, header)  # Pillow would accept damaged pixels.
            return _reencode(data, header, reason, settings)
        if settings.verify == "decode" or data.find(_HOLE, header.scan_offset) >= 0:
            sound = fast_jpeg.verify(data, header)
        else:
            sound = fast_jpeg.verify_tables(data, header)
        if not sound:
            _load(data, header, settings)
        return Inspected(KEPT, "", data, header.width, header.height)
    except RejectedError as rejected:
        return Inspected(REJECTED, str(rejected))
    except fast_jpeg.DamagedError:
        return Inspected(REJECTED, "corrupt")


def admit(data: bytes, settings: ImageSettings) -> JpegHeader | None:
    """The check before any decoder: the sizes in a file's header must be within bounds.

    Args:
        data: An image file's bytes.
        settings: The requirements on images.

    Returns:
        The header of a JPEG; None for other formats, whose bounds are checked after Pillow has read
        their header.

    Raises:
        RejectedError: If it is not an image, truncated, out of bounds or supported by no decoder.
    """
    if not data:
        raise RejectedError("empty")
    header = jpeg.read_header(data)
    if header is None:
        if data.startswith(b"\xff\xd8"):
            raise RejectedError("truncated" if len(data) < 1024 else "corrupt")
        kind = file_kinds.describe(data[: file_kinds.HEAD])
        if kind in file_kinds.MISTAKEN:
            raise RejectedError(kind.removeprefix("a "))
        return None
    pixels.check_bounds(header.width, header.height, settings.min_side, settings.max_pixels)
    if not jpeg.has_end(data, header):
        raise RejectedError("truncated")
    if jpeg.has_fractional_sampling(data, header):
        raise RejectedError("unusual JPEG sampling")
    scans = jpeg.count_scans(data, header)
    if scans > 1 and jpeg.is_whole_in_first_scan(data, header):
        raise RejectedError("corrupt")
    if scans * header.width * header.height > _MOST_SCANS * settings.max_pixels:
        raise RejectedError(f"too much work ({header.width}x{header.height}, {scans} scans)")
    return header


def upright_pixels(data: bytes, settings: ImageSettings) -> np.ndarray:
    """Decodes any image file like the builder followed by the embedding, without TensorFlow.

    For CMYK, rotated and other files that the builder re-encodes, these are the pixels of the new
    file.

    Args:
        data: An image file's bytes.
        settings: The requirements on images; with ``verify="decode"`` damage is refused.

    Returns:
        uint8 (h, w, 3), upright RGB. Values are those of TensorFlow's decoder, or
        within 4 of them for a JPEG of unusual chroma sampling.

    Raises:
        RejectedError: If the builder would reject it; the message is the reason.
    """
    inspected = inspect(data, settings)
    if inspected.fate == REJECTED:
        raise RejectedError(inspected.reason)
    decoded = fast_jpeg.decode(inspected.encoded)
    if decoded is None:
        header = jpeg.read_header(inspected.encoded)
        decoded = np.asarray(_load(inspected.encoded, header, settings)[0])
    return decoded


def shrink(data: bytes, max_side: int | None) -> bytes:
    """Resizes a JPEG that is longer than `max_side` as the builder does.

    Args:
        data: An upright gray or RGB JPEG, as in shards; anything else is returned unchanged.
        max_side: The longest side allowed, pixels; None or 0 for any.

    Returns:
        A JPEG file's bytes.

    Raises:
        RejectedError: If it must be resized and the builder would reject it.
    """
    header = jpeg.read_header(data) if max_side else None
    if not max_side or header is None or max(header.width, header.height) <= max_side:
        return data
    inspected = inspect(data, ImageSettings(max_side=max_side))
    if inspected.fate == REJECTED:
        raise RejectedError(inspected.reason)
    return inspected.encoded


def upright_image(
    data: bytes, settings: ImageSettings, draft: int = 0, box: pixels.Box | None = None
) -> "Image":
    """Decodes any image file for display; damaged pixels are accepted.

    Args:
        data: An image file's bytes.
        settings: The requirements on images.
        draft: See `pixels.read_upright`.
        box: See `pixels.read_upright`.

    Returns:
        The upright RGB picture.

    Raises:
        RejectedError: If the builder would reject it for anything but damaged pixels.
    """
    return _load(data, admit(data, settings), settings, draft, box)[0]


def _must_change(header: JpegHeader, settings: ImageSettings) -> str:
    """Why a valid JPEG must be re-encoded, or an empty string."""
    if header.orientation != 1:
        return "rotated by Exif"
    if header.components not in (1, 3):
        return "CMYK" if header.components == 4 else f"{header.components} components"
    if header.frame not in _KEEPABLE_FRAMES or header.precision != 8:
        return "unusual JPEG process"
    if settings.max_side and max(header.width, header.height) > settings.max_side:
        return "resized"
    return ""


def _reencode(
    data: bytes, header: JpegHeader | None, reason: str, settings: ImageSettings
) -> Inspected:
    """Decodes whatever image this is and writes an upright RGB JPEG."""
    from PIL.Image import Resampling

    upright, kind = _load(data, header, settings)
    if reason == "not a JPEG":
        reason = f"{kind} named .jpg"
    if settings.max_side and max(upright.size) > settings.max_side:
        upright.thumbnail((settings.max_side, settings.max_side), Resampling.LANCZOS)
        pixels.check_bounds(*upright.size, settings.min_side, settings.max_pixels)
    encoded = io.BytesIO()
    upright.save(encoded, "JPEG", quality=settings.quality)
    return Inspected(REENCODED, reason, encoded.getvalue(), *upright.size)


def _load(
    data: bytes,
    header: JpegHeader | None,
    settings: ImageSettings,
    draft: int = 0,
    box: pixels.Box | None = None,
) -> tuple["Image", str]:
    """`pixels.read_upright`, with a reason for every failure."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            bounds = settings.min_side, settings.max_pixels
            return pixels.read_upright(data, header, *bounds, draft, box)
    except RejectedError:
        raise
    except Exception as error:
        # Decoders can raise almost anything for hostile bytes; in any case there is no image.
        raise RejectedError(_why_unreadable(error, header)) from None


def _why_unreadable(error: Exception, header: JpegHeader | None) -> str:
    from PIL import Image, UnidentifiedImageError

    if header is not None and not header.is_common:
        return "unusual JPEG process"
    if header is not None and header.components not in (1, 3, 4):
        return f"{header.components} components"
    if isinstance(error, UnidentifiedImageError) and header is None:
        return "not an image"
    if isinstance(error, Image.DecompressionBombError):
        return "too large"
    return "corrupt"
