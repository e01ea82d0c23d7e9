"""Which label an image has: the published CSVs or one's own, relabelled 0..num_classes-1."""

import csv
import dataclasses
from array import array
from collections.abc import Iterator

import numpy as np

from tfrecords_tools import csv_rows, gldv2, text_tables
from tfrecords_tools.errors import UserError
from tfrecords_tools.schema import NO_LABEL

_HINT = "; a field that holds a comma must stand in quotes"


@dataclasses.dataclass(frozen=True)
class Labels:
    """The images a split should have, and what they show.

    Attributes:
        ids: (n,) uint64, ascending, each once.
        labels: (n,) int32, the label of each; -1 for index and test.
        landmark_ids: (num_classes,) int64, ascending: label -> landmark_id.
        duplicates: The image_ids (numbers) that stood in the file more than
            once, one entry for each row too many; the first row holds.
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
            path of a CSV ``id,landmark_id``.

    Raises:
        UserError: If the CSV is missing, lacks its columns or has a row that cannot be read.
    """
    if split != "train":
        path = gldv2.metadata_path(root, f"{split}.csv")
        ids = array("Q", (image_id for image_id, _ in _rows(path, None)))
        return _labels(path, ids, array("q", bytes(8 * len(ids))), labelled=False)
    named = {"full": "train.csv", "clean": "train_clean.csv"}
    path = gldv2.metadata_path(root, named[labels]) if labels in named else labels
    rows = _clean_rows(path) if labels == "clean" else _rows(path, "landmark_id")
    ids, landmark_ids = array("Q"), array("q")
    for image_id, landmark_id in rows:
        ids.append(image_id)
        landmark_ids.append(landmark_id)
    return _labels(path, ids, landmark_ids, labelled=True)


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


def _rows(path: str, landmark_column: str | None) -> Iterator[tuple[int, int]]:
    """Yields (image_id, landmark_id) of a CSV; landmark_id is 0 where no column is asked for."""
    wanted = ["id"] + ([landmark_column] if landmark_column else [])
    for line, (text, *landmark) in _columns(path, wanted):
        yield _image_id(path, line, text), _landmark_id(path, line, landmark[0]) if landmark else 0


def _clean_rows(path: str) -> Iterator[tuple[int, int]]:
    """Yields (image_id, landmark_id) of train_clean.csv, which has a row for each landmark."""
    for line, (landmark, images) in _columns(path, ["landmark_id", "images"]):
        landmark_id = _landmark_id(path, line, landmark)
        for text in images.split():
            yield _image_id(path, line, text), landmark_id


def _columns(path: str, wanted: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Yields line number and the wanted fields of each row; blank lines do not count."""
    with text_tables.open_text(path) as text:
        reader = csv_rows.reader(text)
        header = [name.strip() for name in next(reader, [])]
        if missing := [name for name in wanted if name not in header]:
            raise UserError(
                f"{path}: expected a column {missing[0]!r}, found {','.join(header)[:80]!r}; "
                f"the first line must name the columns"
            )
        if twice := csv_rows.repeated(header, wanted):
            raise UserError(f"{path}: expected one column {twice!r}, found it more than once")
        places = [header.index(name) for name in wanted]
        try:
            for row in reader:
                if not row:
                    continue
                if not max(places) < len(row) <= len(header):
                    raise UserError(
                        f"{path}: line {reader.line_num}: expected {len(header)} fields, "
                        f"found {len(row)}{_HINT if len(row) > len(header) else ''}"
                    )
                yield reader.line_num, [row[place] for place in places]
        except csv.Error as error:
            raise UserError(f"{path}: line {reader.line_num}: not CSV ({error})") from None


def _image_id(path: str, line: int, text: str) -> int:
    number = gldv2.parse_id(text.strip())
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
