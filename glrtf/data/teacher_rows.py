"""Rows of another descriptor for the images of a batch."""

import numpy as np
import numpy.typing as npt

from glrtf.config.distillation import DistillConfig
from glrtf.config.training import TrainConfig
from glrtf.embeddings.agreement import Agreement
from glrtf.embeddings.concatenated_rows import ConcatenatedRows
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.embeddings.info import read_info
from glrtf.embeddings.rows import RowSource
from glrtf.embeddings.rows_by_id import RowsById
from tfrecords_tools.errors import UserError
from tfrecords_tools.schema import NO_LABEL


class TeacherRows:
    """The rows of embedding sets, looked up by the ids of a batch.

    Args:
        config: With the sets.

    Attributes:
        width: Length of a row.

    Raises:
        UserError: On a set that is missing or not whole.
    """

    def __init__(self, config: DistillConfig) -> None:
        self._config = config
        self._rows = RowsById(open_rows(config))
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
            raise self._without_row(error.args[0]) from None
        return rows.astype(np.float32)

    def _without_row(self, image_id: str) -> UserError:
        named = f"--distill.rows {self._config.rows}"
        wanted, cure = "every train photo", "embed the train split of these shards"
        if self._config.extra_rows:
            named += f" --distill.extra_rows {' '.join(self._config.extra_rows)}"
            wanted = "every photo of --data and --distill.extra_data"
            cure = "embed these shards"
        return UserError(f"{named}: expected a row for {wanted}, found none for {image_id}; {cure}")


def rows_folders(config: DistillConfig) -> list[str]:
    """The sets that a run learns from: those of its train photos, then those of extra photos."""
    return [config.rows, *config.extra_rows] if config.rows else []


def open_rows(config: DistillConfig) -> RowSource:
    """The rows of all sets that a run learns from.

    Raises:
        UserError: On a set that is missing or not whole, or rows of other lengths.
    """
    first, *extra = [EmbeddingSet.open(folder) for folder in rows_folders(config)]
    return ConcatenatedRows([first, *extra]) if extra else first


def require_same_model(config: DistillConfig) -> None:
    """Checks that all rows that a run learns from are comparable.

    Raises:
        UserError: If they were made by other models, or otherwise.
    """
    agreement = Agreement()
    flags = ["--distill.rows", *["--distill.extra_rows"] * len(config.extra_rows)]
    width = 0
    for flag, folder in zip(flags, rows_folders(config), strict=True):
        info = read_info(folder)
        agreement.add(f"{flag} {folder}", info["meta"])
        width = width or int(info["dimension"])
        if int(info["dimension"]) != width:
            raise UserError(
                f"{flag} {folder}: expected rows of {width} numbers as --distill.rows"
                f" {config.rows}, found {info['dimension']}; embed both with the same model"
            )


def open_teacher(config: TrainConfig) -> TeacherRows | None:
    """The rows that a run learns from; None where it learns from labels alone."""
    return TeacherRows(config.distill) if config.distill.rows else None


def row_width(config: TrainConfig) -> int:
    """Length of the rows that a run learns from, 0 without any.

    Raises:
        UserError: If there is no such set.
    """
    return int(read_info(config.distill.rows)["dimension"]) if config.distill.rows else 0


def least_label(config: TrainConfig) -> int:
    """The smallest label that a photo may have: -1, for none, where extra photos are read."""
    return NO_LABEL if config.distill.extra_data else 0
