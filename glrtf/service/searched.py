"""Opens everything that photos are searched in: index and train sets, tables and settings."""

import dataclasses
import os
from collections.abc import Sequence

from glrtf.config.ranking import PUBLISHED_FOR_PHOTOS, RankingSettings
from glrtf.config.service import SearcherConfig
from glrtf.embeddings.adapted_rows import AdaptedRows
from glrtf.embeddings.agreement import Agreement
from glrtf.embeddings.digests import Verify
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.embeddings.joined_rows import JoinedRows
from glrtf.embeddings.rows import ArrayRows
from glrtf.retrieval.bundle import Bundle, open_bundle

SearchedRows = EmbeddingSet | JoinedRows | AdaptedRows | ArrayRows


@dataclasses.dataclass(frozen=True)
class Searched:
    """Everything that photos are searched in.

    Attributes:
        index: The rows of the index photos.
        train: The rows of the train photos, if any.
        index_sets: The sets of the index rows, one per model.
        train_sets: The sets of the train rows, one per model.
        landmarks: CSV of the train photos' landmarks; empty for none.
        labels: CSV of the index photos' landmarks; empty for none.
        ranking: How photos are ranked.
        non_landmark_scores: CSV of the train photos' similarity to non-landmarks; empty for none.
    """

    index: SearchedRows
    train: SearchedRows | None
    index_sets: tuple[EmbeddingSet, ...]
    train_sets: tuple[EmbeddingSet, ...]
    landmarks: str
    labels: str
    ranking: RankingSettings = PUBLISHED_FOR_PHOTOS
    non_landmark_scores: str = ""

    @property
    def tables(self) -> str:
        """The folder with the names of landmarks and photos."""
        return os.path.dirname(self.landmarks or self.labels) or "."

    @property
    def folders(self) -> dict[str, str]:
        """The folders of the first index and train set, which may have the names of photos."""
        both = {"index": self.index_sets, "train": self.train_sets}
        return {role: sets[0].folder for role, sets in both.items() if sets}


def open_searched(config: SearcherConfig) -> Searched:
    """Opens the sets and tables of the settings.

    Args:
        config: The settings; they name sets and tables, or a bundle.

    Raises:
        UserError: If a set is incomplete, or index and train photos were embedded differently.
    """
    if config.bundle:
        return of_bundle(open_bundle(config.bundle, config.verify), config.verify)
    index = EmbeddingSet.open(config.index, config.verify)
    train = EmbeddingSet.open(config.train, config.verify) if config.train else None
    _refuse_unlike([index] if train is None else [index, train])
    return Searched(
        index,
        train,
        (index,),
        (train,) if train else (),
        config.landmarks,
        config.index_labels,
    )


def of_bundle(bundle: Bundle, verify: Verify) -> Searched:
    """Opens a bundle's sets.

    Args:
        bundle: The bundle.
        verify: See `EmbeddingSet.open`.

    Raises:
        UserError: If a set is incomplete.
    """
    parts = bundle.files
    index = [EmbeddingSet.open(one, verify) for one in parts.index]
    train = [EmbeddingSet.open(one, verify) for one in parts.train]
    return Searched(
        bundle.rows("index", index),
        bundle.rows("train", train) if train else None,
        tuple(index),
        tuple(train),
        parts.landmarks,
        parts.labels or parts.landmarks,
        bundle.ranking,
        parts.non_landmark_scores,
    )


def photo_folders(config: SearcherConfig) -> dict[str, str]:
    """The folders of the first index and train set, which may have the names of photos."""
    if not config.bundle:
        both = {"index": config.index, "train": config.train}
        return {role: folder for role, folder in both.items() if folder}
    parts = open_bundle(config.bundle, config.verify).files
    return {
        role: sets[0] for role, sets in (("index", parts.index), ("train", parts.train)) if sets
    }


def _refuse_unlike(sets: Sequence[EmbeddingSet]) -> None:
    """Refuses index and train photos that were embedded differently."""
    agreement = Agreement()
    for one in sets:
        agreement.add(one.folder, one.meta)
