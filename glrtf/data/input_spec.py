"""How a photo becomes a model's input."""

import dataclasses

from glrtf.config.data import InputConfig
from glrtf.config.descriptor import Filter, ResizeRule


@dataclasses.dataclass(frozen=True)
class InputSpec:
    """How a photo becomes a model's input: alike in training, embedding and search.

    Attributes:
        size: Side of the input, pixels.
        max_side: A longer photo is first resized to this many pixels as the shards' builder
            does (Lanczos, encoded again); None for no such step.
        antialias: Whether the resize to `size` averages over the pixels that it leaves out;
            plain bilinear looks at four pixels only.
    """

    size: int
    max_side: int | None = None
    antialias: bool = False

    @classmethod
    def of(cls, config: InputConfig, size: int) -> "InputSpec":
        """What a run with these settings gives a model of a size."""
        return cls(size, config.max_side or None, config.antialias)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one prepared photo, uint8."""
        return (self.size, self.size, 3)

    def at(self, size: int) -> "InputSpec":
        """The same rule at another size."""
        return dataclasses.replace(self, size=size)


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
        """Of one prepared photo, uint8; with keep it lies on a canvas (`padded_images`)."""
        rows = self.size + 1 if self.resize == "keep" else self.size
        return (rows, self.size, 3)
