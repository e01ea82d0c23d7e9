"""The names of backbones, ours and what others write for them."""

import re

BACKBONES = ("v2s", "v2m", "v2l", "v2xl", "v2b0", "v2b1", "v2b2", "v2b3")


def canonical(name: str) -> str:
    """Our name of a backbone: ``V2M``, ``efficientnetv2-m`` and ``EfficientNetV2M`` are ``v2m``.

    A name that means none of ours is returned as it is; EfficientNet-B0 without V2 is another
    network than ``v2b0``.
    """
    plain = re.sub(r"[-_ ]", "", name.lower()).removeprefix("efficientnet")
    return plain if plain in BACKBONES else name
