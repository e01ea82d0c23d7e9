"""Embeds a split's shards into an embedding set, one part for each shard."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from glrtf.data.shards import ShardSet
from glrtf.embeddings import embedding_set
from glrtf.embeddings.part_files import load_array
from glrtf.inference import extraction_plan, precision_check, receipts
from glrtf.inference.jobs import Job
from glrtf.inference.shard_rows import embed_readable
from tfrecords_tools.progress import Progress
from tfrecords_tools.storage import csv_files, files
from tfrecords_tools.storage.local_copies import listed


def embed_split(
    jobs: Sequence[Job],
    shard_set: ShardSet,
    *,
    views: Sequence[str],
    scales: Sequence[float] = (1.0,),
    dtype: str = "float32",
    min_cosine: float = 0.0,
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
        min_cosine: See `begin`.
        max_bad_records: Broken images to leave out before giving up; None for
            any number.
        task_index: Which task this is; it embeds parts task_index, task_index +
            num_tasks, ….
        num_tasks: How many tasks share the parts.

    Returns:
        The finished sets; empty while parts of other tasks are missing.

    Raises:
        UserError: If a folder belongs to another run or has a set that was changed, a shard is
            damaged, an image id is too long, too many images are broken, a row is not finite, a
            part has changed since it was embedded, or the precision check fails.
    """
    plans = begin(jobs, shard_set, views=views, scales=scales, dtype=dtype, min_cosine=min_cosine)
    num_parts = len(shard_set.shards)
    names_of = {job.folder: _names(job.folder) for job in jobs}
    mine = range(task_index, num_parts, num_tasks)
    total = sum(shard_set.lengths[part] for part in mine)
    with Progress(f"embed {shard_set.split}", total, "image") as progress:
        for part in mine:
            _embed_missing(jobs, shard_set, part, dtype, max_bad_records, names_of)
            progress.update(shard_set.lengths[part])
    if not all(_has_all_parts(job.folder, num_parts) for job in jobs):
        return []
    return [_finish(job, plan, shard_set) for job, plan in zip(jobs, plans, strict=True)]


def begin(
    jobs: Sequence[Job],
    shard_set: ShardSet,
    *,
    views: Sequence[str],
    scales: Sequence[float] = (1.0,),
    dtype: str = "float32",
    min_cosine: float = 0.0,
) -> list[dict[str, Any]]:
    """Checks the folders and the precision, and writes the plans.

    A job in reduced precision is compared with float32 before its plan is written, so that nothing
    is left in the folder of a model that fails. The plan records the result; a resumed embedding
    and other tasks use it. A folder that has all its parts is not checked.

    Args:
        jobs: The models.
        shard_set: The whole split.
        views: Names of the views.
        scales: The scales.
        dtype: How rows are stored.
        min_cosine: The smallest cosine between a photo's rows in both precisions; 0 skips
            the check.

    Returns:
        The plan of each job.

    Raises:
        UserError: If a folder belongs to another run or has a set that was changed, or the rows of
            a model in reduced precision differ too much from those in float32.
    """
    plans = []
    for job in jobs:
        embedding_set.refuse_changed(job.folder)
        plan = extraction_plan.make(job.embedder, shard_set, views, scales, dtype)
        plans.append(extraction_plan.compared(job.folder, plan))
    if min_cosine:
        unchecked = [
            (job, plan)
            for job, plan in zip(jobs, plans, strict=True)
            if job.in_float32 is not None
            and precision_check.KEY not in plan
            and not _has_all_parts(job.folder, len(shard_set.shards))
        ]
        if unchecked:
            found = precision_check.measure([job for job, _ in unchecked], shard_set)
            for (_, plan), each in zip(unchecked, found, strict=True):
                plan.update({precision_check.KEY: each} if each else {})
        for job, plan in zip(jobs, plans, strict=True):
            checked = plan.get(precision_check.KEY, {})
            precision_check.require(job, shard_set.split, checked, min_cosine)
    for job, plan in zip(jobs, plans, strict=True):
        extraction_plan.keep_to(job.folder, plan)
    return plans


def _has_all_parts(folder: str, num_parts: int) -> bool:
    names = _names(folder) if files.exists(folder) else set()
    return all(receipts.is_done(folder, part, num_parts, names) for part in range(num_parts))


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


def _embed_part(
    jobs: Sequence[Job],
    shard_set: ShardSet,
    part: int,
    dtype: str,
    max_bad_records: int | None,
    names_of: Mapping[str, set[str]],
) -> list[dict[str, str]]:
    """Writes a part's rows, ids and rejects; returns `write_part`'s digests for each job."""
    rows_of_jobs, ids, bad = embed_readable(jobs, shard_set.select([part]), max_bad_records)
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
