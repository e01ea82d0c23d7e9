"""Photos by id, from GLDv2's tars or extracted folders, or a plain folder of photos."""

import contextlib
import os
from collections.abc import Mapping
from typing import Protocol

import numpy as np

from glrtf.photos.find import PhotoPlace
from tfrecords_tools import gldv2, scans
from tfrecords_tools.errors import UserError
from tfrecords_tools.progress import Progress
from tfrecords_tools.storage import files


class Photos(Protocol):
    """A set's photos."""

    def place(self, image_id: str) -> PhotoPlace | None:
        """The location of a photo; None for an invalid or unknown id."""


class FolderPhotos:
    """The photos of a plain folder that an embedding set was made from.

    Args:
        folder: The folder.
        paths: Each photo's path below it, by image id. No text of a request becomes part of
            a path: ids are only looked up.
        what: The set's name in messages.

    Raises:
        UserError: If none of the photos is in the folder.
    """

    def __init__(self, folder: str, paths: Mapping[str, str], what: str) -> None:
        self._folder, self._paths = os.path.realpath(folder), paths
        if not any(map(self.place, paths)):
            raise UserError(
                f"{folder}: expected the folder of photos that {what} was embedded from, found"
                f" none of its {len(paths)} photos, such as {next(iter(paths.values()))}"
            )

    def place(self, image_id: str) -> PhotoPlace | None:
        """See `Photos`; links that lead out of the folder are not followed."""
        name = self._paths.get(image_id)
        if name is None:
            return None
        path = os.path.realpath(os.path.join(self._folder, name))
        inside = path.startswith(os.path.join(self._folder, ""))
        return PhotoPlace(path) if inside and os.path.isfile(path) else None


class PhotoStore:
    """One split's photos.

    Tars' headers are read once, and their contents are cached on disk. An id is parsed to a number,
    from which a name is built, so no text of a request becomes part of a path.

    Args:
        root: The folder that contains the split's folder, in GLDv2's published layout.
        split: ``index`` or ``train``.
        memory: Where the tars' contents are cached.

    Raises:
        UserError: If the split's folder is not in that layout, or a tar is damaged.
    """

    def __init__(self, root: str, split: str, memory: str) -> None:
        self._layout = gldv2.find_layout(root, split)
        self._folder = os.path.realpath(self._layout.folder)
        found = self._scan(files.join(memory, split)) if self._layout.tars else []
        members = [scan.members for scan in found]
        empty = np.empty(0, gldv2.MEMBERS_DTYPE)
        joined = np.concatenate([empty, *members])
        numbers = np.repeat(np.arange(len(found)), [len(each) for each in members])
        order = np.argsort(joined["id"], kind="stable")
        self._members, self._tars = joined[order], numbers[order].astype(np.uint16)

    def place(self, image_id: str) -> PhotoPlace | None:
        """The location of a photo; None for an invalid or unknown id."""
        number = gldv2.parse_id(image_id)
        if number is None:
            return None
        if self._layout.tars:
            return self._in_tar(number)
        path = os.path.join(self._folder, gldv2.member_path(number))
        # A link in the folder could lead elsewhere.
        if os.path.realpath(path) != path or not os.path.isfile(path):
            return None
        return PhotoPlace(path)

    def _in_tar(self, number: int) -> PhotoPlace | None:
        row = int(np.searchsorted(self._members["id"], np.uint64(number)))
        if row == len(self._members) or int(self._members["id"][row]) != number:
            return None
        member = self._members[row]
        path = files.join(self._folder, self._layout.tars[int(self._tars[row])])
        return PhotoPlace(path, int(member["offset"]), int(member["size"]))

    def _scan(self, memory: str) -> list[scans.TarScan]:
        found = []
        with Progress(f"find {self._layout.split} photos", len(self._layout.tars), "tar") as bar:
            for tar in self._layout.tars:
                found.append(scans.scan_tar(scans.ScanJob(self._layout, tar, False, memory)))
                bar.update()
        if bad := [scan for scan in found if scan.fault]:
            raise UserError(
                f"{files.join(self._layout.folder, bad[0].tar)}: expected a whole tar, found it"
                f" {bad[0].fault}; fetch it again"
            )
        return found


def open_stores(
    root: str, memory: str, plain: Mapping[str, Mapping[str, str]] | None = None
) -> dict[str, Photos]:
    """The splits of a photo folder that can be shown: index, and train if it exists.

    Args:
        root: The folder; empty for none.
        memory: See `PhotoStore`.
        plain: Of the splits that were embedded from a plain folder, each photo's path by its
            id. Where the index was, the root is that folder.

    Raises:
        UserError: If there are no index photos.
    """
    if not root:
        return {}
    known = {split: paths for split, paths in (plain or {}).items() if paths}
    if "index" in known:
        stores: dict[str, Photos] = {"index": FolderPhotos(root, known["index"], "--index")}
        with contextlib.suppress(UserError):  # Train photos may be anywhere else.
            if "train" in known:
                stores["train"] = FolderPhotos(root, known["train"], "--train")
        return stores
    splits = ["index", *(["train"] if files.exists(files.join(root, "train")) else [])]
    return {split: PhotoStore(root, split, memory) for split in splits}
