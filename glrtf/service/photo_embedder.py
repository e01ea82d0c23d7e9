"""Embeds photos, given as files, bytes or pixels, to rows of length 1."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from glrtf.config.descriptor import DescriptorConfig
from glrtf.config.inference import VIEWS
from glrtf.inference.embedders import load_embedder
from glrtf.service.batch_model import BatchModel
from glrtf.service.photo_pixels import Photo, PhotoPixels


class PhotoEmbedder:
    """A model that embeds photos, which are read as the builder of shards reads them.

    Args:
        model: As for ``glrtf embed``.
        checkpoint: A checkpoint of the workdir; empty takes the last.
        tta: Views to add up.
        batch_size: The largest number of photos per model call.
        descriptor: Settings that the file of another project's model does not contain.
        adapter: Folder of the adapter that maps the rows; empty for none.

    Attributes:
        size: Side of the model's input in pixels.
        dimension: Length of a row.
        digest: SHA-256 of the model's weights, as embedding sets record it.

    Raises:
        UserError: If the model does not load, or the adapter was fitted on another model's rows.
    """

    def __init__(
        self,
        model: str,
        checkpoint: str = "",
        tta: Sequence[str] = VIEWS,
        batch_size: int = 32,
        descriptor: DescriptorConfig | None = None,
        adapter: str = "",
    ) -> None:
        embedder = load_embedder(model, checkpoint, descriptor=descriptor, light=True)
        embedder = embedder.adapted_by(adapter)
        self.size = embedder.size
        self.dimension = embedder.adapter.dimension if embedder.adapter else embedder.dimension
        self.digest = embedder.digest
        self._batch_size = batch_size
        self._model = BatchModel(embedder, tta, batch_size)
        self._pixels = PhotoPixels(self._model.specs)

    def embed(self, photos: Iterable[Photo]) -> npt.NDArray[np.float32]:
        """Embeds photos.

        Args:
            photos: Paths (or gs://), file contents, or pixels, uint8 (height, width, 3).

        Returns:
            (photos, dimension) float32, each row of length 1.

        Raises:
            UserError: Naming the photo that is missing or cannot be read.
        """
        rows = [np.empty((0, self.dimension), np.float32)]
        rows += [self._model(block) for block in self._pixels.blocks(photos, self._batch_size)]
        return np.concatenate(rows)
