"""Continues a build when an image crashes the process that decodes it.

A crash of a decoder in C ends its process. A build without workers decodes in a child process
(`inspect_apart`). In a pool each worker records the image that it is decoding in its own file; when
a worker has died, these images are tried again, each in a separate process, and those that crash it
are rejected by name.
"""

import contextlib
import dataclasses
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence

from tfrecords_tools import images, inspect_apart, runners, writer
from tfrecords_tools.command import process_pool
from tfrecords_tools.errors import UserError
from tfrecords_tools.images import ImageSettings
from tfrecords_tools.shard_stats import ShardStats
from tfrecords_tools.specs import Fold
from tfrecords_tools.writer import ShardSpec

_NOTE = 32


@dataclasses.dataclass(frozen=True)
class NotedJob:
    """A shard to write, with its number and the folder for notes."""

    spec: ShardSpec
    number: int
    notes: str


def write_shards(fold: Fold, numbers: Sequence[int], workers: int) -> Iterator[ShardStats]:
    """Writes shards of a fold in a pool of processes and yields their statistics as they come.

    Args:
        fold: The plan.
        numbers: Which of its shards.
        workers: How many processes; with 0 this process writes, and a child process decodes.

    Raises:
        UserError: If a worker was killed and no image is at fault; it names the images being
            decoded.
    """
    if not workers:
        yield from map(writer.write_apart, map(fold.spec, numbers))
        return
    left = {writer.shard_name(fold.name, n, fold.plan.num_shards): n for n in numbers}
    deadly: dict[int, tuple[tuple[int, str], ...]] = {}
    while left:
        with tempfile.TemporaryDirectory(prefix="tfrecords_tools-") as notes:

            def job(number: int, notes: str = notes) -> NotedJob:
                spec = dataclasses.replace(fold.spec(number), deadly=deadly.get(number, ()))
                return NotedJob(spec, number, notes)

            try:
                jobs = map(job, list(left.values()))
                for done in runners.run_jobs(write_noted, jobs, workers, apart=True):
                    left.pop(done.name, None)
                    yield done
            except runners.WorkerDiedError as died:
                found = list(_deadly(fold, notes, died))
                for number, row, reason in found:
                    deadly[number] = (*deadly.get(number, ()), (row, reason))


def write_noted(job: NotedJob) -> ShardStats:
    """Writes a shard; a file named after the process's id records the image being decoded."""
    path = os.path.join(job.notes, str(os.getpid()))
    handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)

    def inspect(row: int, data: bytes, settings: ImageSettings) -> images.Inspected:
        _write_note(handle, f"{job.number} {row}")
        return images.inspect(data, settings)

    try:
        return writer.write_shard(job.spec, inspect)
    finally:
        os.close(handle)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def _write_note(handle: int, text: str) -> None:
    os.pwrite(handle, text.ljust(_NOTE).encode(), 0)


def _deadly(
    fold: Fold, notes: str, died: "runners.WorkerDiedError"
) -> Iterator[tuple[int, int, str]]:
    """Yields shard number, row and reason of the recorded images that crash a process again."""
    suspects = []
    for name in sorted(os.listdir(notes)):
        with open(os.path.join(notes, name)) as file:
            number, row = map(int, file.read().split() or (-1, -1))
        if row >= 0:
            suspects.append((number, row, writer.describe(fold.spec(number), row)))
    found = False
    for number, row, image in suspects:
        status = _try_alone(fold.spec(number), row)
        if status < 0 and -status not in inspect_apart.FROM_OUTSIDE:
            found = True
            reason = inspect_apart.died_of(-status)
            print(f"{image}: {reason}; rejected, the build continues", file=sys.stderr)
            yield number, row, reason
    if not found:
        where = "; ".join(image for _, _, image in suspects)
        raise UserError(f"{died}" + (f" (workers were on {where})" if where else "")) from None


def _try_alone(spec: ShardSpec, row: int) -> int:
    """The exit status of a process that decodes one image alone, negative for a signal."""
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=writer.inspect_one, args=(spec, row))
    with process_pool.deaf_to_ctrl_c():
        process.start()
    process.join()
    return process.exitcode or 0
