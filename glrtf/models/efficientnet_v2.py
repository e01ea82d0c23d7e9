"""EfficientNetV2 (Tan & Le, arXiv 2104.00298) from one block table, in public layers.

Layer names, variable order and shapes are those of `keras.applications`, so
its weight files load. The XL table, which `keras.applications` lacks, is that
of google/automl.
"""

import dataclasses
import math
import re

from glrtf.config.keras_settings import keras
from glrtf.models.conv_layers import ConvLayers

_BLOCK = re.compile(
    r"r(?P<repeats>\d+)k(?P<kernel_size>\d+)s(?P<strides>\d+)e(?P<expand_ratio>\d+)"
    r"i(?P<input_filters>\d+)o(?P<output_filters>\d+)(?P<kind>c1|se\.25)"
)
_B_STAGES = "r1k3s1e1i32o16c1 r2k3s2e4i16o32c1 r2k3s2e4i32o48c1 r3k3s2e4i48o96se.25 r5k3s1e6i96o112se.25 r8k3s2e6i112o192se.25"  # noqa: E501


@dataclasses.dataclass(frozen=True)
class Variant:
    """The parameters of one member of the family.

    Attributes:
        stages: The stages before scaling, one word each: repeats r, kernel k,
            stride s, expansion e, input and output filters i and o, then `c1`
            for a fused block or `se.25` for a squeeze-and-excitation ratio.
        width: Factor on every number of filters.
        depth: Factor on every number of repeats.
        imagenet_range: Whether inputs are normalised by ImageNet's channel
            means and deviations; else they are mapped to [-1, 1).
    """

    stages: str
    width: float = 1.0
    depth: float = 1.0
    imagenet_range: bool = False


VARIANTS = {
    "v2s": Variant(
        "r2k3s1e1i24o24c1 r4k3s2e4i24o48c1 r4k3s2e4i48o64c1 r6k3s2e4i64o128se.25 "
        "r9k3s1e6i128o160se.25 r15k3s2e6i160o256se.25"
    ),
    "v2m": Variant(
        "r3k3s1e1i24o24c1 r5k3s2e4i24o48c1 r5k3s2e4i48o80c1 r7k3s2e4i80o160se.25 "
        "r14k3s1e6i160o176se.25 r18k3s2e6i176o304se.25 r5k3s1e6i304o512se.25"
    ),
    "v2l": Variant(
        "r4k3s1e1i32o32c1 r7k3s2e4i32o64c1 r7k3s2e4i64o96c1 r10k3s2e4i96o192se.25 "
        "r19k3s1e6i192o224se.25 r25k3s2e6i224o384se.25 r7k3s1e6i384o640se.25"
    ),
    "v2xl": Variant(
        "r4k3s1e1i32o32c1 r8k3s2e4i32o64c1 r8k3s2e4i64o96c1 r16k3s2e4i96o192se.25 "
        "r24k3s1e6i192o256se.25 r32k3s2e6i256o512se.25 r8k3s1e6i512o640se.25"
    ),
    "v2b0": Variant(_B_STAGES, imagenet_range=True),
    "v2b1": Variant(_B_STAGES, depth=1.1, imagenet_range=True),
    "v2b2": Variant(_B_STAGES, width=1.1, depth=1.2, imagenet_range=True),
    "v2b3": Variant(_B_STAGES, width=1.2, depth=1.4, imagenet_range=True),
}


@dataclasses.dataclass(frozen=True)
class Block:
    """One residual block after scaling; `name` is the prefix of its layers."""

    name: str
    kernel_size: int
    strides: int
    expand_ratio: int
    input_filters: int
    output_filters: int
    fused: bool
    drop_rate: float


