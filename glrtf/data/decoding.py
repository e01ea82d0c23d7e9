"""From an image file's bytes to pixels of one size, in a graph; for the host see `host_images`."""

from typing import TypeAlias

import tensorflow as tf

from glrtf.data.host_images import decode_on_host as decode_on_host
from glrtf.data.host_images import exact_resize as exact_resize
from glrtf.data.host_images import fast_resize as fast_resize
from glrtf.data.input_spec import InputSpec as InputSpec
from glrtf.data.resizers import HostResize as HostResize

Tensor: TypeAlias = tf.Tensor


def decode(encoded: Tensor, *, exactly: bool = False) -> Tensor:
    """Decodes the bytes of one JPEG or PNG; uint8 (h, w, 3).

    Args:
        encoded: Scalar string.
        exactly: Whether to use the slow, exact transform, as the builder does for images that it
            re-encodes; training decodes with the fast one.
    """
    method = "INTEGER_ACCURATE" if exactly else ""
    image = tf.io.decode_jpeg(encoded, channels=3, dct_method=method)
    image.set_shape([None, None, 3])
    return image


def resize(image: Tensor, size: int, antialias: bool = False) -> Tensor:
    """Bilinear, aspect not kept, values rounded; uint8 (h, w, 3) → (size, size, 3)."""
    resized = tf.image.resize(image, [size, size], method="bilinear", antialias=antialias)
    return tf.cast(tf.round(resized), tf.uint8)
