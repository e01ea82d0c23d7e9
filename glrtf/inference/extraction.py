"""Embeds a split's shards into an embedding set, one part for each shard."""

import collections
import dataclasses
import itertools
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from glrtf.config import keras_backend
from glrtf.data.host_batches import evaluation_batches
from glrtf.data.input_spec import InputSpec
from glrtf.data.records import BadRecords
from glrtf.data.shards import PhotoShard, ShardSet
from glrtf.embeddings import embedding_set
from glrtf.embeddings.part_files import as_ids, load_array
from glrtf.inference import extraction_plan, receipts
from glrtf.inference.embedder import Embedder
from tfrecords_tools import image_ids
from tfrecords_tools.errors import UserError
from tfrecords_tools.progress import Progress
from tfrecords_tools.storage import csv_files, files
from tfrecords_tools.storage.local_copies import listed

# While the device works on one batch, the results of the previous one are fetched.
_BATCHES_IN_FLIGHT = 2


class Runner(Protocol):
    """Embeds batches of any length up to one on an engine's devices."""

    @property
    def total_batch(self) -> int:
        """Images of a whole batch."""

    @property
    def specs(self) -> Sequence[InputSpec]:
        """How the images are made at each scale."""

    def __call__(self, *scaled: Any) -> Any:
        """Starts embedding images, n ≤ total_batch of them, at each scale; see `rows`.

        Args:
            *scaled: The same images made by each of `specs`, uint8 (n, *spec.shape).
        """

    def rows(self, result: Any, count: int) -> np.ndarray:
        """Waits for a result and returns its rows, float32 (count, d)."""


@dataclasses.dataclass(frozen=True)
class Job:
    """One model and the embedding set that it fills.

    Attributes:
        embedder: The model.
        runner: Runs it on its devices.
        folder: The set's folder.
    """

    embedder: Embedder
    runner: Runner
    folder: str


def embed_split(
    jobs: Sequence[Job],
    shard_set: ShardSet,
    *,
    views: Sequence[str],
    scales: Sequence[float] = (1.0,),
    dtype: str = "float32",
    max_bad_records: int | None = None,
    task_index: int = 0,
    num_tasks: int = 1,
) -> list[embedding_set.EmbeddingSet]:
    """Writes an embedding set for each model in one pass over the photos.

    Existing parts made from the same data are kept. Next to each part are ``rejects-…csv``, which
    lists the images without a row, and a receipt: see `receipts`. ``plan.json`` prevents runs with
    another model, view or data from continuing this one. A shard that differs from
    dataset_info.json is read once more; then the command stops.

    Args:
        jobs: The models, all with runners of one batch size.
        shard_set: What to embed.
        views: Names of the views to sum.
        scales: The scales at which the runners embed each view.
        dtype: How rows are stored.
        max_bad_records: Broken images to leave out before giving up; None for
            any number.
        task_index: Which task this is; it embeds parts task_index, task_index +
            num_tasks, ….
        num_tasks: How many tasks share the parts.

    Returns:
        The finished sets; empty while parts of other tasks are missing.

    Raises:
        UserError: If a folder belongs to another run or has a set that was changed, a shard is
            damaged, an image id is too long, too many images are broken, a row is not finite, or a
            part has changed since it was embedded.
    """
    for job in jobs:
        embedding_set.refuse_changed(job.folder)
    num_parts = len(shard_set.shards)
    plans = [extraction_plan.make(job.embedder, shard_set, views, scales, dtype) for job in jobs]
    for job, plan in zip(jobs, plans, strict=True):
        extraction_plan.keep_to(job.folder, plan)
    names_of = {job.folder: _names(job.folder) for job in jobs}
    mine = range(task_index, num_parts, num_tasks)
    total = sum(shard_set.lengths[part] for part in mine)
    with Progress(f"embed {shard_set.split}", total, "image") as progress:
        for part in mine:
            _embed_missing(jobs, shard_set, part, dtype, max_bad_records, names_of)
            progress.update(shard_set.lengths[part])
    names_of = {job.folder: _names(job.folder) for job in jobs}
    if not all(
        receipts.is_done(job.folder, part, num_parts, names_of[job.folder])
        for job in jobs
        for part in range(num_parts)
    ):
        return []
    return [_finish(job, plan, shard_set) for job, plan in zip(jobs, plans, strict=True)]


