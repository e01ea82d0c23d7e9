"""The report's distributions: class sizes and confidences."""

import math
from collections.abc import Sequence

import numpy as np

from glrtf.charts import bar_chart, svg
from glrtf.charts.svg import Series
from glrtf.evaluation import summary
from glrtf.evaluation.results import Evidence
from glrtf.evaluation.scoring import ScoredSubmission
from glrtf.reporting.charts import Chart

_BINS = 20
_FEWEST_FOR_INTERVAL = 5


def class_size_chart(scored: ScoredSubmission) -> Chart:
    """MAP by how many index images are relevant, in buckets that double."""
    from glrtf.evaluation.bootstrap import mean_interval

    precisions = summary.average_precisions(scored)
    bucket = np.ceil(np.log2(scored.num_relevant)).astype(int)
    names, means, intervals = [], [], []
    for power in np.unique(bucket):
        values = precisions[bucket == power]
        first, last = (2 ** (power - 1) + 1, 2**power) if power else (1, 1)
        size = f"{first} to {last}" if last > first else str(last)
        names.append(f"{size} (n = {len(values)})")
        means.append(float(values.mean()))
        few = len(values) < _FEWEST_FOR_INTERVAL
        intervals.append((means[-1], means[-1]) if few else mean_interval(values))
    return Chart(
        "mAP@100 by the size of the class",
        f"Whiskers: 95 % intervals, where there are {_FEWEST_FOR_INTERVAL} queries or more.",
        bar_chart.bar_chart(
            names, means, x_name="mAP@100 by relevant index images", intervals=intervals
        ),
    )


def relevant_chart(scored: ScoredSubmission) -> Chart:
    """How many queries have how many relevant images."""
    highest = int(scored.num_relevant.max())
    step = math.ceil(highest / _BINS)
    edges = np.arange(1.0, highest + step + 1, step)
    counts, _ = np.histogram(scored.num_relevant, edges)
    return Chart(
        "Relevant images of the queries",
        "How many scored queries have how many right answers in the index.",
        svg.histogram(
            edges.tolist(),
            [Series("queries", edges[:-1].tolist(), counts.tolist())],
            x_name="relevant index images",
            y_name="queries",
        ),
    )


def confidence_charts(scored: ScoredSubmission, evidence: Evidence) -> list[Chart]:
    """Direct and bridged confidence of right and of wrong images.

    Each chart omits images without that confidence; a confidence that no image has gets no chart.
    """
    rows = np.array([evidence.rows.get(query_id, -1) for query_id in scored.query_ids])
    valid = rows >= 0
    width = evidence.index_ids.shape[1]
    hits = np.zeros((len(rows), width), bool)
    hits[:, : scored.hits.shape[1]] = scored.hits[:, :width]
    hits, rows = hits[valid], rows[valid]
    charts = []
    for name in ("direct", "bridged"):
        values = getattr(evidence, name)[rows]
        present = (evidence.index_ids[rows] != b"") & (values > 0)
        if present.any():
            title = f"{name.capitalize()} confidence"
            text = f"Share of the right and of the wrong images that have a {name} confidence."
            pairs = [("right", values[present & hits]), ("wrong", values[present & ~hits])]
            charts.append(Chart(title, text, _shares(pairs, f"{name} confidence", "images")))
    return charts


def landmark_chart(
    scored: ScoredSubmission, evidence: Evidence, ignored_ids: Sequence[str]
) -> Chart | None:
    """The first image's score of queries with and without landmark; None without both."""
    top = evidence.final[:, 0]
    with_rows = [evidence.rows[i] for i in scored.query_ids if i in evidence.rows]
    without_rows = [evidence.rows[i] for i in ignored_ids if i in evidence.rows]
    if not with_rows or not without_rows:
        return None
    return Chart(
        "First image's score",
        "Queries that show a landmark, and those that show none.",
        _shares(
            [("landmark", top[with_rows]), ("none", top[without_rows])],
            "score of the first image",
            "queries",
        ),
    )


def _shares(pairs: Sequence[tuple[str, np.ndarray]], x_name: str, counted: str) -> str:
    """A histogram of shares, so that small and large groups can be compared."""
    everything = np.concatenate([values for _, values in pairs])
    low, high = float(everything.min()), float(everything.max())
    edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
    series = []
    for name, values in pairs:
        counts, _ = np.histogram(values, edges)
        shares = (counts / max(len(values), 1)).round(5)
        series.append(Series(name, edges[:-1].tolist(), shares.tolist()))
    return svg.histogram(
        edges.round(4).tolist(), series, x_name=x_name, y_name=f"share of {counted}"
    )
