"""Backbones of keras.applications, KerasHub and functions, taking RGB in [0, 1] as ours do."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from glrtf.config.backbone_names import KERAS_PREFIX, plain_name
from glrtf.config.descriptor import HUB_PREFIX
from glrtf.config.keras_settings import keras
from glrtf.models.backbones import RANGE_DTYPE
from tfrecords_tools.command.near_words import did_you_mean
from tfrecords_tools.errors import UserError

# What `preprocess_input` of a network's module does, by the beginning of its name.
_INCLUDED = ("EfficientNet", "ConvNeXt", "MobileNetV3")  # They take 0..255 and scale themselves.
_CAFFE = ("VGG16", "VGG19", "ResNet50", "ResNet101", "ResNet152")  # BGR, less its mean.
_TORCH = ("DenseNet",)  # ImageNet's mean and deviation.
_CAFFE_MEAN = (103.939, 116.779, 123.68)
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@keras.saving.register_keras_serializable(package="glrtf")
class InputRange(keras.layers.Layer):
    """RGB in [0, 1] to a network's own range: values × scale + offset, perhaps as BGR."""

    def __init__(
        self, scale: list[float], offset: list[float], bgr: bool = False, **kwargs: object
    ) -> None:
        super().__init__(**kwargs)
        self.scale, self.offset, self.bgr = list(scale), list(offset), bgr

    def call(self, images: keras.KerasTensor) -> keras.KerasTensor:
        """`(batch, height, width, 3)` in and out."""
        values = images[..., ::-1] if self.bgr else images
        scale, offset = (
            keras.ops.convert_to_tensor(np.array(each, np.float32), dtype=values.dtype)
            for each in (self.scale, self.offset)
        )
        return values * scale + offset

    def get_config(self) -> dict:
        """What rebuilds the layer."""
        return {
            **super().get_config(),
            **{"scale": self.scale, "offset": self.offset, "bgr": self.bgr},
        }


def build(name: str, size: int | None, dtype: object) -> keras.Model:
    """Builds a backbone of another library.

    Args:
        name: keras:NAME, keras_hub:PRESET or package.module:function.
        size: Side of the square input in pixels; None leaves it open.
        dtype: The layers' dtype policy.

    Returns:
        A functional model, `(batch, size, size, 3)` float in [0, 1] -> `(batch, h, w, c)`,
        `(batch, tokens, c)` or `(batch, c)`.

    Raises:
        UserError: If there is none of that name, or it gives something else.
    """
    images = keras.Input((size, size, 3), name="images")
    if name.startswith(KERAS_PREFIX):
        network, scaled = _application(name, size, dtype, images)
    elif name.startswith(HUB_PREFIX):
        network, scaled = _preset(name, size, dtype, images)
    else:
        network, scaled = _from_function(name, size), images
    # Some of KerasHub's networks name their only input.
    named = isinstance(network.input, dict) and len(network.input) == 1
    try:
        features = network(dict.fromkeys(network.input, scaled) if named else scaled)
    except ValueError as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise UserError(
            f"--backbone {name}: expected a network of images alone that takes --size {size}, found"
            f" one that does not ({reason})"
        ) from None
    if isinstance(features, dict | list | tuple) or len(features.shape) not in (2, 3, 4):
        raise UserError(
            f"--backbone {name}: expected features (n, h, w, c), (n, t, c) or (n, c), found"
            f" {_shape_of(features)}"
        )
    return keras.Model(images, features, name=f"backbone_{plain_name(name)}")


def load_weights(model: keras.Model, name: str, word: str) -> None:
    """Gives a built backbone its published weights.

    Args:
        model: Of `build`.
        name: keras:NAME or keras_hub:PRESET.
        word: imagenet, or preset.

    Raises:
        UserError: If they cannot be fetched.
    """
    network = inner(model)
    if name.startswith(HUB_PREFIX):
        from glrtf.models.hub import load_preset

        network.set_weights(load_preset(name).get_weights())
        return
    try:
        published = _constructor(name)(include_top=False, weights=word)
    except Exception as error:  # get_file raises plain Exception where the network fails.
        raise UserError(
            f"--weights {word}: expected Keras's weights of {name}, found that they cannot be"
            f" fetched ({str(error).strip().splitlines()[0][:200]}); use --weights none, or lite0,"
            " whose weights are installed"
        ) from None
    network.set_weights(published.get_weights())


def inner(model: keras.Model) -> keras.Model:
    """The network itself, without the input's range."""
    [network] = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    return network


def _constructor(name: str) -> Callable[..., keras.Model]:
    wanted = name.removeprefix(KERAS_PREFIX)
    known = [n for n, each in vars(keras.applications).items() if inspect.isfunction(each)]
    if wanted not in known:
        raise UserError(
            f"--backbone {name}: expected a network of keras.applications, found none of that"
            f" name{did_you_mean(wanted, known)}"
        )
    return getattr(keras.applications, wanted)


def _application(
    name: str, size: int | None, dtype: object, images: keras.KerasTensor
) -> tuple[keras.Model, keras.KerasTensor]:
    make = _constructor(name)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype or before)  # Most constructors take none.
    try:
        network = make(include_top=False, weights=None, input_shape=(size, size, 3))
    except ValueError as error:
        raise UserError(
            f"--backbone {name}: refused at --size {size} ({str(error).splitlines()[0][:200]})"
        ) from None
    finally:
        keras.config.set_dtype_policy(before)
    scale, offset, bgr = _range_of(name.removeprefix(KERAS_PREFIX))
    return network, InputRange(scale, offset, bgr, dtype=RANGE_DTYPE, name="input_range")(images)


def _range_of(name: str) -> tuple[list[float], list[float], bool]:
    if name.startswith(_INCLUDED):
        return [255.0] * 3, [0.0] * 3, False
    if name in _CAFFE:
        return [255.0] * 3, [-each for each in _CAFFE_MEAN], True
    if name.startswith(_TORCH):
        offsets = [-mean / std for mean, std in zip(_MEAN, _STD, strict=True)]
        return [1 / std for std in _STD], offsets, False
    return [2.0] * 3, [-1.0] * 3, False


def _preset(
    name: str, size: int | None, dtype: object, images: keras.KerasTensor
) -> tuple[keras.Model, keras.KerasTensor]:
    from glrtf.models.hub import input_scale, load_preset

    network = load_preset(name, size=size, dtype=dtype, load_weights=False)
    scale, offset = input_scale(name) or ([1.0] * 3, [0.0] * 3)
    # The preset's own scale is for 0..255.
    scale = [255.0 * each for each in scale]
    return network, InputRange(scale, offset, dtype=RANGE_DTYPE, name="input_range")(images)


def _from_function(name: str, size: int | None) -> keras.Model:
    from glrtf.models.functions import find_function

    network: Any = find_function(name)(size)
    if not isinstance(network, keras.Model):
        raise UserError(
            f"--backbone {name}: expected a function of the size that returns a keras.Model, found"
            f" one that returns {type(network).__name__}"
        )
    return network


def _shape_of(features: Any) -> str:
    if isinstance(features, dict):
        return f"a dict of {', '.join(map(str, features))}"
    if isinstance(features, list | tuple):
        return f"{len(features)} outputs"
    return str(tuple(features.shape))
