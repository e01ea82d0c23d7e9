"""The queries that the report shows, each with its ranked and marked images."""

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from glrtf.evaluation import metrics
from glrtf.evaluation.results import Evidence, RetrievalResult
from glrtf.evaluation.scoring import MAX_PREDICTIONS, hit_ranks
from glrtf.evaluation.solutions import RetrievalSolution

RIGHT, WRONG, IGNORED = "right", "wrong", "ignored"


@dataclasses.dataclass(frozen=True)
class RankedImage:
    """One image of a query's ranking.

    Attributes:
        image_id: The index image.
        mark: ``right``, ``wrong``, or ``ignored`` if it is not scored: the query shows no landmark,
            or the image already has a higher rank.
        final: The score that ordered it; None without evidence, like the following ones.
        direct: Direct confidence.
        bridged: Bridged confidence.
        landmark_id: The landmark of the bridge, None if there is none.
        by_bridge: Whether the bridge decided the rank: by direct confidence alone the image would
            rank lower, or not be found.
    """

    image_id: str
    mark: str
    final: float | None = None
    direct: float | None = None
    bridged: float | None = None
    landmark_id: int | None = None
    by_bridge: bool = False


@dataclasses.dataclass(frozen=True)
class QueryView:
    """One query of the gallery.

    Attributes:
        query_id: The query.
        usage: ``Public``, ``Private`` or ``Ignored``.
        average_precision: None for an ignored query, like the next three.
        baseline: The average precision of the baseline ranking.
        first_hit: The rank, from 1, of the first right image; 0 for none.
        num_relevant: How many index images are right.
        hits: How many of the first 100 are right.
        images: The ranked images, best first, up to the page's limit.
        missed: Relevant images that are not among the first 100, some of them.
    """

    query_id: str
    usage: str
    average_precision: float | None
    baseline: float | None
    first_hit: int
    num_relevant: int
    hits: int
    images: tuple[RankedImage, ...]
    missed: tuple[str, ...]

    @property
    def gain(self) -> float | None:
        """Average precision minus the baseline's; None if either is missing."""
        if self.average_precision is None or self.baseline is None:
            return None
        return self.average_precision - self.baseline

    @property
    def top_score(self) -> float:
        """The first image's score; 0 if none is known."""
        return (self.images[0].final or 0.0) if self.images else 0.0


def query_view(
    query_id: str,
    result: RetrievalResult,
    solution: RetrievalSolution,
    *,
    baseline: Mapping[str, list[str]] | None,
    max_ranks: int,
    max_missed: int,
) -> QueryView:
    """Gathers what the page shows about a query.

    Args:
        query_id: A query of the solution.
        result: The retrieval; a query that it lacks has no images.
        solution: The ground truth.
        baseline: Rankings to compare with; None uses the same images ordered by direct confidence
            alone, if there is evidence.
        max_ranks: How many ranked images are kept.
        max_missed: How many missed images are kept.
    """
    ranking = result.rankings.get(query_id, [])[:MAX_PREDICTIONS]
    relevant = solution.relevant.get(query_id)
    hits = hit_ranks(ranking, relevant or frozenset())
    images = _ranked_images(query_id, ranking[:max_ranks], set(hits), relevant, result.evidence)
    if relevant is None:
        return QueryView(query_id, "Ignored", None, None, 0, 0, 0, images, ())
    if baseline is not None:
        other: list[str] | None = baseline.get(query_id, [])
    else:
        other = direct_ranking(query_id, result.evidence)
    return QueryView(
        query_id=query_id,
        usage=solution.usage[query_id],
        average_precision=ranking_precision(ranking, relevant),
        baseline=None if other is None else ranking_precision(other, relevant),
        first_hit=hits[0] + 1 if hits else 0,
        num_relevant=len(relevant),
        hits=len(hits),
        images=images,
        missed=tuple(sorted(relevant.difference(ranking))[:max_missed]),
    )


