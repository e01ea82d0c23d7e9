"""From encoded records to batches of images, on all of a host's cores.

Decoding and resizing release Python's lock, so threads share the work; every image is written
directly into its place in the batch.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np

from glrtf.data.buffers import Buffers
from glrtf.data.records import BadRecord, BadRecords, Record
from glrtf.data.shards import ShardSet
from tfrecords_tools import schema
from tfrecords_tools.errors import UserError


@dataclass(frozen=True)
class Shaper:
    """How an image file becomes arrays.

    Attributes:
        shapes: Of the results, all uint8.
        fill: Decodes a file's bytes into arrays of these shapes; raises ValueError if it cannot.
        wanted: The requirement on an image, for messages.
    """

    shapes: Sequence[tuple[int, int, int]]
    fill: Callable[[bytes, Sequence[np.ndarray]], None]
    wanted: str = "a JPEG or PNG image"


@dataclass(frozen=True)
class Batch:
    """Images with the ids and labels of their records.

    Attributes:
        images: uint8 (b, h, w, 3), one for each of the shaper's shapes.
        image_ids: (b,) bytes objects.
        labels: int32 (b,); -1 if there is none.
    """

    images: tuple[np.ndarray, ...]
    image_ids: np.ndarray
    labels: np.ndarray


def batches(
    records: Iterator[Record],
    shard_set: ShardSet,
    shaper: Shaper,
    batch_size: int,
    bad: BadRecords,
    full: bool,
) -> Iterator[Batch]:
    """Decodes records, in order, while earlier batches are used.

    Args:
        records: What to decode.
        shard_set: The shards that they come from.
        shaper: How images are made.
        batch_size: Images of a batch.
        bad: Records the records that cannot be decoded, and raises if there are too many.
        full: Fill the places of broken records with later ones; otherwise a batch with broken
            records is smaller.
    """
    cores = len(os.sched_getaffinity(0))
    blocks = max(2, -(-2 * cores // batch_size))
    buffers = [Buffers((batch_size, *shape)) for shape in shaper.shapes]
    with ThreadPoolExecutor(cores, thread_name_prefix="decode") as pool:
        started: deque[_Block] = deque()
        while True:
            while len(started) < blocks:
                block = _Block(shard_set, shaper, [each.take() for each in buffers], bad)
                block.start(records, pool)
                started.append(block)
            block = started.popleft()
            if not block.rows:
                return
            block.finish()
            while full and block.start(records, pool):
                block.finish()
            if block.rows:
                yield block.batch()
            del block


class _Block:
    """A batch while it is being filled."""

    def __init__(
        self,
        shard_set: ShardSet,
        shaper: Shaper,
        images: Sequence[np.ndarray],
        bad: BadRecords,
    ) -> None:
        self._shard_set = shard_set
        self._shaper = shaper
        self._bad = bad
        self._images = images
        self._said: list[tuple[bytes, int]] = []
        self._work: list[tuple[Record, Future]] = []

    @property
    def rows(self) -> int:
        """Number of images loaded or being loaded."""
        return len(self._said) + len(self._work)

    def start(self, records: Iterator[Record], pool: ThreadPoolExecutor) -> int:
        """Starts loading as many records as there are free places; returns their number."""
        first = self.rows
        for row, record in enumerate(islice(records, len(self._images[0]) - first), first):
            self._work.append((record, pool.submit(self._load, record, row)))
        return self.rows - first

    def finish(self) -> None:
        """Waits for the images, records broken ones and closes the gaps."""
        first, work = len(self._said), self._work
        self._work = []
        for row, (record, future) in enumerate(work, first):
            image_id, label, problem = future.result()
            if problem:
                path = self._shard_set.shards[record.shard].path
                name = image_id.decode(errors="replace")
                self._bad.add(BadRecord(path, record.position, problem, name))
                continue
            if row != len(self._said):
                for images in self._images:
                    images[len(self._said)] = images[row]
            self._said.append((image_id, label))

    def batch(self) -> Batch:
        """The batch as loaded."""
        rows = len(self._said)
        image_ids, labels = zip(*self._said, strict=True)
        return Batch(
            tuple(images[:rows] for images in self._images),
            np.array(image_ids, object),
            np.array(labels, np.int32),
        )

    def _load(self, record: Record, row: int) -> tuple[bytes, int, str]:
        """Decodes one record into a row; its image_id, its label, and what is wrong with it."""
        try:
            said = schema.decode_example(record.data, self._shard_set.schema)
        except ValueError:
            return b"", schema.NO_LABEL, "not a record of an image"
        problem = ""
        try:
            places = [images[row] for images in self._images]
            self._shaper.fill(said["encoded"], places)
        except ValueError:
            problem = f"not {self._shaper.wanted}"
        except (UserError, MemoryError):
            raise
        except Exception as error:
            # Decoders can raise almost anything for strange bytes; that must not end the run.
            problem = f"not {self._shaper.wanted} ({type(error).__name__}: {error})"
        labelled = self._shard_set.shards[record.shard].labelled
        return said["image_id"], said["label"] if labelled else schema.NO_LABEL, problem
