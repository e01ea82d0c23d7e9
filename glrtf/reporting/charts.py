"""The report's charts and their data."""

import dataclasses

import numpy as np

from glrtf.charts import svg
from glrtf.charts.svg import Series
from glrtf.evaluation import metrics, summary
from glrtf.evaluation.scoring import ScoredSubmission


@dataclasses.dataclass(frozen=True)
class Chart:
    """A chart of the page.

    Attributes:
        title: What it shows.
        text: How to read it, in one sentence.
        svg: The picture.
    """

    title: str
    text: str
    svg: str


def rank_curves(scored: ScoredSubmission) -> Chart:
    """Mean precision and recall over the rank, and the share of queries with a hit."""
    ranks = np.arange(1, scored.hits.shape[1] + 1)
    found = np.cumsum(scored.hits, axis=1)
    precision = (found / ranks).mean(axis=0)
    recall = (found / scored.num_relevant[:, None]).mean(axis=0)
    any_hit = (found > 0).mean(axis=0)
    series = [
        Series("any right", ranks.tolist(), any_hit.tolist()),
        Series("recall", ranks.tolist(), recall.tolist()),
        Series("precision", ranks.tolist(), precision.tolist()),
    ]
    return Chart(
        "Up to each rank",
        "Share of queries with any right image, mean recall and mean precision.",
        svg.line_chart(series, x_name="rank", y_name="share"),
    )


def precision_histogram(scored: ScoredSubmission) -> Chart:
    """How many queries have which average precision."""
    edges = np.linspace(0, 1, 21)
    counts, _ = np.histogram(summary.average_precisions(scored), edges)
    return Chart(
        "Average precision of the queries",
        "How many scored queries lie in each twentieth.",
        svg.histogram(
            np.round(edges, 2).tolist(),
            [Series("queries", edges.tolist(), counts.tolist())],
            x_name="average precision",
            y_name="queries",
        ),
    )


def first_hit_ranks(scored: ScoredSubmission) -> np.ndarray:
    """The rank of the first hit of the queries that have one."""
    ranks = metrics.first_hit_rank(scored.hits)
    return ranks[ranks <= scored.hits.shape[1]]
