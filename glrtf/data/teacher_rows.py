"""Rows of another descriptor for the images of a batch."""

import numpy as np
import numpy.typing as npt

from glrtf.config.training import TrainConfig
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.embeddings.info import read_info
from glrtf.embeddings.rows_by_id import RowsById
from tfrecords_tools.errors import UserError


class TeacherRows:
    """The rows of an embedding set, looked up by the ids of a batch.

    Args:
        folder: The set.

    Attributes:
        folder: The set.
        width: Length of a row.

    Raises:
        UserError: On a set that is missing or not whole.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._rows = RowsById(EmbeddingSet.open(folder))
        self.width = self._rows.source.dimension

    def of(self, image_ids: npt.NDArray[np.object_]) -> npt.NDArray[np.float32]:
        """The rows of some images.

        Args:
            image_ids: (n,) bytes objects.

        Returns:
            (n, width) float32.

        Raises:
            UserError: If an image has no row.
        """
        try:
            rows = self._rows.rows([each.decode(errors="surrogateescape") for each in image_ids])
        except KeyError as error:
            raise UserError(
                f"--distill.rows {self.folder}: expected a row for every train photo, found none"
                f" for {error.args[0]}; embed the train split of these shards"
            ) from None
        return rows.astype(np.float32)


def open_teacher(config: TrainConfig) -> TeacherRows | None:
    """The rows that a run learns from; None where it learns from labels alone."""
    return TeacherRows(config.distill.rows) if config.distill.rows else None


def row_width(config: TrainConfig) -> int:
    """Length of the rows that a run learns from, 0 without any.

    Raises:
        UserError: If there is no such set.
    """
    return int(read_info(config.distill.rows)["dimension"]) if config.distill.rows else 0
