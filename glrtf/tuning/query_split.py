"""Queries to tune on, and held-out queries that measure the result."""

import hashlib

import numpy as np

from glrtf.evaluation.solutions import RetrievalSolution
from tfrecords_tools import image_ids
from tfrecords_tools.errors import UserError


def split_queries(
    query_ids: list[str], solution: RetrievalSolution, holdout: float
) -> tuple[np.ndarray, np.ndarray]:
    """Splits queries by landmark, stably.

    Queries with the same relevant images show the same landmark; they all go to one side, so that
    the held-out side is independent. The sides depend only on the relevant images, not on the
    queries' order.

    Args:
        query_ids: The scored queries.
        solution: Their relevant images.
        holdout: The share to hold out, met as closely as whole landmarks allow.

    Returns:
        The indices, ascending, of the queries to tune on, and of those held out; neither is empty.

    Raises:
        UserError: If the queries show fewer than two landmarks.
    """
    groups: dict[str, list[int]] = {}
    for place, query_id in enumerate(query_ids):
        text = image_ids.join_list(sorted(solution.relevant[query_id]))
        groups.setdefault(hashlib.sha256(text.encode()).hexdigest(), []).append(place)
    if len(groups) < 2:
        raise UserError(
            "--solution: expected scored queries of two landmarks or more, one side to tune on "
            f"and one to judge, found {len(groups)}"
        )
    tune: list[int] = []
    kept: list[int] = []
    for name in sorted(groups):
        aside = len(kept) <= holdout * (len(tune) + len(kept))
        (kept if aside else tune).extend(groups[name])
    if not tune:
        last = groups[max(groups)]
        kept = [place for place in kept if place not in set(last)]
        tune = last
    return np.array(sorted(tune), np.int64), np.array(sorted(kept), np.int64)
