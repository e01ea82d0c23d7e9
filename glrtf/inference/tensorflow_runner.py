"""Embedding on the replicas of a `tf.distribute` strategy."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf

from glrtf.inference.embedder import Embedder
from glrtf.inference.tta import embed_views

Tensor: TypeAlias = tf.Tensor


class BatchRunner:
    """Embeds batches of any length up to one, on all replicas of a strategy.

    Args:
        embedder: The model, loaded inside the strategy's scope.
        views: Names of the views to sum.
        batch_size: Images per replica.
        strategy: Where to run.
        scales: Factors on the model's input size; every view is embedded at each.

    Attributes:
        total_batch: Images of a whole batch.
        specs: How the images are made at each scale.
    """

    def __init__(
        self,
        embedder: Embedder,
        views: Sequence[str],
        batch_size: int,
        strategy: tf.distribute.Strategy,
        scales: Sequence[float] = (1.0,),
    ) -> None:
        self._strategy = strategy
        self._batch_size = batch_size
        self.total_batch = batch_size * strategy.num_replicas_in_sync
        self.specs = embedder.specs(scales)
        shapes = [[batch_size, *spec.shape] for spec in self.specs]

        def embed(*scaled: Tensor) -> Tensor:
            known = [tf.ensure_shape(*pair) for pair in zip(scaled, shapes, strict=True)]
            return embed_views(embedder.embed, known, views, embedder.unit_views)

        @tf.function(autograph=False)
        def step(*scaled: Tensor) -> Any:
            return strategy.run(embed, args=scaled)

        self._step = step

    def __call__(self, *scaled: Tensor) -> Any:
        """Starts embedding images, n ≤ total_batch of them, at each scale; see `rows`.

        Args:
            *scaled: The same images made by each of `specs`, uint8 (n, side, side, 3).
        """
        return self._step(*(self._dealt_out(images) for images in scaled))

    def _dealt_out(self, images: Tensor) -> Any:
        """The images, padded to a whole batch, one share per replica."""
        missing = self.total_batch - images.shape[0]
        padded = tf.pad(images, [[0, missing], [0, 0], [0, 0], [0, 0]]) if missing else images

        def share(context: Any) -> Tensor:
            first = context.replica_id_in_sync_group * self._batch_size
            return padded[first : first + self._batch_size]

        return self._strategy.experimental_distribute_values_from_function(share)

    def rows(self, result: Any, count: int) -> np.ndarray:
        """Waits for a result and returns its rows, float32 (count, d)."""
        parts = self._strategy.experimental_local_results(result)
        return np.concatenate([part.numpy() for part in parts])[:count]
