"""``tf.train.Example`` messages of bytes and integers, without TensorFlow.

The bytes equal those of the protocol buffer library when set to be
deterministic (features in the order of their names), so that the same record
is the same bytes on every machine. Format: protobuf.dev/programming-guides/encoding.
"""

import functools
from collections.abc import Iterator, Mapping

_LENGTH_DELIMITED = 2
_SMALL = [bytes([value]) for value in range(0x80)]


def encode(features: Mapping[str, bytes | int]) -> bytes:
    """Serialises an Example.

    Where one name begins with another, protocol buffer libraries disagree about
    their order; here the shorter comes first.

    Args:
        features: The single value of each feature: bytes give a ``bytes_list``, an integer (-2^63
            .. 2^63 - 1) an ``int64_list``.
    """
    entries: list[bytes] = []
    for name in sorted(features):
        entries += _field(1, [_key(name), *_field(2, _feature(features[name]))])
    return b"".join(_field(1, entries))


def decode(serialized: bytes) -> dict[str, bytes | int]:
    """The features of an Example, the first value of each; those without a value are left out.

    Raises:
        ValueError: If the bytes are not such a message.
    """
    features: dict[str, bytes | int] = {}
    # A view's slices are views: only the values themselves are copied.
    for entry in _payloads(_only(memoryview(serialized))):
        name, feature = (_only_numbered(entry, number) for number in (1, 2))
        kind, values = next(_fields(feature), (0, feature))
        if not values:
            continue
        if kind == 1:
            features[str(name, "utf-8")] = bytes(_only(values))
        elif kind == 3:
            features[str(name, "utf-8")] = _first_integer(values)
    return features


def _feature(value: bytes | int) -> list[bytes]:
    if isinstance(value, bytes):
        return _field(1, _field(1, [value]))
    return _field(3, _field(1, [varint(value & 0xFFFFFFFFFFFFFFFF)]))


@functools.cache
def _key(name: str) -> bytes:
    return b"".join(_field(1, [name.encode()]))


def _field(number: int, payload: list[bytes]) -> list[bytes]:
    """A length-delimited field, in parts, so that images are copied once only."""
    length = sum(map(len, payload))
    return [_SMALL[number << 3 | _LENGTH_DELIMITED], varint(length), *payload]


def varint(value: int) -> bytes:
    """A number of 0 or more as Protocol Buffers write it, 7 bits a byte."""
    if value < 0x80:
        return _SMALL[value]
    result = bytearray()
    while value > 0x7F:
        result.append(value & 0x7F | 0x80)
        value >>= 7
    result.append(value)
    return bytes(result)


def _read_varint(data: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(data) and shift < 70:
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position += 1
        shift += 7
        if byte < 0x80:
            return value, position
    raise ValueError("not a tf.train.Example: a number is cut")


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yields the number and payload of each length-delimited field."""
    position = 0
    while position < len(data):
        key, position = _read_varint(data, position)
        if key & 7 != _LENGTH_DELIMITED:
            raise ValueError(f"not a tf.train.Example: unexpected wire type {key & 7}")
        length, position = _read_varint(data, position)
        if position + length > len(data):
            raise ValueError("not a tf.train.Example: a field is cut")
        yield key >> 3, data[position : position + length]
        position += length


def _payloads(data: memoryview) -> Iterator[memoryview]:
    return (payload for number, payload in _fields(data) if number == 1)


def _only_numbered(data: memoryview, number: int) -> memoryview:
    for found, payload in _fields(data):
        if found == number:
            return payload
    raise ValueError(f"not a tf.train.Example: field {number} is missing")


def _only(data: memoryview) -> memoryview:
    return _only_numbered(data, 1)


def _first_integer(values: memoryview) -> int:
    """The first of an int64_list's values, packed (as written here) or not."""
    key, position = _read_varint(values, 0)
    if key & 7 == _LENGTH_DELIMITED:
        _, position = _read_varint(values, position)
    value, _ = _read_varint(values, position)
    return value - (1 << 64) if value >> 63 else value
