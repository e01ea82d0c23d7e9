"""Converts uploaded bytes to the pixels that a model takes, or refuses them."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from glrtf.data.input_spec import InputSpec
from glrtf.service.boxes import Box
from glrtf.service.decoder_child import RefusedPhotoError, read_inputs
from glrtf.service.decoder_pool import DecoderPool
from tfrecords_tools.images import ImageSettings

__all__ = ["PhotoReader", "Prepared", "RefusedPhotoError"]

Prepared: TypeAlias = np.ndarray | tuple[np.ndarray, ...]
"""A model's input, uint8 of shape `InputSpec.shape`; a tuple if there are several inputs."""


class PhotoReader:
    """Reads photos in the same way as the builder of shards and ``glrtf embed``.

    Args:
        spec: How the model's input is made, or just its side in pixels; for several models or
            scales, how each input is made.
        max_pixels: Photos with more pixels are refused.
        decoders: Processes that decode and resize; None does it in this process.
    """

    def __init__(
        self,
        spec: InputSpec | int | Sequence[InputSpec],
        max_pixels: int = ImageSettings.max_pixels,
        decoders: DecoderPool | None = None,
    ) -> None:
        if isinstance(spec, int):
            spec = InputSpec(spec)
        self._specs = [spec] if isinstance(spec, InputSpec) else list(spec)
        self._max_pixels, self._decoders = max_pixels, decoders

    def __call__(self, data: bytes, seconds: float = 60.0, box: Box | None = None) -> Prepared:
        """The model's input of an image file, turned upright; see `Prepared`.

        Args:
            data: The bytes of the file.
            seconds: How long decoding may take, including the wait for a decoder.
            box: The part that is wanted; None for the whole photo.

        Raises:
            RefusedPhotoError: If the bytes are not an image, the image is too large or small,
                animated, truncated, damaged or too expensive to decode, or the box lies outside it.
            DecoderTimeoutError: If the time is up.
        """
        ends = box.ends if box is not None else None
        if self._decoders is None:
            prepared = read_inputs(data, self._specs, self._max_pixels, ends)
        else:
            prepared = self._decoders.inputs(data, self._specs, self._max_pixels, seconds, ends)
        return prepared[0] if len(prepared) == 1 else tuple(prepared)
