"""A benchmark as its publishers lay it out: photos, boxes and what is right for a query."""

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence

from tfrecords_tools import pixels
from tfrecords_tools.errors import UserError

PHOTO_ENDINGS = (".jpg", ".jpeg", ".png")


@dataclasses.dataclass(frozen=True)
class Photo:
    """A photo of a benchmark.

    Attributes:
        name: Its path below the benchmark's folder, with `/`.
        path: Its file.
        labels: What it shows; empty for a distractor.
        box: Left, upper, right and lower end in pixels of the part that is the query; None for
            the whole photo.
        group: The part of the benchmark that is reported apart, such as a domain; may be empty.
    """

    name: str
    path: str
    labels: tuple[str, ...] = ()
    box: pixels.Box | None = None
    group: str = ""


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """Queries, index, and which index photos are right.

    Attributes:
        queries: A photo with the path of an index photo and no box is that photo (leave-one-out).
        index: The index photos, each path once.
        relevant: Query name -> names of its relevant index photos; None where labels decide.
        depth: How many images of each query the published measures look at; 0 for all.
        own: Whether the published evaluation counts the query's own photo in the index as a hit.
    """

    queries: Sequence[Photo]
    index: Sequence[Photo]
    relevant: Mapping[str, Sequence[str]] | None = None
    depth: int = 0
    own: bool = False


def photo_names(folder: str) -> list[str]:
    """The names of all photos in a folder, sorted.

    Raises:
        UserError: If the folder is missing or has none.
    """
    if not os.path.isdir(folder):
        raise UserError(f"{folder}: no such folder; expected photos")
    names = [one for one in os.listdir(folder) if one.lower().endswith(PHOTO_ENDINGS)]
    if not names:
        raise UserError(f"{folder}: expected photos ({', '.join(PHOTO_ENDINGS)}), found none")
    return sorted(names)


def distractors(folder: str) -> Iterator[Photo]:
    """All photos below a folder, as index photos without a label.

    Raises:
        UserError: If the folder is missing.
    """
    if not os.path.isdir(folder):
        raise UserError(f"--distractors {folder}: no such folder; expected photos")
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            if name.lower().endswith(PHOTO_ENDINGS):
                path = os.path.join(parent, name)
                below = os.path.relpath(path, folder).replace(os.sep, "/")
                yield Photo(f"distractors/{below}", path)
