"""Small shards for tests: photos drawn from a seed, in the builder's layout."""

import dataclasses
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from glrtf.embeddings.embedding_set import finish, write_part
from tfrecords_tools import example, schema, tfrecord
from tfrecords_tools.dataset_info import DatasetInfo, ShardInfo, write_labels
from tfrecords_tools.storage import files

_LABELLED = ("train", "validation")


def photo(seed: int, height: int = 24, width: int = 40, kind: str = "JPEG") -> bytes:
    """An image file with smooth colours that tell its seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(buffer, kind)
    return buffer.getvalue()


def record(number: int, label: int = 0) -> bytes:
    """The record of photo `number`, whose image_id is the number in 16 hex digits."""
    return schema.encode_example(photo(number), f"{number:016x}", label, label + 100, 24, 40)


def kaggle_record(number: int, label: int = 0) -> bytes:
    return example.encode(
        {"image": photo(number), "image_name": f"{number:016x}".encode(), "target": label}
    )


def write_shard(path: Path, records: Sequence[bytes]) -> None:
    with path.open("wb") as file:
        for data in records:
            head, tail = tfrecord.frame(data)
            file.write(head + data + tail)


def write_split(
    folder: Path,
    lengths: Sequence[int],
    split: str = "train",
    num_classes: int = 5,
    label_of: Callable[[int], int] | None = None,
) -> Path:
    """A split's folder; record n has photo n and the label n % num_classes, or label_of(n)."""
    label_of = label_of or (lambda n: n % num_classes)
    folder.mkdir(parents=True, exist_ok=True)
    shards = []
    first = 0
    for index, length in enumerate(lengths):
        name = f"{split}-{index:05d}-of-{len(lengths):05d}.tfrecord"
        numbers = range(first, first + length)
        rows = [record(n, label_of(n) if split in _LABELLED else -1) for n in numbers]
        write_shard(folder / name, rows)
        digest = files.sha256(str(folder / name))
        shards.append(ShardInfo(name, length, (folder / name).stat().st_size, digest))
        first += length
    classes = num_classes if split in _LABELLED else 0
    if classes:
        labels = [label_of(n) for n in range(first)]
        counts = np.bincount(labels, minlength=classes)
        write_labels(str(folder), np.arange(classes) + 100, counts)
    DatasetInfo(split, first, classes, tuple(shards)).save(str(folder))
    return folder


def describe_again(folder: Path) -> None:
    """Rewrites dataset_info.json for shards whose bytes were changed, as if built that way."""
    info = DatasetInfo.load(str(folder))
    shards = tuple(
        dataclasses.replace(
            shard,
            bytes=(folder / shard.name).stat().st_size,
            sha256=files.sha256(str(folder / shard.name)),
        )
        for shard in info.shards
    )
    dataclasses.replace(info, shards=shards).save(str(folder))


def write_rows(folder: Path, numbers: Sequence[int], rows: npt.ArrayLike) -> str:
    """Writes an embedding set of the photos `numbers` (see `record`).

    Args:
        folder: The set's folder.
        numbers: The photos.
        rows: (N, D), their rows.
    """
    write_part(str(folder), 0, 1, np.array(rows, np.float32), [f"{n:016x}" for n in numbers])
    finish(str(folder), 1, model="teacher")
    return str(folder)
