"""Confidence that a query and an index image show the same landmark, through train: step 5.

The index images are listed by landmark, highest confidence first. A query needs only the first
entries of its own landmarks' lists, however long they are.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from glrtf.retrieval.bridging.landmark_confidence import NO_LANDMARK, LandmarkConfidences
from glrtf.retrieval.ordering import descending_in_groups, first_of_each, ranges


@dataclasses.dataclass(frozen=True)
class ImagesByLandmark:
    """Index images listed by the landmarks they keep.

    Attributes:
        landmarks: (landmarks,) int64, ascending.
        starts: (landmarks + 1,) int64: where each landmark's list begins.
        images: (entries,) int64 index rows: highest confidence first in each list, ties
            by ascending image id.
        confidences: (entries,) float64, C(i, l).
        of_images: What each image keeps, the landmarks column after column in memory,
            for looking up single images.
        id_ranks: (images,) int64, each image's place by ascending id.
    """

    landmarks: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    images: npt.NDArray[np.int64]
    confidences: npt.NDArray[np.float64]
    of_images: LandmarkConfidences
    id_ranks: npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Bridges:
    """Pairs of a query and an index image that share a landmark.

    Attributes:
        queries: (pairs,) int64.
        images: (pairs,) int64 index rows; a pair may occur once for each shared landmark.
        confidences: (pairs,) float64, min(C(q, l), C(i, l)).
        own: (pairs,) float64, C(i, l).
        landmarks: (pairs,) int64, l.
    """

    queries: npt.NDArray[np.int64]
    images: npt.NDArray[np.int64]
    confidences: npt.NDArray[np.float64]
    own: npt.NDArray[np.float64]
    landmarks: npt.NDArray[np.int64]

    def take(self, chosen: npt.NDArray) -> "Bridges":
        """A selection, by indices or a mask."""
        return Bridges(*(getattr(self, field.name)[chosen] for field in dataclasses.fields(self)))


def list_by_landmark(
    index: LandmarkConfidences, id_ranks: npt.NDArray[np.int64]
) -> ImagesByLandmark:
    """Inverts images and their landmarks into landmarks and their images.

    Args:
        index: The index images' landmarks.
        id_ranks: (images,) int64, each image's place by ascending id.
    """
    by_id = np.empty(len(id_ranks), np.int64)
    by_id[id_ranks] = np.arange(len(id_ranks))
    keep = index.landmarks.shape[1]
    of_images = index.landmarks.take(by_id, axis=0).reshape(-1)
    places = np.flatnonzero(of_images != NO_LANDMARK)
    images, landmarks = by_id.take(places // max(keep, 1)), of_images.take(places)
    confidences = index.confidences.take(by_id, axis=0).reshape(-1).take(places)
    order = descending_in_groups(landmarks, confidences)
    landmarks = landmarks.take(order)
    starts = first_of_each(landmarks)
    return ImagesByLandmark(
        landmarks.take(starts),
        np.append(starts, len(order)),
        images.take(order),
        confidences.take(order),
        LandmarkConfidences(np.asfortranarray(index.landmarks), index.confidences),
        id_ranks,
    )


def best_bridges(
    queries: LandmarkConfidences,
    index: ImagesByLandmark,
    limit: int,
    confident_first: bool,
) -> Bridges:
    """The pairs that can be among a query's `limit` best bridged images.

    An image that is not in the head of any of a query's lists has `limit` images
    ahead of it: the order within a list is by min(C(q, l), C(i, l)), then by
    image id, or with `confident_first` by C(i, l) and then image id.

    Args:
        queries: The queries' landmarks.
        index: The index images by landmark.
        limit: How many bridged images are wanted per query.
        confident_first: Whether ties are broken by C(i, l) before image id.
    """
    rows, places, lists = _shared_landmarks(queries, index)
    own = queries.confidences[rows, places]
    starts, lengths = index.starts[lists], np.diff(index.starts)[lists]
    heads = np.minimum(lengths, limit)
    entries, pair_of = ranges(starts, heads)
    if not confident_first:
        begins = np.cumsum(heads) - heads
        crowded = np.flatnonzero(lengths > limit)
        starts, lengths, own_of = starts[crowded], lengths[crowded], own[crowded]
        more_confident = _count_at_least(index.confidences, starts, lengths, own_of)
        _prefer_small_ids(entries, begins[crowded], lists[crowded], more_confident, index, limit)
    theirs = index.confidences.take(entries)
    return Bridges(
        queries=rows.take(pair_of),
        images=index.images.take(entries),
        confidences=np.minimum(own.take(pair_of), theirs),
        own=theirs,
        landmarks=index.landmarks.take(lists).take(pair_of),
    )


def bridges_of_pairs(
    queries: LandmarkConfidences,
    index: ImagesByLandmark,
    images: npt.NDArray[np.int64],
) -> Bridges:
    """All bridges of given pairs.

    Args:
        queries: The queries' landmarks.
        index: The index images by landmark.
        images: (queries, n) int64 index rows, -1 for none.
    """
    # No image has landmark -2.
    query_landmarks = np.where(queries.landmarks == NO_LANDMARK, NO_LANDMARK - 1, queries.landmarks)
    by_place = np.ascontiguousarray(query_landmarks.T)[:, :, None]
    # In few steps, since threads wait for each other at every step.
    shared = [
        np.flatnonzero(column.take(images, mode="wrap") == by_place)
        for column in index.of_images.landmarks.T
    ]
    others = np.repeat(np.arange(len(shared)), list(map(len, shared)))
    places, pairs = np.divmod(np.concatenate([np.empty(0, np.int64), *shared]), max(images.size, 1))
    rows, image_rows = pairs // max(images.shape[1], 1), images.reshape(-1).take(pairs)
    own = index.of_images.confidences[image_rows, others]
    bridges = Bridges(
        queries=rows,
        images=image_rows,
        confidences=np.minimum(queries.confidences[rows, places], own),
        own=own,
        landmarks=query_landmarks[rows, places],
    )
    return bridges if (image_rows >= 0).all() else bridges.take(image_rows >= 0)


def _shared_landmarks(
    queries: LandmarkConfidences, index: ImagesByLandmark
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Where queries' landmarks have a list: query, place among its landmarks, list."""
    if len(index.landmarks) == 0:
        nothing = np.empty(0, np.int64)
        return nothing, nothing, nothing
    lists = np.searchsorted(index.landmarks, queries.landmarks)
    lists = np.minimum(lists, len(index.landmarks) - 1)
    rows, places = np.nonzero(index.landmarks[lists] == queries.landmarks)
    return rows, places, lists[rows, places]


