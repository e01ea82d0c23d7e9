"""From the bytes somebody sends to the pixels a model takes, or a refusal."""

from typing import TypeAlias

import numpy as np
import tensorflow as tf

from glrtf.data import decoding
from tfrecords_tools import images
from tfrecords_tools.images import ImageSettings

Tensor: TypeAlias = tf.Tensor


class RefusedPhotoError(Exception):
    """Bytes that are no photo to be taken; the message is the reason in a few words."""


class PhotoReader:
    """Reads photos as the shards' builder and the embedding do.

    The header is looked at first: what claims too many pixels is never decoded.

    Args:
        size: Side of the model's input in pixels.
        max_pixels: Photos with more are refused.
    """

    def __init__(self, size: int, max_pixels: int = ImageSettings.max_pixels) -> None:
        self._settings = ImageSettings(verify="decode", max_pixels=max_pixels)
        # One graph for all photos: sizes differ, and a trace for each would be kept for ever.
        self._square = tf.function(
            lambda encoded: decoding.resize(decoding.decode(encoded), size), autograph=False
        ).get_concrete_function(tf.TensorSpec([], tf.string))

    def __call__(self, data: bytes) -> np.ndarray:
        """Pixels uint8 (size, size, 3) of an image file's bytes, turned upright.

        Raises:
            RefusedPhotoError: If they are not an image, too large or small, animated,
                truncated or damaged.
        """
        upright = images.inspect(data, self._settings)
        if upright.fate == images.REJECTED:
            raise RefusedPhotoError(upright.reason)
        try:
            return self._square(tf.constant(upright.encoded)).numpy()
        except tf.errors.InvalidArgumentError:
            raise RefusedPhotoError("corrupt") from None
