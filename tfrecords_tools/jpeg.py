"""What a JPEG file says of itself before its pixels, read without decoding.

Markers and their layout: ITU-T T.81, Annex B; orientation: Exif 2.3, 4.6.4.
"""

import dataclasses
import struct

_START_OF_FRAME = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD8)}
_ORIENTATION_TAG = 0x0112
_END_OF_IMAGE = b"\xff\xd9"


@dataclasses.dataclass(frozen=True, slots=True)
class JpegHeader:
    """A JPEG file's own account of itself.

    Attributes:
        width: Pixels.
        height: Pixels.
        components: 1 gray, 3 colour, 4 CMYK.
        precision: Bits a sample.
        frame: The start-of-frame marker: 0xC0 baseline, 0xC1 extended, 0xC2 progressive.
        orientation: Exif orientation 1..8; 1 is upright.
        scan_offset: Where the first scan's marker stands, in bytes.
    """

    width: int
    height: int
    components: int
    precision: int
    frame: int
    orientation: int
    scan_offset: int


def read_header(data: bytes) -> JpegHeader | None:
    """Reads the markers up to the first scan; None where the file is no JPEG or cut before it."""
    if data[:3] != b"\xff\xd8\xff":
        return None
    frame: tuple[int, int, int, int, int] | None = None
    orientation, position, size = 1, 2, len(data)
    while position + 4 <= size and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF or marker in _WITHOUT_LENGTH:
            position += 1 if marker == 0xFF else 2
            continue
        if marker == 0xDA:
            return JpegHeader(*frame, orientation, position) if frame else None
        length = data[position + 2] << 8 | data[position + 3]
        if length < 2 or marker == 0xD9:
            return None
        if marker in _START_OF_FRAME and position + 10 <= size:
            precision, height, width, components = struct.unpack_from(">BHHB", data, position + 4)
            frame = (width, height, components, precision, marker)
        elif marker == 0xE1 and data[position + 4 : position + 10] == b"Exif\0\0":
            orientation = _orientation(data[position + 10 : position + 2 + length])
        position += 2 + length
    return None


def has_end(data: bytes, header: JpegHeader) -> bool:
    """Whether the pixel data reach their end marker; what follows it does not matter.

    Inside pixel data 0xFF is always followed by 0 or a restart marker, so the
    first end marker after the first scan is the picture's own.
    """
    return data.endswith(_END_OF_IMAGE, header.scan_offset) or (
        data.find(_END_OF_IMAGE, header.scan_offset) >= 0
    )


def _orientation(tiff: bytes) -> int:
    """The orientation an Exif block (a small TIFF file) asks for, 1 where it is unreadable."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 8:
        return 1
    (directory,) = struct.unpack_from(order + "I", tiff, 4)
    if directory + 2 > len(tiff):
        return 1
    (entries,) = struct.unpack_from(order + "H", tiff, directory)
    for entry in range(directory + 2, min(directory + 2 + 12 * entries, len(tiff) - 11), 12):
        tag, kind, _, value = struct.unpack_from(order + "HHIH", tiff, entry)
        if tag == _ORIENTATION_TAG:
            return value if kind == 3 and 1 <= value <= 8 else 1
    return 1