def round_filters(filters: float, width: float) -> int:
    """Scales a number of filters and rounds it to a multiple of 8."""
    scaled = filters * width
    return max(8, int(scaled + 4) // 8 * 8)


def blocks(variant: Variant, drop_connect_rate: float = 0.2) -> list[Block]:
    """The blocks of a variant, in order.

    Args:
        variant: Whose blocks.
        drop_connect_rate: The rate of stochastic depth at the last block; it
            grows linearly from 0 (as in `keras.applications`, the slope is
            that of the unscaled repeats).
    """
    stages = [_BLOCK.fullmatch(stage) for stage in variant.stages.split()]
    unscaled = sum(int(stage["repeats"]) for stage in stages if stage)
    result: list[Block] = []
    for number, stage in enumerate(stages, start=1):
        assert stage, variant.stages
        output = round_filters(int(stage["output_filters"]), variant.width)
        for repeat in range(math.ceil(variant.depth * int(stage["repeats"]))):
            first = repeat == 0
            result.append(
                Block(
                    name=f"block{number}{letters(repeat)}_",
                    kernel_size=int(stage["kernel_size"]),
                    strides=int(stage["strides"]) if first else 1,
                    expand_ratio=int(stage["expand_ratio"]),
                    input_filters=(
                        round_filters(int(stage["input_filters"]), variant.width)
                        if first
                        else output
                    ),
                    output_filters=output,
                    fused=stage["kind"] == "c1",
                    drop_rate=drop_connect_rate * len(result) / unscaled,
                )
            )
    return result


def letters(number: int) -> str:
    """0 -> a, 25 -> z, 26 -> aa; the builder of `keras.applications` stops at z."""
    text = chr(ord("a") + number % 26)
    return text if number < 26 else letters(number // 26 - 1) + text


def _apply_block(build: ConvLayers, inputs: keras.KerasTensor, block: Block) -> keras.KerasTensor:
    """One (fused) inverted residual bottleneck."""
    name, x = block.name, inputs
    expanded = block.input_filters * block.expand_ratio
    if block.expand_ratio != 1:
        kernel, strides = (block.kernel_size, block.strides) if block.fused else (1, 1)
        x = build.conv_norm(x, expanded, kernel, strides, f"{name}expand_")
    if block.fused:
        alone = block.expand_ratio == 1
        kernel, strides = (block.kernel_size, block.strides) if alone else (1, 1)
        activation = "swish" if alone else ""
        x = build.conv_norm(x, block.output_filters, kernel, strides, f"{name}project_", activation)
    else:
        x = build.depthwise(x, block.kernel_size, block.strides, f"{name}dwconv2")
        x = build.norm(x, f"{name}bn")
        x = build.activate(x, f"{name}activation")
        x = build.squeeze_excite(x, expanded, max(1, block.input_filters // 4), name)
        x = build.conv_norm(x, block.output_filters, 1, 1, f"{name}project_", activation="")
    if block.strides == 1 and block.input_filters == block.output_filters:
        x = build.residual(x, inputs, name, block.drop_rate)
    return x


def features(
    images: keras.KerasTensor,
    variant: Variant,
    *,
    drop_connect_rate: float = 0.2,
    sync_batchnorm: bool = False,
    seed: int = 0,
    dtype: object = None,
) -> keras.KerasTensor:
    """The last feature map.

    Args:
        images: `(batch, height, width, 3)`, already in the variant's own range.
        variant: Which network.
        drop_connect_rate: Rate of stochastic depth at the last block.
        sync_batchnorm: Whether batch statistics are taken over all replicas.
        seed: Of initial weights and of stochastic depth; equal seeds give
            equal weights whatever was built before.
        dtype: The layers' dtype policy; None uses the global one.

    Returns:
        `(batch, ceil(height / 32), ceil(width / 32), filters)`.
    """
    build = ConvLayers(seed, sync_batchnorm, dtype)
    table = blocks(variant, drop_connect_rate)
    x = build.conv_norm(images, table[0].input_filters, 3, 2, "stem_")
    for block in table:
        x = _apply_block(build, x, block)
    return build.conv_norm(x, round_filters(1280, variant.width), 1, 1, "top_")
