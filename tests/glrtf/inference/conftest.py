"""Tests here run TensorFlow on two logical CPU devices."""

import pytest
from made_once import made_once
from tf_devices import pytest_collectstart as pytest_collectstart
from tiny_models import EMBEDDING_SIZE as SIZE
from tiny_models import make_model
from tiny_runs import write_workdir


@pytest.fixture(scope="session")
def model():
    return make_model()


@pytest.fixture(scope="session")
def saved_model(model, tmp_path_factory):
    return _exported(tmp_path_factory, "export", model)


@pytest.fixture(scope="session")
def other_model(tmp_path_factory):
    """The export of another network, of another dimension."""
    return _exported(tmp_path_factory, "other_export", make_model(seed=1, dimension=8))


def _exported(tmp_path_factory, name, model):
    def make(folder):
        from glrtf.inference import serving

        path = str(folder / "model")
        serving.export(model, SIZE, path, {"backbone": "small"})
        return path

    return made_once(tmp_path_factory, name, make)


@pytest.fixture(scope="module")
def workdir(small_networks, tmp_path_factory):
    """A training run's folder after its first checkpoint: a few layers, random weights."""
    return write_workdir(tmp_path_factory.mktemp("run"), SIZE)
