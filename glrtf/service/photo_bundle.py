"""A bundle for Python: from photos to answers or rows."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from glrtf.config.service import MOST_ANSWERS, SearcherConfig
from glrtf.service.answers import Answer
from glrtf.service.photo_pixels import Photo, PhotoPixels
from glrtf.service.searcher import open_searcher

_AT_ONCE = 32


class PhotoBundle:
    """A bundle's models, index and ranking, as ``glrtf search --bundle`` opens them.

    Args:
        config: The settings that name the bundle.

    Attributes:
        index_ids: (index images,) S dtype.
        dimension: Length of a row.

    Raises:
        UserError: If the bundle is incomplete, or a model does not load here.
    """

    def __init__(self, config: SearcherConfig) -> None:
        self._searcher = open_searcher(config, _AT_ONCE)
        self._pixels = PhotoPixels(self._searcher.model.specs)
        self.index_ids = self._searcher.index.ids
        self.dimension = self._searcher.index.dimension

    def embed(self, photos: Iterable[Photo]) -> npt.NDArray[np.floating]:
        """Embeds photos to the rows that the bundle's ranking compares.

        Args:
            photos: Paths (or gs://), file contents, or pixels, uint8 (height, width, 3).

        Returns:
            (photos, dimension) float64, each row of length 1.

        Raises:
            UserError: Naming the photo that is missing or cannot be read.
        """
        rows = [np.empty((0, self.dimension))]
        rows += [self._searcher.model(block) for block in self._pixels.blocks(photos, _AT_ONCE)]
        return np.concatenate(rows)

    def search(self, photos: Iterable[Photo], limit: int = MOST_ANSWERS) -> list[Answer]:
        """The landmarks that photos show, and the index photos that show them too.

        Args:
            photos: As for `embed`.
            limit: The largest number of index photos per answer.

        Raises:
            UserError: Naming the photo that is missing or cannot be read.
        """
        answers: list[Answer] = []
        for block in self._pixels.blocks(photos, _AT_ONCE):
            answers += self._searcher.search(block, limit)
        return answers
