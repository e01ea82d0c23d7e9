"""EfficientNet-Lite 0 to 2 (google/tpu, models/official/efficientnet/lite): B0 for small devices.

Compared with EfficientNet-B0: no squeeze and excitation, ReLU6 instead of swish, and the stem, the
top and the first and last stage are not scaled.
"""

import dataclasses
import math

from glrtf.config.keras_settings import keras
from glrtf.models.conv_layers import ConvLayers
from glrtf.models.efficientnet_v2 import letters, round_filters

_STEM, _TOP = 32, 1280


@dataclasses.dataclass(frozen=True)
class Stage:
    """Blocks of one shape, before scaling."""

    repeats: int
    kernel_size: int
    strides: int
    expand_ratio: int
    filters: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)

# Name -> factors on filters and repeats.
VARIANTS = {"lite0": (1.0, 1.0), "lite1": (1.0, 1.1), "lite2": (1.1, 1.2)}


@dataclasses.dataclass(frozen=True)
class Block:
    """One inverted residual bottleneck; `name` is the prefix of its layers."""

    name: str
    kernel_size: int
    strides: int
    expand_ratio: int
    filters: int


def blocks(name: str) -> list[Block]:
    """The blocks of a variant, in order."""
    width, depth = VARIANTS[name]
    found = []
    for number, stage in enumerate(STAGES, 1):
        scaled = stage not in (STAGES[0], STAGES[-1])
        repeats = math.ceil(depth * stage.repeats) if scaled else stage.repeats
        for repeat in range(repeats):
            found.append(
                Block(
                    f"block{number}{letters(repeat)}_",
                    stage.kernel_size,
                    stage.strides if repeat == 0 else 1,
                    stage.expand_ratio,
                    round_filters(stage.filters, width),
                )
            )
    return found


def features(
    images: keras.KerasTensor,
    name: str,
    *,
    drop_connect_rate: float = 0.2,
    sync_batchnorm: bool = False,
    seed: int = 0,
    dtype: object = None,
) -> keras.KerasTensor:
    """The last feature map.

    Args:
        images: `(batch, height, width, 3)`, values x / 128 - 127 / 128 of x in 0..255.
        name: lite0, lite1 or lite2.
        drop_connect_rate: Rate of stochastic depth at the last block.
        sync_batchnorm: Whether batch statistics are taken over all replicas.
        seed: Of initial weights and of stochastic depth.
        dtype: The layers' dtype policy; None uses the global one.

    Returns:
        `(batch, ceil(height / 32), ceil(width / 32), 1280)`, values 0 to 6.
    """
    build = ConvLayers(seed, sync_batchnorm, dtype)
    table = blocks(name)
    x = build.conv_norm(images, _STEM, 3, 2, "stem_", "relu6")
    for number, block in enumerate(table):
        x = _apply_block(build, x, block, drop_connect_rate * number / len(table))
    return build.conv_norm(x, _TOP, 1, 1, "top_", "relu6")


def _apply_block(
    build: ConvLayers, inputs: keras.KerasTensor, block: Block, drop_rate: float
) -> keras.KerasTensor:
    name, x, filters = block.name, inputs, inputs.shape[-1]
    if block.expand_ratio != 1:
        x = build.conv_norm(x, filters * block.expand_ratio, 1, 1, f"{name}expand_", "relu6")
    x = build.depthwise(x, block.kernel_size, block.strides, f"{name}dwconv")
    x = build.activate(build.norm(x, f"{name}bn"), f"{name}activation", "relu6")
    x = build.conv_norm(x, block.filters, 1, 1, f"{name}project_", activation="")
    if block.strides == 1 and filters == block.filters:
        x = build.residual(x, inputs, name, drop_rate)
    return x
