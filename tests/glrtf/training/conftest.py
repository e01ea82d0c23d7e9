"""Tests here run TensorFlow on two logical CPU devices."""

import pytest
import tensorflow as tf
from shard_writing import write_split
from tf_devices import split_cpu

split_cpu()
# Optimising a graph takes longer than the few updates for which a test needs it.
tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


@pytest.fixture(scope="session")
def twenty_images(tmp_path_factory):
    """A folder with 20 train images in two shards; tests only read it."""
    folder = tmp_path_factory.mktemp("twenty_images")
    write_split(folder / "train", [12, 8])
    return str(folder)
