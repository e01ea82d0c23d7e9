"""Figures of the model on a held-out fold: loss and accuracy without margin, and ranking."""

from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from glrtf.data.input_pipeline import eval_batches
from glrtf.data.input_spec import InputSpec
from glrtf.data.shards import ShardSet
from glrtf.models.retrieval_model import RetrievalModel
from tfrecords_tools.progress import Progress

# From unit rows (n, dimension) float32 and labels (n,) to figures such as {"map": 0.4}. The search
# belongs to the rooms above, so the command hands it in.
Score = Callable[[np.ndarray, np.ndarray], Mapping[str, float]]


class Validator:
    """Embeds a fold on all replicas and rates it.

    Args:
        strategy: The devices; the model was made in its scope.
        model: Embedding model and head.
        shards: The fold.
        size: Side of the images in pixels, or all of how they are made.
        batch_size: Images of a replica at once.
        score: Rates the embeddings by a search; None leaves that out.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        model: RetrievalModel,
        shards: ShardSet,
        *,
        size: int | InputSpec,
        batch_size: int,
        score: Score | None = None,
    ) -> None:
        self._strategy = strategy
        self._shards = shards
        self._size = size
        self._batch = batch_size * strategy.num_replicas_in_sync
        self._score = score
        self._dimension = model.embedding_model.output_shape[-1]

        def of_replica(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
            rows = model.embedding_model(tf.cast(images, tf.float32) / 255.0, training=False)
            figures = tf.stack(model.head.plain_losses(rows, labels), axis=1)
            together = tf.concat([rows, figures], axis=1)
            return tf.distribute.get_replica_context().all_gather(together, axis=0)

        @tf.function(autograph=False, jit_compile=False)
        def step(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
            return strategy.run(of_replica, args=(images, labels))

        self._step = step

    def __call__(self) -> dict[str, float]:
        """`validation_loss`, `validation_accuracy`, and `validation_<name>` of each score.

        Loss and accuracy are of the head without margin, over all classes.
        """
        rows, labels = [], []
        batches = eval_batches(self._shards, size=self._size, batch_size=self._batch)
        with Progress("validate", self._shards.num_examples, unit="image") as progress:
            for batch in batches:
                found = batch["label"].numpy()
                rows.append(self._run(batch["image"].numpy(), found))
                labels.append(found)
                progress.update(len(found))
        values = np.concatenate(rows)
        embeddings, loss, right = np.split(values, [self._dimension, self._dimension + 1], axis=1)
        figures = {
            "validation_loss": float(loss.mean()),
            "validation_accuracy": float(right.mean()),
        }
        if self._score is not None:
            scores = self._score(embeddings, np.concatenate(labels))
            figures |= {f"validation_{name}": value for name, value in scores.items()}
        return figures

    def _run(self, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """One batch dealt out over the replicas; a small last one is filled up with its first."""
        count, each = len(labels), self._batch // self._strategy.num_replicas_in_sync
        filled = np.resize(np.arange(count), self._batch)

        def dealt(values: np.ndarray) -> tf.Tensor:
            return self._strategy.experimental_distribute_values_from_function(
                lambda context: tf.constant(
                    values[filled[context.replica_id_in_sync_group * each :][:each]]
                )
            )

        results = self._strategy.experimental_local_results(
            self._step(dealt(images), dealt(labels))
        )
        return results[0].numpy()[:count]
