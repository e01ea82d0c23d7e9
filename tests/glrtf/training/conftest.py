"""Tests here run TensorFlow on two logical CPU devices."""

import pytest
from shard_writing import write_split
from tf_devices import pytest_collectstart as pytest_collectstart


@pytest.fixture(scope="session")
def twenty_images(tmp_path_factory):
    """A folder with 20 train images in two shards; tests only read it."""
    folder = tmp_path_factory.mktemp("twenty_images")
    write_split(folder / "train", [12, 8])
    return str(folder)
