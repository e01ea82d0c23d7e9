"""Average precision of rankings in memory, without a submission file."""

import numpy as np

from glrtf.evaluation import metrics
from glrtf.evaluation.scoring import MAX_PREDICTIONS
from glrtf.evaluation.solutions import RetrievalSolution
from tfrecords_tools.errors import UserError


class RankingScorer:
    """Scores rankings of row numbers against a solution of ids.

    Args:
        solution: The ground truth.
        query_ids: (Q,) S dtype, the query of each row of a ranking.
        index_ids: (N,) S dtype, the index image of each row number.
        name: What the queries are called in messages.

    Attributes:
        rows: (S,) int64, the rows of the scored queries in a ranking, in the solution's order;
            scored queries without a row are left out.
        missing: How many scored queries have no row.

    Raises:
        UserError: If no scored query has a row.
    """

    def __init__(
        self, solution: RetrievalSolution, query_ids: np.ndarray, index_ids: np.ndarray, name: str
    ) -> None:
        row_of = {query_id.decode(): row for row, query_id in enumerate(query_ids)}
        number_of = {image_id.decode(): number for number, image_id in enumerate(index_ids)}
        scored = [query_id for query_id in solution.relevant if query_id in row_of]
        if not scored:
            raise UserError(
                f"{name}: expected the solution's {len(solution.relevant)} scored queries, found "
                "none of them; the embedding set belongs to other images"
            )
        self.rows = np.array([row_of[query_id] for query_id in scored], np.int64)
        self.missing = len(solution.relevant) - len(scored)
        self._num_index = len(index_ids)
        self._num_relevant = np.array([len(solution.relevant[q]) for q in scored], np.int64)
        # Relevant pairs as sorted numbers query * N + image, in which ranked images are found by
        # bisection. The memory depends only on the number of relevant pairs.
        self._pairs = np.sort(
            np.array(
                [
                    place * self._num_index + number_of[image_id]
                    for place, query_id in enumerate(scored)
                    for image_id in solution.relevant[query_id]
                    if image_id in number_of
                ],
                np.int64,
            )
        )

    def average_precisions(self, images: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """The average precision at 100 of selected queries.

        Args:
            images: (C, k) int64, the queries' ranked index rows, without repetition; -1 for none.
            chosen: (C,) int64, the queries, as positions in `rows`.

        Returns:
            (C,) float64.
        """
        hits = np.zeros((len(chosen), MAX_PREDICTIONS), bool)
        ranked = images[:, :MAX_PREDICTIONS]
        pairs = chosen[:, None] * self._num_index + ranked
        if len(self._pairs):
            places = np.searchsorted(self._pairs, pairs).clip(max=len(self._pairs) - 1)
            hits[:, : ranked.shape[1]] = (self._pairs[places] == pairs) & (ranked >= 0)
        return metrics.average_precision(hits, self._num_relevant[chosen])
