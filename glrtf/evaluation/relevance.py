"""Which images are right for a query, by a table of labels or of relevant images."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence

from tfrecords_tools import csv_rows, image_ids, labels
from tfrecords_tools.errors import UserError

Labels = Mapping[str, Sequence[str]]
"""The labels of each image: usually one, or several if it shows several objects."""


@dataclasses.dataclass(frozen=True)
class Relevance:
    """The relevant images of every query.

    Attributes:
        relevant: The relevant image ids of each query; queries with the same label share a set. It
            may contain the query's own id; see `own`.
        labels: The labels of each query; empty if only relevant images are known.
        own: Whether an image with the query's id counts as an index image. If not, it is removed
            from relevant images and rankings (leave-one-out).
        known: The ids of all index images; None if they are not known.
        notes: Notes for the user.
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
    """Whether a CSV file has labels: id,label, id,landmark_id or landmark_id,images."""
    header = set(csv_rows.read_header(path))
    return {"id", "label"} <= header or "landmark_id" in header


def has_relevant_images(path: str) -> bool:
    """Whether a CSV file only lists the relevant images of queries: id,images."""
    return set(csv_rows.read_header(path)) == {"id", "images"}


def read_labels(path: str) -> dict[str, tuple[str, ...]]:
    """Reads id,label, id,landmark_id or landmark_id,images.

    An image may have several rows with different labels. An image with an empty label has none.

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
    """Reads id,images: queries and the ids of their relevant images, separated by spaces.

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
    """Relevance by labels: an index image is right for a query if the two share a label.

    Args:
        queries: The labels of the queries.
        index: The labels of index images.
        known: The ids of all index images; labels of other images are ignored. None takes all
            images in `index`.
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
    """Relevance by one table that has the labels of both queries and index images.

    The images with a ranking are the queries. Without `index`, the index is all labelled images if
    a ranking contains a query (leave-one-out), and otherwise the labelled images that are not
    queries.

    Args:
        known_labels: The labels of queries and index images.
        rankings: The ranked image ids of each query.
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
