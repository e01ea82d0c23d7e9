"""A small world to search in: photos in GLDv2's layout, a model, and its embedding sets."""

import csv
import dataclasses
import io
import os
import tarfile
from pathlib import Path

from shard_writing import photo, write_split
from tiny_models import EMBEDDING_SIZE, make_model

NUM_TRAIN, NUM_INDEX, NUM_LANDMARKS = 12, 8, 4


@dataclasses.dataclass(frozen=True)
class PhotoWorld:
    """Where everything lies.

    Photo n of train shows landmark 100 + n % 4; index photo n is the same picture.

    Attributes:
        folder: Holds train/ (extracted), index/ (a tar) and metadata/ as GLDv2 is published.
        model: A SavedModel.
        train: Embedding set of photos 0 to 11.
        index: Embedding set of photos 0 to 7.
        test: Embedding set of photos 0 to 3.
        landmarks: train.csv.
        photos: The files of photos 0 to 3.
    """

    folder: Path
    model: str
    train: str
    index: str
    test: str
    landmarks: str
    photos: tuple[str, ...]

    @property
    def searched(self) -> dict[str, str]:
        """The settings of a search with bridging."""
        names = ("model", "index", "train", "landmarks")
        return {name: getattr(self, name) for name in names}


def image_id(number: int) -> str:
    """The id of photo `number`."""
    return f"{number:016x}"


def make_world(folder: Path) -> PhotoWorld:
    """Writes the photos, exports a model and embeds the three splits with it."""
    from glrtf.commands import embed
    from glrtf.config.inference import EmbedConfig
    from glrtf.inference import serving

    model = str(folder / "model")
    serving.export(make_model(), EMBEDDING_SIZE, model, {"backbone": "small"})
    sets = {}
    for split, lengths in (("train", (5, 7)), ("index", (NUM_INDEX,)), ("test", (4,))):
        write_split(folder / "shards" / split, lengths, split, num_classes=NUM_LANDMARKS)
        output = str(folder / "sets" / split)
        shards = str(folder / "shards")
        embed.embed(EmbedConfig(model, shards, output, split=split, batch_size=4))
        sets[split] = output
    write_photos(folder)
    landmarks = _write_tables(folder / "metadata")
    paths = [folder / f"{number}.jpg" for number in range(4)]
    for number, path in enumerate(paths):
        path.write_bytes(photo(number))
    return PhotoWorld(
        folder, model, **sets, landmarks=str(landmarks), photos=tuple(map(str, paths))
    )


def write_photos(folder: Path) -> None:
    """Writes train/, extracted, and index/, a tar."""
    _write_extracted(folder / "train")
    _write_tar(folder / "index")


def _write_extracted(folder: Path) -> None:
    for number in range(NUM_TRAIN):
        path = folder / _member(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo(number))


def _write_tar(folder: Path) -> None:
    folder.mkdir()
    with tarfile.open(folder / "images_000.tar", "w") as tar:
        for number in range(NUM_INDEX):
            data = photo(number)
            member = tarfile.TarInfo(_member(number))
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


def _member(number: int) -> str:
    name = image_id(number)
    return os.path.join(*name[:3], f"{name}.jpg")


def _write_tables(folder: Path) -> Path:
    folder.mkdir()
    with open(folder / "train.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "url", "landmark_id"])
        writer.writerows([image_id(n), "", 100 + n % NUM_LANDMARKS] for n in range(NUM_TRAIN))
    with open(folder / "train_label_to_category.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["landmark_id", "category"])
        writer.writerows(
            [n, f"http://commons.wikimedia.org/wiki/Category:Tower_<{n}>"] for n in (100, 101)
        )
    (folder / "names.csv").write_text(f"id,photo\n{image_id(0)},my first.jpg\n")
    return folder / "train.csv"