def ranking_precision(ranking: list[str], relevant: frozenset[str]) -> float:
    """The average precision of one ranking's first 100."""
    hits = np.zeros((1, MAX_PREDICTIONS), bool)
    hits[0, hit_ranks(ranking[:MAX_PREDICTIONS], relevant)] = True
    return float(metrics.average_precision(hits, np.array([len(relevant)]))[0])


def direct_ranking(query_id: str, evidence: Evidence | None) -> list[str] | None:
    """A query's ranked images ordered by direct confidence alone, then by id.

    Images without direct confidence are left out. None if there is no
    evidence of the query.
    """
    row = None if evidence is None else evidence.rows.get(query_id)
    if evidence is None or row is None:
        return None
    pairs = zip(evidence.index_ids[row], evidence.direct[row], strict=True)
    ranked = sorted((-score, image_id.decode()) for image_id, score in pairs if score > 0)
    return [image_id for _, image_id in ranked if image_id]


def choose_queries(views: list[QueryView], most: int) -> list[QueryView]:
    """Chooses the queries to show if there are too many.

    In turn, the next of the worst, the best, the most helped, the most hurt, the highest-scored
    without landmark, and one by a stable hash, until there are enough; they keep their order.
    """
    if len(views) <= most:
        return views
    orders = [sorted(filter(belongs, views), key=key) for belongs, key in _ORDERS]
    chosen: set[str] = set()
    for place in range(len(views)):
        for order in orders:
            if place < len(order) and len(chosen) < most:
                chosen.add(order[place].query_id)
        if len(chosen) == most:
            break
    return [view for view in views if view.query_id in chosen]


def _ranked_images(
    query_id: str,
    ranking: list[str],
    hits: set[int],
    relevant: frozenset[str] | None,
    evidence: Evidence | None,
) -> tuple[RankedImage, ...]:
    row = None if evidence is None else evidence.rows.get(query_id)
    images = []
    direct_ranks = _ranks_by_direct(query_id, evidence)
    for rank, image_id in enumerate(ranking):
        if relevant is None or image_id in ranking[:rank]:
            mark = IGNORED
        else:
            mark = RIGHT if rank in hits else WRONG
        if evidence is None or row is None:
            images.append(RankedImage(image_id, mark))
            continue
        landmark_id = int(evidence.landmark_id[row, rank])
        images.append(
            RankedImage(
                image_id,
                mark,
                final=float(evidence.final[row, rank]),
                direct=float(evidence.direct[row, rank]),
                bridged=float(evidence.bridged[row, rank]),
                landmark_id=None if landmark_id < 0 else landmark_id,
                by_bridge=landmark_id >= 0 and rank < direct_ranks.get(image_id, len(ranking)),
            )
        )
    return tuple(images)


def _ranks_by_direct(query_id: str, evidence: Evidence | None) -> dict[str, int]:
    """The rank, from 0, of each of a query's images by direct confidence alone."""
    return {
        image_id: rank for rank, image_id in enumerate(direct_ranking(query_id, evidence) or ())
    }


def _hash_order(view: QueryView) -> str:
    return hashlib.sha256(view.query_id.encode()).hexdigest()


_ORDERS: tuple[tuple[Callable[[QueryView], bool], Callable[[QueryView], Any]], ...] = (
    (lambda v: v.usage != "Ignored", lambda v: (v.average_precision, v.query_id)),
    (lambda v: v.usage != "Ignored", lambda v: (-(v.average_precision or 0), v.query_id)),
    (lambda v: (v.gain or 0) > 0, lambda v: (-(v.gain or 0), v.query_id)),
    (lambda v: (v.gain or 0) < 0, lambda v: (v.gain, v.query_id)),
    (lambda v: v.usage == "Ignored", lambda v: (-v.top_score, v.query_id)),
    (lambda v: True, _hash_order),
)
