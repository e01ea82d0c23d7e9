"""Answers queries: with photos or index photos of one object, within labels or folders."""

import collections
from collections.abc import Sequence
from itertools import islice

import numpy as np
import numpy.typing as npt

from glrtf.config.service import MOST_ANSWERS
from glrtf.data.input_spec import InputSpec
from glrtf.embeddings.rows import gather_rows
from glrtf.service.answers import Answer
from glrtf.service.late_fusion import best_of
from glrtf.service.photo_input import Prepared
from glrtf.service.queries import IndexPhotos, Query, Within, mean_row
from glrtf.service.row_searcher import RowSearcher
from glrtf.service.search_space import SearchSpace
from glrtf.service.searched import Searched
from tfrecords_tools.errors import UserError

_SPACES_KEPT = 2


class QuerySearcher(RowSearcher):
    """A `RowSearcher` for queries; without a model, only for queries with index photos."""

    def _take(self, searched: Searched) -> None:
        super()._take(searched)
        self._spaces: collections.OrderedDict[Within, SearchSpace] = collections.OrderedDict()
        self._index_photos = IndexPhotos(
            self.index.ids, self._photo_names, self.index_landmarks, self.landmark_names
        )

    def ask(self, queries: Sequence[Query], limit: int = MOST_ANSWERS) -> list[Answer | UserError]:
        """Answers for queries.

        Args:
            queries: The queries.
            limit: The largest number of index photos per answer.

        Returns:
            An answer for each query, in order; an error if a query names a photo, a label or a
            folder that the index does not have.
        """
        found: list[Answer | UserError | None] = [None] * len(queries)
        liked: dict[int, npt.NDArray[np.int64]] = {}
        spaces: dict[int, SearchSpace] = {}
        for place, query in enumerate(queries):
            try:
                like, space = self._index_photos.rows_of(query.like), self._space(query.within)
                liked[place], spaces[place] = like, space
            except UserError as error:
                found[place] = error
        rows = self._query_rows([queries[place] for place in spaces], list(liked.values()))
        rows_of = dict(zip(spaces, rows, strict=True))
        # Queries that search the same part of the index share one pass over it.
        plain = [p for p in spaces if spaces[p] is self._whole and not len(liked[p])]
        if plain:
            answers = iter(self.answer(np.concatenate([rows_of[p] for p in plain]), limit))
            for place in plain:
                found[place] = _joined(list(islice(answers, len(rows_of[place]))), limit)
        for place in spaces.keys() - set(plain):
            parts = self.answer(rows_of[place], limit, spaces[place], liked[place])
            found[place] = _joined(parts, limit)
        return [each for each in found if each is not None]

    @property
    def input_specs(self) -> Sequence[InputSpec]:
        """How the model's inputs are made; see `Searcher`."""
        raise UserError("--model: expected the model of the index for photos, found none")

    def embedded(self, photos: Sequence[Prepared]) -> np.ndarray:
        """Embeds photos, which needs a model; see `Searcher`."""
        if photos:
            raise UserError("--model: expected the model of the index for photos, found none")
        return np.empty((0, self.index.dimension), np.float32)

    def _query_rows(
        self, queries: Sequence[Query], liked: Sequence[npt.NDArray[np.int64]]
    ) -> list[np.ndarray]:
        """The rows (n, d) of each query: the mean of several photos, or with max all of them."""
        embedded = iter(self.embedded([photo for query in queries for photo in query.photos]))
        result: list[np.ndarray] = []
        for query, rows in zip(queries, liked, strict=True):
            own = [next(embedded) for _ in query.photos]
            if len(rows):
                own.extend(gather_rows(self.index, rows).astype(np.float32))
            each = np.stack(own)
            is_mean = len(own) > 1 and query.fusion == "mean"
            result.append(mean_row(each)[None] if is_mean else each)
        return result

    def _space(self, within: Within) -> SearchSpace:
        if within.is_all:
            return self._whole
        # Two threads may build the same one twice; the last one is kept.
        space = self._spaces.get(within)
        if space is None:
            chosen = self._index_photos.chosen(within)
            space = self._part(chosen)
            self._spaces[within] = space
            while len(self._spaces) > _SPACES_KEPT:
                self._spaces.popitem(last=False)
        return space


def _joined(answers: Sequence[Answer], limit: int) -> Answer:
    """One answer for the rows of a query."""
    return answers[0] if len(answers) == 1 else best_of(answers, limit)
