"""The fate of a shard's images: its statistics, which are also its receipt."""

import dataclasses

from tfrecords_tools import images
from tfrecords_tools.storage import files, json_shapes

FOLDER = "shard_stats"
_SIDE_BIN = 100
_KIB_BIN = 50


@dataclasses.dataclass
class ShardStats:
    """What happened to a shard's images; stored next to it as its receipt.

    Attributes:
        name: The shard's file name.
        spec: Digest of the `ShardSpec` it was written from.
        num_examples: Records.
        bytes: Length of the file.
        sha256: Its digest.
        crc32c: Its checksum, which storage reports without reading the file.
        source_bytes: Bytes of the images read.
        fates: How many images were kept, reencoded, rejected.
        reencoded: How many were re-encoded, by reason.
        rejects: image_id and reason of each rejected image, in the shard's order.
        longest_sides: Records by longest side, in bins of 100 pixels (key: lower bound).
        encoded_kib: Records by encoded length, in bins of 50 KiB (key: lower bound).
    """

    name: str
    spec: str
    num_examples: int = 0
    bytes: int = 0
    sha256: str = ""
    crc32c: int = 0
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

    def save(self, folder: str) -> None:
        """Writes the receipt; the shard must be in place."""
        files.write_json(_path(folder, self.name), dataclasses.asdict(self))


def load(folder: str, name: str) -> ShardStats | None:
    """Reads a shard's receipt, None if there is none.

    Args:
        folder: The folder of the shards.
        name: The shard's file name.

    Raises:
        UserError: If the file is not a receipt.
    """
    path = _path(folder, name)
    if files.state(path) is None:
        return None
    values = json_shapes.read(path, ShardStats)
    # Later versions may write further fields.
    known = {field.name for field in dataclasses.fields(ShardStats)} & values.keys()
    stats = ShardStats(**{name: values[name] for name in known})
    stats.rejects = [(image_id, reason) for image_id, reason in stats.rejects]
    return stats


def is_intact(folder: str, stats: ShardStats) -> bool:
    """Whether the shard matches its receipt; on gs:// without reading it."""
    path = files.join(folder, stats.name)
    state = files.state(path)
    if state is None or state.size != stats.bytes:
        return False
    if state.crc32c is not None:
        return state.crc32c == stats.crc32c
    return files.sha256(path) == stats.sha256


def _path(folder: str, name: str) -> str:
    return files.join(folder, FOLDER, name.replace(".tfrecord", ".json"))


def _add_one(counts: dict[str, int], key: str) -> None:
    counts[key] = counts.get(key, 0) + 1
