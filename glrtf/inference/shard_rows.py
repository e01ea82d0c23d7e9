"""The rows of the images of shards, computed in memory."""

import collections
import contextlib
import itertools
import os
import sys
from collections.abc import Generator, Iterator, Sequence
from typing import Any

import numpy as np

from glrtf.config import keras_backend
from glrtf.data.host_batches import evaluation_batches
from glrtf.data.input_spec import InputSpec
from glrtf.data.records import BadRecords
from glrtf.data.shards import PhotoShard, ShardSet
from glrtf.embeddings.part_files import as_ids
from glrtf.inference.jobs import Job
from tfrecords_tools import image_ids
from tfrecords_tools.errors import UserError

# While the device works on one batch, the results of the previous one are fetched.
_BATCHES_IN_FLIGHT = 2


def embed_readable(
    jobs: Sequence[Job],
    shard_set: ShardSet,
    max_bad_records: int | None,
    limit: int | None = None,
) -> tuple[list[np.ndarray], np.ndarray, BadRecords]:
    """`embed_shards`, and the broken images; a shard that is read with damage is read once more.

    Raises:
        UserError: If the shard is still damaged, an image id is not valid, or too many images are
            broken.
    """
    bad = BadRecords(max_bad_records)
    try:
        return *embed_shards(jobs, shard_set, bad, limit), bad
    except UserError as error:
        if not bad.damaged_shard:
            raise
        print(f"note: {error}; it is read once more", file=sys.stderr)
        bad = BadRecords(max_bad_records)
        return *embed_shards(jobs, shard_set, bad, limit), bad


def embed_shards(
    jobs: Sequence[Job], shard_set: ShardSet, bad: BadRecords, limit: int | None = None
) -> tuple[list[np.ndarray], np.ndarray]:
    """Embeds the images of shards in their order.

    Args:
        jobs: The models.
        shard_set: What to read.
        bad: Records broken images, which have no row.
        limit: Stop after so many rows.

    Returns:
        The rows of each job, float32 (n, d), and the ids (n,).
    """
    rows: list[list[np.ndarray]] = [
        [np.empty((0, job.embedder.dimension), np.float32)] for job in jobs
    ]
    ids = [np.empty(0, "S16")]
    count = 0
    with contextlib.closing(_results(jobs, shard_set, bad)) as batches:
        for results, batch_ids in batches:
            for job, kept, result in zip(jobs, rows, results, strict=True):
                kept.append(job.runner.rows(result, len(batch_ids)))
            ids.append(batch_ids)
            count += len(batch_ids)
            if limit is not None and count >= limit:
                break
    return [np.concatenate(kept)[:limit] for kept in rows], np.concatenate(ids)[:limit]


def _results(
    jobs: Sequence[Job], shard_set: ShardSet, bad: BadRecords
) -> Generator[tuple[list[Any], np.ndarray], None, None]:
    """Yields each batch's results in order, after the next batch has been started."""
    started: collections.deque[tuple[list[Any], np.ndarray]] = collections.deque()
    specs = [spec for job in jobs for spec in job.runner.specs]
    total_batch = jobs[0].runner.total_batch
    in_graph = any(job.embedder.in_graph for job in jobs)
    for batch, names in _read(shard_set, specs, total_batch, bad, in_graph):
        ids = _checked_ids(names, shard_set)
        images = iter(batch)
        shares = [itertools.islice(images, len(job.runner.specs)) for job in jobs]
        results = [job.runner(*scaled) for job, scaled in zip(jobs, shares, strict=True)]
        started.append((results, ids))
        if len(started) == _BATCHES_IN_FLIGHT:
            yield started.popleft()
    yield from started


def _read(
    shard_set: ShardSet,
    specs: Sequence[InputSpec],
    batch_size: int,
    bad: BadRecords,
    in_graph: bool,
) -> Iterator[tuple[Sequence[Any], np.ndarray]]:
    """Yields images for each of `specs`, and their ids, bytes: tensors for TensorFlow's models."""
    if not in_graph or keras_backend.chosen() == "jax":
        for arrays in evaluation_batches(shard_set, specs, batch_size, bad):
            yield arrays.images, arrays.image_ids
        return
    from glrtf.data.input_pipeline import eval_batches, plain_errors

    with plain_errors():
        for batch in eval_batches(shard_set, size=specs, batch_size=batch_size, bad=bad):
            yield batch["image"], batch["image_id"].numpy()


def _checked_ids(ids: np.ndarray, shard_set: ShardSet) -> np.ndarray:
    """(n,) S dtype; refuses ids that an array would truncate."""
    shard = shard_set.shards[0]
    photos = isinstance(shard, PhotoShard)
    where = os.path.dirname(shard.path) if photos or len(shard_set.shards) > 1 else shard.path
    remedy = "use --photo_ids digest" if photos else "build the data with such ids"
    image_ids.refuse_unsafe(where, ids, remedy)
    return as_ids(ids)
