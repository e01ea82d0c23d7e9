"""Turns photos upright by their Exif orientation, inside a TensorFlow graph.

TensorFlow decodes a file as it is stored; cameras store a photo as the sensor
saw it and note how it was held. The rule is that of `tfrecords_tools.exif`, which
this follows operation by operation: the first Exif block before the pixels, its first
directory, the first entry, SHORT or LONG. Layout: ITU-T T.81, Annex B; Exif 2.32, 4.5;
PNG 3rd edition, 5.3.
"""

from typing import NamedTuple, TypeAlias

import tensorflow as tf

from tfrecords_tools import exif, jpeg

Tensor: TypeAlias = tf.Tensor

_ORIENTATION_TAG = 0x0112
_SHORT, _LONG = 3, 4


class Header(NamedTuple):
    """What a file's header says.

    Attributes:
        orientation: Scalar int32, 1 to 8; 1 if none is stated.
        is_plain_cmyk: Scalar bool, whether it is a CMYK JPEG without an Adobe marker.
        components: Scalar int32, how many a JPEG has: 1 gray, 3 colour, 4 CMYK; else 0.
    """

    orientation: Tensor
    is_plain_cmyk: Tensor
    components: Tensor


def read_header(encoded: Tensor) -> Header:
    """Reads the header of a JPEG or PNG file's bytes, a scalar string."""
    is_jpeg = tf.strings.substr(encoded, 0, 3) == b"\xff\xd8\xff"
    is_png = tf.strings.substr(encoded, 0, 8) == exif.PNG_SIGNATURE
    nothing = tf.constant(b"")
    block, components, has_adobe = tf.cond(
        is_jpeg,
        lambda: _walk_jpeg(encoded),
        lambda: (
            tf.cond(is_png, lambda: _walk_png(encoded), lambda: nothing),
            tf.constant(0),
            tf.constant(False),
        ),
    )
    return Header(_block_orientation(block), (components == 4) & ~has_adobe, components)


def orientation(encoded: Tensor) -> Tensor:
    """The orientation, scalar int32 of 1 to 8, of a JPEG or PNG file's bytes, a scalar string."""
    return read_header(encoded).orientation


def with_adobe(encoded: Tensor) -> Tensor:
    """As `jpeg.with_adobe`, a scalar string: TensorFlow then does not invert the CMYK values."""
    rest = tf.strings.substr(encoded, 2, tf.strings.length(encoded) - 2)
    return tf.strings.join([b"\xff\xd8", jpeg.ADOBE_CMYK, rest])


def upright(image: Tensor, value: Tensor) -> Tensor:
    """Turns and mirrors an image (h, w, 3) according to its orientation, a scalar of 1 to 8."""
    branches = [
        lambda: image,
        lambda: image[:, ::-1],
        lambda: image[::-1, ::-1],
        lambda: image[::-1],
        lambda: _swapped(image),
        lambda: _swapped(image)[:, ::-1],
        lambda: _swapped(image)[::-1, ::-1],
        lambda: _swapped(image)[::-1],
    ]
    return tf.switch_case(value - 1, branches)


def _swapped(image: Tensor) -> Tensor:
    """Exchanges rows and columns by gathering pixels.

    TensorFlow's transposition of uint8 logs an error on processors for which oneDNN has
    none, and a cast to another type and back is optimised away.
    """
    height, width = tf.shape(image)[0], tf.shape(image)[1]
    places = tf.range(height)[tf.newaxis, :] * width + tf.range(width)[:, tf.newaxis]
    return tf.gather(tf.reshape(image, [height * width, tf.shape(image)[2]]), places)


