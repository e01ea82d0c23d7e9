"""Your own photos in Google Landmarks v2's layout: `glrtf arrange`."""

import contextlib
import dataclasses
import hashlib
import itertools
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote

from tfrecords_tools import csv_rows, gldv2, own_names
from tfrecords_tools.command import cli
from tfrecords_tools.command.typed_settings import checked
from tfrecords_tools.errors import UserError
from tfrecords_tools.progress import Progress
from tfrecords_tools.storage import csv_files, files, folders

NAMES = "names.csv"
_CATEGORY = "http://commons.wikimedia.org/wiki/Category:"


@dataclasses.dataclass(frozen=True)
class ArrangeConfig:
    """Arrange photos of your own as Google Landmarks v2 is published.

    Every photo of the table becomes an index photo; those with a landmark become
    train photos too. Photos are linked if the file system supports it, else copied.

    Attributes:
        photos: Folder of the photos.
        table: CSV in UTF-8 with the columns photo (a path below the folder) and landmark (any
            name; empty if it is not known).
        output: Folder to write: index/, train/ and metadata/, completely or not at all.
    """

    photos: str
    table: str
    output: str


@dataclasses.dataclass(frozen=True)
class OwnPhoto:
    """One row of the table.

    Attributes:
        name: The photo's path below the folder, as spelled on disk.
        landmark: What it shows; empty if unknown.
    """

    name: str
    landmark: str

    @property
    def number(self) -> int:
        """The image id: the first 64 bits of the SHA-256 of the name in NFC."""
        name = own_names.composed(self.name)
        return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")


@dataclasses.dataclass(frozen=True)
class ArrangeResult:
    """The arranged photos.

    Attributes:
        folder: Holds index/, train/ and metadata/.
        num_index: Index photos.
        num_train: Train photos.
        num_landmarks: Landmarks that they show.
        num_unlisted: Files of the photos' folder that are not in the table.
    """

    folder: str
    num_index: int
    num_train: int
    num_landmarks: int
    num_unlisted: int


def arrange(config: ArrangeConfig) -> ArrangeResult:
    """Reads the table, then writes the layout.

    Raises:
        UserError: If the table or a photo is not as expected; nothing is written then.
    """
    config = checked(config, ArrangeConfig)
    photos = _read_table(config)
    if os.path.exists(config.output) and os.listdir(config.output):
        raise UserError(f"{config.output}: expected a new folder, found files; name another")
    landmarks = sorted({each.landmark for each in photos if each.landmark})
    if not landmarks:
        raise UserError(f"{config.table}: expected a landmark in some row, found none")
    numbers = {name: number for number, name in enumerate(landmarks)}
    with folders.atomic_folder(config.output) as folder:
        with Progress("arrange", len(photos), "photo") as progress:
            for photo in photos:
                for split in ("index", *(["train"] if photo.landmark else [])):
                    target = files.join(folder, split, gldv2.member_path(photo.number))
                    _link(os.path.join(config.photos, photo.name), target)
                progress.update()
        _write_metadata(folder, photos, numbers)
    train = sum(1 for each in photos if each.landmark)
    left = _count_unlisted(config.photos, photos)
    return ArrangeResult(config.output, len(photos), train, len(landmarks), left)


def run_arrange(config: ArrangeConfig) -> None:
    """Arranges the photos and prints their number."""
    done = arrange(config)
    print(
        f"{done.folder}: {done.num_index} index photos, {done.num_train} train photos of"
        f" {done.num_landmarks} landmarks; {done.num_unlisted} files of {config.photos} are not in"
        f" {config.table}"
    )


def _read_table(config: ArrangeConfig) -> list[OwnPhoto]:
    photos: dict[int, OwnPhoto] = {}
    finder = own_names.PhotoFinder(config.photos)
    for line, given, landmark in _table_rows(config.table):
        where = f"{config.table}: line {line}"
        photo = OwnPhoto(finder.find(given, where), own_names.composed(landmark))
        if known := photos.get(photo.number):
            other = "" if known.name == photo.name else f" (two files, {known.name!r} is the other)"
            raise UserError(f"{where}: expected each photo once, found {given!r} again{other}")
        photos[photo.number] = photo
    if not photos:
        raise UserError(f"{config.table}: expected photos below the header, found none")
    return [photos[number] for number in sorted(photos)]


