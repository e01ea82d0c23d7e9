"""From uploaded bytes to the pixels a model takes, or a refusal."""

import contextlib
import threading

import numpy as np

from glrtf.data.input_spec import InputSpec
from glrtf.data.resizers import host_resizer
from glrtf.service.boxes import Box
from glrtf.service.decoder_child import RefusedPhotoError, read_pixels
from glrtf.service.decoder_pool import DecoderPool
from tfrecords_tools.images import ImageSettings

_LARGE = 16_000_000

__all__ = ["PhotoReader", "RefusedPhotoError"]


class PhotoReader:
    """Reads photos as the shards' builder and the embedding do.

    Args:
        spec: How the model's input is made, or only the input's side in pixels.
        max_pixels: Photos with more are refused.
        decoders: Processes that decode; without, this process does.
    """

    def __init__(
        self,
        spec: InputSpec | int,
        max_pixels: int = ImageSettings.max_pixels,
        decoders: DecoderPool | None = None,
    ) -> None:
        spec = InputSpec(spec) if isinstance(spec, int) else spec
        self._max_pixels, self._max_side, self._decoders = max_pixels, spec.max_side, decoders
        self._large = threading.Lock()
        self._shape = spec.shape
        self._resize = host_resizer(spec)

    def __call__(self, data: bytes, seconds: float = 60.0, box: Box | None = None) -> np.ndarray:
        """Pixels uint8, of `InputSpec.shape`, of an image file's bytes, turned upright.

        Args:
            data: The file's bytes.
            seconds: How long a decoder may take, waiting for it included.
            box: The part that is wanted; None for all.

        Raises:
            RefusedPhotoError: If they are not an image, too large or small, animated,
                truncated or damaged, or cannot be decoded at a bearable cost, or nothing of the
                box lies on it.
            DecoderTimeoutError: If the time is up.
        """
        ends = box.ends if box is not None else None
        if self._decoders is None:
            pixels = read_pixels(data, self._max_pixels, self._max_side, ends)
        else:
            pixels = self._decoders.pixels(data, self._max_pixels, seconds, self._max_side, ends)
        # The resize makes a copy: one of a large photo at a time is enough.
        with self._large if pixels.nbytes > _LARGE else contextlib.nullcontext():
            prepared = np.empty(self._shape, np.uint8)
            self._resize(pixels, prepared)
            return prepared
