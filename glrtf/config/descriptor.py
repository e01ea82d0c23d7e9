"""Settings of models that this project did not train: what their files do not define."""

import dataclasses
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from tfrecords_tools.errors import UserError

ResizeRule: TypeAlias = Literal["squash", "crop", "pad", "keep"]
Filter: TypeAlias = Literal["nearest", "bilinear", "bicubic", "lanczos"]
RuntimeChoice: TypeAlias = Literal["auto", "tensorflow", "onnx", "openvino", "litert"]
Pooling: TypeAlias = Literal["none", "cls", "mean", "gem"]


_FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
HUB_PREFIX = "keras_hub:"


def names_function(model: str) -> bool:
    """Whether a model's name is package.module:function, and no file or preset."""
    is_preset = model.startswith(HUB_PREFIX)
    return bool(_FUNCTION.fullmatch(model)) and not is_preset and not os.path.exists(model)


class NoCodeFromFiles:
    """Settings whose models, backbones and verifiers may be functions only on the command line.

    A settings file may have come with a model; importing what it names would run its code.
    """

    @staticmethod
    def check_file(source: str, values: Mapping[str, Any]) -> None:
        """Refuses a settings file that names a function.

        Raises:
            UserError: Naming the setting.
        """
        also = values.get("also") or ()
        pairs = [("also", str(pair).partition("=")[0]) for pair in also]
        named = [(name, values.get(name)) for name in ("model", "backbone", "verifier")]
        for name, model in [*named, *pairs]:
            if isinstance(model, str) and names_function(model):
                raise UserError(
                    f"{source}: {name}: expected no function in a settings file, whose code would"
                    f" be run, found {model!r}; give it on the command line"
                )


@dataclass(frozen=True)
class Manifest:
    """A model's input and output. None means the file's value, or the default.

    Attributes:
        size: Side of its input in pixels; by default the file's, if that is fixed.
        resize: squash: both sides become size, aspect ratio not kept (default). crop: the short
            side becomes size / crop, then the centre is cropped. pad: the long side becomes size,
            the rest is black. keep: the long side becomes size and nothing is added, one photo at a
            time, for models that take any size.
        crop: Share of the short side that crop keeps, such as 0.875; 1 by default.
        filter: Of the resize: nearest, bilinear (default), bicubic or lanczos.
        antialias: Average over all pixels, as Pillow and torchvision do (default), or sample only
            the nearest ones.
        range: Values of a float input: 0..255, 0..1 or -1..1. An input of uint8 needs none.
        mean: Mean of red, green and blue in 0..1, subtracted from them; in place of range.
        std: Standard deviation of the three, by which the difference is divided.
        channels: Order of the channels, rgb (default) or bgr.
        layout: nhwc or nchw; by default according to the input's shape.
        dtype: Of the input: uint8, float32 or float16; by default the file's.
        stride: Sides at --scales are rounded to multiples of it; 32 by default.
        signature: Of a SavedModel; by default serving_default, or the only one.
        input: Name of the image input; by default the only one.
        output: Name of the descriptor output; by default the only one.
        pooling: Of an output of tokens (n, t, c) or maps (n, h, w, c): cls (the first token),
            mean or gem; none by default.
        gem_power: Exponent of gem; 3 by default.
        l2: Divide each view's row by its length before the views are summed (default).
    """

    size: int | None = None
    resize: ResizeRule | None = None
    crop: float | None = None
    filter: Filter | None = None
    antialias: bool | None = None
    range: Literal["0..255", "0..1", "-1..1"] | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    channels: Literal["rgb", "bgr"] | None = None
    layout: Literal["nhwc", "nchw"] | None = None
    dtype: Literal["uint8", "float32", "float16"] | None = None
    stride: int | None = None
    signature: str | None = None
    input: str | None = None
    output: str | None = None
    pooling: Pooling | None = None
    gem_power: float | None = None
    l2: bool | None = None

    def __post_init__(self) -> None:
        for name in ("size", "stride"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name}: expected 1 or more, found {value}")
        if self.crop is not None and not 0 < self.crop <= 1:
            raise ValueError(f"crop: expected above 0 to 1, found {self.crop}")
        if self.gem_power is not None and not 0 < self.gem_power <= 100:
            raise ValueError(f"gem_power: expected above 0 to 100, found {self.gem_power}")
        if bool(self.mean) != bool(self.std):
            raise ValueError("mean: expected mean and std together, found one of them")
        if self.range is not None and self.mean:
            raise ValueError(f"range: expected range, or mean and std, found {self.range} and both")
        _check_three("mean", self.mean, above=-1e6)
        _check_three("std", self.std, above=0)

    @property
    def given(self) -> dict[str, object]:
        """The settings that are not None, by name."""
        return {
            name: value
            for name, value in dataclasses.asdict(self).items()
            if value not in (None, "", ())
        }


@dataclass(frozen=True)
class DescriptorConfig(Manifest):
    """A model's input and output, from flags; each overrides the manifest's setting.

    Attributes:
        manifest: YAML file of these settings; empty uses MODEL.descriptor.yaml, or descriptor.yaml
            in the model's folder.
    """

    manifest: str = ""


@dataclass(frozen=True)
class DescribeConfig(NoCodeFromFiles):
    """Show a model's inputs and outputs, and draft its manifest.

    Prints the inputs and outputs that the file declares, the settings that it leaves open,
    and the resulting manifest.

    Attributes:
        model: A SavedModel's folder, a .keras, .onnx or .tflite file, package.module:function,
            keras_hub:PRESET, an export of glrtf or a training run's workdir.
        output: File to write the drafted manifest to, such as descriptor.yaml next to the model.
        photo: A photo to prepare and embed.
        picture: PNG file to write that photo to, as the model sees it.
        descriptor: What the file does not define.
    """

    model: str
    output: str = ""
    photo: str = ""
    picture: str = ""
    descriptor: DescriptorConfig = dataclasses.field(default_factory=DescriptorConfig)

    def __post_init__(self) -> None:
        if self.picture and not self.photo:
            raise ValueError("picture: expected --photo with --picture, found none")
        if self.picture and not self.picture.lower().endswith(".png"):
            raise ValueError(f"picture: expected a .png file, found {self.picture!r}")


def _check_three(name: str, values: Sequence[float], above: float) -> None:
    if not values:
        return
    if len(values) != 3 or not all(value > above for value in values):
        wanted = "three numbers" + (" above 0" if above == 0 else "")
        raise ValueError(f"{name}: expected {wanted}, found {' '.join(map(str, values))}")
    if max(map(abs, values)) > 2:
        raise ValueError(
            f"{name}: expected values of pixels in 0..1, such as 0.485 0.456 0.406, found"
            f" {' '.join(map(str, values))}; divide them by 255"
        )
