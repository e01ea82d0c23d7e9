"""A JPEG file's header, read without decoding.

Markers and their layout: ITU-T T.81, Annex B.
"""

import dataclasses
import re
import struct

import numpy as np

from tfrecords_tools import exif

_START_OF_FRAME = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD8)}
_END_OF_IMAGE = b"\xff\xd9"
# Baseline, extended and progressive, Huffman (C0, C1, C2) or arithmetic coding (C9, CA).
_COMMON_FRAMES = (0xC0, 0xC1, 0xC2, 0xC9, 0xCA)
# Inside pixel data 0xFF is followed by 0 or a restart marker; fill bytes may precede a marker.
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
# Longer than the first unit of pixels can be: 10 blocks of 64 values of at most 27 bits,
# byte-stuffed.
_FIRST_PIXELS = 6 << 10


@dataclasses.dataclass(frozen=True, slots=True)
class JpegHeader:
    """A JPEG file's header.

    Attributes:
        width: Pixels.
        height: Pixels.
        components: 1 gray, 3 colour, 4 CMYK.
        precision: Bits a sample.
        frame: The start-of-frame marker: 0xC0 baseline, 0xC1 extended, 0xC2 progressive.
        orientation: Exif orientation 1..8; 1 is upright.
        scan_offset: Where the first scan's marker stands, in bytes.
        frame_offset: Where the start-of-frame marker stands, in bytes.
        has_adobe: Whether an Adobe marker precedes the pixels; it defines the colour coding.
    """

    width: int
    height: int
    components: int
    precision: int
    frame: int
    orientation: int
    scan_offset: int
    frame_offset: int
    has_adobe: bool

    @property
    def is_common(self) -> bool:
        """Whether all our decoders are known to be safe for this coding process at every scale.

        Lossless and hierarchical files, and those with more than 8 bits per sample, are so rare
        that decoders are hardly tested on them.
        """
        return self.frame in _COMMON_FRAMES and self.precision == 8


def read_header(data: bytes) -> JpegHeader | None:
    """Reads the markers up to the first scan; None without a JPEG header up to there."""
    if data[:3] != b"\xff\xd8\xff":
        return None
    frame: tuple[int, int, int, int, int] | None = None
    orientation, has_adobe = 0, False
    position, frame_offset, size = 2, 0, len(data)
    while position + 4 <= size and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF or marker in _WITHOUT_LENGTH:
            position += 1 if marker == 0xFF else 2
            continue
        if marker == 0xDA:
            if frame is None:
                return None
            orientation = orientation or exif.UPRIGHT
            return JpegHeader(*frame, orientation, position, frame_offset, has_adobe)
        length = data[position + 2] << 8 | data[position + 3]
        if length < 2 or marker == 0xD9:
            return None
        if marker in _START_OF_FRAME:
            if frame is not None or position + 10 > size:
                return None
            precision, height, width, components = struct.unpack_from(">BHHB", data, position + 4)
            frame, frame_offset = (width, height, components, precision, marker), position
        elif marker == 0xE1 and not orientation:
            if data[position + 4 : position + 10] == exif.MARK:
                block = data[position + 10 : position + 2 + length]
                orientation = exif.block_orientation(block)
        elif marker == 0xEE and length >= 14 and data[position + 4 : position + 9] == b"Adobe":
            has_adobe = True
        position += 2 + length
    return None


def has_end(data: bytes, header: JpegHeader) -> bool:
    """Whether the pixel data reach their end marker; later bytes are ignored.

    Inside pixel data 0xFF is always followed by 0 or a restart marker, so the
    first end marker after the first scan is the picture's own.
    """
    return data.endswith(_END_OF_IMAGE, header.scan_offset) or (
        data.find(_END_OF_IMAGE, header.scan_offset) >= 0
    )


def count_scans(data: bytes, header: JpegHeader) -> int:
    """The number of scans of the image.

    Progressive files refine the picture scan by scan, and a scan that changes nothing has a few
    bytes and takes as much time as any other.
    """
    rest = np.frombuffer(data, np.uint8, offset=header.scan_offset + 2)
    # Many times faster than searching for two bytes, one of which is common.
    has_more = ((rest[:-1] == 0xFF) & (rest[1:] == 0xDA)).any()
    if not has_more and is_whole_in_first_scan(data, header):
        return 1
    scans, position = 0, header.scan_offset
    while position + 4 <= len(data):
        marker = data[position + 1]
        if marker == 0xD9:
            break
        scans += marker == 0xDA
        # TEM has no length; the search goes on behind it.
        position += (
            2 if marker == 0x01 else 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        )
        found = _NEXT_MARKER.search(data, position)
        if found is None:
            break
        position = found.start()
    return scans


def is_whole_in_first_scan(data: bytes, header: JpegHeader) -> bool:
    """Whether the first scan completes the picture; libjpeg then ignores further ones."""
    in_first = data[header.scan_offset + 4] if header.scan_offset + 4 < len(data) else 0
    return header.frame in (0xC0, 0xC1, 0xC9) and in_first == header.components


def first_pixels(data: bytes, header: JpegHeader) -> bytes:
    """The file as one of 8 x 8 pixels, with its own tables, so that a decoder reads all of them.

    A sequential file keeps only the start of its first scan. Any other keeps all scans: each has
    its own tables.
    """
    place = header.frame_offset + 5
    end = len(data)
    if is_whole_in_first_scan(data, header):
        end = header.scan_offset + _FIRST_PIXELS
    return data[:place] + b"\0\x08\0\x08" + data[place + 4 : end] + _END_OF_IMAGE


def with_adobe(data: bytes) -> bytes:
    """A JPEG file with an Adobe marker added that declares CMYK without a transform.

    CMYK files without the marker have inverted values like those with it: browsers and Pillow read
    them this way. TensorFlow inverts only if it finds the marker.
    """
    return data[:2] + ADOBE_CMYK + data[2:]


ADOBE_CMYK = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"
"""An APP14 segment: version 100, no flags, transform 0."""


def has_fractional_sampling(data: bytes, header: JpegHeader) -> bool:
    """Whether the sampling factors are not integer multiples, which libjpeg does not decode."""
    start = header.frame_offset + 11
    factors = data[start : start + 3 * header.components : 3]
    wide, high = [each >> 4 for each in factors], [each & 15 for each in factors]
    if not (min(wide, default=0) and min(high, default=0)):
        return False  # Not fractional but damaged.
    return any(max(wide) % each for each in wide) or any(max(high) % each for each in high)
