"""Test-time augmentation: the embeddings of several views added up."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from glrtf.models import kernels

Tensor: TypeAlias = Any

_STRIDE = 32


def view(images: Tensor, name: str) -> Tensor:
    """One view of images (b, h, w, 3): ``plain``, or ``hflip``, mirrored left and right."""
    if name == "plain":
        return images
    if name == "hflip":
        return images[:, :, ::-1]
    raise ValueError(f"no view {name!r}")


def scaled_side(size: int, scale: float) -> int:
    """The side in pixels at which a model of an input size sees photos at a scale.

    Rounded to the backbone's stride of 32; the model's own size at scale 1.
    """
    return size if scale == 1 else max(_STRIDE, round(size * scale / _STRIDE) * _STRIDE)


def embed_views(
    embed: Callable[[Tensor], Tensor], scaled: Sequence[Tensor], views: Sequence[str]
) -> Tensor:
    """The sum of the views' unit embeddings at all scales, made a unit vector again.

    Args:
        embed: Images (b, h, w, 3) to rows (b, d).
        scaled: The same images at each scale, uint8 (b, h, w, 3).
        views: Names of views.

    Returns:
        Float32 (b, d), rows of length 1.
    """
    rows = [kernels.unit_rows(embed(view(images, name))) for images in scaled for name in views]
    return kernels.unit_rows(sum(rows[1:], rows[0]))
