"""ShardSpec -> one shard, complete or not written at all, with the same bytes every time."""

import copy
import dataclasses
import hashlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, TypeAlias

import google_crc32c
import numpy as np

from tfrecords_tools import gldv2, images, inspect_apart, readers, schema, shard_stats, tfrecord
from tfrecords_tools.errors import UserError
from tfrecords_tools.images import ImageSettings
from tfrecords_tools.shard_stats import ShardStats
from tfrecords_tools.sharding import Images
from tfrecords_tools.storage import files

_BUFFER = 1 << 20

Inspect: TypeAlias = Callable[[int, bytes, ImageSettings], images.Inspected]
"""From an image's row in the shard, its bytes and the settings to its fate."""


@dataclasses.dataclass(frozen=True)
class ShardSpec:
    """All that one shard depends on; small enough to send to another machine.

    Attributes:
        name: The shard's file name.
        folder: Where it goes.
        layout: Where the images come from.
        images: The images in the order of the records.
        landmark_ids: (n,) int64, of each image, -1 if there is none.
        settings: What images must be like.
        digest: Of everything above that the shard's bytes depend on.
        fresh: (n,) bool, False for images that an earlier version of the shard
            holds or rejected; all True if there is none.
        base: The digest of that earlier version, which holds the images that are
            not fresh and no others; empty if there is none.
        deadly: Rows of `images` that ended a worker process, with the reason, which are
            rejected unread.
    """

    name: str
    folder: str
    layout: gldv2.Layout
    images: Images
    landmark_ids: np.ndarray
    settings: ImageSettings
    digest: str
    fresh: np.ndarray
    base: str = ""
    deadly: tuple[tuple[int, str], ...] = ()


def shard_name(split: str, number: int, num_shards: int) -> str:
    """A shard's file name, such as ``train-00012-of-00128.tfrecord``."""
    return f"{split}-{number:05d}-of-{num_shards:05d}.tfrecord"


def write_shard(spec: ShardSpec, inspect: Inspect | None = None) -> ShardStats:
    """Writes a shard and then its receipt, unless both are there and sound.

    Args:
        spec: The shard.
        inspect: Decides about each image; by default `images.inspect`, in this process, which
            an image may end.

    Returns:
        What happened to its images, from the receipt if it was done before.
    """
    earlier = shard_stats.load(spec.folder, spec.name)
    if earlier and not shard_stats.is_intact(spec.folder, earlier):
        earlier = None
    if earlier and earlier.spec == spec.digest:
        return earlier
    if not (earlier and spec.base and earlier.spec == spec.base):
        spec, earlier = dataclasses.replace(spec, fresh=np.ones_like(spec.fresh)), None
    stats = ShardStats(spec.name, spec.digest) if earlier is None else copy.deepcopy(earlier)
    stats.spec, stats.bytes = spec.digest, 0
    path = files.join(spec.folder, spec.name)
    with files.atomic_path(path) as temporary, open(temporary, "wb", _BUFFER) as file:
        _write_records(_records(spec, stats, earlier, inspect), stats, file)
    stats.save(spec.folder)
    return stats


def _records(
    spec: ShardSpec,
    stats: ShardStats,
    earlier: ShardStats | None,
    inspect: Inspect | None,
) -> Iterator[bytes]:
    """Yields the shard's records in order, from the images and its earlier version."""
    ids = [gldv2.format_id(number) for number in spec.images.ids.tolist()]
    labels, landmark_ids = spec.images.labels.tolist(), spec.landmark_ids.tolist()
    fresh = readers.read_images(spec.layout, spec.images.take(spec.fresh))
    old = _old_records(spec) if earlier else iter(())
    rejected_before = {image_id for image_id, _ in earlier.rejects} if earlier else set()
    deadly = dict(spec.deadly)
    for row, is_fresh in enumerate(spec.fresh.tolist()):
        if not is_fresh:
            if ids[row] not in rejected_before:
                yield next(old)
            continue
        data = next(fresh)
        if row in deadly:
            inspected = images.Inspected(images.REJECTED, deadly[row])
        elif inspect:
            inspected = inspect(row, data, spec.settings)
        else:
            inspected = images.inspect(data, spec.settings)
        stats.count(ids[row], len(data), inspected)
        if inspected.fate != images.REJECTED:
            yield schema.encode_example(
                inspected.encoded,
                ids[row],
                labels[row],
                landmark_ids[row],
                inspected.height,
                inspected.width,
            )
    reasons = dict(stats.rejects)
    stats.rejects = [(image_id, reasons[image_id]) for image_id in ids if image_id in reasons]


def describe(spec: ShardSpec, row: int) -> str:
    """What messages call an image: its tar, if it lies in one, and its id."""
    image_id = gldv2.format_id(int(spec.images.ids[row]))
    tars = spec.layout.tars
    return f"{tars[int(spec.images.containers[row])]}: image {image_id}" if tars else image_id


def write_apart(spec: ShardSpec) -> ShardStats:
    """As `write_shard`; images are decoded in a child process, which they may end."""

    def inspect(row: int, data: bytes, settings: ImageSettings) -> images.Inspected:
        return inspect_apart.inspect(data, settings, describe(spec, row))

    return write_shard(spec, inspect)


def inspect_one(spec: ShardSpec, row: int) -> None:
    """Does with one image what `write_shard` does, to see whether a process survives it."""
    for data in readers.read_images(spec.layout, spec.images.take(np.array([row]))):
        images.inspect(data, spec.settings)


def _old_records(spec: ShardSpec) -> Iterator[bytes]:
    path = files.join(spec.folder, spec.name)
    with files.open_read(path) as file:
        try:
            yield from tfrecord.read_records(file)
        except tfrecord.CorruptRecordError as error:
            raise UserError(f"{path}: {error}; delete it and run the build again") from None


def _write_records(records: Iterator[bytes], stats: ShardStats, file: BinaryIO) -> None:
    digest, checksum = hashlib.sha256(), 0
    for record in records:
        before, after = tfrecord.frame(record)
        for part in (before, record, after):
            file.write(part)
            digest.update(part)
            checksum = google_crc32c.extend(checksum, part)
        stats.bytes += len(record) + tfrecord.OVERHEAD
    stats.sha256, stats.crc32c = digest.hexdigest(), checksum
