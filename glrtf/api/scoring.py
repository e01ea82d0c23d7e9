"""Score ranked images against a ground truth."""

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from glrtf.api.ranking import RankResult
from glrtf.api.row_sources import Path


def score(
    submission: Path | RankResult | Mapping[str, Sequence[str]],
    solution: Path | Mapping[str, Collection[str]],
    *,
    resamples: int = 0,
) -> dict[str, dict[str, Any]]:
    """Scores ranked images against a ground truth, as ``glrtf evaluate`` does.

    Args:
        submission: A CSV file, a retrieval folder, a `RankResult`, or query id -> ranked ids.
        solution: retrieval_solution CSV, or query id -> the ids of its relevant images.
        resamples: Bootstrap resamples for the interval of mAP; 0 omits it.

    Returns:
        Part (``Public``, ``Private``, ``All``) -> measures such as ``map@100``; only ``All`` if the
        solution is a mapping.

    Raises:
        UserError: If a file is not as expected, or the two have no query in common.
    """
    from glrtf.evaluation import scoring, summary
    from glrtf.evaluation.solutions import RetrievalSolution, read_retrieval_solution
    from glrtf.evaluation.submissions import read_submission

    predictions: Iterable[tuple[str, list[str]]]
    name = "submission"
    if isinstance(submission, RankResult):
        predictions = submission.ids.items()
    elif isinstance(submission, Mapping):
        predictions = [(query, list(images)) for query, images in submission.items()]
    else:
        name = os.fspath(submission)
        predictions = read_submission(name)
    if not isinstance(solution, Mapping):
        truth = read_retrieval_solution(os.fspath(solution))
        return summary.retrieval_measures(
            scoring.score_submission(predictions, truth, name=name), resamples=resamples
        )
    truth = RetrievalSolution(
        {query: frozenset(images) for query, images in solution.items() if images},
        {query: "Private" if images else "Ignored" for query, images in solution.items()},
    )
    scored = scoring.score_submission(predictions, truth, name=name)
    return {"All": summary.retrieval_measures(scored, resamples=resamples)["All"]}


def score_labels(
    submission: Path | RankResult | Mapping[str, Sequence[str]],
    labels: Path | Mapping[str, str | int],
    *,
    index_labels: Path | Mapping[str, str | int] | None = None,
    index: Collection[str] | None = None,
    ranks: Sequence[int] = (1, 5, 10, 100),
    own: bool = False,
    resamples: int = 0,
) -> dict[str, dict[str, Any]]:
    """Scores ranked images by labels: index images of the query's label are right.

    Args:
        submission: A CSV file, a retrieval folder, a `RankResult`, or query id -> ranked ids.
        labels: id,label or id,landmark_id as a CSV file, or id -> label: of queries and index
            images, or with `index_labels` of the queries alone.
        index_labels: The labels of index images.
        index: The ids of all index images; labels of others do not count. Without it and
            `index_labels`: all labelled images where rankings contain queries, else those that
            are no queries.
        ranks: The k of the measures at k.
        own: Whether an index image with the query's id counts; if not, it is taken out of
            relevant images and rankings (leave-one-out).
        resamples: Bootstrap resamples of the 95 % intervals; 0 leaves them out.

    Returns:
        ``All``: ``queries`` and measure -> mean over queries, and its interval; ``Labels``:
        ``labels`` and measure -> mean of each label's mean.

    Raises:
        UserError: If a file is not as expected, or no query can be scored.
    """
    from glrtf.evaluation import label_score, relevance
    from glrtf.evaluation.submissions import read_submission

    name = "submission"
    if isinstance(submission, RankResult):
        rankings: Mapping[str, Sequence[str]] = submission.ids
    elif isinstance(submission, Mapping):
        rankings = submission
    else:
        name = os.fspath(submission)
        rankings = dict(read_submission(name))

    def read(given: Path | Mapping[str, str | int]) -> relevance.Labels:
        if isinstance(given, Mapping):
            return {one: (str(label),) for one, label in given.items()}
        return relevance.read_labels(os.fspath(given))

    known = None if index is None else frozenset(index)
    if index_labels is None:
        right = relevance.in_one_table(read(labels), rankings, known, own=own)
    else:
        right = relevance.by_labels(read(labels), read(index_labels), known, own=own)
    scored = label_score.score(rankings, right, name=name, ranks=ranks)
    return label_score.summary(scored, resamples=resamples)
