"""Converts photos, given as paths, bytes or pixels, to a model's inputs."""

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from glrtf.data.input_spec import InputSpec
from glrtf.data.resizers import host_resizer
from glrtf.service.photo_input import PhotoReader, Prepared, RefusedPhotoError
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files

Photo: TypeAlias = str | os.PathLike[str] | bytes | npt.NDArray[np.uint8]
"""A path (or gs://), the contents of a file, or pixels, uint8 (height, width, 3)."""


class PhotoPixels:
    """Converts photos to inputs in the same way as the builder of shards and ``glrtf embed``.

    Args:
        specs: How the inputs are made.
    """

    def __init__(self, specs: Sequence[InputSpec]) -> None:
        self._specs = tuple(specs)
        self._resizers = [host_resizer(spec) for spec in specs]
        self._read = PhotoReader(specs)

    def blocks(self, photos: Iterable[Photo], length: int) -> Iterator[list[Prepared]]:
        """Yields the inputs of photos in batches.

        Raises:
            UserError: Naming the photo that is missing or cannot be read.
        """
        block: list[Prepared] = []
        for number, photo in enumerate(photos):
            block.append(self._prepared(photo, number))
            if len(block) == length:
                yield block
                block = []
        if block:
            yield block

    def _prepared(self, photo: Photo, number: int) -> Prepared:
        if isinstance(photo, np.ndarray):
            if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3 or not photo.size:
                raise UserError(
                    f"photo {number}: expected uint8 (height, width, 3), found {photo.dtype} "
                    f"{photo.shape}"
                )
            inputs = [np.empty(spec.shape, np.uint8) for spec in self._specs]
            for resize, target in zip(self._resizers, inputs, strict=True):
                resize(photo, target)
            return inputs[0] if len(inputs) == 1 else tuple(inputs)
        name = f"photo {number}" if isinstance(photo, bytes) else os.fspath(photo)
        data = photo if isinstance(photo, bytes) else files.read_bytes(name)
        try:
            return self._read(data)
        except RefusedPhotoError as refused:
            raise UserError(
                f"{name}: expected a photo, found an unusable file: {refused}"
            ) from None
