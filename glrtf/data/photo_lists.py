"""photos.csv of sets that were embedded from a folder of photos, when photos come and go."""

from collections.abc import Iterable, Mapping

from glrtf.data.photo_folders import LIST_NAME
from tfrecords_tools import csv_rows
from tfrecords_tools.storage import csv_files, files

_COLUMNS = ("image_id", "path")


def extend_list(folder: str, other: str) -> None:
    """Adds what the photos.csv of another set lists to that of a set, in place of the same ids.

    Args:
        folder: The set whose list is changed.
        other: The set with the new photos; one that was not made of photos changes nothing.
    """
    if added := _read_list(other):
        _write_list(folder, _read_list(folder) | added)


def shorten_list(folder: str, ids: Iterable[bytes]) -> None:
    """Takes photos out of a set's photos.csv, if it has one."""
    listed = _read_list(folder)
    gone = {one.decode() for one in ids}
    rest = {key: path for key, path in listed.items() if key not in gone}
    if len(rest) < len(listed):
        _write_list(folder, rest)


def _read_list(folder: str) -> dict[str, str]:
    path = files.join(folder, LIST_NAME)
    if not files.exists(path):
        return {}
    return {one: name for _, (one, name) in csv_rows.read_rows(path, _COLUMNS)}


def _write_list(folder: str, listed: Mapping[str, str]) -> None:
    csv_files.write(files.join(folder, LIST_NAME), _COLUMNS, list(listed.items()))
