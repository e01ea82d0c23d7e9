"""Settings of the conversion of published weights."""

from dataclasses import dataclass

from glrtf.config.backbone_names import canonical
from tfrecords_tools.near_words import did_you_mean

AUTOML_BACKBONES = ("v2s", "v2m", "v2l", "v2xl")


@dataclass(frozen=True)
class WeightsConfig:
    """Convert an official google/automl EfficientNetV2 checkpoint for --weights.

    Averaged weights are taken where the checkpoint has them. Every variable
    must find its place, else nothing is written.

    Attributes:
        checkpoint: The unpacked checkpoint's folder, or its path without .index.
        backbone: v2s, v2m, v2l or v2xl.
        output: The .npz file to write.
    """

    checkpoint: str
    backbone: str
    output: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "backbone", canonical(self.backbone))
        if self.backbone not in AUTOML_BACKBONES:
            raise ValueError(
                f"backbone: expected one of {', '.join(AUTOML_BACKBONES)}, found {self.backbone!r}"
                f"{did_you_mean(self.backbone, AUTOML_BACKBONES)}"
            )
        if not self.output.endswith(".npz"):
            raise ValueError(f"output: expected a name ending in .npz, found {self.output!r}")
