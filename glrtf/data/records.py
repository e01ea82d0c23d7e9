"""Reads records from shards and accounts for every broken one.

`tf.data.TFRecordDataset` cannot be used here: after a broken record it drops
the rest of the file, and its error names neither the file nor the record.
"""

import dataclasses
import struct
import threading
from collections.abc import Iterator
from typing import NamedTuple, NoReturn

from glrtf.data.shards import CHUNK, PhotoShard, Shard, ShardSet
from tfrecords_tools import images, inspect_apart, schema, tfrecord
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files
from tfrecords_tools.storage.hashing_reader import HashingReader

_PHOTO_SETTINGS = images.ImageSettings(verify="decode")


class Record(NamedTuple):
    """One record of a shard.

    Attributes:
        data: A serialised `tf.train.Example`.
        shard: Which shard of the set.
        position: Where in it, from 0.
    """

    data: bytes
    shard: int
    position: int


@dataclasses.dataclass(frozen=True, order=True)
class BadRecord:
    """One broken record.

    Attributes:
        path: Its shard.
        position: Where in it, from 0.
        reason: What is wrong.
        image_id: Whose image it is; empty if that cannot be read.
    """

    path: str
    position: int
    reason: str
    image_id: str = ""


class BadRecords:
    """Counts broken records; more than a limit is an error.

    Args:
        limit: How many different ones may be skipped; None for any number.
        flag: The flag that sets the limit, for messages.

    Attributes:
        damaged_shard: A shard that was refused as a whole; empty if none was.
    """

    def __init__(self, limit: int | None = 0, flag: str = "--max_bad_records") -> None:
        self._limit = limit
        self._flag = flag
        self._known: dict[tuple[str, int], BadRecord] = {}
        self._lock = threading.Lock()
        self.damaged_shard = ""

    def refuse_shard(self, path: str, found: str) -> NoReturn:
        """Reports that a shard is not the one that was built.

        Raises:
            UserError: Always.
        """
        self.damaged_shard = path
        raise UserError(
            f"{path}: expected the shard that dataset_info.json describes, found {found}; build it"
            " again, or restore it"
        )

    def __len__(self) -> int:
        return len(self._known)

    def report(self) -> list[BadRecord]:
        """All of them, by shard and position."""
        with self._lock:
            return sorted(self._known.values())

    def add(self, record: BadRecord, count: int = 1) -> None:
        """Notes `count` broken records from this one on; again seen, counted once.

        Raises:
            UserError: If there are now more than the limit.
        """
        with self._lock:
            for position in range(record.position, record.position + count):
                each = dataclasses.replace(record, position=position)
                self._known.setdefault((record.path, position), each)
            total = len(self._known)
        if self._limit is not None and total > self._limit:
            image = f" (image {record.image_id})" if record.image_id else ""
            raise UserError(
                f"{record.path}: record {record.position}{image} is broken: {record.reason};"
                f" {total} broken so far with {self._flag} {self._limit}; build the shard again or"
                " raise the limit"
            )


def read_shard(shard: Shard, start: int, bad: BadRecords) -> Iterator[tuple[int, bytes]]:
    """Yields the position and data of a shard's records, checksums verified.

    Args:
        shard: The file and how many records it must hold.
        start: The first position wanted; those before are hopped over unread.
        bad: Takes note of records that are altered or cut off.

    Raises:
        UserError: If the file holds another number of records than it must.
    """
    with files.open_read(shard.path) as file:
        for position in range(shard.num_examples):
            header = file.read(12)
            length, crc = struct.unpack("<QI", header) if len(header) == 12 else (0, -1)
            if tfrecord.masked_crc(header[:8]) != crc:
                missing = shard.num_examples - position
                what = "altered" if len(header) == 12 else "cut"
                reason = f"the shard is {what} there, {missing} of {shard.num_examples} are lost"
                return bad.add(BadRecord(shard.path, position, reason), missing)
            if position < start:
                file.seek(length + 4, 1)
                continue
            data, checksum = file.read(length), file.read(4)
            if len(checksum) < 4:
                missing = shard.num_examples - position
                reason = f"the shard is cut there, {missing} of {shard.num_examples} are lost"
                return bad.add(BadRecord(shard.path, position, reason), missing)
            if tfrecord.masked_crc(data) != struct.unpack("<I", checksum)[0]:
                bad.add(BadRecord(shard.path, position, "its checksum is wrong"))
                continue
            yield position, data
        if file.read(1):
            raise UserError(
                f"{shard.path}: expected {shard.num_examples} records as dataset_info.json says,"
                " found more; build the shards again"
            )


