"""Decodes a photo to the pixels that the shards have of it, inside a TensorFlow graph.

It does what `tfrecords_tools.images` does to a file, as far as TensorFlow's operations allow:
upright gray and RGB JPEGs are kept, everything else is turned upright, composited on white,
resized, and encoded as a JPEG again, by the same rules and to the same pixels. WebP, AVIF, BMP and
TIFF cannot be decoded; images that the builder refuses as too small, animated, damaged or too
costly are accepted if they can be decoded.
"""

from typing import TypeAlias

import tensorflow as tf

from glrtf.data.decoding import decode, resize
from glrtf.data.input_spec import InputSpec
from glrtf.data.shrinking import decode_shrunk, encode_again, shrink, thumbnail
from glrtf.inference import exif
from tfrecords_tools import exif as rule

Tensor: TypeAlias = tf.Tensor

_OPAQUE = 255
_GRAY = 0  # PNG's colour type.


def read_photo(encoded: Tensor, max_side: int | None = None) -> Tensor:
    """Decodes an image file as the builder and then the training do.

    Args:
        encoded: Scalar string, bytes of a JPEG, PNG or GIF.
        max_side: As for the builder; None or 0 for any length.

    Returns:
        uint8 (h, w, 3), upright.
    """
    header = exif.read_header(encoded)
    is_jpeg = tf.strings.substr(encoded, 0, 3) == b"\xff\xd8\xff"
    is_png = tf.strings.substr(encoded, 0, 8) == rule.PNG_SIGNATURE

    def rebuilt() -> Tensor:
        readable = tf.cond(header.is_plain_cmyk, lambda: exif.with_adobe(encoded), lambda: encoded)
        image = tf.cond(
            is_png, lambda: _decode_png(encoded), lambda: decode(readable, exactly=True)
        )
        image = tf.ensure_shape(exif.upright(image, header.orientation), [None, None, 3])
        return encode_again(thumbnail(image, max_side) if max_side else image)

    is_kept = is_jpeg & ~_must_change(header)
    image = tf.cond(is_kept, lambda: decode_shrunk(encoded, max_side), rebuilt)
    return tf.ensure_shape(image, [None, None, 3])


def prepare(images: Tensor, spec: InputSpec) -> Tensor:
    """Images uint8 (..., h, w, 3), one or a batch of one size, to (..., size, size, 3)."""
    return resize(shrink(images, spec.max_side), spec.size, spec.antialias)


def _must_change(header: exif.Header) -> Tensor:
    turned = header.orientation != rule.UPRIGHT
    return turned | ((header.components != 1) & (header.components != 3))


def _decode_png(encoded: Tensor) -> Tensor:
    """Composites transparency on white; scales 16-bit gray to 8 bits; uint8 (h, w, 3)."""
    # After the signature, the header chunk's length and name: width, height, depth, colour type.
    numbers = tf.io.decode_raw(tf.strings.substr(encoded, 24, 2), tf.uint8)
    is_deep_gray = tf.reduce_all(numbers == tf.constant([16, _GRAY], tf.uint8))
    image = tf.cond(is_deep_gray, lambda: _deep_gray(encoded), lambda: _on_white(encoded))
    return tf.ensure_shape(image, [None, None, 3])


def _deep_gray(encoded: Tensor) -> Tensor:
    samples = tf.cast(tf.io.decode_png(encoded, channels=1, dtype=tf.uint16), tf.float64)
    # The builder's rule: a file without a value above 255 has 8-bit values.
    scale = tf.where(tf.reduce_max(samples) > 255, 255.0 / 65535, 1.0)
    levels = tf.cast(tf.round(samples * tf.cast(scale, tf.float64)), tf.uint8)
    return tf.repeat(levels, 3, axis=-1)


def _on_white(encoded: Tensor) -> Tensor:
    """Pillow's ``alpha_composite`` over opaque white, in its integers."""
    pixels = tf.cast(tf.io.decode_png(encoded, channels=4), tf.int32)
    colours, alpha = pixels[..., :3], pixels[..., 3:]
    blended = (colours * alpha + 255 * (_OPAQUE - alpha) + 128) * 128
    return tf.cast(((blended // 256 + blended) // 256) // 128, tf.uint8)
