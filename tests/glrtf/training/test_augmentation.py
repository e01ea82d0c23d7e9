"""Augmentation as the training step calls it, on two replicas."""

import numpy as np
import tensorflow as tf

from glrtf.config.training import TrainConfig
from glrtf.training.inputs import Augmentation

_CONFIG = TrainConfig(backbone="v2b0", size=32, seed=5)


def _on_two_replicas(number: int) -> list[np.ndarray]:
    """The same four photos on both replicas, as each of them sees micro-batch `number`."""
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    photos = tf.constant(np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8))
    prepare = Augmentation(_CONFIG)

    @tf.function(autograph=False)
    def step():
        def mine():
            replica = tf.distribute.get_replica_context().replica_id_in_sync_group
            return prepare(photos, tf.convert_to_tensor(replica), tf.constant(number))[0]

        return strategy.run(mine)

    return [each.numpy() for each in strategy.experimental_local_results(step())]


def test_replicas_and_steps_draw_for_themselves_and_a_run_repeats():
    first, second = _on_two_replicas(7)
    # Every photo is varied in another way on the other replica …
    assert (np.abs(first - second).max(axis=(1, 2, 3)) > 0.01).all()
    # … and in the next micro-batch; the same run gives the same once more.
    later, _ = _on_two_replicas(8)
    assert (np.abs(first - later).max(axis=(1, 2, 3)) > 0.01).all()
    again = _on_two_replicas(7)
    np.testing.assert_array_equal(first, again[0])
    np.testing.assert_array_equal(second, again[1])
