"""From an image file's bytes to pixels of one size, in a graph or on the host."""

import functools
from typing import TypeAlias

import numpy as np
import tensorflow as tf

from glrtf.data.resizers import HostResize
from tfrecords_tools import fast_jpeg, jpeg
from tfrecords_tools.errors import UserError
from tfrecords_tools.fast_jpeg import Room

Tensor: TypeAlias = tf.Tensor


def decode(encoded: Tensor, *, exactly: bool = False) -> Tensor:
    """Decodes the bytes of one JPEG or PNG; uint8 (h, w, 3).

    Args:
        encoded: Scalar string.
        exactly: By the slow, exact transform, as the shards' builder does what it encodes
            again; training reads shards by the fast one.
    """
    method = "INTEGER_ACCURATE" if exactly else ""
    image = tf.io.decode_jpeg(encoded, channels=3, dct_method=method)
    image.set_shape([None, None, 3])
    return image


def decode_on_host(encoded: bytes, room: Room | None = None) -> np.ndarray:
    """As `decode`, the very same values, outside TensorFlow and from many threads at once.

    CMYK without an Adobe marker alone differs: `decode` makes a negative of it.

    Args:
        encoded: A file's bytes.
        room: Where the image may be put; it comes there, or elsewhere.

    Returns:
        uint8 (h, w, 3).

    Raises:
        ValueError: If it is no JPEG or PNG image.
    """
    decoded = fast_jpeg.decode(encoded, room)
    if decoded is not None:
        return decoded
    # Whatever is no flawless JPEG of a usual kind, TensorFlow decides about.
    header = jpeg.read_header(encoded)
    if header is not None and header.components == 4 and not header.has_adobe:
        encoded = jpeg.with_adobe(encoded)
    try:
        with tf.device("CPU:0"):
            image = tf.io.decode_jpeg(encoded, channels=3).numpy()
    except tf.errors.OpError as error:
        raise ValueError(error.message) from None
    if image.ndim != 3:
        raise ValueError(f"expected one image, found the shape {image.shape}")
    return image


def resize(image: Tensor, size: int, antialias: bool = False) -> Tensor:
    """Bilinear, aspect not kept, values rounded; uint8 (h, w, 3) → (size, size, 3)."""
    resized = tf.image.resize(image, [size, size], method="bilinear", antialias=antialias)
    return tf.cast(tf.round(resized), tf.uint8)


@functools.cache
def exact_resize(size: int, antialias: bool = False) -> HostResize:
    """`resize` on the host; traced once a size."""
    graph = tf.function(
        lambda image: resize(image, size, antialias),
        input_signature=[tf.TensorSpec([None, None, 3], tf.uint8)],
        autograph=False,
    )

    def exact(image: np.ndarray, place: np.ndarray) -> None:
        with tf.device("CPU:0"):
            place[...] = graph(image).numpy()

    return exact


def fast_resize(size: int, antialias: bool = False) -> HostResize:
    """As `exact_resize`, within 1 of the exact value, in a third of the time.

    By OpenCV; with `antialias` by Pillow, whose bilinear filter is TensorFlow's.
    """
    if antialias:
        return functools.partial(_pillow_resize, size)
    try:
        import cv2
    except ImportError:
        raise UserError(
            "--input.exact_resize: expected OpenCV for the fast resize, found none; pip install"
            " opencv-python-headless, or use --input.exact_resize"
        ) from None
    cv2.setNumThreads(0)  # Each core resizes another photo already.

    def fast(image: np.ndarray, place: np.ndarray) -> None:
        cv2.resize(image, (size, size), dst=place, interpolation=cv2.INTER_LINEAR)

    return fast


def _pillow_resize(size: int, image: np.ndarray, place: np.ndarray) -> None:
    from PIL import Image

    place[...] = Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR)
