"""Answers for queries: photos, index photos, several of one object, within labels or folders."""

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
    """A `RowSearcher` for queries; without a model, for those of index photos alone."""

    def _take(self, searched: Searched) -> None:
        super()._take(searched)
        self._spaces: collections.OrderedDict[Within, SearchSpace] = collections.OrderedDict()
        self._index_photos = IndexPhotos(
            self.index.ids, self._photo_names, self.index_landmarks, self.landmark_names
        )

    def ask(self, queries: Sequence[Query], limit: int = MOST_ANSWERS) -> list[Answer | UserError]:
        """Answers for queries.

        Args:
            queries: What is searched for.
            limit: How many index photos each, at most.

        Returns:
            One for each query, in order; an error where a query names a photo, a label or a
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
        # Most queries are of one kind: these share one pass over the index.
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
        """How photos are made for the model: see `Searcher`."""
        raise UserError("--model: expected the model of the index for photos, found none")

    def embedded(self, photos: Sequence[Prepared]) -> np.ndarray:
        """Rows of photos, which take a model: see `Searcher`."""
        if photos:
            raise UserError("--model: expected the model of the index for photos, found none")
        return np.empty((0, self.index.dimension), np.float32)

    def _query_rows(
        self, queries: Sequence[Query], liked: Sequence[npt.NDArray[np.int64]]
    ) -> list[np.ndarray]:
        """The rows (n, d) that each query searches with: of several photos their mean, or each."""
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
        # Two threads may make one twice; the last one stays.
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