def _embed_missing(
    jobs: Sequence[Job],
    shard_set: ShardSet,
    part: int,
    dtype: str,
    max_bad_records: int | None,
    names_of: Mapping[str, set[str]],
) -> None:
    """Embeds a part with the models that lack it or made it from other data."""
    num_parts = len(shard_set.shards)
    source = receipts.source_digest(shard_set.shards[part])
    missing = [
        job
        for job in jobs
        if not receipts.is_done(job.folder, part, num_parts, names_of[job.folder], source)
    ]
    if not missing:
        return
    digests = _embed_part(missing, shard_set, part, dtype, max_bad_records, names_of)
    for job, written in zip(missing, digests, strict=True):
        new = receipts.name_of(part, num_parts) not in names_of[job.folder]
        receipts.write(job.folder, part, num_parts, source, written, new=new)


def _names(folder: str) -> set[str]:
    return set(files.list_names(folder))


def embed_shards(
    jobs: Sequence[Job], shard_set: ShardSet, bad: BadRecords
) -> tuple[list[np.ndarray], np.ndarray]:
    """Embeds the images of shards in their order: rows float32 (n, d) of each job, ids (n,)."""
    rows: list[list[np.ndarray]] = [
        [np.empty((0, job.embedder.dimension), np.float32)] for job in jobs
    ]
    ids = [np.empty(0, "S16")]
    for results, batch_ids in _results(jobs, shard_set, bad):
        for job, kept, result in zip(jobs, rows, results, strict=True):
            kept.append(job.runner.rows(result, len(batch_ids)))
        ids.append(batch_ids)
    return [np.concatenate(kept) for kept in rows], np.concatenate(ids)


def _results(
    jobs: Sequence[Job], shard_set: ShardSet, bad: BadRecords
) -> Iterator[tuple[list[Any], np.ndarray]]:
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


def _embed_part(
    jobs: Sequence[Job],
    shard_set: ShardSet,
    part: int,
    dtype: str,
    max_bad_records: int | None,
    names_of: Mapping[str, set[str]],
) -> list[dict[str, str]]:
    """Writes a part's rows, ids and rejects; returns `write_part`'s digests for each job."""
    bad = BadRecords(max_bad_records)
    try:
        rows_of_jobs, ids = embed_shards(jobs, shard_set.select([part]), bad)
    except UserError as error:
        if not bad.damaged_shard:
            raise
        print(f"note: {error}; it is read once more", file=sys.stderr)
        bad = BadRecords(max_bad_records)
        rows_of_jobs, ids = embed_shards(jobs, shard_set.select([part]), bad)
    rejects = [(each.image_id, each.position, each.reason) for each in bad.report()]
    num_parts = len(shard_set.shards)
    digests = []
    for job, rows in zip(jobs, rows_of_jobs, strict=True):
        names = names_of[job.folder]
        path = _rejects_path(job.folder, part, num_parts)
        new = os.path.basename(path) not in names
        csv_files.write(path, ("image_id", "position", "reason"), rejects, new=new)
        block = job.embedder.finished(rows).astype(dtype)
        digests.append(
            embedding_set.write_part(job.folder, part, num_parts, block, ids, names=names)
        )
    return digests


def _finish(job: Job, plan: dict[str, Any], shard_set: ShardSet) -> embedding_set.EmbeddingSet:
    num_parts = len(shard_set.shards)
    ids = (
        files.join(job.folder, embedding_set.part_file("ids", part, num_parts))
        for part in range(num_parts)
    )
    # Images without a row; rejects-*.csv give the reasons to the user and have no checksum.
    with listed(job.folder):
        rejected = shard_set.num_examples - sum(len(load_array(path)) for path in ids)
    written = [receipts.read(job.folder, part, num_parts) for part in range(num_parts)]
    return embedding_set.finish(
        job.folder, num_parts, receipts=written, **plan, num_rejected=rejected
    )


def _rejects_path(folder: str, part: int, num_parts: int) -> str:
    return files.join(folder, f"rejects-{part:05d}-of-{num_parts:05d}.csv")
