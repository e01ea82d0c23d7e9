"""JPEG files that no common encoder writes, made here: any chroma sampling, any segments."""

import io
import struct

import numpy as np
from PIL import Image

# Annex K.3 of ITU-T T.81: how many codes of each length there are, and what they stand for.
_DC = bytes([0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0]), bytes(range(12))
# One code of one bit: the end of a block.
_AC = bytes([1, *[0] * 15]), b"\0"


def segment(marker: int, payload: bytes) -> bytes:
    """A marker segment."""
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def sampled(
    factors: list[tuple[int, int]],
    size: tuple[int, int] = (70, 50),
    before: bytes = b"",
    ids: bytes = b"\1\2\3\4",
) -> bytes:
    """A JPEG whose blocks are flat, of drawn brightness and colours.

    Args:
        factors: Horizontal and vertical sampling of each component.
        size: Width and height in pixels.
        before: Segments to put in front.
        ids: The components' names.
    """
    wide, high = max(h for h, _ in factors), max(v for _, v in factors)
    units = -(-size[0] // (8 * wide)) * -(-size[1] // (8 * high))
    rng = np.random.default_rng(3)
    bits, last = [], [0] * len(factors)
    for _ in range(units):
        for component, (h, v) in enumerate(factors):
            for level in rng.integers(-40, 40, h * v).tolist():
                bits.append(_dc_code(level - last[component]) + "0")
                last[component] = level
    frame = struct.pack(">BHHB", 8, size[1], size[0], len(factors)) + b"".join(
        bytes([ids[number], h << 4 | v, 0]) for number, (h, v) in enumerate(factors)
    )
    scan = bytes([len(factors)]) + b"".join(bytes([each, 0]) for each in ids[: len(factors)])
    return b"".join(
        [
            b"\xff\xd8",
            before,
            segment(0xDB, b"\0" + bytes([16] * 64)),
            segment(0xC0, frame),
            segment(0xC4, b"\x00" + b"".join(_DC) + b"\x10" + b"".join(_AC)),
            segment(0xDA, scan + b"\0\x3f\0"),
            _stuffed("".join(bits)),
            b"\xff\xd9",
        ]
    )


def _dc_code(difference: int) -> str:
    """The bits of a DC difference: its category's Huffman code, then the value."""
    category = abs(difference).bit_length()
    # Canonical codes: 2 bits for category 0, 3 for 1 to 5, then one more each.
    if category == 0:
        code = "00"
    elif category <= 5:
        code = f"{category + 1:03b}"
    else:
        code = "1" * (category - 3) + "0"
    value = difference if difference > 0 else difference + (1 << category) - 1
    return code + (f"{value:0{category}b}" if category else "")


def _stuffed(bits: str) -> bytes:
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")


def directory(*entries: tuple[int, int, int, int], big_endian: bool = False) -> bytes:
    """An Exif block of one directory; entries are tag, type, count, value."""
    order = ">" if big_endian else "<"
    block = (b"MM\0*" if big_endian else b"II*\0") + struct.pack(order + "IH", 8, len(entries))
    for tag, kind, count, value in entries:
        field = struct.pack(
            order + ("HH" if kind == 3 else "I"), *([value, 0] if kind == 3 else [value])
        )
        block += struct.pack(order + "HHI", tag, kind, count) + field
    return block + bytes(4)


def exif(*entries: tuple[int, int, int, int], big_endian: bool = False) -> bytes:
    """An APP1 segment with such a block."""
    return segment(0xE1, b"Exif\0\0" + directory(*entries, big_endian=big_endian))


def cmyk_without_adobe(levels: np.ndarray) -> bytes:
    """A CMYK JPEG of stored samples (h, w, 4), without the marker that Pillow writes."""
    buffer = io.BytesIO()
    # Pillow inverts when it writes, and names the transform in an Adobe marker.
    Image.fromarray(255 - levels, "CMYK").save(buffer, "JPEG", quality=95, subsampling=0)
    data = buffer.getvalue()
    start = data.index(b"\xff\xee")
    return data[:start] + data[start + 16 :]


def png_with(chunk: bytes, late: bool = False, kind: bytes = b"eXIf") -> bytes:
    """A PNG with a chunk behind its header, or behind its pixels."""
    import zlib

    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    Image.fromarray(noise).save(buffer, "PNG")
    data = buffer.getvalue()
    place = len(data) - 12 if late else 33
    framed = struct.pack(">I", len(chunk)) + kind + chunk
    framed += struct.pack(">I", zlib.crc32(kind + chunk))
    return data[:place] + framed + data[place:]
