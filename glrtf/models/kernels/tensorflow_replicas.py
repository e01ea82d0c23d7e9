"""What replicas tell one another in the middle of a step, with the right gradients.

All gradients here are of one objective, the sum of what every replica's own
loss is: a value that is equal on all replicas has one gradient, equal on all
of them too.
"""

from collections.abc import Callable

import tensorflow as tf


class Replicas:
    """The replicas of the strategy in whose scope or step this is called.

    Everything is made of sums over the replicas, which every strategy has, in
    a loop on TPUs too. On one replica nothing is sent.
    """

    @property
    def count(self) -> int:
        """How many there are."""
        return tf.distribute.get_strategy().num_replicas_in_sync

    @property
    def own(self) -> tf.Tensor | int:
        """This replica's number, int32."""
        if self.count == 1:
            return 0
        return tf.distribute.get_replica_context().replica_id_in_sync_group

    def total(self, value: tf.Tensor) -> tf.Tensor:
        """The sum over the replicas, of the same shape; has no gradient."""
        if self.count == 1:
            return value
        context = tf.distribute.get_replica_context()
        return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.stop_gradient(value))

    def gather(self, value: tf.Tensor) -> tf.Tensor:
        """`(…)` of each replica -> `(replicas, …)` in their order; has no gradient.

        A sum of blocks that are zero except for one's own: the blocks here are of
        embeddings and of a few numbers an image, small compared to the logits.
        """
        mask = tf.one_hot(self.own, self.count, dtype=value.dtype)
        mask = tf.reshape(mask, [-1] + [1] * value.shape.rank)
        return self.total(mask * value[tf.newaxis])

    def gather_rows(self, rows: tf.Tensor) -> tf.Tensor:
        """`(n, …)` of each replica -> `(replicas · n, …)`, equal on all.

        Each replica may use the result differently; a row's gradient is the sum
        over all uses.
        """

        @tf.custom_gradient
        def gathered(rows: tf.Tensor) -> tuple[tf.Tensor, Callable]:
            def gradient(upstream: tf.Tensor) -> tf.Tensor:
                return self._own_part(self.total(upstream))

            return _joined(self.gather(rows)), gradient

        return gathered(rows)

    def own_rows(self, rows: tf.Tensor) -> tf.Tensor:
        """`(replicas · n, …)`, equal on all -> this replica's `(n, …)`.

        The gradient of the whole is that of all replicas' parts.
        """

        @tf.custom_gradient
        def own(rows: tf.Tensor) -> tuple[tf.Tensor, Callable]:
            def gradient(upstream: tf.Tensor) -> tf.Tensor:
                return _joined(self.gather(upstream))

            return self._own_part(rows), gradient

        return own(rows)

    def _own_part(self, rows: tf.Tensor) -> tf.Tensor:
        parts = tf.reshape(rows, [self.count, -1, *rows.shape[1:]])
        return parts[self.own]


class LoneReplica(Replicas):
    """One replica of several, whose others are silent: for a compiler that knows one device.

    Shapes and memory are those of a real step, numbers are not.

    Args:
        count: How many replicas the step is for.
    """

    def __init__(self, count: int) -> None:
        self._count = count

    @property
    def count(self) -> int:
        """How many the step is for."""
        return self._count

    @property
    def own(self) -> int:
        """The first."""
        return 0

    def total(self, value: tf.Tensor) -> tf.Tensor:
        """The value: the others' are zero."""
        return tf.stop_gradient(value)


def _joined(blocks: tf.Tensor) -> tf.Tensor:
    """`(replicas, n, …)` -> `(replicas · n, …)`."""
    return tf.reshape(blocks, [-1, *blocks.shape[2:]])
