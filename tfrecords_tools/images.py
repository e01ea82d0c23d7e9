"""Is this a JPEG that can be trained on? Header first, then what is needed."""

import dataclasses
import io
import warnings
from typing import Any

from tfrecords_tools import file_kinds, jpeg

KEPT, REENCODED, REJECTED = "kept", "reencoded", "rejected"

_FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF")
_KEEPABLE_FRAMES = (0xC0, 0xC1, 0xC2)
# Entropy coding makes such a run only in flat pictures; elsewhere it is a hole in the file.
_HOLE = bytes(512)


@dataclasses.dataclass(frozen=True)
class ImageSettings:
    """What an image must be like, and what is done to those that are not.

    Attributes:
        verify: ``header`` looks at markers and the end of the file, and decodes
            only what looks damaged; ``decode`` decodes every image.
        max_side: Longer images are resized to this many pixels; None keeps their size.
        min_side: Images with a shorter side are rejected, pixels.
        max_pixels: Images with more are rejected before they are decoded.
        quality: JPEG quality of images that are encoded anew, 1..95.
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
        reason: Why it was not kept; empty where it was.
        encoded: An upright gray or RGB JPEG; empty where it was rejected.
        width: Pixels of `encoded`.
        height: Pixels of `encoded`.
    """

    fate: str
    reason: str
    encoded: bytes = b""
    width: int = 0
    height: int = 0


class _RejectedError(Exception):
    """Carries the reason for a refusal out of the steps below."""


def inspect(data: bytes, settings: ImageSettings) -> Inspected:
    """Decides what becomes of a file: kept byte for byte, encoded anew, or rejected."""
    try:
        header = jpeg.read_header(data)
        if header is None:
            return _reencode(data, _kind(data), settings)
        _check_bounds(header.width, header.height, settings)
        if not jpeg.has_end(data, header):
            raise _RejectedError("truncated")
        if reason := _must_change(header, settings):
            return _reencode(data, reason, settings)
        if settings.verify == "decode" or data.find(_HOLE, header.scan_offset) >= 0:
            _check_pixels(data)
        return Inspected(KEPT, "", data, header.width, header.height)
    except _RejectedError as rejected:
        return Inspected(REJECTED, str(rejected))


def _kind(data: bytes) -> str:
    """Why a file without a JPEG header is encoded anew; refuses what cannot be an image."""
    if not data:
        raise _RejectedError("empty")
    if data.startswith(b"\xff\xd8"):
        raise _RejectedError("truncated" if len(data) < 1024 else "corrupt")
    kind = file_kinds.describe(data[: file_kinds.HEAD])
    if kind in file_kinds.MISTAKEN:
        raise _RejectedError(kind.removeprefix("a "))
    return "not a JPEG"


def _check_bounds(width: int, height: int, settings: ImageSettings) -> None:
    if width * height > settings.max_pixels:
        raise _RejectedError(f"too large ({width}x{height})")
    if min(width, height) < settings.min_side:
        raise _RejectedError(f"too small ({width}x{height})")


def _must_change(header: jpeg.JpegHeader, settings: ImageSettings) -> str:
    """Why a sound JPEG must be encoded anew, or an empty text."""
    if header.orientation != 1:
        return "rotated by Exif"
    if header.components not in (1, 3):
        return "CMYK" if header.components == 4 else f"{header.components} components"
    if header.frame not in _KEEPABLE_FRAMES or header.precision != 8:
        return "unusual JPEG process"
    if settings.max_side and max(header.width, header.height) > settings.max_side:
        return "resized"
    return ""


def _check_pixels(data: bytes) -> None:
    """Decodes at an eighth of the size: every coded bit is read, few pixels are made."""
    import simplejpeg

    try:
        simplejpeg.decode_jpeg(data, "GRAY", min_height=1, min_width=1, strict=True)
    except ValueError:
        raise _RejectedError("corrupt") from None


def _reencode(data: bytes, reason: str, settings: ImageSettings) -> Inspected:
    """Decodes whatever image this is and writes an upright RGB JPEG."""
    if data.startswith(b"\xff\xd8"):
        _check_pixels(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _rewrite(data, reason, settings)
    except _RejectedError:
        raise
    except Exception as error:
        # Decoders fed hostile bytes raise almost anything; whatever it is, no image came of it.
        raise _RejectedError(_why_unreadable(error)) from None


def _why_unreadable(error: Exception) -> str:
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    if isinstance(error, Image.DecompressionBombError):
        return "too large"
    return "corrupt"


def _rewrite(data: bytes, reason: str, settings: ImageSettings) -> Inspected:
    from PIL import Image, ImageOps

    Image.init()
    with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
        _check_bounds(image.width, image.height, settings)
        if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
            raise _RejectedError(f"animated {image.format}")
        if reason == "not a JPEG":
            reason = f"{image.format} named .jpg"
        image.load()
        upright = _to_rgb(ImageOps.exif_transpose(image))
    if settings.max_side and max(upright.size) > settings.max_side:
        upright.thumbnail((settings.max_side, settings.max_side), Image.Resampling.LANCZOS)
        _check_bounds(upright.width, upright.height, settings)
    encoded = io.BytesIO()
    upright.save(encoded, "JPEG", quality=settings.quality)
    return Inspected(REENCODED, reason, encoded.getvalue(), *upright.size)


def _to_rgb(image: Any) -> Any:
    """Any mode to RGB: 16 bit scaled (not clipped) to 8, transparency laid on white."""
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":
        import numpy as np

        samples = np.asarray(image, dtype=np.float64)
        scale = 65535 if samples.max(initial=0) > 255 else 255
        image = Image.fromarray(np.clip(samples * (255 / scale), 0, 255).round().astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")
