"""The function that glrtf tune optimises: settings in, average precisions out."""

import contextlib
import io
from typing import Any

import numpy as np

from glrtf.config.evaluation import TuneConfig, retrieve_settings
from glrtf.config.retrieval import RetrieveConfig
from glrtf.evaluation.ranking_score import RankingScorer
from glrtf.evaluation.solutions import read_retrieval_solution
from glrtf.photos.verifiers import verifier_of
from glrtf.retrieval.bridging.fusion import Ranking
from glrtf.retrieval.pipeline import Pipeline
from glrtf.tuning import query_split, search_space
from glrtf.tuning.in_memory import InMemoryInputs
from glrtf.tuning.trial_cache import TrialCache
from tfrecords_tools.storage import files

_WIDTHS = ("train_neighbors.per_part", "train_neighbors.k", "dba.n")


class Problem:
    """The function that is optimised: settings in, average precisions out.

    Args:
        config: The study's settings.

    Attributes:
        base: The settings to start from.
        parameters: The parameters to tune.
        cache_folder: Where search results are kept.
        tune: (T,) int64, indices of the scored queries to tune on.
        holdout: (H,) int64, indices of those held out.
        num_missing: How many scored queries the embedding set lacks.

    Raises:
        UserError: If an input is missing or invalid.
    """

    def __init__(self, config: TuneConfig) -> None:
        self.base = retrieve_settings(config)
        self.parameters = search_space.parameters_for(config, config.parameters)
        self._inputs = InMemoryInputs(self.base)
        self._verifier = verifier_of(self.base)
        self.cache_folder = files.join(config.output, "cache")
        self._cache = TrialCache(
            self.cache_folder,
            self._inputs.train.part_lengths if self.base.needs_train else (),
            cut=self.base.search.backend != "annoy",
        )
        query_ids, index_ids = self._inputs.query.ids, self._inputs.index.ids
        solution = read_retrieval_solution(config.solution)
        self._scorer = RankingScorer(solution, query_ids, index_ids, "--query")
        scored = [query_ids[row].decode() for row in self._scorer.rows]
        self.num_missing = self._scorer.missing
        self.tune, self.holdout = query_split.split_queries(scored, solution, config.holdout)

    def scored_rows(self, chosen: np.ndarray) -> np.ndarray:
        """The rows of some scored queries in the embedding set."""
        return self._scorer.rows[chosen]

    def rank(self, settings: RetrieveConfig, chosen: np.ndarray) -> Ranking:
        """Ranks the index for some scored queries, with some settings."""
        # Otherwise each step would report its progress, thousands of times.
        with contextlib.redirect_stderr(io.StringIO()):
            pipeline = Pipeline(settings, self._cache, self._inputs, self._verifier)
            return pipeline.rank(self.scored_rows(chosen))

    def average_precisions(self, settings: RetrieveConfig, chosen: np.ndarray) -> np.ndarray:
        """Ranks with some settings and scores the chosen queries.

        Returns:
            (C,) float64 average precisions.
        """
        return self._scorer.average_precisions(self.rank(settings, chosen).images, chosen)

    def fill_cache(self) -> None:
        """Runs the searches once, with the largest k that any trial can need."""
        widest: dict[str, Any] = {
            p.name: max(p.choices, default=int(p.high))
            for p in self.parameters
            if p.name in _WIDTHS
        }
        if any(p.name == "dba.rows" for p in self.parameters):
            widest["dba.rows"] = "both"
        self.average_precisions(search_space.replaced(self.base, widest), self.tune)
