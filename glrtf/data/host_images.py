"""From an image file's bytes to pixels of one size on the host, with or without TensorFlow.

If nothing else has imported TensorFlow, it is imported only for files that the fast decoder does
not support, and only if it is installed and, where Keras runs on JAX, does not load a TPU driver.
"""

import functools
import importlib.metadata
import importlib.util
import io
import sys

import numpy as np

from glrtf.config import keras_backend
from glrtf.data.input_spec import InputSpec
from glrtf.data.resizers import HostResize, host_resizer
from tfrecords_tools import fast_jpeg, jpeg
from tfrecords_tools.errors import UserError
from tfrecords_tools.fast_jpeg import Room


def decode_on_host(encoded: bytes, room: Room | None = None) -> np.ndarray:
    """Like `decoding.decode`, with identical values, outside a graph and from many threads at once.

    Only CMYK without an Adobe marker differs: `decode` inverts it. If TensorFlow is not installed,
    Pillow decodes everything but intact JPEGs of the usual kinds: truncated files are refused, and
    colours of CMYK may differ.

    Args:
        encoded: A file's bytes.
        room: Memory that may be used for the image.

    Returns:
        uint8 (h, w, 3).

    Raises:
        ValueError: If it is not a JPEG or PNG image.
    """
    decoded = fast_jpeg.decode(encoded, room)
    if decoded is not None:
        return decoded
    # TensorFlow decides about everything but intact JPEGs of the usual kinds.
    header = jpeg.read_header(encoded)
    if header is not None and header.components == 4 and not header.has_adobe:
        encoded = jpeg.with_adobe(encoded)
    return _by_tensorflow(encoded) if _may_import_tensorflow() else _by_pillow(encoded)


@functools.cache
def exact_resize(size: int, antialias: bool = False) -> HostResize:
    """`decoding.resize` on the host; traced once per size.

    On JAX and in processes without TensorFlow: by NumPy, with the same values.
    """
    if keras_backend.chosen() == "jax" or sys.modules.get("tensorflow") is None:
        return host_resizer(InputSpec(size, antialias=antialias))
    import tensorflow as tf

    from glrtf.data.decoding import resize

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
    cv2.setNumThreads(0)  # Each core is already resizing another photo.

    def fast(image: np.ndarray, place: np.ndarray) -> None:
        cv2.resize(image, (size, size), dst=place, interpolation=cv2.INTER_LINEAR)

    return fast


def _pillow_resize(size: int, image: np.ndarray, place: np.ndarray) -> None:
    from PIL import Image

    place[...] = Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR)


@functools.cache
def _may_import_tensorflow() -> bool:
    """Whether TensorFlow is installed and does not load a libtpu other than JAX's."""
    if keras_backend.chosen() == "tensorflow":
        return importlib.util.find_spec("tensorflow") is not None
    try:
        importlib.metadata.version("tensorflow-tpu")
        return False
    except importlib.metadata.PackageNotFoundError:
        pass
    try:
        import tensorflow  # noqa: F401
    except ImportError:
        return False
    return True


def _by_tensorflow(encoded: bytes) -> np.ndarray:
    import tensorflow as tf

    try:
        with tf.device("CPU:0"):
            image = tf.io.decode_jpeg(encoded, channels=3).numpy()
    except tf.errors.OpError as error:
        raise ValueError(error.message) from None
    if image.ndim != 3:
        raise ValueError(f"expected one image, found the shape {image.shape}")
    return image


def _by_pillow(encoded: bytes) -> np.ndarray:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(encoded), formats=("JPEG", "PNG")) as image:
            if image.mode.startswith("I;16"):
                # Pillow would clip to 255; TensorFlow takes the high byte.
                levels = (np.asarray(image) >> 8).astype(np.uint8)
                return np.repeat(levels[..., np.newaxis], 3, axis=2)
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(str(error)) from None
