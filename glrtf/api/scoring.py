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
