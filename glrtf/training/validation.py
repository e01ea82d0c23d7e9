"""Metrics of the model on a held-out fold: loss and accuracy without margin, and ranking."""

import numpy as np
import tensorflow as tf

from glrtf.data.input_spec import InputSpec
from glrtf.data.shards import ShardSet
from glrtf.models.retrieval_model import RetrievalModel
from glrtf.training.engine import Score
from glrtf.training.fold import FILLING, fold_batches
from glrtf.training.fold_figures import figures_of
from tfrecords_tools.progress import Progress


class Validator:
    """Embeds a fold on all replicas, each host its own part, and evaluates it.

    Args:
        strategy: The devices; the model was created in its scope.
        model: Embedding model and head.
        shards: The fold.
        size: Side of the images in pixels, or the full description of how they are made.
        batch_size: Images per replica and step.
        score: Evaluates the embeddings by a search; None skips that.
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
        self._spec = InputSpec(size) if isinstance(size, int) else size
        self._batch = batch_size
        self._score = score
        self._dimension = model.embedding_model.output_shape[-1]

        def of_replica(
            images: tf.Tensor, labels: tf.Tensor, places: tf.Tensor
        ) -> tuple[tf.Tensor, tf.Tensor]:
            rows = model.embedding_model(tf.cast(images, tf.float32) / 255.0, training=False)
            figures = tf.stack(model.head.plain_losses(rows, labels), axis=1)
            together = tf.concat([rows, figures], axis=1)
            context = tf.distribute.get_replica_context()
            numbers = tf.stack([places, labels], axis=1)
            return context.all_gather(together, axis=0), context.all_gather(numbers, axis=0)

        @tf.function(autograph=False, jit_compile=False)
        def step(*batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return strategy.run(of_replica, args=batch)

        self._step = step

    def __call__(self) -> dict[str, float]:
        """See `fold_figures.figures_of`."""
        count = self._shards.num_examples
        values = np.empty((count, self._dimension + 2), np.float32)
        labels = np.empty(count, np.int32)
        local = self._strategy.experimental_local_results
        with Progress("validate", count, unit="image") as progress:
            for batch in fold_batches(self._strategy, self._shards, self._spec, self._batch):
                # Every replica has the rows of all.
                found, numbers = (local(each)[0].numpy() for each in self._step(*batch))
                is_record = numbers[:, 0] != FILLING
                places = numbers[is_record, 0]
                values[places], labels[places] = found[is_record], numbers[is_record, 1]
                progress.update(len(places))
        return figures_of(values, labels, self._dimension, self._score)
