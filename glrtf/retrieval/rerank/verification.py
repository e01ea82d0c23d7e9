"""Verification of the first images of a ranking by a function, such as local feature matching."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from glrtf.retrieval.bridging.fusion import Ranking
from glrtf.retrieval.rerank.pair_scores import PairScores
from glrtf.retrieval.search.neighbors import NO_ROW
from tfrecords_tools.errors import UserError
from tfrecords_tools.progress import Progress


class PhotoFiles(Protocol):
    """Photos as files, by image id."""

    @property
    def root(self) -> str:
        """The folder of the photos."""

    def find(self, ids: Collection[str]) -> None:
        """Looks for the photos of some images.

        Raises:
            UserError: If one is missing.
        """

    def paths(self, ids: Sequence[str]) -> contextlib.AbstractContextManager[list[str]]:
        """The paths of photos that were found; the files may be gone afterwards."""


@dataclasses.dataclass(frozen=True)
class Verifier:
    """A function that scores images for a query, and what it is given.

    Attributes:
        name: What messages call it.
        function: Gets a query id and a list of image ids and returns a number for each image, such
            as a count of inliers; the higher, the better. With `photos`, it also gets the path of
            the query's photo and a list of the images' paths.
        digest: A SHA-256 of the function: scores of one with another digest are not reused.
        top: How many images of each query are scored.
        photos: The photos; None if the function takes only ids.
    """

    name: str
    function: Callable[..., Sequence[float]]
    digest: str
    top: int
    photos: PhotoFiles | None = None

    @property
    def key(self) -> dict[str, Any]:
        """What its scores depend on, apart from the images."""
        return {"function": self.digest, "photos": self.photos.root if self.photos else None}


def confirmations(
    function: Callable[..., Sequence[float]],
    name: str,
    image_id: str,
    others: list[str],
    photos: PhotoFiles | None,
    role: str,
) -> npt.NDArray[np.float64]:
    """Calls a verifying function for an image and some others.

    Args:
        function: From an image id and other ids, and with photos a path and other paths, to a
            number for each of the others.
        name: Its name in messages.
        image_id: The image.
        others: The images that it is compared with.
        photos: Their photos; None if the function takes only ids.
        role: What the image is in messages, such as query.

    Returns:
        (len(others),) float64, finite.

    Raises:
        UserError: If the function fails, or does not return one finite number for each.
    """
    with contextlib.ExitStack() as stack:
        arguments: list[Any] = [image_id, others]
        if photos is not None:
            path, *paths = stack.enter_context(photos.paths([image_id, *others]))
            arguments += [path, paths]
        try:
            found = function(*arguments)
        except Exception as error:
            raise UserError(
                f"{name}: failed for {role} {image_id} and {len(others)} images "
                f"({type(error).__name__}: {error})"
            ) from error
    try:
        numbers = np.asarray(found, np.float64)
    except (TypeError, ValueError):
        numbers = np.empty(0)
    if numbers.shape != (len(others),) or not np.isfinite(numbers).all():
        raise UserError(
            f"{name}: expected {len(others)} finite numbers for {role} {image_id}, "
            f"found {str(found)[:60]!r}"
        )
    return numbers


class Verification:
    """Orders the first images of rankings by a verifier's scores.

    Args:
        verifier: What scores them.
        known: The scores of earlier runs.
        query_ids: (queries,) S dtype.
        index_ids: (index images,) S dtype.

    Attributes:
        saved: The seconds that known scores saved, estimated from what such scores took.
    """

    def __init__(
        self,
        verifier: Verifier,
        known: PairScores,
        query_ids: npt.NDArray[np.bytes_],
        index_ids: npt.NDArray[np.bytes_],
    ) -> None:
        self._verifier = verifier
        self._known = known
        self._query_ids = query_ids
        self._index_ids = index_ids
        self.saved = 0.0

    def reranked(self, ranking: Ranking, queries: npt.NDArray[np.int64]) -> Ranking:
        """The ranking with its first images by descending score; equal scores keep their order.

        Args:
            ranking: The ranking so far, one row a query.
            queries: (queries,) int64, the query rows ranked for.

        Raises:
            UserError: If the function fails, or returns other than one finite number an image.
        """
        top = ranking.images[:, : self._verifier.top]
        pairs = np.where(top == NO_ROW, NO_ROW, queries[:, None] * len(self._index_ids) + top)
        wanted = pairs[pairs != NO_ROW]
        missing = ~self._known.contains(wanted)
        self.saved = self._known.seconds_of(len(wanted) - int(missing.sum()))
        self._score(wanted[missing])
        scores = np.full(pairs.shape, -np.inf)
        scores[pairs != NO_ROW] = self._known.scores(wanted)
        order = np.argsort(-scores, axis=1, kind="stable")

        def ordered(values: npt.NDArray) -> npt.NDArray:
            first, rest = values[:, : top.shape[1]], values[:, top.shape[1] :]
            return np.concatenate([np.take_along_axis(first, order, axis=1), rest], axis=1)

        names = [field.name for field in dataclasses.fields(Ranking)]
        return Ranking(*(ordered(getattr(ranking, name)) for name in names))

    def _score(self, pairs: npt.NDArray[np.int64]) -> None:
        """Scores pairs, those of a query one after the other, and keeps what was scored."""
        if not len(pairs):
            return
        queries, images = np.divmod(pairs, len(self._index_ids))
        starts = np.flatnonzero(np.diff(queries, prepend=-1))
        verifier = self._verifier
        if verifier.photos:
            chosen = self._query_ids[np.unique(queries)], self._index_ids[np.unique(images)]
            verifier.photos.find({one.decode() for ids in chosen for one in ids.tolist()})
        with Progress("verification", len(starts), "query") as progress, self._known:
            for start, stop in zip(starts, [*starts[1:], len(pairs)], strict=True):
                began = time.monotonic()
                query_id = self._query_ids[queries[start]].decode()
                ids = [one.decode() for one in self._index_ids[images[start:stop]].tolist()]
                scores = confirmations(
                    verifier.function, verifier.name, query_id, ids, verifier.photos, "query"
                )
                self._known.add(pairs[start:stop], scores, time.monotonic() - began)
                progress.update()
