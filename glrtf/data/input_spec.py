"""How a photo becomes a model's input."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from glrtf.config.data import InputConfig
from glrtf.config.descriptor import Filter, ResizeRule


@dataclasses.dataclass(frozen=True)
class InputSpec:
    """How a photo becomes a model's input, in training, embedding and search alike.

    Attributes:
        size: Side of the input, pixels.
        max_side: A longer photo is first resized to this many pixels as in the builder (Lanczos,
            re-encoded); None for no such step.
        antialias: Whether the resize to `size` averages over the pixels that plain bilinear
            interpolation, which reads only four, skips.
    """

    size: int
    max_side: int | None = None
    antialias: bool = False

    @classmethod
    def of(cls, config: InputConfig, size: int) -> "InputSpec":
        """The input of a model of this size in a run with these settings."""
        return cls(size, config.max_side or None, config.antialias)

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of one prepared photo, uint8."""
        return (self.size, self.size, 3)

    def at(self, size: int) -> "InputSpec":
        """The same rule at another size."""
        return dataclasses.replace(self, size=size)

    def as_json(self) -> dict[str, Any]:
        """JSON values, for `spec_from_json`."""
        return {"kind": type(self).__name__, **dataclasses.asdict(self)}


@dataclasses.dataclass(frozen=True)
class ForeignSpec(InputSpec):
    """How a photo becomes the input of a model that this project did not train.

    Attributes:
        resize: squash, crop, pad or keep; see `glrtf.config.descriptor.Manifest`.
        filter: nearest, bilinear, bicubic or lanczos.
        crop: Share of the short side that crop keeps.
    """

    resize: ResizeRule = "squash"
    filter: Filter = "bilinear"
    crop: float = 1.0

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of one prepared photo, uint8; with keep it is on a canvas (`padding`)."""
        rows = self.size + 1 if self.resize == "keep" else self.size
        return (rows, self.size, 3)


def spec_from_json(values: Mapping[str, Any]) -> InputSpec:
    """The inverse of `InputSpec.as_json`."""
    kinds = {each.__name__: each for each in (InputSpec, ForeignSpec)}
    return kinds[values["kind"]](**{name: values[name] for name in values if name != "kind"})
