"""The part of the index that a search sees: all of it, or photos of some labels and folders."""

import dataclasses

import numpy as np
import numpy.typing as npt

from glrtf.config.ranking import RankingSettings
from glrtf.config.search import SearchConfig
from glrtf.embeddings.rows import RowSource
from glrtf.embeddings.subset_rows import SubsetRows
from glrtf.retrieval.bridging import bridge
from glrtf.retrieval.bridging.bridge import ImagesByLandmark
from glrtf.retrieval.bridging.fusion import Ranking
from glrtf.retrieval.bridging.landmark_confidence import LandmarkConfidences
from glrtf.retrieval.ordering import id_ranks
from glrtf.retrieval.search.neighbors import NO_ROW
from glrtf.service.direct_photos import DirectPhotos
from tfrecords_tools.storage import files


@dataclasses.dataclass(frozen=True)
class SearchSpace:
    """The rows to search in, and their lists by landmark.

    Attributes:
        direct: Searches the rows.
        confidences: The landmarks of the photos.
        lists: The photos of each landmark.
        rows: (photos,) int64, the index row of each; None for the whole index.
    """

    direct: DirectPhotos
    confidences: LandmarkConfidences
    lists: ImagesByLandmark
    rows: npt.NDArray[np.int64] | None = None

    def in_index(self, ranking: Ranking) -> Ranking:
        """Converts the row numbers of a ranking to those of the index."""
        if self.rows is None:
            return ranking
        found = np.where(ranking.images == NO_ROW, NO_ROW, self.rows[ranking.images])
        return dataclasses.replace(ranking, images=found)


def whole_space(
    index: RowSource,
    confidences: LandmarkConfidences,
    ranking: RankingSettings,
    search: SearchConfig,
    folder: str,
) -> SearchSpace:
    """The whole index.

    Args:
        index: Its rows.
        confidences: The landmarks of its photos.
        ranking: How photos are ranked.
        search: How neighbours are found.
        folder: Where search indexes and neighbours within the index are cached.
    """
    direct = DirectPhotos(index, ranking, search, folder)
    lists = bridge.list_by_landmark(confidences, id_ranks(index.ids))
    return SearchSpace(direct, confidences, lists)


def part_of(
    index: RowSource,
    confidences: LandmarkConfidences,
    rows: npt.NDArray[np.int64],
    ranking: RankingSettings,
    folder: str,
) -> SearchSpace:
    """A part of the index, searched exactly.

    Answers are the same as for an index of only these photos.

    Args:
        index: The rows of the whole index.
        confidences: The landmarks of its photos.
        rows: (photos,) int64, ascending.
        ranking: How photos are ranked.
        folder: The cache folder of the whole index; that of the part is inside it.
    """
    subset = SubsetRows(index, rows)
    kept = LandmarkConfidences(confidences.landmarks[rows], confidences.confidences[rows])
    space = whole_space(subset, kept, ranking, SearchConfig(), files.join(folder, "within"))
    return dataclasses.replace(space, rows=rows)
