"""The inputs of a cleaning: rows and landmarks of the train images, and other sets."""

import dataclasses
import os
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from glrtf.config.cleaning import CleanConfig
from glrtf.embeddings.adapted_rows import adapted
from glrtf.embeddings.adapter import Adapter
from glrtf.embeddings.adapter import load as load_adapter
from glrtf.embeddings.agreement import Agreement
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.embeddings.joined_rows import join
from glrtf.embeddings.rows import RowSource
from glrtf.retrieval.bridging.landmark_confidence import read_landmarks
from tfrecords_tools import labels
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files


@dataclasses.dataclass(frozen=True)
class Inputs:
    """The train images, and the sets that they are compared with.

    Attributes:
        train: The train images' rows.
        landmark_ids: (landmarks,) int64, ascending.
        codes: (train rows,) int64, each row's place in `landmark_ids`.
        others: query, index → rows that train should not contain.
        non_landmark: Rows of images without a landmark, if any.
        digests: Role → digest of its rows; ``landmarks`` → SHA-256 of the table.
        without_row: How many images of the table have no row.
    """

    train: RowSource
    landmark_ids: npt.NDArray[np.int64]
    codes: npt.NDArray[np.int64]
    others: dict[str, RowSource]
    non_landmark: RowSource | None
    digests: dict[str, str]
    without_row: int


def open_inputs(config: CleanConfig) -> Inputs:
    """Opens the inputs that the settings name.

    Raises:
        UserError: On an incomplete set, sets of different models, a table that does not match, or
            too few images or landmarks.
    """
    agreement = Agreement()
    adapter = load_adapter(config.adapter) if config.adapter else None

    def opened(role: str) -> RowSource:
        return _joined(config, role, getattr(config, role), agreement, adapter)

    train = opened("train")
    of_rows = read_landmarks(config.landmarks, train)
    landmark_ids, codes = np.unique(of_rows, return_inverse=True)
    if len(landmark_ids) < 2:
        raise UserError(
            f"{config.landmarks}: expected images of at least two landmarks among those of"
            f" {train.name}, found {len(landmark_ids)}"
        )
    listed = sum(len(ids) for _, _, ids in labels.landmark_rows(config.landmarks))
    others = {role: opened(role) for role in ("query", "index") if getattr(config, role)}
    none = opened("non_landmark") if config.non_landmark else None
    digests = {"train": train.digest, "landmarks": files.sha256(config.landmarks)}
    digests |= {role: rows.digest for role, rows in others.items()}
    if none is not None:
        digests["non_landmark"] = none.digest
    return Inputs(
        train, landmark_ids, codes, others, none, digests, max(0, listed - len(train.ids))
    )


def _joined(
    config: CleanConfig,
    role: str,
    folders: Sequence[str],
    agreement: Agreement,
    adapter: Adapter | None,
) -> RowSource:
    sets = [EmbeddingSet.open(os.fspath(one), config.verify) for one in folders]
    if len(sets) != len(config.train):
        raise UserError(
            f"--{role}: expected {len(config.train)} embedding sets as of --train, found"
            f" {len(sets)}; give one a model, in the same order"
        )
    for place, one in enumerate(sets):
        agreement.add(f"--{role} {one.folder}", one.meta, place)
    rows: RowSource
    if adapter is None:
        rows = join(sets, config.votes)
    else:
        rows = adapted(f"--{role}", sets, config.votes, adapter)
    if not len(rows.ids):
        raise UserError(f"--{role} {rows.name}: expected at least one image, found none")
    return rows