def _count_at_least(
    confidences: npt.NDArray[np.float64],
    starts: npt.NDArray[np.int64],
    lengths: npt.NDArray[np.int64],
    values: npt.NDArray[np.float64],
) -> npt.NDArray[np.int64]:
    """How many entries of each descending list are at least a value: bisection of all at once."""
    low, high = np.zeros_like(lengths), lengths.copy()
    while (open_ := low < high).any():
        middle = (low + high) // 2
        at_least = confidences[np.where(open_, starts + middle, 0)] >= values
        low = np.where(open_ & at_least, middle + 1, low)
        high = np.where(open_ & ~at_least, middle, high)
    return low


def _prefer_small_ids(
    entries: npt.NDArray[np.int64],
    heads_start: npt.NDArray[np.int64],
    lists: npt.NDArray[np.int64],
    more_confident: npt.NDArray[np.int64],
    index: ImagesByLandmark,
    limit: int,
) -> None:
    """Replaces heads in which more than `limit` images tie by those of smallest id.

    Images with a higher confidence than the query's all tie at C(q, l). The lists' beginnings are
    scanned once per landmark, from the query with the highest confidence to the lowest,
    so that a long list is scanned once and not once per query.
    """
    crowded = np.flatnonzero(more_confident > limit)
    crowded = crowded[np.lexsort((more_confident[crowded], lists[crowded]))]
    current_list, seen, kept = -1, 0, np.empty(0, np.int64)
    for pair in crowded:
        if lists[pair] != current_list:
            current_list, seen, kept = lists[pair], 0, np.empty(0, np.int64)
        if more_confident[pair] > seen:
            start = index.starts[current_list]
            fresh = np.arange(start + seen, start + more_confident[pair])
            kept = _smallest(np.concatenate([kept, fresh]), index, limit)
            seen = more_confident[pair]
        entries[heads_start[pair] : heads_start[pair] + limit] = kept


def _smallest(
    entries: npt.NDArray[np.int64], index: ImagesByLandmark, limit: int
) -> npt.NDArray[np.int64]:
    """The `limit` entries whose images have the smallest ids."""
    if len(entries) <= limit:
        return entries
    ranks = index.id_ranks[index.images[entries]]
    return entries[np.argpartition(ranks, limit - 1)[:limit]]
