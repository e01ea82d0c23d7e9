"""The quality of an index, measured with photos whose landmark is known."""

import dataclasses
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from glrtf.embeddings.rows import RowSource
from glrtf.evaluation import bootstrap, metrics
from glrtf.retrieval.blocks import concatenated
from glrtf.retrieval.bridging.landmark_confidence import NO_LANDMARK
from glrtf.retrieval.search.neighbors import NO_ROW
from glrtf.service.landmark_evidence import LeftOut
from glrtf.service.row_searcher import RowSearcher
from tfrecords_tools.progress import Progress

RANKED = 100
AT_ONCE = 256
"""The number of photos that are searched at a time."""
_LISTED = 10
# Fills `Found.shown` after the last photo.
_NOTHING = -3


@dataclasses.dataclass(frozen=True)
class KnownPhotos:
    """Photos whose landmark is known.

    Attributes:
        rows: (photos, d) float32, of length 1.
        ids: (photos,) S dtype; photos with these ids are left out of the index and the train set.
            Empty for photos that are in neither.
        landmarks: (photos,) int64; -1 if the index does not have the landmark.
    """

    rows: npt.NDArray[np.float32]
    ids: npt.NDArray[np.bytes_]
    landmarks: npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Found:
    """The answers for known photos.

    Attributes:
        final: (photos, k) float64, F of the ranked index photos.
        shown: (photos, k) int64, their landmarks; -1 if unknown, -3 after the last photo.
        confidences: (photos, keep) float64, C of the landmarks found; -inf after the last.
        marks: (photos, keep) int64, these landmarks.
    """

    final: npt.NDArray[np.float64]
    shown: npt.NDArray[np.int64]
    confidences: npt.NDArray[np.float64]
    marks: npt.NDArray[np.int64]


def photos_of_set(
    embedded: RowSource, landmarks: npt.NDArray[np.int64], most: int, seed: int = 0
) -> KnownPhotos:
    """A random sample of the photos of a set whose landmark is known.

    Args:
        embedded: The set.
        landmarks: (rows,) int64, the landmark of each row; -1 if unknown.
        most: The largest number of photos; 0 for all.
        seed: The same seed draws the same photos.
    """
    chosen = np.flatnonzero(landmarks != NO_LANDMARK)
    if most and len(chosen) > most:
        chosen = np.sort(np.random.default_rng(seed).choice(chosen, most, replace=False))
    rows = np.empty((len(chosen), embedded.dimension), np.float32)
    start = 0
    for part, length in enumerate(embedded.part_lengths):
        here = (chosen >= start) & (chosen < start + length)
        rows[here] = embedded.gather(part, chosen[here] - start)
        start += length
    return KnownPhotos(rows, embedded.ids[chosen], landmarks[chosen])


def ask(searcher: RowSearcher, photos: KnownPhotos, *, unknown: bool = False) -> Found:
    """Searches with photos as if they were new.

    Args:
        searcher: The searcher to measure.
        photos: The photos.
        unknown: Also ignore all other photos of their landmark.
    """
    found = []
    with Progress("search", len(photos.rows), "photo") as progress:
        for start in range(0, len(photos.rows), AT_ONCE):
            block = slice(start, start + AT_ONCE)
            landmarks = photos.landmarks[block]
            hidden = landmarks if unknown else np.full(len(landmarks), NO_LANDMARK)
            evidence, ranking = searcher.rank(
                photos.rows[block], RANKED, LeftOut(photos.ids[block], hidden)
            )
            shown = searcher.index_landmarks[ranking.images]
            shown[ranking.images == NO_ROW] = _NOTHING
            kept = evidence.confidences
            found.append(Found(ranking.final, shown, kept.confidences, kept.landmarks))
            progress.update(len(landmarks))
    return concatenated(found)


@dataclasses.dataclass(frozen=True)
class Quality:
    """How good the answers for known photos are.

    Attributes:
        queries: Number of photos with at least one other photo of their landmark in the index.
        unanswerable: Number of the other photos, for which nothing in the index is right.
        map_100: Mean average precision of the first 100 index photos.
        map_100_interval: Its 95 % bootstrap interval.
        recall_1: Share of queries whose first index photo shows the same landmark.
        landmark_1: Share of queries whose most confident landmark is right, among those whose
            landmark has train photos; None if there are none.
        worst: Landmarks by ascending mAP: id, name, queries, map_100, recall_1.
        confusions: Landmarks that were found first instead of the right one, most frequent first:
            id, name, found_id, found_name, count.
    """

    queries: int
    unanswerable: int
    map_100: float
    map_100_interval: tuple[float, float]
    recall_1: float
    landmark_1: float | None
    worst: list[dict[str, Any]]
    confusions: list[dict[str, Any]]


