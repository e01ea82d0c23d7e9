"""Test-time augmentation: sums the embeddings of several views."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from glrtf.models import kernels

Tensor: TypeAlias = Any


def view(images: Tensor, name: str) -> Tensor:
    """One view of images (b, h, w, 3): ``plain``, or ``hflip``, mirrored left and right."""
    if name == "plain":
        return images
    if name == "hflip":
        return images[:, :, ::-1]
    raise ValueError(f"no view {name!r}")


def embed_views(
    embed: Callable[[Tensor], Tensor],
    scaled: Sequence[Tensor],
    views: Sequence[str],
    unit_views: bool = True,
) -> Tensor:
    """The sum of the views' unit embeddings at all scales, normalised to length 1.

    Args:
        embed: Images (b, h, w, 3) to rows (b, d).
        scaled: The same images at each scale, uint8 (b, h, w, 3).
        views: Names of views.
        unit_views: Whether each view's embedding is normalised before the sum.

    Returns:
        Float32 (b, d), rows of length 1.
    """
    rows = [embed(view(images, name)) for images in scaled for name in views]
    if unit_views:
        rows = [kernels.unit_rows(each) for each in rows]
    return kernels.unit_rows(sum(rows[1:], rows[0]))
