"""Settings of the input pipeline and of augmentation."""

from dataclasses import dataclass, field
from typing import Literal

_SHARES = {
    **{"hflip": 1.0, "hue": 0.5, "saturation": 1.0, "contrast": 1.0},
    **{"erasing": 1.0, "erasing_area": 1.0},
}
# Standard deviation of the rotation, in degrees.
_FAR_TURNS = 15.0


@dataclass(frozen=True)
class AugmentConfig:
    """How training images are augmented, on the device, each image with its own random amounts.

    The defaults are those of the published training. Zero or false switches a step off.

    Attributes:
        hflip: Probability of mirroring left and right.
        hue: Largest hue rotation either way, as a share of the full circle.
        saturation: Saturation is scaled by a factor from 1 - this to 1 + this.
        contrast: Contrast is scaled by a factor from 1 - this to 1 + this.
        brightness: Largest amount added or subtracted, where white is 1.
        affine: Rotate, shear, zoom and shift, by the four amounts below.
        rotation: Standard deviation of the rotation, in degrees.
        shear: Standard deviation of the shear, in degrees.
        zoom: Standard deviation of the zoom factors around 1, separately for height and width.
        shift: Standard deviation of the shifts, in pixels, separately for height and width.
        cutout: Number of square holes filled with black; the original's option has 6.
        cutout_size: Side of a hole, as a share of the image's side.
        erasing: Probability that a rectangle of random size and shape becomes noise (random
            erasing), such as 0.5.
        erasing_area: Largest share of the area that it covers.
        crop: Smallest share of the area that a random resized crop keeps; 1 for no crop.
        rand_augment: Operations of RandAugment on each image; 0 for none.
        rand_augment_magnitude: Their strength, 0 to 10.
        mixup: Alpha of the Beta distribution of shares by which images are blended with
            others of their micro-batch in training, such as 0.2; 0 for none.
        cutmix: The same for boxes pasted from other images, such as 1; 0 for none. With
            both, a micro-batch gets one or the other.
    """

    hflip: float = 0.5
    hue: float = 0.01
    saturation: float = 0.3
    contrast: float = 0.2
    brightness: float = 0.1
    affine: bool = False
    rotation: float = 10.0
    shear: float = 2.0
    zoom: float = 0.125
    shift: float = 8.0
    cutout: int = 0
    cutout_size: float = 0.125
    erasing: float = 0.0
    erasing_area: float = 0.4
    crop: float = 1.0
    rand_augment: int = 0
    rand_augment_magnitude: float = 5.0
    mixup: float = 0.0
    cutmix: float = 0.0

    def __post_init__(self) -> None:
        for name, high in _SHARES.items():
            if not 0 <= getattr(self, name) <= high:
                raise ValueError(f"{name}: expected 0 to {high:g}, found {getattr(self, name)}")
        if not 0 < self.crop <= 1:
            raise ValueError(f"crop: expected above 0 to 1, found {self.crop}")
        if not 0 <= self.rand_augment_magnitude <= 10:
            raise ValueError(
                f"rand_augment_magnitude: expected 0 to 10, found {self.rand_augment_magnitude}"
            )
        amounts = ("brightness", "rotation", "shear", "zoom", "shift", "cutout", "cutout_size")
        for name in (*amounts, "rand_augment", "mixup", "cutmix"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: expected 0 or more, found {getattr(self, name)}")

    @property
    def has_far_turns(self) -> bool:
        """Whether about one in a few hundred images rotates by over 45 degrees."""
        return self.affine and self.rotation > _FAR_TURNS

    @property
    def mixes(self) -> bool:
        """Whether images are mixed with others, so that the loss needs two labels each."""
        return self.mixup > 0 or self.cutmix > 0


@dataclass(frozen=True)
class InputConfig:
    """How shards are read for training.

    Attributes:
        shuffle_buffer: Encoded images held in memory to be shuffled; each takes about its file
            size. 0 keeps the order of the shards.
        files_at_once: Shards read in turns, so that a batch contains images of many of them.
        deterministic: Same seed, same batches. With false, files that are read faster may overtake
            slower ones.
        max_bad_records: How many broken records are skipped, counted and listed before the run
            stops.
        sampling: natural: each image once an epoch. sqrt, uniform: each landmark by the root
            of its number of images, or all equally often, in an epoch of the same length; drawn
            within each shuffle_buffer.
        image_mode: host-resize: this machine resizes. device-resize: photos go to the device
            unresized, padded, for shards built with a largest side.
        canvas: Side of the padded photos of device-resize, in pixels: the shards' largest side.
        exact_resize: Resize on this machine by TensorFlow, rounded exactly as for inference,
            not by OpenCV, which is three times as fast and within one grey level of it.
        max_side: Longest side of a photo in pixels: a longer one is first resized to it, as the
            builder's --max_side does. The model's export, embedding and search do the same. null
            uses the shards' own value, 0 is none.
        antialias: Average over the pixels that plain bilinear interpolation skips in the resize to
            the model's size, in training, embedding and search alike; off by default.
    """

    shuffle_buffer: int = 2048
    files_at_once: int = 16
    deterministic: bool = True
    max_bad_records: int = 0
    sampling: Literal["natural", "sqrt", "uniform"] = "natural"
    image_mode: Literal["host-resize", "device-resize"] = "host-resize"
    canvas: int = 800
    exact_resize: bool = False
    max_side: int | None = None
    antialias: bool = False

    def __post_init__(self) -> None:
        for name, low in (
            ("shuffle_buffer", 0),
            ("files_at_once", 1),
            ("max_bad_records", 0),
            ("canvas", 1),
        ):
            if getattr(self, name) < low:
                raise ValueError(f"{name}: expected {low} or more, found {getattr(self, name)}")
        if self.max_side is not None and self.max_side != 0 and self.max_side < 16:
            raise ValueError(f"max_side: expected 0 or 16 or more, found {self.max_side}")
        if self.sampling != "natural" and not self.shuffle_buffer:
            raise ValueError(
                f"sampling: expected --input.shuffle_buffer above 0 with {self.sampling}, found 0"
            )


@dataclass(frozen=True)
class PreviewConfig:
    """Draw a contact sheet of what the model sees, before and after augmentation.

    Each row shows one photo, resized as for the model, then as it looks at
    several steps.

    Attributes:
        data: Folder of built shards.
        output: PNG or JPEG file to write.
        split: The split whose photos are shown.
        size: Side of the model's input in pixels.
        photos: How many photos, drawn at random from the split.
        steps: How many augmented versions of each.
        seed: Seed of the choice of photos and of the augmentation.
        augment: How images are augmented.
        input: How shards are read.
    """

    data: str
    output: str = "preview.png"
    split: Literal["train", "validation", "index", "test"] = "train"
    size: int = 224
    photos: int = 8
    steps: int = 6
    seed: int = 0
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    input: InputConfig = field(default_factory=InputConfig)

    def __post_init__(self) -> None:
        for name in ("size", "photos", "steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected 1 or more, found {getattr(self, name)}")
        if not self.output.lower().endswith((".png", ".jpg", ".jpeg")):
            raise ValueError(f"output: expected a .png or .jpg file, found {self.output!r}")
