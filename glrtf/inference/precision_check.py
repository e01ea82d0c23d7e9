"""Checks that rows computed in reduced precision agree with those computed in float32.

How much bfloat16 changes a row depends on the network, so it is measured: the first photos of the
split are embedded in both precisions. All tasks take the same photos, so the result does not
depend on which task measures it.
"""

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from glrtf.data.shards import ShardSet
from glrtf.inference import shard_rows
from glrtf.inference.jobs import Job
from tfrecords_tools.errors import UserError

KEY = "precision_check"
"""Of the plan and of the set's meta: ``{"photos": 64, "smallest_cosine": 0.9994}``."""

NUM_PHOTOS = 64
# The results of machines that sum in another order are equal in so many places, mostly.
_DECIMALS = 4


def measure(jobs: Sequence[Job], shard_set: ShardSet) -> list[dict[str, Any]]:
    """Embeds the first photos of a split in both precisions.

    Args:
        jobs: Models with `Job.in_float32`.
        shard_set: The whole split.

    Returns:
        What the plan of each job records under `KEY`; the cosine is rounded down. Empty for a
        split without a readable photo.

    Raises:
        UserError: If a shard is damaged or an image id is not valid.
    """
    exact = [_in_float32(job) for job in jobs]
    rows, ids, _ = shard_rows.embed_readable([*jobs, *exact], shard_set, None, NUM_PHOTOS)
    if not len(ids):
        return [{} for _ in jobs]
    # As they are stored: after the adapter, if there is one.
    finished = [
        job.embedder.finished(each) for job, each in zip([*jobs, *exact], rows, strict=True)
    ]
    found = []
    for job, fast, slow in zip(jobs, finished, finished[len(jobs) :], strict=False):
        smallest = _cosines(fast, slow).min()
        # The rounding errors of equal rows are no difference.
        shown = float(np.floor(np.round(smallest, 9) * 10**_DECIMALS) / 10**_DECIMALS)
        print(
            f"{job.embedder.name}: the rows of the first {len(ids)} photos in"
            f" {job.embedder.precision} have a cosine of at least {shown} to those in float32",
            file=sys.stderr,
        )
        found.append({"photos": len(ids), "smallest_cosine": shown})
    return found


def require(job: Job, split: str, found: Mapping[str, Any], min_cosine: float) -> None:
    """Refuses rows that differ too much from those in float32.

    Args:
        job: The model.
        split: Its photos' split.
        found: From `measure`, or of an earlier plan; may be empty.
        min_cosine: The smallest cosine allowed.

    Raises:
        UserError: If a cosine is smaller, or not a number.
    """
    cosine = found.get("smallest_cosine", 1.0)
    if not cosine >= min_cosine:
        raise UserError(
            f"{job.embedder.name}: --precision {job.embedder.precision}: expected rows with a"
            f" cosine of at least {min_cosine:g} to those in float32 (--min_cosine), found {cosine}"
            f" among the first {found['photos']} photos of {split}; leave --precision out, or allow"
            " it with a lower --min_cosine"
        )


def _in_float32(job: Job) -> Job:
    assert job.in_float32 is not None
    exact = job.in_float32()
    embedder = dataclasses.replace(exact.embedder, adapter=job.embedder.adapter)
    return dataclasses.replace(exact, embedder=embedder)


def _cosines(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Of each pair of rows (n, d); float64 (n,), at most 1."""
    one, other = rows.astype(np.float64), others.astype(np.float64)
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.minimum((one * other).sum(axis=1) / lengths, 1.0)
