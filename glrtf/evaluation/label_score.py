"""Scores rankings by labels or by lists of relevant images: per query, per label and overall."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from glrtf.evaluation import bootstrap, rank_measures
from glrtf.evaluation.id_forms import lost_form_hint
from glrtf.evaluation.relevance import Relevance
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import csv_files

RANKS = (1, 5, 10, 100)


@dataclasses.dataclass(frozen=True)
class LabelScore:
    """The metrics of every scored query.

    Attributes:
        query_ids: The queries, Q of them.
        labels: The labels of each query.
        num_relevant: (Q,) int64.
        num_ranked: (Q,) int64; 0 for a query without a ranking.
        values: (Q,) float64 by metric; see `rank_measures`.
        counts: How often something was unexpected: ``missing``, ``without_relevant`` and
            ``unknown_queries`` count queries; ``repeats`` and ``unknown`` count ranked images.
    """

    query_ids: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]
    num_relevant: npt.NDArray[np.int64]
    num_ranked: npt.NDArray[np.int64]
    values: dict[str, npt.NDArray[np.float64]]
    counts: dict[str, int]


def score(
    rankings: Mapping[str, Sequence[str]],
    relevance: Relevance,
    *,
    name: str = "submission",
    ranks: Sequence[int] = RANKS,
) -> LabelScore:
    """Scores rankings.

    A repeated image is not a hit, but it keeps its rank. A query of `relevance` without a ranking
    scores 0. A query without relevant images is left out.

    Args:
        rankings: The ranked image ids of each query, best first.
        relevance: Which images are right.
        name: What the rankings are called in messages.
        ranks: The k of the metrics at k.

    Raises:
        UserError: If no query can be scored.
    """
    counts = dict.fromkeys(
        ("missing", "without_relevant", "unknown_queries", "repeats", "unknown"), 0
    )
    counts["unknown_queries"] = sum(query not in relevance.relevant for query in rankings)
    if counts["unknown_queries"] == len(rankings):
        one = next(iter(rankings), "")
        hint = lost_form_hint(one, relevance.relevant) or "the two belong to different images"
        raise UserError(
            f"{name}: expected queries that the solution knows, found none among {len(rankings)} "
            f"such as {one!r}; {hint}"
        )
    scored = [one for one in relevance.relevant if relevance.num_relevant(one)]
    counts["without_relevant"] = len(relevance.relevant) - len(scored)
    if not scored:
        raise UserError(
            f"{name}: expected queries with relevant images in the index, found none among "
            f"{len(relevance.relevant)}; do both tables use the same labels?"
        )
    hits, num_ranked = [], []
    for query_id in scored:
        counts["missing"] += query_id not in rankings
        ranked = _ranking(query_id, rankings.get(query_id, ()), relevance)
        found = _hits(ranked, relevance.relevant[query_id])
        counts["repeats"] += len(ranked) - len(set(ranked))
        if relevance.known is not None:
            counts["unknown"] += sum(one not in relevance.known for one in ranked)
        hits.append(found)
        num_ranked.append(len(ranked))
    num_relevant = np.array([relevance.num_relevant(one) for one in scored], np.int64)
    return LabelScore(
        query_ids=tuple(scored),
        labels=tuple(tuple(relevance.labels.get(one, ())) for one in scored),
        num_relevant=num_relevant,
        num_ranked=np.array(num_ranked, np.int64),
        values=rank_measures.measures(hits, num_relevant, ranks),
        counts=counts,
    )


def summary(scored: LabelScore, *, resamples: int) -> dict[str, dict[str, Any]]:
    """The means over queries and over labels.

    Args:
        scored: The scored queries.
        resamples: Bootstrap resamples for the 95 % intervals of the means over queries; 0 leaves
            them out.

    Returns:
        ``All``: ``queries`` and each metric, with ``<metric>_interval``. If queries have labels,
        also ``Labels``: ``labels`` and the mean over labels of each metric.
    """
    everything: dict[str, Any] = {"queries": len(scored.query_ids)}
    intervals: dict[str, tuple[float, float]] = {}
    if resamples:
        with ThreadPoolExecutor() as threads:
            found = threads.map(
                lambda values: bootstrap.mean_interval(values, resamples=resamples),
                scored.values.values(),
            )
            intervals = dict(zip(scored.values, found, strict=True))
    for measure, values in scored.values.items():
        everything[measure] = float(values.mean())
        if measure in intervals:
            everything[f"{measure}_interval"] = list(intervals[measure])
    result = {"All": everything}
    if by_label := per_label(scored):
        means = {
            measure: float(np.mean([one[measure] for one in by_label.values()]))
            for measure in scored.values
        }
        result["Labels"] = {"labels": len(by_label), **means}
    return result


def per_label(scored: LabelScore) -> dict[str, dict[str, float]]:
    """For each label, ``queries`` and the mean of each metric over its queries."""
    rows: dict[str, list[int]] = {}
    for row, several in enumerate(scored.labels):
        for label in several:
            rows.setdefault(label, []).append(row)
    return {
        label: {
            "queries": len(chosen),
            **{name: float(values[chosen].mean()) for name, values in scored.values.items()},
        }
        for label, chosen in sorted(rows.items())
    }


def query_table(scored: LabelScore) -> str:
    """A CSV of every query's metrics: id, labels, relevant, ranked, and a column per metric."""
    rows = zip(scored.query_ids, scored.labels, scored.num_relevant, scored.num_ranked, strict=True)
    values = np.stack(list(scored.values.values()), axis=1)
    lines = [
        [query_id, " ".join(labels), relevant, ranked, *(f"{one:.6f}" for one in row)]
        for (query_id, labels, relevant, ranked), row in zip(rows, values, strict=True)
    ]
    return csv_files.text(["id", "labels", "relevant", "ranked", *scored.values], lines)


