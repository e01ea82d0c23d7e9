"""From uint8 batches to augmented float images, on the device."""

from typing import Any, TypeAlias

from glrtf.config.data import InputConfig
from glrtf.config.keras_settings import keras
from glrtf.config.training import TrainConfig
from glrtf.data import kernels, padded_images
from glrtf.data.augment import augment
from glrtf.data.mixing import mix

Tensor: TypeAlias = Any


def float_images(images: Tensor, size: int, config: InputConfig) -> Tensor:
    """Converts images of `train_batches` to float32 (b, size, size, 3) in [0, 1], on the device.

    Args:
        images: uint8, resized or padded images.
        size: Side of the images in pixels.
        config: As given to `train_batches`.
    """
    if config.image_mode == "device-resize":
        return padded_images.resize(images, size, config.antialias) / 255.0
    return keras.ops.cast(images, "float32") / 255.0


class Augmentation:
    """Converts uint8 images to float and augments them, each micro-batch separately.

    Args:
        config: The run's settings.
        size: Side of the images that the model takes, in pixels; None is the run's own.
        as_products: Whether geometry uses products, for TPUs; see `glrtf.data.resample`.
    """

    def __init__(
        self, config: TrainConfig, size: int | None = None, *, as_products: bool = False
    ) -> None:
        self._config = config
        self._as_products = as_products
        self._size = size or config.size

    def __call__(
        self, images: Tensor, replica: Tensor, number: Tensor
    ) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:
        """Images of `train_batches` -> `(batch, size, size, 3)` float32 in [0, 1], augmented.

        Args:
            images: uint8, resized or padded.
            replica: This replica's number.
            number: The micro-batch's number over the whole run.

        Returns:
            The images, and how they are mixed, if they are.
        """
        scaled = float_images(images, self._size, self._config.input)
        seed = kernels.step_seed(self._config.seed, number, replica)
        varied = augment(scaled, seed, self._config.augment, as_products=self._as_products)
        if not self._config.augment.mixes:
            return varied, None
        mixed, partner, share = mix(varied, seed, self._config.augment)
        return mixed, (partner, share)