def read_whole_shard(shard: Shard, bad: BadRecords) -> Iterator[tuple[int, bytes]]:
    """Yields the position and data of all records of a shard whose digest is known.

    The digest is that of the bytes the records were taken from, so it also sees what was
    altered on the way from storage. It is compared when the last record has been taken.

    Args:
        shard: The file, its records and its digest.
        bad: Takes note of a damaged shard.

    Raises:
        UserError: If the file is not the one that was built.
    """
    position = 0
    with files.open_read(shard.path) as file:
        reader = HashingReader(file)
        try:
            for data in tfrecord.read_records(reader):
                if position == shard.num_examples:
                    bad.refuse_shard(shard.path, f"more than {shard.num_examples} records")
                yield position, data
                position += 1
        except tfrecord.CorruptRecordError as error:
            bad.refuse_shard(shard.path, f"it {error} (record {position})")
        if position != shard.num_examples:
            bad.refuse_shard(shard.path, f"{position} records instead of {shard.num_examples}")
        if reader.finish() != shard.sha256:
            bad.refuse_shard(shard.path, "other bytes: its SHA-256 is another")


def read_photos(
    shard: PhotoShard, start: int, bad: BadRecords, max_side: int | None = None
) -> Iterator[tuple[int, bytes]]:
    """Yields photos of a folder as records, treated as the shards' builder treats them.

    They come upright and as RGB; what the builder would reject is noted as broken.

    Args:
        shard: Which photos.
        start: The first position wanted.
        bad: Takes note of photos that are refused.
        max_side: Longer photos are resized to this many pixels.
    """
    settings = dataclasses.replace(_PHOTO_SETTINGS, max_side=max_side)
    for position, (path, image_id) in enumerate(shard.photos[start:], start):
        photo = inspect_apart.inspect(files.read_bytes(path), settings, path)
        if photo.fate == images.REJECTED:
            bad.add(BadRecord(path, position, photo.reason, image_id))
            continue
        none = schema.NO_LABEL
        yield (
            position,
            schema.encode_example(photo.encoded, image_id, none, none, photo.height, photo.width),
        )


def chunks(
    shard_set: ShardSet, index: int, start: int, bad: BadRecords, whole: bool = False
) -> Iterator[list[Record]]:
    """Yields a shard's records in lists of at most `shards.CHUNK`, cut at multiples of it.

    Args:
        shard_set: The shards.
        index: Which shard.
        start: The first record wanted.
        bad: Records broken records.
        whole: Compare the shard with its digest, where that is known, and refuse one that
            is damaged; otherwise its damaged records are noted as broken.
    """
    found: list[Record] = []
    shard = shard_set.shards[index]
    if isinstance(shard, PhotoShard):
        rows = read_photos(shard, start, bad, shard_set.max_side)
    elif whole and shard.sha256 and not start:
        rows = read_whole_shard(shard, bad)
    else:
        rows = read_shard(shard, start, bad)
    for position, data in rows:
        if found and position // CHUNK != found[0].position // CHUNK:
            yield found
            found = []
        found.append(Record(data, index, position))
    if found:
        yield found


def in_order(shard_set: ShardSet, bad: BadRecords) -> Iterator[Record]:
    """Yields the records of all shards in order; a damaged shard is refused as a whole."""
    for index in range(len(shard_set.shards)):
        for chunk in chunks(shard_set, index, 0, bad, whole=True):
            yield from chunk
