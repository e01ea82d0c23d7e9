"""The cost of augmentation on a TPU: memory traffic, products for geometry, table look-ups.

Traffic is the TPU compiler's own estimate (libtpu 0.0.52, v3, 8 images of 640 pixels; see the
table in docs/input-pipeline.md), by pixel. Geometry multiplies each row or column of an image
by a matrix of weights (`glrtf.data.resample`). The three channels take a whole row of the
multiplier's lanes, so it is counted as if there were as many channels as lanes.
"""

import dataclasses

from glrtf.config.data import AugmentConfig

# Bytes by pixel. The default's, and what each option adds.
_DEFAULT = 128
_CROP = 67
_AFFINE = 92
_FAR_TURNS = 36
_MIXED = 26
_RAND_AUGMENT = 61  # An operation, on average over all fourteen.

# Passes of one matrix a row or column. Crops and translations have one for a whole image.
_AFFINE_PASSES = 2.0
_RAND_AUGMENT_PASSES = (2 + 1 + 1) / 14  # To rotate, and to shear along either side.
# Equalising looks every value of three channels up in a table, one after the other.
_RAND_AUGMENT_LOOKUPS = 3 / 14
_MULTIPLY_ADD = 2
# 5.8 M cycles of a v3 at 0.94 GHz for 640 x 640 x 3 values; used for every generation.
_SECONDS_A_LOOKUP = 5e-9


@dataclasses.dataclass(frozen=True)
class AugmentationCost:
    """The cost of augmenting one image.

    Attributes:
        moved_bytes: Read from and written to the device's memory.
        product_flops: Operations of matrix products, including idle lanes.
        lookups: Values looked up in a table.
    """

    moved_bytes: int
    product_flops: int
    lookups: int = 0

    def seconds(self, bandwidth: float, peak_flops: float) -> float:
        """The time of all of that in sequence on a device.

        Args:
            bandwidth: Of its memory, bytes a second.
            peak_flops: Its rate of operations, a second.
        """
        moved, multiplied = self.moved_bytes / bandwidth, self.product_flops / peak_flops
        return moved + multiplied + self.lookups * _SECONDS_A_LOOKUP


def augmentation_cost(config: AugmentConfig, size: int, lanes: int) -> AugmentationCost:
    """The cost of augmenting an image.

    Args:
        config: Which steps.
        size: Side of the image in pixels.
        lanes: Width of the device's multiplier.
    """
    per_pixel, passes, lookups = float(_DEFAULT), 0.0, 0.0
    if config.crop < 1:
        per_pixel += _CROP
    if config.affine:
        per_pixel += _AFFINE
        passes += _AFFINE_PASSES
        if config.has_far_turns:
            per_pixel += _FAR_TURNS
    if config.rand_augment:
        per_pixel += _RAND_AUGMENT * config.rand_augment
        passes += _RAND_AUGMENT_PASSES * config.rand_augment
        lookups += _RAND_AUGMENT_LOOKUPS * config.rand_augment
    if config.mixes:
        per_pixel += _MIXED
    return AugmentationCost(
        moved_bytes=round(per_pixel * size**2),
        product_flops=round(passes * _MULTIPLY_ADD * lanes * size**3),
        lookups=round(lookups * size**2),
    )
