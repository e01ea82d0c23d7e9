"""Settings that are paths, written so that they refer to the same files from any folder."""

import os
from collections.abc import Mapping
from typing import Any

from tfrecords_tools.storage import files

BUNDLE_CACHE = "cache"
"""The folder in a bundle for what is computed once."""
_PATHS = ("query", "index", "train", "non_landmark", "output", "landmarks", "adapter", "bundle")
_MORE = ("non_landmark_solution", "non_landmark_scores")


def absolute(path: str) -> str:
    """A path that does not depend on the working folder; gs:// stays as it is."""
    return path if not path or files.is_remote(path) else os.path.abspath(path)


def cache_folder(cache: str, bundle: str, folder: str) -> str:
    """Where a search keeps what it computes once.

    Args:
        cache: The setting ``--cache``; empty for the default.
        bundle: Folder of the bundle that is searched; empty for none.
        folder: Folder of the set that is searched where there is no bundle.
    """
    if cache:
        return os.fspath(cache)
    if bundle:
        return files.join(os.fspath(bundle).rstrip("/"), BUNDLE_CACHE)
    return files.join(os.fspath(folder).rstrip("/"), "search")


def with_absolute_paths(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of ``glrtf retrieve`` with every path made absolute.

    Args:
        settings: Of a `RetrieveConfig`, by name; others may be among them.
    """
    result = dict(settings)
    for name in (*_PATHS, *_MORE):
        value = settings.get(name)
        if isinstance(value, str):
            result[name] = absolute(value)
        elif value:
            result[name] = [absolute(path) for path in value]
    return result


def moved(path: str, written: str, found: str) -> str:
    """The new location of a path after a whole folder tree was moved.

    Args:
        path: A path, written when the folder was made.
        written: The folder's path at that time; empty if unknown.
        found: Where the folder is now.

    Returns:
        The path itself if it exists, or if the new location does not.
    """
    if not written or any(map(files.is_remote, (path, written))) or os.path.exists(path):
        return path
    candidate = os.path.normpath(os.path.join(found, os.path.relpath(path, written)))
    return candidate if os.path.exists(candidate) else path
