"""The TFRecord container: framing and checking of records, without TensorFlow.

A record is its length (8 bytes), that length's checksum (4), the data, and the
data's checksum (4), all little-endian; a checksum is a masked CRC-32C. The
format is described in TensorFlow's ``lib/io/record_writer.h``.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO, Protocol

import google_crc32c

OVERHEAD = 16
"""Bytes of a record in addition to its data."""

_MASK_DELTA = 0xA282EAD8
_MAX_RECORD = 1 << 30


class Reader(Protocol):
    """A source of records."""

    def read(self, size: int, /) -> bytes:
        """The next `size` bytes, fewer at the end."""


class CorruptRecordError(ValueError):
    """A record whose length or checksum is wrong; says where."""


def masked_crc(data: bytes) -> int:
    """The CRC-32C of `data`, rotated and shifted as TFRecord stores it."""
    crc = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF


def frame(data: bytes) -> tuple[bytes, bytes]:
    """The bytes before and after a record's data in a file."""
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked_crc(length)), struct.pack("<I", masked_crc(data))


def compression(header: bytes) -> str:
    """``"GZIP"`` or ``"ZLIB"`` if a file's first bytes start such a stream, not a record.

    TensorFlow's writers can compress a whole file; its records cannot be
    counted or skipped then. An empty text means that the file is not compressed.

    Args:
        header: A file's first 12 bytes, or all if it has fewer.
    """
    if len(header) == 12 and masked_crc(header[:8]) == struct.unpack("<I", header[8:])[0]:
        return ""
    if header[:3] == b"\x1f\x8b\x08":
        return "GZIP"
    # RFC 1950: deflate, and both bytes as one number a multiple of 31.
    if header[:1] == b"\x78" and int.from_bytes(header[:2], "big") % 31 == 0:
        return "ZLIB"
    return ""


def read_records(file: BinaryIO | Reader) -> Iterator[bytes]:
    """Yields the data of each record of an open file, every checksum verified.

    Raises:
        CorruptRecordError: At the first record that is truncated or altered.
    """
    offset = 0
    while header := file.read(12):
        if len(header) < 12:
            raise CorruptRecordError(f"cut inside the record header at byte {offset}")
        length, length_crc = struct.unpack("<QI", header)
        if masked_crc(header[:8]) != length_crc or length > _MAX_RECORD:
            raise CorruptRecordError(f"altered record header at byte {offset}")
        body = file.read(length + 4)
        if len(body) < length + 4:
            raise CorruptRecordError(f"cut inside the record at byte {offset}")
        data = body[:length]
        if masked_crc(data) != struct.unpack("<I", body[length:])[0]:
            raise CorruptRecordError(f"altered record at byte {offset}")
        yield data
        offset += length + OVERHEAD
