"""Settings for converting published weights, and where to download them."""

from dataclasses import dataclass

from glrtf.config.backbone_names import canonical
from tfrecords_tools.command.near_words import did_you_mean

AUTOML_URL = "https://storage.googleapis.com/cloud-tpu-checkpoints/efficientnet/v2/{name}.tgz"
AUTOML_NAMES = {
    "v2s": "efficientnetv2-s",
    "v2m": "efficientnetv2-m",
    "v2l": "efficientnetv2-l",
    "v2xl": "efficientnetv2-xl",
}
AUTOML_BACKBONES = tuple(AUTOML_NAMES)


def published_weights(backbone: str) -> str:
    """The initial weights of a backbone's published settings: ImageNet-21k, converted."""
    return f"weights/{backbone}_21k.npz"


def checkpoint_url(backbone: str) -> str:
    """The address of google/automl's ImageNet-21k checkpoint of a backbone."""
    return AUTOML_URL.format(name=f"{AUTOML_NAMES[backbone]}-21k")


def how_to_convert(backbone: str, output: str) -> str:
    """How to make a file of converted weights, for messages."""
    return (
        f"fetch {checkpoint_url(backbone)}, unpack it and run glrtf weights --checkpoint "
        f"{AUTOML_NAMES[backbone]}-21k --backbone {backbone} --output {output}"
    )


@dataclass(frozen=True)
class WeightsConfig:
    """Convert an official google/automl EfficientNetV2 checkpoint for --weights.

    Averaged weights are used if the checkpoint has them. Every variable must have a counterpart;
    otherwise nothing is written.

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
