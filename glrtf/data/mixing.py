"""MixUp and CutMix of a batch: each image is mixed with another image of the batch.

`keras.layers.MixUp` and `CutMix` need labels as one-hot rows, which do not fit into memory for
203,094 landmarks, and draw shares in a way that XLA cannot compile. Here the partner and the share
are returned: the loss of an image is share · loss(own label) + (1 - share) · loss(partner's).
"""

from typing import Any, TypeAlias

import numpy as np

from glrtf.config.data import AugmentConfig
from glrtf.config.keras_settings import keras
from glrtf.data import kernels

Tensor: TypeAlias = Any
ops = keras.ops

_QUANTILES = 4096
# Different from the streams of `augment`, which uses the same seed.
_STREAM = 101


def mix(images: Tensor, seed: Tensor, config: AugmentConfig) -> tuple[Tensor, Tensor, Tensor]:
    """Mixes a batch as the settings say: by MixUp, by CutMix, or by one of the two.

    Args:
        images: Float (b, h, w, 3).
        seed: int32 (2,), of the step.
        config: With `mixup` or `cutmix` above 0.

    Returns:
        As `mixup`.
    """
    seed = kernels.fold_in(seed, _STREAM)

    def blended() -> tuple[Tensor, Tensor, Tensor]:
        return mixup(images, seed, config.mixup)

    def pasted() -> tuple[Tensor, Tensor, Tensor]:
        return cutmix(images, seed, config.cutmix)

    if config.mixup and config.cutmix:
        heads = kernels.uniform(kernels.fold_in(seed, 4), []) < 0.5
        return ops.cond(heads, blended, pasted)
    return blended() if config.mixup else pasted()


def mixup(images: Tensor, seed: Tensor, alpha: float) -> tuple[Tensor, Tensor, Tensor]:
    """Blends whole images (Zhang et al. 2017, arXiv 1710.09412).

    Args:
        images: Float (b, h, w, 3).
        seed: int32 (2,).
        alpha: Parameter of the Beta(alpha, alpha) from which shares are drawn.

    Returns:
        Mixed images; partner int32 (b,), the row that each is mixed with;
        share float32 (b,), the share of its own image.
    """
    others, partner, share = _draw(images, seed, alpha)
    own = ops.cast(share, images.dtype)[:, None, None, None]
    return own * images + (1 - own) * others, partner, share


def cutmix(images: Tensor, seed: Tensor, alpha: float) -> tuple[Tensor, Tensor, Tensor]:
    """Pastes a box of another image (Yun et al. 2019, arXiv 1905.04899).

    The box has the image's aspect and its centre anywhere; the share counts only the part inside
    the image.

    Args:
        images: Float (b, h, w, 3).
        seed: int32 (2,).
        alpha: Parameter of the Beta(alpha, alpha) from which shares are drawn.

    Returns:
        As `mixup`; the share is exact, counted in pixels.
    """
    others, partner, share = _draw(images, seed, alpha)
    sides = ops.sqrt(1 - share)
    middles = kernels.uniform(kernels.fold_in(seed, 3), [ops.shape(images)[0], 2])
    rows = _inside(middles[:, 0], sides, images.shape[1])
    columns = _inside(middles[:, 1], sides, images.shape[2])
    box = rows[:, :, None] & columns[:, None, :]
    mixed = ops.where(box[..., None], others, images)
    return mixed, partner, 1 - ops.mean(ops.cast(box, "float32"), axis=[1, 2])


def _draw(images: Tensor, seed: Tensor, alpha: float) -> tuple[Tensor, Tensor, Tensor]:
    """Each image's partner, its row in the batch, and a share from Beta(alpha, alpha).

    The partner is a random number of rows further on, the same for all images of a batch: the batch
    is already in random order, and a TPU shifts faster than it gathers rows.
    """
    count = ops.shape(images)[0]
    ahead = kernels.integers(kernels.fold_in(seed, 0), [], count)
    partner = (ops.arange(count) + ahead) % count
    others = ops.roll(images, -ahead, axis=0)
    # TensorFlow's gamma draws do not compile with XLA; a table of quantiles does.
    quantiles = ops.convert_to_tensor(beta_quantiles(alpha))
    places = kernels.uniform(kernels.fold_in(seed, 1), [count]) * _QUANTILES
    below = ops.minimum(ops.cast(places, "int32"), _QUANTILES - 1)
    low, high = ops.take(quantiles, below), ops.take(quantiles, below + 1)
    return others, partner, low + (high - low) * (places - ops.cast(below, "float32"))


def beta_quantiles(alpha: float) -> np.ndarray:
    """The quantiles of Beta(alpha, alpha) at 0, 1/4096, …, 1; float32 (4097,).

    With x = sin²(θ/2) the density becomes sin(θ) to the power 2·alpha - 1 over
    [0, π], which is summed by the midpoint rule.
    """
    edges = np.linspace(0, np.pi, 64 * _QUANTILES + 1)
    steps = np.sin((edges[1:] + edges[:-1]) / 2) ** (2 * alpha - 1)
    cumulative = np.concatenate([[0.0], np.cumsum(steps)]) / steps.sum()
    levels = np.linspace(0, 1, _QUANTILES + 1)
    return (np.sin(np.interp(levels, cumulative, edges) / 2) ** 2).astype(np.float32)


def _inside(middles: Tensor, sides: Tensor, length: int) -> Tensor:
    """Bool (b, length): which pixels' centres are in each image's interval."""
    places = (ops.arange(length, dtype="float32") + 0.5) / length
    return ops.abs(places - middles[:, None]) < sides[:, None] / 2
