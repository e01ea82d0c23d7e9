"""A photo's Exif orientation, read from its file without decoding.

One rule for every reader: the first Exif block before the pixels, its first
directory, the first orientation entry, one number of type SHORT or LONG. Everything else in a file
(later blocks, thumbnails, XMP) is ignored.

Layout: Exif 2.32, 4.5 and 4.6.4; PNG 3rd edition, 11.3.2.4 (eXIf). The same rule as
a TensorFlow graph: `glrtf.inference.exif`.
"""

import struct

UPRIGHT = 1
MARK = b"Exif\0\0"
"""What precedes the block in a JPEG file's APP1 segment."""
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

_ORIENTATION_TAG = 0x0112
_SHORT, _LONG = 3, 4


def block_orientation(tiff: bytes) -> int:
    """The orientation that an Exif block states.

    Args:
        tiff: The block, a small TIFF file, without `MARK`.

    Returns:
        1 to 8; 1, which is upright, if the block has none or is damaged.
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None or len(tiff) < 8:
        return UPRIGHT
    (directory,) = struct.unpack_from(order + "I", tiff, 4)
    if directory + 2 > len(tiff):
        return UPRIGHT
    (entries,) = struct.unpack_from(order + "H", tiff, directory)
    for entry in range(directory + 2, min(directory + 2 + 12 * entries, len(tiff) - 11), 12):
        tag, kind, count = struct.unpack_from(order + "HHI", tiff, entry)
        if tag == _ORIENTATION_TAG:
            if kind not in (_SHORT, _LONG) or count != 1:
                return UPRIGHT
            (value,) = struct.unpack_from(order + ("H" if kind == _SHORT else "I"), tiff, entry + 8)
            return value if 1 <= value <= 8 else UPRIGHT
    return UPRIGHT


def png_orientation(data: bytes) -> int:
    """The orientation, 1 to 8, that a PNG file's first eXIf chunk states."""
    position = len(PNG_SIGNATURE)
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        if kind == b"eXIf":
            return block_orientation(data[position + 8 : position + 8 + length])
        if kind == b"IEND":
            break
        position += 12 + length
    return UPRIGHT
