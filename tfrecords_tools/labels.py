"""The label of each image: from the published CSVs or your own, relabelled 0..num_classes-1."""

import dataclasses
from array import array
from collections.abc import Iterator

import numpy as np

from tfrecords_tools import csv_rows, gldv2, image_ids
from tfrecords_tools.errors import UserError
from tfrecords_tools.schema import NO_LABEL


@dataclasses.dataclass(frozen=True)
class Labels:
    """The images a split should have, and what they show.

    Attributes:
        ids: (n,) uint64, ascending, each once.
        labels: (n,) int32, the label of each; -1 for index and test.
        landmark_ids: (num_classes,) int64, ascending: label -> landmark_id.
        duplicates: The image_ids (numbers) that occurred in the file more than once, one entry for
            each extra row; the first row is used.
        source: The file they were read from.
    """

    ids: np.ndarray
    labels: np.ndarray
    landmark_ids: np.ndarray
    duplicates: np.ndarray
    source: str


def read_labels(root: str, split: str, labels: str) -> Labels:
    """Reads the images of a split and their landmarks.

    Args:
        root: The published layout's root.
        split: ``train``, ``index`` or ``test``.
        labels: For train ``full`` (train.csv), ``clean`` (train_clean.csv) or a
            path of a CSV ``id,landmark_id`` or ``landmark_id,images``.

    Raises:
        UserError: If the CSV is missing, lacks its columns or has a row that cannot be read.
    """
    if split != "train":
        path = gldv2.metadata_path(root, f"{split}.csv")
        rows = csv_rows.read_rows(path, ("id",))
        ids = array("Q", (_image_id(path, line, text) for line, (text,) in rows))
        return _labels(path, ids, array("q", bytes(8 * len(ids))), labelled=False)
    named = {"full": "train.csv", "clean": "train_clean.csv"}
    path = gldv2.metadata_path(root, named[labels]) if labels in named else labels
    ids, landmark_ids = array("Q"), array("q")
    for line, landmark_id, names in landmark_rows(path):
        ids.extend(_image_id(path, line, text) for text in names)
        landmark_ids.extend([landmark_id] * len(names))
    return _labels(path, ids, landmark_ids, labelled=True)


def landmark_rows(path: str) -> Iterator[tuple[int, int, list[str]]]:
    """Reads which images show which landmark, for every command that needs it.

    Args:
        path: ``train.csv`` (id,url,landmark_id), one row per image, or ``train_clean.csv``
            (landmark_id,images), one row per landmark.

    Yields:
        The row's line, its landmark_id, 0 to 2^63 - 1, and the ids of its images.

    Raises:
        UserError: If the file is neither of the two, or a row or landmark_id cannot be read.
    """
    columns = csv_rows.choose_columns(path, ("id", "landmark_id"), ("landmark_id", "images"))
    images = "id" if "id" in columns else "images"
    for line, (landmark, names) in csv_rows.read_rows(path, ("landmark_id", images)):
        ids = [names] if images == "id" else image_ids.split_list(names)
        yield line, _landmark_id(path, line, landmark), ids


def image_landmarks(path: str) -> Iterator[tuple[int, str, int]]:
    """The line, image id and landmark of each image, from a file as for `landmark_rows`."""
    return (
        (line, image_id, landmark_id)
        for line, landmark_id, image_ids in landmark_rows(path)
        for image_id in image_ids
    )


def _labels(path: str, ids: array, landmark_ids: array, *, labelled: bool) -> Labels:
    if not ids:
        raise UserError(f"{path}: expected image ids below the header, found none")
    found = np.frombuffer(ids, np.uint64)
    unique, first = np.unique(found, return_index=True)
    extra = np.ones(len(found), bool)
    extra[first] = False
    if labelled:
        classes, labels = np.unique(
            np.frombuffer(landmark_ids, np.int64)[first], return_inverse=True
        )
    else:
        classes, labels = np.empty(0, np.int64), np.full(len(unique), NO_LABEL)
    return Labels(unique, labels.astype(np.int32), classes, np.sort(found[extra]), path)


def _image_id(path: str, line: int, text: str) -> int:
    number = gldv2.parse_id(text)
    if number is None:
        raise UserError(
            f"{path}: line {line}: expected an image id of 16 hex digits, found {text[:40]!r}"
        )
    return number


def _landmark_id(path: str, line: int, text: str) -> int:
    number = csv_rows.whole_number(text)
    if number is None:
        raise UserError(
            f"{path}: line {line}: expected a landmark_id, a whole number from 0 to 2^63 - 1, "
            f"found {text[:40]!r}"
        )
    return number
