"""Finding photos by their id: in GLDv2's tars by header offset, or in folders."""

import contextlib
import dataclasses
import os
from collections.abc import Collection, Iterator

from tfrecords_tools import image_ids, tars
from tfrecords_tools.errors import UserError
from tfrecords_tools.progress import Progress
from tfrecords_tools.storage import files

SPLITS = ("train", "index", "test")


@dataclasses.dataclass(frozen=True)
class PhotoPlace:
    """The location of a photo's bytes.

    Attributes:
        path: The tar or the photo's own file.
        offset: The first byte.
        size: The number of bytes; None means up to the file's end.
    """

    path: str
    offset: int = 0
    size: int | None = None

    def read(self) -> bytes:
        """The photo's bytes."""
        with files.open_read(self.path) as file:
            file.seek(self.offset)
            return file.read(-1 if self.size is None else self.size)


def find_photos(
    root: str, wanted: Collection[str], *, quiet: bool = False
) -> dict[str, PhotoPlace]:
    """Finds photos below a folder, reading only the tars' headers.

    Searches for ``a/b/c/<id>.jpg`` below the folder itself and below ``train``, ``index`` and
    ``test``, and for members of that name in any ``*.tar`` there.

    Args:
        root: GLDv2's published layout, or photos in folders.
        wanted: Image ids. Ids that cannot be file names are skipped.
        quiet: Whether no progress is shown.

    Returns:
        The locations of the photos that were found.

    Raises:
        UserError: If the folder is missing or a tar is damaged.
    """
    folders = require_source(root)
    places: dict[str, PhotoPlace] = {}
    wanted = set(filter(image_ids.can_be_stem, wanted))
    for image_id in wanted:
        for folder in folders:
            path = files.join(folder, *image_id[:3], f"{image_id}.jpg")
            if os.path.exists(path):
                places[image_id] = PhotoPlace(path)
                break
    paths = [path for folder in folders for path in _tars(folder)]
    _find_in_tars(paths, wanted - set(places), places, quiet)
    return places


def require_source(root: str) -> list[str]:
    """The folders to search for photos.

    Raises:
        UserError: If the root is missing.
    """
    if not os.path.isdir(root):
        raise UserError(f"{root}: no such folder; expected the photos' folder")
    return [root, *filter(os.path.isdir, _split_folders(root))]


def _find_in_tars(
    paths: list[str], missing: set[str], places: dict[str, PhotoPlace], quiet: bool
) -> None:
    """Adds the locations of the missing photos; stops when all are found."""
    if not paths or not missing:
        return
    shown = contextlib.nullcontext() if quiet else Progress("find photos", len(paths), "tar")
    with shown as progress:
        for path in paths:
            for image_id, place in _members(path):
                if image_id in missing:
                    places[image_id] = place
                    missing.discard(image_id)
                if not missing:
                    break
            if progress:
                progress.update()
            if not missing:
                break


def _members(path: str) -> Iterator[tuple[str, PhotoPlace]]:
    try:
        with tars.open_local(path) as read_at:
            for name, header, offset in tars.walk(read_at, os.path.getsize(path)):
                stem, ending = os.path.splitext(os.path.basename(name))
                if header.isreg() and ending == ".jpg":
                    yield stem, PhotoPlace(path, offset, header.size)
    except tars.DamagedTarError as error:
        raise UserError(f"{path}: expected a whole tar, found it {error}; fetch it again") from None


def _split_folders(root: str) -> list[str]:
    return [files.join(root, split) for split in SPLITS]


def _tars(folder: str) -> list[str]:
    names = files.list_names(folder)
    return [files.join(folder, name) for name in names if name.endswith(".tar")]