def are_answerable(searcher: RowSearcher, photos: KnownPhotos) -> npt.NDArray[np.bool_]:
    """(photos,) bool, whether another photo of the same landmark is in the index."""
    return _relevant(searcher, photos) > 0


def measure(searcher: RowSearcher, photos: KnownPhotos, found: Found) -> Quality:
    """Scores the answers.

    Args:
        searcher: The searcher.
        photos: The photos that were searched with; at least one must be answerable.
        found: The answers.
    """
    relevant = _relevant(searcher, photos)
    scored = relevant > 0
    truth, shown = photos.landmarks[scored], found.shown[scored]
    hits = shown == truth[:, None]
    precisions = metrics.average_precision(hits, relevant[scored], RANKED)
    low, high = bootstrap.mean_interval(precisions)
    names = searcher.landmark_names
    worst = []
    for landmark in np.unique(truth).tolist():
        own = truth == landmark
        worst.append(
            {
                "landmark_id": landmark,
                "name": names.get(landmark, ""),
                "queries": int(own.sum()),
                "map_100": float(precisions[own].mean()),
                "recall_1": float(hits[own, 0].mean()),
            }
        )
    return Quality(
        queries=int(scored.sum()),
        unanswerable=int((~scored).sum()),
        map_100=float(precisions.mean()),
        map_100_interval=(low, high),
        recall_1=float(hits[:, 0].mean()),
        landmark_1=_share_right(searcher, truth, found.marks[scored, 0]),
        worst=sorted(worst, key=lambda each: (each["map_100"], each["landmark_id"])),
        confusions=_confusions(truth, shown[:, 0], names),
    )


def _share_right(
    searcher: RowSearcher, truth: npt.NDArray[np.int64], first: npt.NDArray[np.int64]
) -> float | None:
    trained = np.isin(truth, searcher.train_landmarks)
    return float((first == truth)[trained].mean()) if trained.any() else None


def _relevant(searcher: RowSearcher, photos: KnownPhotos) -> npt.NDArray[np.int64]:
    """(photos,) int64, how many index photos are right for each photo, itself excluded."""
    known, counts = np.unique(searcher.index_landmarks, return_counts=True)
    by_landmark = dict(zip(known.tolist(), counts.tolist(), strict=True))
    by_landmark[NO_LANDMARK] = 0
    totals = np.array([by_landmark.get(one, 0) for one in photos.landmarks.tolist()], np.int64)
    own = dict(zip(searcher.index.ids.tolist(), searcher.index_landmarks.tolist(), strict=True))
    pairs = zip(photos.ids.tolist(), photos.landmarks.tolist(), strict=True)
    itself = np.array([mark != NO_LANDMARK and own.get(one) == mark for one, mark in pairs], bool)
    return totals - itself


def _confusions(
    truth: npt.NDArray[np.int64], first: npt.NDArray[np.int64], names: dict[int, str]
) -> list[dict[str, Any]]:
    wrong = (first != truth) & (first > NO_LANDMARK)
    pairs = Counter(zip(truth[wrong].tolist(), first[wrong].tolist(), strict=True))
    ordered = sorted(pairs.items(), key=lambda each: (-each[1], each[0]))
    return [
        {
            "landmark_id": right,
            "name": names.get(right, ""),
            "found_id": other,
            "found_name": names.get(other, ""),
            "count": count,
        }
        for (right, other), count in ordered
    ]


def as_lines(quality: Quality) -> list[str]:
    """Lines for a terminal."""
    low, high = quality.map_100_interval
    lines = [
        f"photos    {quality.queries}, and {quality.unanswerable} without an answer in the index",
        f"mAP@100   {quality.map_100:.4f}  (95 % of resamples: {low:.4f} to {high:.4f})",
        f"recall@1  {quality.recall_1:.4f}  (the first photo shows the same landmark)",
    ]
    if quality.landmark_1 is not None:
        lines.append(f"landmark  {quality.landmark_1:.4f}  (the top landmark is correct)")
    lines.append("worst landmarks:         mAP@100  recall@1  photos")
    for one in quality.worst[:_LISTED]:
        name = one["name"] or str(one["landmark_id"])
        numbers = f"{one['map_100']:>7.4f}{one['recall_1']:>10.4f}{one['queries']:>8}"
        lines.append(f"  {name[:22]:<22} {numbers}")
    lines.append(
        "mistaken for another landmark:" if quality.confusions else "none mistaken for another"
    )
    for one in quality.confusions[:_LISTED]:
        name = one["name"] or str(one["landmark_id"])
        lines.append(f"  {one['count']:>4} × {name} as {one['found_name'] or one['found_id']}")
    return lines
