"""Photo names: one spelling each, found on disk in any Unicode normal form."""

import functools
import os
import unicodedata

from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files


def composed(name: str) -> str:
    """A name in Unicode's Normalization Form C: ``e`` + accent and ``é`` are one name."""
    return unicodedata.normalize("NFC", name)


class PhotoFinder:
    """Finds the photos of a folder by the names in a table.

    Some systems store names decomposed (NFD) that people type composed (NFC); both are
    the same name here, and ``./a.jpg`` is ``a.jpg``.

    Args:
        folder: Local folder of the photos.
    """

    def __init__(self, folder: str) -> None:
        self._root = os.path.abspath(folder)
        self._real_root = os.path.realpath(folder)

    def find(self, given: str, where: str) -> str:
        """The path below the folder, as spelled on disk, of a photo in the table.

        Args:
            given: The name in the table.
            where: Table and line, for messages.

        Raises:
            UserError: If there is no such file below the folder.
        """
        name = os.path.relpath(os.path.join(self._root, given), self._root)
        if self._is_below(name):
            return name
        spelled = self._by_composed.get(composed(name), "")
        if self._is_below(spelled):
            return spelled
        near = self._by_loose.get(_loose(name))
        hint = f"; did you mean {near!r}?" if near else ""
        raise UserError(f"{where}: expected a file below {self._real_root}, found {given!r}{hint}")

    def _is_below(self, name: str) -> bool:
        path = os.path.realpath(os.path.join(self._root, name))
        return path.startswith(self._real_root + os.sep) and os.path.isfile(path)

    @functools.cached_property
    def _by_composed(self) -> dict[str, str]:
        return {composed(name): name for name, _ in files.walk(self._root)}

    @functools.cached_property
    def _by_loose(self) -> dict[str, str]:
        return {_loose(name): name for name, _ in files.walk(self._root)}


def _loose(name: str) -> str:
    """A key that is equal for names that differ only in case or in the direction of slashes."""
    return composed(name).replace("\\", "/").casefold()