def _table_rows(path: str) -> Iterator[tuple[int, str, str]]:
    """Yields line number, photo and landmark of each row that is not blank."""
    rows = csv_rows.read_lines(path)
    header = csv_rows.read_header(path)
    places = _columns(path, header)
    for line, row in itertools.islice(rows, 1, None):
        fields = [field.strip() for field in row]
        if len(fields) > len(header) or any(fields[2:]) or len(fields) < 2:
            hint = "; put a name that holds a comma in double quotes"
            raise UserError(
                f"{path}: line {line}: expected 2 fields ({','.join(header[:2])}), found "
                f"{len(fields)}{hint if len(fields) > 1 else ''}"
            )
        yield line, fields[places[0]], fields[places[1]]


def _columns(path: str, header: Sequence[str]) -> tuple[int, int]:
    """The columns of photo and landmark; unnamed columns at the end are allowed."""
    if {"photo", "landmark"} != set(header[:2]) or any(header[2:]):
        line = ",".join(header)
        hint = ""
        if re.fullmatch(r"photo[;\t|]landmark", line.strip('"')):
            hint = "; save it with commas between the columns"
        elif line.startswith("sep="):
            hint = "; delete its first line"
        elif {"photo", "landmark"} <= set(header):
            hint = "; delete the others"
        raise UserError(
            f"{path}: expected the columns photo and landmark, found {line[:80]!r}{hint}"
        )
    return header.index("photo"), header.index("landmark")


def _link(source: str, target: str) -> None:
    files.make_folder(os.path.dirname(target))
    real = os.path.realpath(source)
    try:
        os.link(real, target)
    except OSError:
        # Another file system, or one without links.
        shutil.copyfile(real, target)


def _write_metadata(folder: str, photos: Sequence[OwnPhoto], numbers: dict[str, int]) -> None:
    ids = {photo: gldv2.format_id(photo.number) for photo in photos}
    train = [each for each in photos if each.landmark]
    _write_csv(folder, "index.csv", ["id"], ([ids[each]] for each in photos))
    _write_csv(
        folder,
        "train.csv",
        ["id", "url", "landmark_id"],
        ([ids[each], "", numbers[each.landmark]] for each in train),
    )
    _write_csv(
        folder,
        "train_label_to_category.csv",
        ["landmark_id", "category"],
        ([number, _CATEGORY + quote(name, safe=" ")] for name, number in numbers.items()),
    )
    _write_csv(folder, NAMES, ["id", "photo"], ([ids[each], each.name] for each in photos))


def _write_csv(folder: str, name: str, header: list[str], rows: Iterable[list[object]]) -> None:
    csv_files.write(gldv2.metadata_path(folder, name), header, rows)


def _count_unlisted(folder: str, photos: Sequence[OwnPhoto]) -> int:
    listed = {each.name for each in photos}
    with contextlib.suppress(OSError):
        return sum(1 for name, _ in files.walk(folder) if name not in listed)
    return 0


def read_names(metadata: str) -> dict[str, str]:
    """The photos' own names by image id, as `arrange` wrote them; empty if it did not.

    Args:
        metadata: The folder with the CSVs.
    """
    path = files.join(metadata, NAMES)
    if not files.exists(path):
        return {}
    if not {"id", "photo"} <= set(csv_rows.read_header(path)):
        return {}
    return {image_id: name for _, (image_id, name) in csv_rows.read_rows(path, ("id", "photo"))}


def read_table(photos: str, table: str) -> list[OwnPhoto]:
    """The rows of a table of photos, by ascending image id.

    Args:
        photos: Folder of the photos.
        table: CSV with the columns photo and landmark.

    Raises:
        UserError: If the table or a photo is not as expected.
    """
    return _read_table(ArrangeConfig(photos, table, ""))


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return cli.run(ArrangeConfig, run_arrange, argv=argv)


if __name__ == "__main__":
    sys.exit(main())