def _walk_jpeg(encoded: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The first Exif block before the pixels, the components, and whether it has Adobe's marker."""
    size = tf.strings.length(encoded)

    def follow(position: Tensor, *found: Tensor) -> tuple[Tensor, ...]:
        byte = _bytes(tf.strings.substr(encoded, position, 4))
        marker, length = byte[1], byte[2] * 256 + byte[3]
        bare = (marker == 0x01) | ((marker >= 0xD0) & (marker <= 0xD7))
        stop = (byte[0] != 0xFF) | (marker == 0xDA)
        # A fill byte, a marker without length, the end of the header, or a segment.
        step = tf.where(marker == 0xFF, 1, tf.where(bare, 2, 2 + length))
        bad = (length < 2) | (marker == 0xD9)
        stop |= (marker != 0xFF) & ~bare & bad
        is_segment = (marker != 0xFF) & ~bare & ~stop
        found = tf.cond(
            is_segment, lambda: segment(position, marker, length, *found), lambda: found
        )
        return tf.where(stop, size, position + step), *found

    def segment(
        position: Tensor, marker: Tensor, length: Tensor, *found: Tensor
    ) -> tuple[Tensor, ...]:
        block, has_block, components, has_adobe = found
        mark = tf.strings.substr(encoded, position + 4, 6)
        is_block = (marker == 0xE1) & (mark == exif.MARK) & ~has_block
        # A segment that is too long ends at the file's end.
        start = tf.minimum(position + 10, size)
        content = tf.strings.substr(encoded, start, tf.maximum(length - 8, 0))
        block = tf.where(is_block, content, block)
        no_frame = (marker == 0xC4) | (marker == 0xC8) | (marker == 0xCC)
        is_frame = (marker >= 0xC0) & (marker <= 0xCF) & ~no_frame & (position + 10 <= size)
        last = _bytes(tf.strings.substr(encoded, tf.minimum(position + 9, size - 1), 1))[0]
        components = tf.where(is_frame, last, components)
        is_adobe = tf.strings.substr(mark, 0, 5) == b"Adobe"
        has_adobe |= (marker == 0xEE) & (length >= 14) & is_adobe
        return block, has_block | is_block, components, has_adobe

    start = (
        tf.constant(2),
        tf.constant(b""),
        tf.constant(False),
        tf.constant(0),
        tf.constant(False),
    )
    _, block, _, components, has_adobe = tf.while_loop(
        lambda position, *_: position + 4 <= size, follow, start
    )
    return block, components, has_adobe


def _walk_png(encoded: Tensor) -> Tensor:
    """The first eXIf chunk."""
    size = tf.strings.length(encoded)

    def follow(position: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
        length = _number(_bytes(tf.strings.substr(encoded, position, 4)), 4, tf.constant(False))
        kind = tf.strings.substr(encoded, position + 4, 4)
        is_block = kind == b"eXIf"
        available = tf.cast(tf.minimum(length, tf.cast(size, tf.int64)), tf.int32)
        content = tf.strings.substr(encoded, position + 8, available)
        after = tf.cast(position, tf.int64) + 12 + length
        after = tf.where(is_block | (kind == b"IEND"), tf.cast(size, tf.int64), after)
        after = tf.cast(tf.minimum(after, tf.cast(size, tf.int64)), tf.int32)
        return after, tf.where(is_block, content, b"")

    start = (tf.constant(len(exif.PNG_SIGNATURE)), tf.constant(b""))
    return tf.while_loop(lambda position, _: position + 8 <= size, follow, start)[1]


def _block_orientation(tiff: Tensor) -> Tensor:
    """`exif.block_orientation` of a scalar string, scalar int32."""
    size = tf.cast(tf.strings.length(tiff), tf.int64)
    start = tf.strings.substr(tiff, 0, 4)
    little = start == b"II*\0"
    is_tiff = (little | (start == b"MM\0*")) & (size >= 8)

    def entries() -> Tensor:
        directory = _number(_bytes(tf.strings.substr(tiff, 4, 4)), 4, little)
        readable = directory + 2 <= size
        return tf.cond(readable, lambda: first_entry(directory), _upright)

    def first_entry(directory: Tensor) -> Tensor:
        place = tf.cast(directory, tf.int32)
        stated = _number(_bytes(tf.strings.substr(tiff, place, 2)), 2, little)
        available = tf.minimum(stated, (size - directory - 2) // 12)
        content = tf.strings.substr(tiff, place + 2, tf.cast(12 * available, tf.int32))
        # A row of zeros is appended, because there may be no entry.
        rows = tf.reshape(_bytes(tf.strings.join([content, bytes(12)])), [-1, 12])
        is_it = _number(rows[:, 0:2], 2, little) == _ORIENTATION_TAG
        first = tf.argmax(tf.cast(is_it, tf.int32))
        return tf.cond(tf.reduce_any(is_it), lambda: value(rows[first]), _upright)

    def value(entry: Tensor) -> Tensor:
        kind, count = _number(entry[2:4], 2, little), _number(entry[4:8], 4, little)
        short, long = _number(entry[8:10], 2, little), _number(entry[8:12], 4, little)
        stated = tf.where(kind == _SHORT, short, long)
        good = ((kind == _SHORT) | (kind == _LONG)) & (count == 1) & (stated >= 1) & (stated <= 8)
        return tf.cast(tf.where(good, stated, exif.UPRIGHT), tf.int32)

    return tf.cond(is_tiff, entries, _upright)


def _upright() -> Tensor:
    return tf.constant(exif.UPRIGHT)


def _bytes(text: Tensor) -> Tensor:
    """The bytes (n,) int32 of a scalar string."""
    return tf.cast(tf.io.decode_raw(text, tf.uint8), tf.int32)


def _number(values: Tensor, width: int, little: Tensor) -> Tensor:
    """Unsigned numbers int64 (...,) of bytes (..., width)."""
    places = tf.range(width, dtype=tf.int64)
    places = tf.where(little, places, width - 1 - places)
    shares = tf.bitwise.left_shift(tf.ones_like(places), 8 * places)
    return tf.reduce_sum(tf.cast(values, tf.int64) * shares, axis=-1)
