"""The fast JPEG decoder, for the files it is known to be safe for.

simplejpeg 1.9.0 contains libjpeg-turbo 3.1.2, which is not safe for rare coding processes at a
reduced scale. So it is used only for files whose header names a common process; others are left to
a second decoder, at full size. It also supports only the usual chroma samplings.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from tfrecords_tools import jpeg
from tfrecords_tools.jpeg import JpegHeader

Room: TypeAlias = Callable[[int, int], np.ndarray | None]
"""From an image's height and width to uint8 memory for it, without gaps, or None."""

_LARGEST = 1 << 29
# Its messages about files that are intact but unsupported, or only unusual.
_NO_DAMAGE = ("subsampling", "JFIF revision", "Adobe color transform", "SOS parameters")


class DamagedError(ValueError):
    """The file is damaged; the message is the decoder's."""


def decode(encoded: bytes, room: Room | None = None) -> np.ndarray | None:
    """Decodes an intact gray or colour JPEG to the same values as TensorFlow.

    Args:
        encoded: A file's bytes.
        room: Memory that may be used for the image.

    Returns:
        uint8 (h, w, 3) RGB, not rotated; None for everything else, which a second decoder must
        handle.
    """
    import simplejpeg

    header = jpeg.read_header(encoded)
    if header is None or not header.is_common or header.components not in (1, 3):
        return None
    if header.height * header.width * 3 >= _LARGEST:
        return None
    try:
        place = room(header.height, header.width) if room else None
        # The settings of TensorFlow's decoder.
        return simplejpeg.decode_jpeg(
            encoded, "RGB", fastdct=True, fastupsample=False, buffer=place
        )
    except Exception:
        return None  # It raises ValueError, KeyError and more for unsupported files.


def verify(data: bytes, header: JpegHeader) -> bool:
    """Decodes at an eighth of the size: every coded bit is read, but few pixels are computed.

    Returns:
        Whether the file was decoded; False if it is left to a second decoder.

    Raises:
        DamagedError: If the pixel data are damaged.
    """
    return header.is_common and _try(data, "GRAY", min_height=1, min_width=1, strict=True)


def verify_tables(data: bytes, header: JpegHeader) -> bool:
    """Decodes the file's first pixels, for which the decoder reads and checks all tables.

    Returns:
        Whether they were decoded; False if it is left to a second decoder.

    Raises:
        DamagedError: If a table, or what refers to it, is damaged.
    """
    return header.is_common and _try(jpeg.first_pixels(data, header), "RGB", strict=False)


def _try(data: bytes, colours: str, **settings: int) -> bool:
    import simplejpeg

    try:
        simplejpeg.decode_jpeg(data, colours, **settings)
        return True
    except ValueError as error:
        if any(words in str(error) for words in _NO_DAMAGE):
            return False
        raise DamagedError(str(error)) from None
    except Exception:
        return False
