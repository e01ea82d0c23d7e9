"""Test-time augmentation: the embeddings of several views added up."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import tensorflow as tf

Tensor: TypeAlias = tf.Tensor


def view(images: Tensor, name: str) -> Tensor:
    """One view of images (b, h, w, 3): ``plain``, or ``hflip``, mirrored left and right."""
    if name == "plain":
        return images
    if name == "hflip":
        return images[:, :, ::-1]
    raise ValueError(f"no view {name!r}")


def embed_views(embed: Callable[[Tensor], Tensor], images: Tensor, views: Sequence[str]) -> Tensor:
    """The sum of the views' unit embeddings, made a unit vector again.

    Args:
        embed: Images (b, h, w, 3) to rows (b, d).
        images: uint8 (b, h, w, 3).
        views: Names of views.

    Returns:
        Float32 (b, d), rows of length 1.
    """
    rows = [tf.math.l2_normalize(embed(view(images, name)), axis=-1) for name in views]
    return tf.math.l2_normalize(tf.add_n(rows), axis=-1)
