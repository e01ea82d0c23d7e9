"""The names of backbones, ours and others' spellings, and the settings they support."""

import re
from dataclasses import dataclass

from glrtf.config.descriptor import HUB_PREFIX, names_function

V2_BACKBONES = ("v2s", "v2m", "v2l", "v2xl", "v2b0", "v2b1", "v2b2", "v2b3")
LITE_BACKBONES = ("lite0", "lite1", "lite2")
BACKBONES = (*V2_BACKBONES, *LITE_BACKBONES)
KERAS_PREFIX = "keras:"


@dataclass(frozen=True)
class Family:
    """The settings that a kind of backbone supports.

    Attributes:
        size_multiple: The sides of its input must be multiples of this.
        any_size: Whether one set of weights takes images of any size.
        unknown: Settings of `TrainConfig` that do not apply to it.
        weights: The words that --weights accepts, besides a file.
    """

    size_multiple: int = 1
    any_size: bool = True
    unknown: tuple[str, ...] = ()
    weights: tuple[str, ...] = ("none", "imagenet")


_OF_OTHERS = ("drop_connect_rate", "sync_batchnorm", "remat", "layer_decay")
V2 = Family(size_multiple=32)
LITE = Family()
KERAS = Family(unknown=_OF_OTHERS)
HUB = Family(any_size=False, unknown=_OF_OTHERS, weights=("none", "preset"))
FUNCTION = Family(any_size=False, unknown=_OF_OTHERS, weights=("none",))


def family(name: str) -> Family | None:
    """The family of a backbone; None for an unknown name."""
    if name in LITE_BACKBONES:
        return LITE
    if name in BACKBONES:
        return V2
    if re.fullmatch(rf"{KERAS_PREFIX}[A-Z]\w+", name):
        return KERAS
    if name.startswith(HUB_PREFIX) and name != HUB_PREFIX:
        return HUB
    return FUNCTION if names_function(name) and not name.startswith(KERAS_PREFIX) else None


def plain_name(name: str) -> str:
    """A backbone's name in characters that are valid in folders, layers and TensorFlow's scopes."""
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")


def canonical(name: str) -> str:
    """Our name of a backbone: ``V2M``, ``efficientnetv2-m`` and ``EfficientNetV2M`` are ``v2m``.

    Any other name is returned unchanged; EfficientNet-B0 without V2 is another network than
    ``v2b0``.
    """
    plain = re.sub(r"[-_ ]", "", name.lower()).removeprefix("efficientnet")
    return plain if plain in BACKBONES else name
