"""How a photo becomes a model's input."""

import dataclasses

from glrtf.config.data import InputConfig


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
