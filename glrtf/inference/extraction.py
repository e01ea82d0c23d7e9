"""A split's shards to an embedding set, one part for each shard."""

import collections
import csv
import io
import os
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf

from glrtf import embedding_set
from glrtf.data.input_pipeline import eval_batches, plain_errors
from glrtf.data.records import BadRecords
from glrtf.data.shards import ShardSet
from glrtf.inference.embedders import Embedder
from glrtf.inference.tta import embed_views
from tfrecords_tools import files
from tfrecords_tools.errors import UserError
from tfrecords_tools.progress import Progress

Tensor: TypeAlias = tf.Tensor

PLAN_NAME = "plan.json"
# While the device works on one batch, the one before is fetched.
_BATCHES_IN_FLIGHT = 2


class BatchRunner:
    """Embeds batches of any length up to one, on all replicas of a strategy.

    Args:
        embedder: The model, loaded inside the strategy's scope.
        views: Names of views to add up.
        batch_size: Images of each replica.
        strategy: Where to run.
    """

    def __init__(
        self,
        embedder: Embedder,
        views: Sequence[str],
        batch_size: int,
        strategy: tf.distribute.Strategy,
    ) -> None:
        self._strategy = strategy
        self._batch_size = batch_size
        self.total_batch = batch_size * strategy.num_replicas_in_sync
        shape = [batch_size, embedder.size, embedder.size, 3]

        @tf.function(autograph=False)
        def step(images: Tensor) -> Any:
            return strategy.run(
                lambda mine: embed_views(embedder.embed, tf.ensure_shape(mine, shape), views),
                args=(images,),
            )

        self._step = step

    def __call__(self, images: Tensor) -> Any:
        """Starts embedding uint8 images (n, size, size, 3), n ≤ total_batch; see `rows`."""
        missing = self.total_batch - images.shape[0]
        padded = tf.pad(images, [[0, missing], [0, 0], [0, 0], [0, 0]]) if missing else images

        def share(context: Any) -> Tensor:
            first = context.replica_id_in_sync_group * self._batch_size
            return padded[first : first + self._batch_size]

        return self._step(self._strategy.experimental_distribute_values_from_function(share))

    def rows(self, result: Any, count: int) -> np.ndarray:
        """The float32 (count, d) rows of a result, waited for."""
        parts = self._strategy.experimental_local_results(result)
        return np.concatenate([part.numpy() for part in parts])[:count]


def embed_split(
    runner: BatchRunner,
    embedder: Embedder,
    shard_set: ShardSet,
    folder: str,
    *,
    views: Sequence[str],
    dtype: str = "float32",
    max_bad_records: int | None = None,
) -> embedding_set.EmbeddingSet:
    """Writes an embedding set, part by part; parts that are there stay.

    Beside each part stands ``rejects-…csv``, which lists the images that left no
    row. ``plan.json`` keeps runs with another model, view or data from
    continuing this one.

    Raises:
        UserError: If the folder belongs to another run, too many images are
            broken, or a row is not finite.
    """
    num_parts = len(shard_set.shards)
    plan = _plan(embedder, shard_set, views, dtype)
    _keep_to_plan(folder, plan)
    with Progress(f"embed {shard_set.split}", shard_set.num_examples, "image") as progress:
        for part in range(num_parts):
            if not embedding_set.part_is_written(folder, part, num_parts):
                _embed_part(
                    runner, embedder, shard_set, part, folder, dtype, max_bad_records, progress
                )
            else:
                progress.update(shard_set.shards[part].num_examples)
    rejected = sum(_count_rejects(folder, part, num_parts) for part in range(num_parts))
    return embedding_set.finish(folder, num_parts, **plan, num_rejected=rejected)


def embed_shard(
    runner: BatchRunner,
    embedder: Embedder,
    shard_set: ShardSet,
    bad: BadRecords,
    progress: Progress,
) -> tuple[np.ndarray, np.ndarray]:
    """Embeds the images of shards in their order: rows float32 (n, d), ids S16 (n,)."""
    rows = [np.empty((0, embedder.dimension), np.float32)]
    ids = [np.empty(0, "S16")]
    for result, batch_ids in _results(runner, embedder, shard_set, bad):
        rows.append(runner.rows(result, len(batch_ids)))
        ids.append(batch_ids)
        progress.update(len(batch_ids))
    return np.concatenate(rows), np.concatenate(ids)


def _results(
    runner: BatchRunner, embedder: Embedder, shard_set: ShardSet, bad: BadRecords
) -> Iterator[tuple[Any, np.ndarray]]:
    """Yields results in order, each after the next batches have been started."""
    started: collections.deque[tuple[Any, np.ndarray]] = collections.deque()
    batches = eval_batches(shard_set, size=embedder.size, batch_size=runner.total_batch, bad=bad)
    with plain_errors():
        for batch in batches:
            ids = batch["image_id"].numpy().astype("S16")
            started.append((runner(batch["image"]), ids))
            if len(started) == _BATCHES_IN_FLIGHT:
                yield started.popleft()
    yield from started


def _embed_part(
    runner: BatchRunner,
    embedder: Embedder,
    shard_set: ShardSet,
    part: int,
    folder: str,
    dtype: str,
    max_bad_records: int | None,
    progress: Progress,
) -> None:
    bad = BadRecords(max_bad_records)
    rows, ids = embed_shard(runner, embedder, shard_set.select([part]), bad, progress)
    progress.update(len(bad))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image_id", "position", "reason"])
    writer.writerows((each.image_id, each.position, each.reason) for each in bad.report())
    num_parts = len(shard_set.shards)
    # The rows come last: with them the part counts as done.
    files.write_bytes(_rejects_path(folder, part, num_parts), text.getvalue().encode())
    embedding_set.write_part(folder, part, num_parts, rows.astype(dtype), ids)


def _rejects_path(folder: str, part: int, num_parts: int) -> str:
    return files.join(folder, f"rejects-{part:05d}-of-{num_parts:05d}.csv")


def _count_rejects(folder: str, part: int, num_parts: int) -> int:
    text = files.read_bytes(_rejects_path(folder, part, num_parts)).decode()
    return sum(1 for _ in csv.reader(io.StringIO(text))) - 1


def _plan(
    embedder: Embedder, shard_set: ShardSet, views: Sequence[str], dtype: str
) -> dict[str, Any]:
    """What the set's bytes depend on, JSON values."""
    return {
        "model": embedder.name,
        "model_digest": embedder.digest,
        "size": embedder.size,
        "split": shard_set.split,
        "tta": list(views),
        "row_dtype": dtype,
        "shards": [[os.path.basename(s.path), s.num_examples] for s in shard_set.shards],
    }


def _keep_to_plan(folder: str, plan: dict[str, Any]) -> None:
    """Writes the plan, or refuses a folder that has another one."""
    path = files.join(folder, PLAN_NAME)
    if not files.exists(path):
        files.write_json(path, plan)
        return
    stored = files.read_json(path)
    for name, value in plan.items():
        if name != "model" and stored.get(name) != value:
            raise UserError(
                f"{folder}: expected to continue an embedding with {name} {value}, found one with"
                f" {stored.get(name)}; choose another --output or remove the folder"
            )
