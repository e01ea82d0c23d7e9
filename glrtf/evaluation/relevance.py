"""Which images are right for a query, from any table of labels or of relevant images."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence

from tfrecords_tools import csv_rows, image_ids, labels
from tfrecords_tools.errors import UserError

Labels = Mapping[str, Sequence[str]]
"""The labels of each image; of most one, of photos of several objects several."""


@dataclasses.dataclass(frozen=True)
class Relevance:
    """The relevant images of every query.

    Attributes:
        relevant: Query id -> relevant image ids; queries of one label share one set. The query's
            own id may be among them: `own` says whether it counts.
        labels: Query id -> its labels; empty where only relevant images are known.
        own: Whether an image with the query's id counts as an image of the index. If not, it is
            taken out of relevant images and rankings (leave-one-out).
        known: The ids of all index images; None if they are not known.
        notes: What the user should know.
    """

    relevant: Mapping[str, Collection[str]]
    labels: Labels
    own: bool = False
    known: Collection[str] | None = None
    notes: tuple[str, ...] = ()

    def num_relevant(self, query_id: str) -> int:
        """How many images are right for a query."""
        right = self.relevant[query_id]
        return len(right) - (not self.own and query_id in right)


def has_labels(path: str) -> bool:
    """Whether a CSV file says what images show: id,label, id,landmark_id or landmark_id,images."""
    header = set(csv_rows.read_header(path))
    return {"id", "label"} <= header or "landmark_id" in header


def has_relevant_images(path: str) -> bool:
    """Whether a CSV file lists the relevant images of queries and nothing else: id,images."""
    return set(csv_rows.read_header(path)) == {"id", "images"}


def read_labels(path: str) -> dict[str, tuple[str, ...]]:
    """Reads id,label, id,landmark_id or landmark_id,images.

    An image may have several rows, each with another label. An empty label is none.

    Raises:
        UserError: If the file lacks its columns, repeats an image with a label, or has no labels.
    """
    found: dict[str, dict[str, None]] = {}
    header = csv_rows.read_header(path)
    if "label" in header:
        for line, (image_id, label) in csv_rows.read_rows(path, ("id", "label")):
            _add(path, line, found, image_id, label)
    else:
        for line, landmark, ids in labels.landmark_rows(path):
            for image_id in ids:
                _add(path, line, found, image_id, str(landmark))
    if not any(found.values()):
        raise UserError(f"{path}: expected labels of images, found none")
    return {image_id: tuple(several) for image_id, several in found.items()}


def read_relevant_images(path: str) -> dict[str, frozenset[str]]:
    """Reads id,images: queries and their relevant images, ids with spaces between.

    Raises:
        UserError: If the file lacks its columns, repeats a query, or has no relevant images.
    """
    found: dict[str, frozenset[str]] = {}
    for line, (query_id, images) in csv_rows.read_rows(path, ("id", "images")):
        if query_id in found:
            raise UserError(f"{path}, line {line}: {query_id} is repeated")
        found[query_id] = frozenset(image_ids.split_list(images))
    if not any(found.values()):
        raise UserError(f"{path}: expected relevant images, found none")
    return found


def by_labels(
    queries: Labels, index: Labels, known: Collection[str] | None = None, *, own: bool = False
) -> Relevance:
    """Index images are right for a query if they share a label with it.

    Args:
        queries: The labels of the queries.
        index: The labels of index images.
        known: The ids of all index images; labels of others do not count. None takes all that
            have a row in `index`.
        own: Whether an image with the query's id counts; see `Relevance`.
    """
    ids = index.keys() if known is None else known
    shown: dict[str, set[str]] = {}
    for image_id, several in index.items():
        if image_id in ids:
            for label in several:
                shown.setdefault(label, set()).add(image_id)
    nothing: set[str] = set()
    relevant: dict[str, Collection[str]] = {}
    for query_id, several in queries.items():
        sets = [shown.get(label, nothing) for label in several]
        relevant[query_id] = sets[0] if len(sets) == 1 else nothing.union(*sets)
    return Relevance(relevant, queries, own, ids)


def in_one_table(
    known_labels: Labels,
    rankings: Mapping[str, Sequence[str]],
    index: Collection[str] | None = None,
    *,
    own: bool = False,
) -> Relevance:
    """Queries are the ranked ones of a table; the index is given, or the table says it.

    Without `index`, it is all labelled images where a ranking contains any query (so it is
    leave-one-out), else those that are no queries.

    Args:
        known_labels: The labels of queries and index images.
        rankings: What was ranked for each query.
        index: The ids of all index images.
        own: Whether an image with the query's id counts; see `Relevance`.
    """
    queries = {one: known_labels[one] for one in rankings if one in known_labels}
    notes: list[str] = []
    if index is None and not any(one in rankings for ranked in rankings.values() for one in ranked):
        index = known_labels.keys() - rankings.keys()
        notes.append(
            f"no query is ranked: the index is taken to be the {len(index)} labelled images that "
            "are no queries; --index names another"
        )
    return dataclasses.replace(by_labels(queries, known_labels, index, own=own), notes=tuple(notes))


def _add(
    path: str, line: int, found: dict[str, dict[str, None]], image_id: str, label: str
) -> None:
    several = found.setdefault(image_id, {})
    if label in several:
        raise UserError(f"{path}, line {line}: {image_id} is repeated")
    if label:
        several[label] = None
