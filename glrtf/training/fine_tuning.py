"""What fine-tuning treats differently: a frozen backbone, and learning rates by depth."""

import dataclasses
import re
from collections.abc import Sequence

from glrtf.config.backbone_names import plain_name
from glrtf.config.keras_settings import keras
from glrtf.config.training import TrainConfig

_BLOCK = re.compile(r"(block\d+[a-z]+)_")


@dataclasses.dataclass(frozen=True)
class Frozen:
    """Variables that keep their values in the first updates of a run.

    Attributes:
        updates: How many updates.
        variables: `id` of each variable, statistics included.
    """

    updates: int = 0
    variables: frozenset[int] = frozenset()

    def holds(self, variable: keras.Variable) -> bool:
        """Whether a variable is frozen."""
        return self.updates > 0 and id(variable) in self.variables


def backbone_of(config: TrainConfig, embedding_model: keras.Model) -> keras.Model:
    """The backbone of an embedding model."""
    return embedding_model.get_layer(f"backbone_{plain_name(config.backbone)}")


def frozen_backbone(config: TrainConfig, embedding_model: keras.Model, updates: int) -> Frozen:
    """The backbone, frozen for a number of updates."""
    if not updates:
        return Frozen()
    backbone = backbone_of(config, embedding_model)
    return Frozen(updates, frozenset(map(id, backbone.weights)))


def rate_factors(
    config: TrainConfig, embedding_model: keras.Model, variables: Sequence[keras.Variable]
) -> list[float]:
    """The factor on each variable's learning rate.

    The layers after the backbone have `head_learning_rate_factor`. The backbone's last block, with
    the layers after it, has 1, and each block `layer_decay` times that of the block after it; the
    stem counts as the block before the first.

    Args:
        config: The run's settings.
        embedding_model: The model without head.
        variables: The variables whose factors are wanted.
    """
    backbone = backbone_of(config, embedding_model)
    depths = _depths(backbone)
    last = max(depths.values(), default=0)
    inside = {id(variable) for variable in backbone.weights}
    return [
        config.layer_decay ** (last - depths[id(variable)])
        if id(variable) in inside
        else config.head_learning_rate_factor
        for variable in variables
    ]


def _depths(backbone: keras.Model) -> dict[int, int]:
    """`id` of each of the backbone's variables -> its block's number; 0 for the stem's."""
    depths: dict[int, int] = {}
    block, number = "", 0
    for layer in backbone.layers:
        found = _BLOCK.match(layer.name)
        if found and found[1] != block:
            block, number = found[1], number + 1
        depths |= {id(variable): number for variable in layer.weights}
    return depths
