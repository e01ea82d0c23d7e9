"""Photos as files, bytes or pixels in, rows of length 1 out."""

import os
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from glrtf.config.descriptor import DescriptorConfig
from glrtf.config.inference import VIEWS
from glrtf.data.resizers import host_resizer
from glrtf.inference.embedders import load_embedder
from glrtf.service.batch_model import BatchModel
from glrtf.service.photo_input import PhotoReader, RefusedPhotoError
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files


class PhotoEmbedder:
    """A model that embeds photos, read as the shards' builder reads them.

    Args:
        model: As for ``glrtf embed``.
        checkpoint: Which checkpoint of the workdir; empty takes the last.
        tta: Views to add up.
        batch_size: Most photos of one model call.
        descriptor: What the file of another project's model does not say.

    Attributes:
        size: Side of the model's input in pixels.
        dimension: Length of a row.
        digest: SHA-256 of the model's weights, as embedding sets name it.

    Raises:
        UserError: If the model does not load.
    """

    def __init__(
        self,
        model: str,
        checkpoint: str = "",
        tta: Sequence[str] = VIEWS,
        batch_size: int = 32,
        descriptor: DescriptorConfig | None = None,
    ) -> None:
        embedder = load_embedder(model, checkpoint, descriptor=descriptor, light=True)
        self.size, self.dimension = embedder.size, embedder.dimension
        self.digest = embedder.digest
        self._batch_size = batch_size
        self._model = BatchModel(embedder, tta, batch_size)
        self._spec = embedder.spec()
        self._read = PhotoReader(self._spec)

    def embed(
        self, photos: Iterable[str | os.PathLike[str] | bytes | npt.NDArray[np.uint8]]
    ) -> npt.NDArray[np.float32]:
        """Embeds photos.

        Args:
            photos: Each a path (or gs://), a file's bytes, or pixels, uint8 (height, width, 3).

        Returns:
            (photos, dimension) float32, each row of length 1.

        Raises:
            UserError: Naming the photo that is missing or cannot be read.
        """
        rows = [np.empty((0, self.dimension), np.float32)]
        pixels: list[np.ndarray] = []
        for number, photo in enumerate(photos):
            pixels.append(self._pixels(photo, number))
            if len(pixels) == self._batch_size:
                rows.append(self._model(pixels))
                pixels = []
        rows.append(self._model(pixels))
        return np.concatenate(rows)

    def _pixels(
        self, photo: str | os.PathLike[str] | bytes | npt.NDArray[np.uint8], number: int
    ) -> np.ndarray:
        if isinstance(photo, np.ndarray):
            if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3 or not photo.size:
                raise UserError(
                    f"photo {number}: expected uint8 (height, width, 3), found {photo.dtype} "
                    f"{photo.shape}"
                )
            prepared = np.empty(self._spec.shape, np.uint8)
            host_resizer(self._spec)(photo, prepared)
            return prepared
        name = f"photo {number}" if isinstance(photo, bytes) else os.fspath(photo)
        data = photo if isinstance(photo, bytes) else files.read_bytes(name)
        try:
            return self._read(data)
        except RefusedPhotoError as refused:
            raise UserError(
                f"{name}: expected a photo, found an unusable file: {refused}"
            ) from None
