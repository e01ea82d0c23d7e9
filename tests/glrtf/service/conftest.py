"""Tests here run TensorFlow on two logical CPU devices."""

import pytest
from photo_world import make_world
from tf_devices import split_cpu

split_cpu()


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """Photos, a model and its sets: see `photo_world`."""
    return make_world(tmp_path_factory.mktemp("world"))
