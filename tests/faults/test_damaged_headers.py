"""Bits flipped in a JPEG's frame, tables and scan headers: what is kept can be read."""

import random

import pytest
from tiny_gldv2 import jpeg

from tfrecords_tools import images

_FLIPS = 400


def _header_bits(data: bytes) -> list[int]:
    """The places of the bits of all frames, tables and scan headers up to the first scan."""
    bits, position = [], 2
    while True:
        marker = data[position + 1]
        length = 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        if marker in (0xC0, 0xC2, 0xC4, 0xDA, 0xDB):
            bits += range(8 * position, 8 * (position + length))
        if marker == 0xDA:
            return bits
        position += length


@pytest.mark.parametrize(
    "data", [jpeg(1, (64, 48)), jpeg(2, (64, 48), "L"), jpeg(3, (64, 48), progressive=True)]
)
def test_what_is_kept_by_its_header_decodes(data):
    from glrtf.data import decoding

    bits = _header_bits(data)
    kept = 0
    for place in random.Random(0).sample(bits, min(_FLIPS, len(bits))):
        changed = bytearray(data)
        changed[place // 8] ^= 1 << place % 8
        inspected = images.inspect(bytes(changed), images.ImageSettings())
        if inspected.fate != images.REJECTED:
            shape = decoding.decode_on_host(inspected.encoded).shape
            assert shape == (inspected.height, inspected.width, 3)
            kept += 1
    assert kept > _FLIPS // 4


def test_a_scan_behind_a_complete_picture_is_damage():
    # As a flipped bit makes of a progressive file a baseline one.
    data = jpeg(1)
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
    inspected = images.inspect(data[:-2] + scan + data[-2:], images.ImageSettings())
    assert inspected.reason == "corrupt"
    # Behind the end marker it is another picture's.
    assert images.inspect(data + scan, images.ImageSettings()).fate == images.KEPT
