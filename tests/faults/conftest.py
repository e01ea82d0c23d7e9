"""A small disk to fill up; TensorFlow on two logical CPU devices, as in other folders."""

import pytest
import small_disk
from tf_devices import pytest_collectstart as pytest_collectstart


@pytest.fixture
def disk(tmp_path):
    """An empty disk of 4 MiB."""
    yield from small_disk.lend(tmp_path / "disk")
