"""The official google/automl EfficientNetV2 checkpoints under our variable names."""

import re
from collections.abc import Iterable, Mapping

from glrtf.config.weights import AUTOML_NAMES
from glrtf.models import efficientnet_v2
from tfrecords_tools.errors import UserError

_AVERAGE = "/ExponentialMovingAverage"
_NORM = "tpu_batch_normalization"
# Variables needed only for training: the classifier, counters, optimizer slots.
_LEFT_OUT = re.compile(
    r"(^|/)head/dense/|(^|/)global_step$|/(Momentum|RMSProp|Adam|Adam_1|RMSProp_1)(/|$)"
    r"|^(beta1_power|beta2_power|save_counter|_CHECKPOINTABLE_OBJECT_GRAPH)"
)


def checkpoint_names(backbone: str) -> dict[str, str]:
    """Our variable paths -> names in an automl checkpoint, without the model's prefix.

    Args:
        backbone: One of `AUTOML_NAMES`.
    """
    names = dict(_layer("stem_conv", "stem/conv2d", ("kernel",)))
    names |= _norm("stem_bn", f"stem/{_NORM}")
    for number, block in enumerate(efficientnet_v2.blocks(efficientnet_v2.VARIANTS[backbone])):
        names |= _block(block, f"blocks_{number}")
    names |= _layer("top_conv", "head/conv2d", ("kernel",))
    names |= _norm("top_bn", f"head/{_NORM}")
    return names


def match(
    backbone: str, wanted: Iterable[str], found: Mapping[str, tuple[int, ...]], source: str
) -> dict[str, str]:
    """Maps each of our variables to a variable of a checkpoint; averages are preferred.

    Args:
        backbone: One of `AUTOML_NAMES`.
        wanted: Our variable paths.
        found: The checkpoint's names and shapes.
        source: The checkpoint's path, for messages.

    Returns:
        Our path -> the checkpoint's full name.

    Raises:
        UserError: If one of ours has no counterpart, or one of the checkpoint's is neither used nor
            known to be unnecessary.
    """
    names = checkpoint_names(backbone)
    prefix = _prefix(found, backbone, source)
    result: dict[str, str] = {}
    for path in wanted:
        plain = prefix + names[path]
        full = plain + _AVERAGE if plain + _AVERAGE in found else plain
        if full not in found:
            raise UserError(f"{source}: expected a variable {plain}, found none; not {backbone}?")
        result[path] = full
    used = {name.removesuffix(_AVERAGE) for name in result.values()}
    for name in sorted(found):
        if name.removesuffix(_AVERAGE) not in used and not _LEFT_OUT.search(name):
            raise UserError(
                f"{source}: found a variable {name} that {backbone} has no place for; "
                "is it another model's checkpoint?"
            )
    return result


def _prefix(found: Iterable[str], backbone: str, source: str) -> str:
    """The model's name, the common prefix of its variables, with a slash; often empty."""
    for name in found:
        if name.removesuffix(_AVERAGE).endswith("stem/conv2d/kernel"):
            prefix = name.removesuffix(_AVERAGE).removesuffix("stem/conv2d/kernel")
            model = prefix.rstrip("/").rpartition("/")[2]
            if model.startswith("efficientnetv2-") and model != AUTOML_NAMES[backbone]:
                raise UserError(
                    f"{source}: expected a checkpoint of {AUTOML_NAMES[backbone]}, found one of "
                    f"{model}; choose the --backbone it belongs to"
                )
            return prefix
    raise UserError(
        f"{source}: expected the variables of a google/automl EfficientNetV2 checkpoint "
        "(…/stem/conv2d/kernel), found none"
    )


def _block(block: efficientnet_v2.Block, scope: str) -> dict[str, str]:
    """A block's convolutions and norms, numbered in the order they are applied."""
    convolutions, norms = [], []
    if block.expand_ratio != 1:
        convolutions.append("expand_conv")
        norms.append("expand_bn")
    if not block.fused:
        norms.append("bn")
    convolutions.append("project_conv")
    norms.append("project_bn")
    names: dict[str, str] = {}
    for number, ours in enumerate(convolutions):
        names |= _layer(block.name + ours, f"{scope}/{_numbered('conv2d', number)}", ("kernel",))
    for number, ours in enumerate(norms):
        names |= _norm(block.name + ours, f"{scope}/{_numbered(_NORM, number)}")
    if not block.fused:
        depthwise = f"{scope}/depthwise_conv2d/depthwise_kernel"
        names[f"{block.name}dwconv2/kernel"] = depthwise
        names |= _layer(f"{block.name}se_reduce", f"{scope}/se/conv2d", ("kernel", "bias"))
        names |= _layer(f"{block.name}se_expand", f"{scope}/se/conv2d_1", ("kernel", "bias"))
    return names


def _numbered(name: str, number: int) -> str:
    return f"{name}_{number}" if number else name


def _layer(ours: str, theirs: str, variables: Iterable[str]) -> dict[str, str]:
    return {f"{ours}/{name}": f"{theirs}/{name}" for name in variables}


def _norm(ours: str, theirs: str) -> dict[str, str]:
    return _layer(ours, theirs, ("gamma", "beta", "moving_mean", "moving_variance"))
