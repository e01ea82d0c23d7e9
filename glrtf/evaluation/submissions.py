"""Reads submissions: ranked index images, or a landmark with its score."""

import math
import os
from collections.abc import Collection, Iterator
from typing import NamedTuple

from glrtf.embeddings.digests import Verify
from glrtf.retrieval.description import RetrievalInfo
from tfrecords_tools import csv_rows, image_ids
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files, json_shapes

SUBMISSION_FILE = "submission.csv"


class Recognition(NamedTuple):
    """The landmark predicted for an image, and its confidence (higher is better)."""

    landmark_id: int
    score: float


def is_folder(path: str) -> bool:
    """Whether a path names a retrieval folder, not a CSV file; either may be on gs://."""
    return os.path.isdir(path) or (files.is_remote(path) and not path.endswith(".csv"))


def submission_path(path: str) -> str:
    """The CSV file: `path` itself, or the one in a retrieval folder."""
    return files.join(path, SUBMISSION_FILE) if is_folder(path) else path


def require_unchanged(folder: str, name: str) -> str:
    """The path of a file of a retrieval folder, checked against its digest in ``retrieval.json``.

    Raises:
        UserError: If it is missing, or has changed since ``glrtf retrieve`` wrote it.
    """
    path, description = files.join(folder, name), files.join(folder, "retrieval.json")
    known = json_shapes.read(description, RetrievalInfo) if files.exists(description) else {}
    written = known.get("files", {})
    if name in written and files.sha256(path) != written[name]:
        raise UserError(
            f"{path}: changed since glrtf retrieve wrote it; run glrtf retrieve again, or give "
            "the CSV file alone"
        )
    return path


def read_index_ids(path: str, verify: Verify = "once") -> frozenset[str]:
    """The ids of the index images, from an embedding set or a CSV file with a column ``id``.

    Args:
        path: The folder of the set, or the CSV file.
        verify: See `EmbeddingSet.open`.

    Raises:
        UserError: If it is missing or invalid, or has no ids.
    """
    if os.path.isdir(path):
        from glrtf.embeddings.embedding_set import EmbeddingSet

        ids = frozenset(image_id.decode() for image_id in EmbeddingSet.open(path, verify).ids)
    else:
        ids = frozenset(image_id for _, (image_id,) in csv_rows.read_rows(path, ("id",)))
    if not ids:
        raise UserError(f"{path}: expected the ids of the index images, found none")
    return ids


def read_submission(
    path: str, index_ids: Collection[str] | None = None
) -> Iterator[tuple[str, list[str]]]:
    """Reads ``id,images``: the ranked index ids of each query.

    The file is read row by row, so that a long one needs little memory.

    Args:
        path: The CSV file, or a retrieval folder with ``submission.csv``.
        index_ids: The ids of all index images; None if they are not known.

    Yields:
        A query's id and all of its predictions, best first.

    Raises:
        UserError: If the file lacks a column or repeats a query, an image is not in the index, or
            the file has changed since the retrieval wrote it.
    """
    if is_folder(path):
        path = require_unchanged(path, SUBMISSION_FILE)
    seen: set[str] = set()
    for line, (query_id, images) in csv_rows.read_rows(path, ("id", "images")):
        if query_id in seen:
            raise UserError(f"{path}, line {line}: query {query_id} is repeated")
        seen.add(query_id)
        ranked = image_ids.split_list(images)
        if index_ids is not None and (unknown := [i for i in ranked if i not in index_ids]):
            raise UserError(
                f"{path}, line {line}: query {query_id} ranks {unknown[0]!r}, which is not among "
                f"the {len(index_ids)} index images"
            )
        yield query_id, ranked


def read_recognitions(path: str) -> dict[str, Recognition]:
    """Reads ``id,landmarks``: a landmark number and a score for each image, or nothing.

    Returns:
        The predictions by image; images without a prediction are left out.

    Raises:
        UserError: If the file lacks a column or repeats an image, or a field is not a landmark
            number and a finite score.
    """
    predictions: dict[str, Recognition] = {}
    seen: set[str] = set()
    for line, (image_id, field) in csv_rows.read_rows(path, ("id", "landmarks")):
        if image_id in seen:
            raise UserError(f"{path}, line {line}: image {image_id} is repeated")
        seen.add(image_id)
        if field:
            predictions[image_id] = _recognition(path, line, field)
    return predictions


def _recognition(path: str, line: int, field: str) -> Recognition:
    landmark_id, *scores = field.split()
    number, value = csv_rows.whole_number(landmark_id), csv_rows.real_number(" ".join(scores))
    if number is None or not math.isfinite(value):
        raise UserError(
            f"{path}, line {line}: expected a landmark number and a score, found {field[:60]!r}"
        )
    return Recognition(number, value)
