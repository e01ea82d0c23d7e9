"""The backbones by name, each with the input range it was made for."""

import contextlib
import sys
from collections.abc import Iterator

from glrtf.config.backbone_names import BACKBONES, family
from glrtf.config.keras_settings import keras
from glrtf.models import efficientnet_lite, efficientnet_v2

# Of RGB in [0, 1]; what `keras.applications` bakes into the B variants.
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_VARIANCE = (0.229**2, 0.224**2, 0.225**2)

RANGE_DTYPE = "float32"
"""Of the layer that maps images to a backbone's range, in every precision.

In bfloat16 a bright pixel in [0, 1] is off by up to half a grey level of 255, and the mean and
deviation are rounded, too, alike for all pixels. The first convolution rounds the result.
"""


def build_backbone(
    name: str,
    size: int | None,
    *,
    drop_connect_rate: float = 0.2,
    sync_batchnorm: bool = False,
    seed: int = 0,
    dtype: object = None,
) -> keras.Model:
    """Builds a backbone that takes RGB in [0, 1] and maps it to its own range.

    Args:
        name: One of `glrtf.config.backbone_names.BACKBONES`, keras:NAME, keras_hub:PRESET or
            package.module:function.
        size: Side of the square input in pixels; None leaves it open.
        drop_connect_rate: Rate of stochastic depth at the last block; only of ours.
        sync_batchnorm: Whether batch statistics are taken over all replicas; only of ours.
        seed: Of initial weights and of stochastic depth.
        dtype: The layers' dtype policy; None uses the global one.

    Returns:
        A functional model, `(batch, size, size, 3)` float in [0, 1] ->
        `(batch, size / 32, size / 32, filters)`; of other libraries' also `(batch, tokens,
        filters)` or `(batch, filters)`.

    Raises:
        ValueError: If there is no backbone of that name.
        UserError: If another library has none of that name, or its output has another shape.
    """
    if name not in BACKBONES:
        if family(name) is None:
            raise ValueError(f"backbone: expected one of {', '.join(BACKBONES)}, found {name!r}")
        from glrtf.models import keras_backbones

        return keras_backbones.build(name, size, dtype)
    images = keras.Input((size, size, 3), name="images")
    if name in efficientnet_lite.VARIANTS:
        scaled = _rescaled(images, -127 / 128)
        outputs = efficientnet_lite.features(
            scaled,
            name,
            drop_connect_rate=drop_connect_rate,
            sync_batchnorm=sync_batchnorm,
            seed=seed,
            dtype=dtype,
        )
    else:
        variant = efficientnet_v2.VARIANTS[name]
        if variant.imagenet_range:
            scaled = keras.layers.Normalization(
                mean=_IMAGENET_MEAN,
                variance=_IMAGENET_VARIANCE,
                dtype=RANGE_DTYPE,
                name="input_range",
            )(images)
        else:
            # keras.applications and google/automl both map 0..255 to x / 128 - 1.
            scaled = _rescaled(images, -1.0)
        outputs = efficientnet_v2.features(
            scaled,
            variant,
            drop_connect_rate=drop_connect_rate,
            sync_batchnorm=sync_batchnorm,
            seed=seed,
            dtype=dtype,
        )
    with deep_recursion():
        return keras.Model(images, outputs, name=f"backbone_{name}")


def _rescaled(images: keras.KerasTensor, offset: float) -> keras.KerasTensor:
    """X / 128 + offset of x in 0..255."""
    layer = keras.layers.Rescaling(
        255.0 / 128.0, offset=offset, dtype=RANGE_DTYPE, name="input_range"
    )
    return layer(images)


@contextlib.contextmanager
def deep_recursion() -> Iterator[None]:
    """Raises the recursion limit, so that Keras can recurse through XL's thousand layers."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, 10_000))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