def label_table(scored: LabelScore) -> str:
    """A CSV of every label's mean metrics: label, queries, and a column per metric."""
    lines = [
        [label, means["queries"], *(f"{means[name]:.6f}" for name in scored.values)]
        for label, means in per_label(scored).items()
    ]
    return csv_files.text(["label", "queries", *scored.values], lines)


def differences(scored: LabelScore, other: LabelScore, *, resamples: int) -> dict[str, Any]:
    """How much higher another submission scores, query by query, for each metric.

    Returns:
        For each metric, ``difference`` (other minus scored) and ``interval`` (95 %, paired
        bootstrap).
    """
    place = {one: row for row, one in enumerate(other.query_ids)}
    rows = [place[one] for one in scored.query_ids]
    result: dict[str, Any] = {}
    for measure, values in scored.values.items():
        gain = other.values[measure][rows] - values
        result[measure] = {"difference": float(gain.mean())}
        if resamples:
            interval = bootstrap.mean_interval(gain, resamples=resamples)
            result[measure]["interval"] = list(interval)
    return result


def oddities(scored: LabelScore) -> list[str]:
    """Notes on parts of the rankings that score differently than their author may expect."""
    counts = scored.counts
    texts = {
        "missing": f"of {len(scored.query_ids)} scored queries missing; a missing one scores 0",
        "without_relevant": "queries without relevant images; they are not scored",
        "unknown_queries": "queries that the solution does not know; they are not scored",
        "repeats": "predictions repeated; they are skipped and keep their rank",
        "unknown": "ranked images are not in the index; they count as wrong",
    }
    return [f"{counts[name]} {text}" for name, text in texts.items() if counts[name]]


def _ranking(query_id: str, ranked: Iterable[str], relevance: Relevance) -> list[str]:
    """The ranking without the query's own image, if that image does not count."""
    if relevance.own:
        return list(ranked)
    return [one for one in ranked if one != query_id]


def _hits(ranked: Sequence[str], right: Any) -> npt.NDArray[np.int64]:
    """The ranks, from 1, of relevant images where they first occur."""
    seen: set[str] = set()
    found = []
    for rank, image_id in enumerate(ranked, 1):
        if image_id in right and image_id not in seen:
            seen.add(image_id)
            found.append(rank)
    return np.array(found, np.int64)
