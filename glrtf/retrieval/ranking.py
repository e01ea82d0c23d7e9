"""From neighbours to a ranking: steps 4, 5 and 8 over blocks of images, on all processors."""

import dataclasses
import threading
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from glrtf.config.ranking import MAX_RANKED, FusionConfig, LandmarkConfig
from glrtf.retrieval.blocks import concatenated
from glrtf.retrieval.bridging import bridge, fusion, landmark_confidence
from glrtf.retrieval.bridging.bridge import ImagesByLandmark
from glrtf.retrieval.bridging.fusion import Ranking
from glrtf.retrieval.bridging.landmark_confidence import NO_LANDMARK, LandmarkConfidences
from glrtf.retrieval.bridging.non_landmark import penalized_distances
from glrtf.retrieval.processors import for_all
from glrtf.retrieval.search.neighbors import Neighbors, release
from tfrecords_tools.progress import Progress

_IMAGES_A_BLOCK = 16_384
_IMAGES_AT_ONCE = 128
"""Few enough that their neighbours stay in the cache."""
_QUERIES_AT_ONCE = 256


@dataclasses.dataclass(frozen=True)
class TrainLandmarks:
    """The landmarks of the train images, and how much they look like non-landmarks.

    Attributes:
        known: Landmark ids, ascending.
        codes: (train rows,) int64, each train image's place in `known`.
        non_landmark_similarity: (train rows,) float64, n(t).
    """

    known: npt.NDArray[np.int64]
    codes: npt.NDArray[np.int64]
    non_landmark_similarity: npt.NDArray[np.float64]


def landmark_blocks(
    near: Neighbors, train: TrainLandmarks, settings: LandmarkConfig
) -> Iterator[LandmarkConfidences]:
    """Step 4: the landmarks that images keep, a few thousand images at a time.

    At most two blocks of mapped neighbours are in memory.

    Args:
        near: The images' nearest train images.
        train: What those show.
        settings: The parameters.
    """
    images = len(near.indices)
    with Progress("landmark confidence", images, "image") as progress:
        for start in range(0, images, _IMAGES_A_BLOCK):
            if start:
                release(near)
            block = slice(start, start + _IMAGES_A_BLOCK)
            chunk = Neighbors(near.indices[block], near.scores[block])
            yield _keep_landmarks(chunk, train, settings)
            progress.update(len(chunk.indices))


def _keep_landmarks(
    near: Neighbors, train: TrainLandmarks, settings: LandmarkConfig
) -> LandmarkConfidences:
    """One block's landmarks, computed on all processors."""
    # The last entry is for missing neighbours: row -1.
    codes = np.append(train.codes, NO_LANDMARK)
    non_landmark_similarity = np.append(train.non_landmark_similarity, 1.0)

    def keep(start: int) -> LandmarkConfidences:
        block = slice(start, start + _IMAGES_AT_ONCE)
        rows, scores = np.asarray(near.indices[block]), np.asarray(near.scores[block])
        similarity = non_landmark_similarity.take(rows, mode="wrap")
        return landmark_confidence.landmark_confidences(
            codes.take(rows, mode="wrap"),
            penalized_distances(scores, similarity, settings.non_landmark_weight),
            train.known,
            per_landmark=settings.per_landmark,
            best_bonus=settings.best_bonus,
            keep=settings.keep,
            mean=settings.aggregate == "mean",
        )

    blocks = for_all(keep, range(0, max(len(near.indices), 1), _IMAGES_AT_ONCE))
    return LandmarkConfidences(
        np.concatenate([block.landmarks for block in blocks]),
        np.concatenate([block.confidences for block in blocks]),
    )


def rank(
    nearest: Neighbors,
    direct: npt.NDArray[np.float64],
    query: LandmarkConfidences,
    index: LandmarkConfidences,
    id_ranks: npt.NDArray[np.int64],
    settings: FusionConfig,
) -> Ranking:
    """Steps 5 and 8: bridges, and the final order.

    Args:
        nearest: The queries' nearest index images.
        direct: (queries, k) float64, their direct confidences.
        query: The queries' landmarks.
        index: The index images' landmarks.
        id_ranks: (index images,) int64, each one's place by ascending image id.
        settings: The parameters.

    Returns:
        The first images of each query: `settings.limit`, at most the larger of 100 and the size of
        the index.
    """
    lists = bridge.list_by_landmark(index, id_ranks)
    starts = range(0, len(nearest.indices), _QUERIES_AT_ONCE)
    lock = threading.Lock()
    with Progress("fusion", len(nearest.indices), "image") as progress:

        def fuse(start: int) -> Ranking:
            block = slice(start, start + _QUERIES_AT_ONCE)
            of_block = LandmarkConfidences(query.landmarks[block], query.confidences[block])
            near = Neighbors(np.array(nearest.indices[block]), np.array(nearest.scores[block]))
            fused = rank_block(near, np.asarray(direct[block]), of_block, lists, settings)
            with lock:
                progress.update(len(near.indices))
            return fused

        return concatenated(for_all(fuse, starts))


def rank_block(
    nearest: Neighbors,
    direct: npt.NDArray[np.float64],
    query: LandmarkConfidences,
    lists: ImagesByLandmark,
    settings: FusionConfig,
) -> Ranking:
    """Like `rank`, for few enough queries that all their candidates fit into memory.

    If no index image has a landmark, images of equal confidence are ordered by their similarity:
    confidences are clipped to 0..1.

    Args:
        nearest: The queries' nearest index images.
        direct: (queries, k) float64, their direct confidences.
        query: The queries' landmarks.
        lists: The index images by landmark.
        settings: The parameters.
    """
    confident_first = settings.tie_break == "bridge"
    # Evidence of a small index keeps the columns of a submission; its readers rely on them.
    limit = min(settings.limit, max(len(lists.id_ranks), MAX_RANKED))
    # Deep enough that `limit` of them remain without those among the neighbours.
    depth = limit + nearest.k
    return fusion.fuse(
        nearest,
        direct,
        bridge.bridges_of_pairs(query, lists, nearest.indices),
        bridge.best_bridges(query, lists, depth, confident_first),
        lists.id_ranks,
        divisor=settings.bridge_divisor,
        direct_power=settings.direct_power,
        bridge_power=settings.bridge_power,
        confident_first=confident_first,
        limit=limit,
        by_similarity=not len(lists.images),
    )
