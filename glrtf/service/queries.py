"""Queries: uploaded or index photos to search with, and the part of the index to search in."""

import dataclasses
import functools
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from glrtf.config.service import PhotoFusion
from glrtf.retrieval.bridging.landmark_confidence import NO_LANDMARK
from glrtf.service.photo_input import Prepared
from tfrecords_tools.command.near_words import did_you_mean
from tfrecords_tools.errors import UserError

_MOST_COMPARED = 5000


@dataclasses.dataclass(frozen=True)
class Within:
    """The part of the index to search in; by default, all of it.

    Attributes:
        labels: Landmarks, by number or name: only photos of one of them.
        folders: Folders, as prefixes of the photos' names or ids: only photos in one of them.
    """

    labels: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()

    @property
    def is_all(self) -> bool:
        """Whether it is the whole index."""
        return not self.labels and not self.folders


ALL = Within()


@dataclasses.dataclass(frozen=True)
class Query:
    """A search with photos of one object.

    Attributes:
        photos: The photos, as inputs of the model (see `PhotoReader`).
        like: Index photos to search with, by id or name; they are not part of the answer.
        within: The part of the index to search in.
        fusion: How several photos are searched with: mean, once with the mean of their rows; max,
            with each, and every answer has the best of its scores.
    """

    photos: tuple[Prepared, ...] = ()
    like: tuple[str, ...] = ()
    within: Within = ALL
    fusion: PhotoFusion = "mean"


def mean_row(rows: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """(d,) float32, the row of several photos of one object: their mean, normalised."""
    mean = np.asarray(rows, np.float64).mean(axis=0)
    length = np.linalg.norm(mean)
    # Opposite rows have no mean direction; then the first row is used.
    return (mean / length if length > 1e-6 else np.asarray(rows[0])).astype(np.float32)


class IndexPhotos:
    """Looks up index photos by id, name, label and folder; tables are built when first needed.

    Args:
        ids: (photos,) S dtype.
        names: The owners' names of photos, by id; some may have none.
        landmarks: (photos,) int64; -1 if unknown.
        landmark_names: The names of landmarks.
    """

    def __init__(
        self,
        ids: npt.NDArray[np.bytes_],
        names: Mapping[str, str],
        landmarks: npt.NDArray[np.int64],
        landmark_names: Mapping[int, str],
    ) -> None:
        self._bytes, self._names_by_id = ids, names
        self._landmarks = landmarks
        self._landmark_names = landmark_names

    @functools.cached_property
    def _ids(self) -> list[str]:
        return [each.decode(errors="surrogateescape") for each in self._bytes.tolist()]

    @functools.cached_property
    def _names(self) -> list[str]:
        return [self._names_by_id.get(each, each) for each in self._ids]

    @functools.cached_property
    def _rows(self) -> dict[str, int]:
        """Rows by name and by id; an id takes precedence over an equal name."""
        rows = {name: row for row, name in enumerate(self._names)}
        return rows | {image_id: row for row, image_id in enumerate(self._ids)}

    def rows_of(self, like: Sequence[str], option: str = "--like") -> npt.NDArray[np.int64]:
        """The rows of photos by id or name.

        Raises:
            UserError: Naming the first photo that is not in the index.
        """
        for each in like:
            if each not in self._rows:
                raise UserError(
                    f"{option} {each}: expected the id or name of an index photo, found none"
                    f" such{_near(each, self._rows)}"
                )
        return np.array([self._rows[each] for each in like], np.int64)

    def chosen(self, within: Within) -> npt.NDArray[np.int64]:
        """The rows of the photos to search in, ascending.

        Raises:
            UserError: On a label that no photo has, or a folder without photos.
        """
        kept = np.ones(len(self._ids), bool)
        if within.labels:
            wanted = [self._landmark(each) for each in within.labels]
            kept &= np.isin(self._landmarks, wanted)
        if within.folders:
            inside = np.zeros(len(self._ids), bool)
            for folder in within.folders:
                inside |= self._inside(folder)
            kept &= inside
        if not kept.any():
            raise UserError(
                "--only_labels --only_folders: expected index photos with one of the labels in one"
                " of the folders, found none"
            )
        return np.flatnonzero(kept)

    def _landmark(self, label: str) -> int:
        known = set(self._landmarks.tolist()) - {NO_LANDMARK}
        if label.isdecimal() and int(label) in known:
            return int(label)
        plain = label.replace("_", " ").strip().casefold()
        named = {name.casefold(): mark for mark, name in self._landmark_names.items()}
        if named.get(plain) in known:
            return named[plain]
        if not known:
            raise UserError(
                f"--only_labels {label}: expected an index whose photos' landmarks are known"
                " (--labels, or --train and --landmarks), found none"
            )
        some = [*map(str, known), *(n for m, n in self._landmark_names.items() if m in known)]
        raise UserError(
            f"--only_labels {label}: expected the number or name of a landmark of the index, found"
            f" none such{_near(label, some)}"
        )

    def _inside(self, folder: str) -> npt.NDArray[np.bool_]:
        start = folder.rstrip("/") + "/"
        found = np.array(
            [
                name.startswith(start) or image_id.startswith(start)
                for name, image_id in zip(self._names, self._ids, strict=True)
            ]
        )
        if not found.any():
            folders = sorted({name.rpartition("/")[0] for name in self._names} - {""})
            raise UserError(
                f"--only_folders {folder}: expected a folder of index photos, found none of that"
                f" name{_near(folder, folders)}"
            )
        return found


def _near(word: str, known: Collection[str]) -> str:
    """`did_you_mean`, unless there are so many names that it would take seconds."""
    return did_you_mean(word, list(known)) if len(known) <= _MOST_COMPARED else ""
