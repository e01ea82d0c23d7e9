"""The train photos of a landmark, and the landmark's name."""

import os
from collections.abc import Collection
from urllib.parse import unquote

from tfrecords_tools import csv_rows, labels
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files

_NAMES = ("train.csv", "train_clean.csv")


def find_train_csv(source: str) -> str | None:
    """``train.csv`` or ``train_clean.csv`` below a source folder, if any."""
    folders = (files.join(source, "metadata"), source, files.join(source, "train"))
    return _first_file(folders, _NAMES)


def photos_of_landmarks(path: str, landmark_ids: Collection[int]) -> dict[int, list[str]]:
    """The train photos of some landmarks.

    Args:
        path: ``train.csv`` (id,url,landmark_id) or ``train_clean.csv``
            (landmark_id,images).
        landmark_ids: The landmarks wanted.

    Returns:
        For each landmark found its photos' ids in the file's order.

    Raises:
        UserError: If the file is neither of the two.
    """
    wanted = frozenset(landmark_ids)
    photos: dict[int, list[str]] = {}
    for _, landmark_id, image_ids in labels.landmark_rows(path):
        if landmark_id in wanted:
            photos.setdefault(landmark_id, []).extend(image_ids)
    return photos


def landmark_names(source: str, landmark_ids: Collection[int]) -> dict[int, str]:
    """The landmarks' names, from ``train_label_to_category.csv``, if it exists."""
    path = names_file(source)
    if path is None:
        return {}
    wanted = {str(landmark_id) for landmark_id in landmark_ids}
    rows = csv_rows.read_rows(path, ("landmark_id", "category"))
    return {int(number): category_name(url) for _, (number, url) in rows if number in wanted}


def names_file(source: str) -> str | None:
    """``train_label_to_category.csv`` below a source folder, if any."""
    folders = (files.join(source, "metadata"), source, files.join(source, "train"))
    return _first_file(folders, ("train_label_to_category.csv",))


def category_name(url: str) -> str:
    """``http://commons.wikimedia.org/wiki/Category:Arc_de_Triomphe`` -> its last words."""
    return unquote(url.rpartition("Category:")[2]).replace("_", " ").strip()


def require_train_csv(path: str | None, source: str) -> str | None:
    """The CSV file to use: the one named, or the one found below the source.

    Raises:
        UserError: If the one named does not exist.
    """
    if path is not None and not os.path.isfile(path):
        raise UserError(f"--train_csv {path}: no such file")
    return path or find_train_csv(source)


def _first_file(folders: Collection[str], names: Collection[str]) -> str | None:
    candidates = (files.join(folder, name) for folder in folders for name in names)
    return next((path for path in candidates if os.path.isfile(path)), None)
