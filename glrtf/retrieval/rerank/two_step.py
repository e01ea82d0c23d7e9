"""Two-step discriminative re-ranking: images of the query's landmark first, and more of them.

Yokoo et al., "Two-stage Discriminative Re-ranking for Large-scale Landmark Retrieval", CVPRW 2020
(arXiv 2003.11211), first place of Google Landmark Retrieval 2019; the winners of 2021 (Henkel,
arXiv 2110.03786) built on it. Defaults as in the published code (exp/submit_retrieval.py of
lyakaap/Landmark2019-1st-and-3rd-Place-Solution): 3 votes, threshold 0.6. That code adds an
undefined name to an index image's score; here it is the query's score.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from glrtf.retrieval.bridging.fusion import Ranking
from glrtf.retrieval.bridging.landmark_confidence import NO_LANDMARK
from glrtf.retrieval.search.neighbors import NO_ROW, Neighbors

_NUMBERS_AT_ONCE = 1 << 20


@dataclasses.dataclass(frozen=True)
class Predicted:
    """The landmark that train images predict for each image.

    Attributes:
        landmarks: (images,) int64; -1 without train neighbours.
        scores: (images,) float64, its sum of similarities divided by the number of votes.
    """

    landmarks: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]


def predicted(near: Neighbors, landmarks: npt.NDArray[np.int64], k: int) -> Predicted:
    """The landmark with the largest sum of similarities; of equal ones that of the nearest image.

    Args:
        near: The images' nearest train images.
        landmarks: (train rows,) int64.
        k: How many of them vote.
    """
    images = len(near.indices)
    result = Predicted(np.empty(images, np.int64), np.empty(images))
    # The last entry is for missing neighbours: row -1.
    landmarks = np.append(landmarks, NO_LANDMARK)
    at_once = max(1, _NUMBERS_AT_ONCE // k**2)
    for start in range(0, images, at_once):
        block = slice(start, start + at_once)
        rows = np.array(near.indices[block, :k])
        valid = rows != NO_ROW
        similarities = np.where(valid, near.scores[block, :k], 0)
        marks = landmarks[rows]
        same = marks[:, :, None] == marks[:, None, :]
        sums = np.where(valid, (same * similarities[:, None, :]).sum(axis=2), -np.inf)
        places = np.arange(len(rows)), sums.argmax(axis=1)
        result.landmarks[block] = marks[places]
        result.scores[block] = np.where(valid.any(axis=1), sums[places], 0) / k
    return result


class ImagesOfLandmarks:
    """Index images by their predicted landmark, those of the largest score first.

    Args:
        index: What is predicted for the index images.
        id_ranks: (index images,) int64, which decide equal scores, the smaller first.
    """

    def __init__(self, index: Predicted, id_ranks: npt.NDArray[np.int64]) -> None:
        self.predicted = index
        self._order = np.lexsort((id_ranks, -index.scores, index.landmarks))
        self._sorted = index.landmarks[self._order]

    def of(self, landmark: int) -> npt.NDArray[np.int64]:
        """(n,) int64 index rows; none for the landmark -1."""
        if landmark == NO_LANDMARK:
            return np.zeros(0, np.int64)
        start, stop = np.searchsorted(self._sorted, [landmark, landmark + 1])
        return self._order[start:stop]


def reranked(
    ranking: Ranking,
    query: Predicted,
    images: ImagesOfLandmarks,
    threshold: float,
    *,
    insert: bool,
) -> Ranking:
    """Moves images of the query's landmark to the front and inserts others behind them.

    Moved images keep their evidence. Inserted ones have no direct, bridged or final confidence;
    their landmark is the query's.

    Args:
        ranking: The ranking so far.
        query: What is predicted for the queries.
        images: The index images by predicted landmark.
        threshold: An image is inserted where its score and the query's exceed this in sum.
        insert: Whether any are inserted.
    """
    names = [field.name for field in dataclasses.fields(Ranking)]
    result = {name: np.array(getattr(ranking, name)) for name in names}
    limit = ranking.images.shape[1]
    scores = images.predicted.scores
    for row, (landmark, score) in enumerate(zip(query.landmarks, query.scores, strict=True)):
        ranked = ranking.images[row]
        right = (ranked != NO_ROW) & (images.predicted.landmarks[ranked] == landmark)
        if landmark == NO_LANDMARK:
            continue
        added = np.zeros(0, np.int64)
        if insert:
            all_of = images.of(landmark)
            added = all_of[scores[all_of] + score > threshold]
            added = added[~np.isin(added, ranked)]
        front, back = np.flatnonzero(right), np.flatnonzero(~right)
        new = {"images": added, "landmarks": np.full(len(added), landmark)}
        for name in names:
            before = getattr(ranking, name)[row]
            between = new.get(name, np.zeros(len(added)))
            result[name][row] = np.concatenate([before[front], between, before[back]])[:limit]
    return Ranking(**result)
