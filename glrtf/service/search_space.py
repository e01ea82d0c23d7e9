"""The index as searches walk it: all of it, or the photos of some labels and folders."""

import dataclasses

import numpy as np
import numpy.typing as npt

from glrtf.config.retrieval import SearchConfig
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.embeddings.subset_rows import SubsetRows
from glrtf.retrieval.bridging import bridge
from glrtf.retrieval.bridging.bridge import ImagesByLandmark
from glrtf.retrieval.bridging.fusion import Ranking
from glrtf.retrieval.bridging.landmark_confidence import LandmarkConfidences
from glrtf.retrieval.ordering import id_ranks
from glrtf.retrieval.search.neighbors import NO_ROW
from glrtf.retrieval.search.opened import OpenedDatabase


@dataclasses.dataclass(frozen=True)
class SearchSpace:
    """Rows that are searched, and their lists by landmark.

    Attributes:
        opened: The rows.
        lists: The index photos by landmark.
        rows: (photos,) int64, which index row each is; None for the whole index.
    """

    opened: OpenedDatabase
    lists: ImagesByLandmark
    rows: npt.NDArray[np.int64] | None = None

    def in_index(self, ranking: Ranking) -> Ranking:
        """The ranking with row numbers of the index."""
        if self.rows is None:
            return ranking
        found = np.where(ranking.images == NO_ROW, NO_ROW, self.rows[ranking.images])
        return dataclasses.replace(ranking, images=found)


def whole_space(
    index: EmbeddingSet, confidences: LandmarkConfidences, search: SearchConfig, folder: str
) -> SearchSpace:
    """The whole index.

    Args:
        index: The set.
        confidences: Its photos' landmarks.
        search: How neighbours are found.
        folder: Where Annoy's trees are kept.
    """
    lists = bridge.list_by_landmark(confidences, id_ranks(index.ids))
    return SearchSpace(OpenedDatabase(index, search, folder), lists)


def part_of(
    index: EmbeddingSet,
    confidences: LandmarkConfidences,
    rows: npt.NDArray[np.int64],
    folder: str,
) -> SearchSpace:
    """Some photos of the index, searched exactly.

    Answers are those of an index that holds no others.

    Args:
        index: The set.
        confidences: Its photos' landmarks.
        rows: (photos,) int64, ascending.
        folder: A folder for the search; nothing is kept there.
    """
    subset = SubsetRows(index, rows)
    kept = LandmarkConfidences(confidences.landmarks[rows], confidences.confidences[rows])
    lists = bridge.list_by_landmark(kept, id_ranks(subset.ids))
    return SearchSpace(OpenedDatabase(subset, SearchConfig(), folder), lists, rows)
