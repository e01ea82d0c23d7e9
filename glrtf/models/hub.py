"""KerasHub's presets: their networks, and the input that those were trained with."""

from typing import Any

import numpy as np

from glrtf.config.descriptor import HUB_PREFIX
from glrtf.config.keras_settings import keras as keras  # Before KerasHub imports it.
from tfrecords_tools.errors import UserError


def load_preset(
    name: str, *, size: int | None = None, dtype: object = None, load_weights: bool = True
) -> Any:
    """The Keras model of a preset's backbone.

    Args:
        name: keras_hub:PRESET; a name, or a folder that ``save_to_preset`` wrote.
        size: Side of its input in pixels, where it can be chosen; None takes the preset's.
        dtype: The layers' dtype policy.
        load_weights: Whether it gets the preset's weights.

    Raises:
        UserError: If there is none of that name, or no network to fetch it.
    """
    import keras_hub

    options: dict[str, Any] = {"load_weights": load_weights}
    if size is not None:
        options["image_shape"] = (size, size, 3)
    if dtype is not None:
        options["dtype"] = dtype
    try:
        return keras_hub.models.Backbone.from_preset(name.removeprefix(HUB_PREFIX), **options)
    except Exception as error:  # Of Kaggle's and Hugging Face's clients, requests and Keras.
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise UserError(
            f"{name}: expected a preset of KerasHub {keras_hub.__version__}, or a folder that"
            f" save_to_preset wrote, found none that loads ({reason}); without a network, name"
            " such a folder"
        ) from None


def image_converter(name: str) -> Any:
    """A preset's ``ImageConverter``; None where it has none.

    Raises:
        UserError: If it has one that cannot be loaded, since KerasHub's own dependencies are
            missing: tensorflow-text, of TensorFlow's version.
    """
    import keras_hub

    try:
        return keras_hub.layers.ImageConverter.from_preset(name.removeprefix(HUB_PREFIX))
    except ImportError as error:
        reason = next(iter(str(error).strip().splitlines()), "")[:200]
        raise UserError(
            f"{name}: expected the packages that KerasHub {keras_hub.__version__} needs to read the"
            f" preset's preparation of photos, found that one is missing ({reason})"
        ) from None
    except Exception:  # Not every preset has one, and each kind says so in its own way.
        return None


def input_scale(name: str) -> tuple[list[float], list[float]] | None:
    """What a preset multiplies 0..255 with and adds, each of three values; None if unknown."""
    converter = image_converter(name)
    if converter is None:
        return None
    scale = 1.0 if converter.scale is None else converter.scale
    offset = 0.0 if converter.offset is None else converter.offset
    three = [
        np.broadcast_to(np.asarray(each, np.float64).reshape(-1), 3).tolist()
        for each in (scale, offset)
    ]
    return three[0], three[1]
