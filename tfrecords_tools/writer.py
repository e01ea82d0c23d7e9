"""ShardSpec -> one shard, whole or not at all, the same bytes every time."""

import dataclasses
import hashlib
from typing import BinaryIO

import numpy as np

from tfrecords_tools import files, gldv2, images, readers, schema, tfrecord
from tfrecords_tools.errors import UserError
from tfrecords_tools.images import ImageSettings
from tfrecords_tools.sharding import Images

STATS_FOLDER = "shard_stats"
_BUFFER = 1 << 20
_SIDE_BIN = 100
_KIB_BIN = 50


@dataclasses.dataclass(frozen=True)
class ShardSpec:
    """All that one shard depends on; small enough to send to another machine.

    Attributes:
        name: The shard's file name.
        folder: Where it goes.
        layout: Where the images come from.
        images: The images in the order of the records.
        landmark_ids: int64, of each image, -1 where there is none.
        settings: What images must be like.
        digest: Of everything above that the shard's bytes depend on.
    """

    name: str
    folder: str
    layout: gldv2.Layout
    images: Images
    landmark_ids: np.ndarray
    settings: ImageSettings
    digest: str


@dataclasses.dataclass
class ShardStats:
    """What became of a shard's images; stored beside it as its receipt.

    Attributes:
        name: The shard's file name.
        spec: Digest of the `ShardSpec` it was written from.
        num_examples: Records.
        bytes: Length of the file.
        sha256: Its digest.
        source_bytes: Bytes read.
        fates: How many images were kept, reencoded, rejected.
        reencoded: How many were encoded anew for which reason.
        rejects: image_id and reason of each rejected image.
        longest_sides: Records by longest side, in bins of 100 pixels (key: lower bound).
        encoded_kib: Records by encoded length, in bins of 50 KiB (key: lower bound).
    """

    name: str
    spec: str
    num_examples: int = 0
    bytes: int = 0
    sha256: str = ""
    source_bytes: int = 0
    fates: dict[str, int] = dataclasses.field(
        default_factory=lambda: {images.KEPT: 0, images.REENCODED: 0, images.REJECTED: 0}
    )
    reencoded: dict[str, int] = dataclasses.field(default_factory=dict)
    rejects: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    longest_sides: dict[str, int] = dataclasses.field(default_factory=dict)
    encoded_kib: dict[str, int] = dataclasses.field(default_factory=dict)

    def count(self, image_id: str, length: int, inspected: images.Inspected) -> None:
        """Adds one image of `length` source bytes."""
        self.source_bytes += length
        self.fates[inspected.fate] += 1
        if inspected.fate == images.REJECTED:
            self.rejects.append((image_id, inspected.reason))
            return
        self.num_examples += 1
        if inspected.fate == images.REENCODED:
            _add_one(self.reencoded, inspected.reason)
        side = max(inspected.width, inspected.height)
        _add_one(self.longest_sides, str(side // _SIDE_BIN * _SIDE_BIN))
        kib = len(inspected.encoded) // 1024
        _add_one(self.encoded_kib, str(kib // _KIB_BIN * _KIB_BIN))


def _add_one(counts: dict[str, int], key: str) -> None:
    counts[key] = counts.get(key, 0) + 1


def shard_name(split: str, number: int, num_shards: int) -> str:
    """A shard's file name, such as ``train-00012-of-00128.tfrecord``."""
    return f"{split}-{number:05d}-of-{num_shards:05d}.tfrecord"


def write_shard(spec: ShardSpec) -> ShardStats:
    """Writes a shard and then its receipt, unless both are there and sound.

    Returns:
        What became of its images, from the receipt if it was done before.
    """
    if stats := finished(spec):
        return stats
    stats = ShardStats(spec.name, spec.digest)
    path = files.join(spec.folder, spec.name)
    with files.atomic_path(path) as temporary, open(temporary, "wb", _BUFFER) as file:
        _write_records(spec, stats, file)
    files.write_json(_stats_path(spec), dataclasses.asdict(stats))
    return stats


def finished(spec: ShardSpec) -> ShardStats | None:
    """The receipt of a shard that is complete and unaltered, else None."""
    path = _stats_path(spec)
    if not files.exists(path) or not files.exists(files.join(spec.folder, spec.name)):
        return None
    stats = load_stats(path)
    if stats.spec != spec.digest:
        return None
    intact = files.sha256(files.join(spec.folder, spec.name)) == stats.sha256
    return stats if intact else None


def load_stats(path: str) -> ShardStats:
    """Reads a receipt.

    Raises:
        UserError: If it is not one.
    """
    values = files.read_json(path)
    try:
        stats = ShardStats(**values)
        stats.rejects = [(image_id, reason) for image_id, reason in stats.rejects]
        return stats
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: not a shard's statistics ({error}); delete it") from None


def _stats_path(spec: ShardSpec) -> str:
    return files.join(spec.folder, STATS_FOLDER, spec.name.replace(".tfrecord", ".json"))


def _write_records(spec: ShardSpec, stats: ShardStats, file: BinaryIO) -> None:
    digest = hashlib.sha256()
    ids, labels = spec.images.ids.tolist(), spec.images.labels.tolist()
    landmark_ids = spec.landmark_ids.tolist()
    data_of_images = readers.read_images(spec.layout, spec.images)
    for row, data in enumerate(data_of_images):
        image_id = gldv2.format_id(ids[row])
        inspected = images.inspect(data, spec.settings)
        stats.count(image_id, len(data), inspected)
        if inspected.fate == images.REJECTED:
            continue
        record = schema.encode_example(
            inspected.encoded,
            image_id,
            labels[row],
            landmark_ids[row],
            inspected.height,
            inspected.width,
        )
        before, after = tfrecord.frame(record)
        for part in (before, record, after):
            file.write(part)
            digest.update(part)
            stats.bytes += len(part)
    stats.sha256 = digest.hexdigest()
