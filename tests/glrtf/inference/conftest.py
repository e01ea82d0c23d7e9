"""Tests here run TensorFlow on two logical CPU devices."""

import pytest
from tf_devices import split_cpu
from tiny_models import EMBEDDING_SIZE as SIZE
from tiny_models import make_model

split_cpu()


@pytest.fixture(scope="session")
def model():
    return make_model()


@pytest.fixture(scope="session")
def saved_model(model, tmp_path_factory):
    from glrtf.inference import serving

    folder = str(tmp_path_factory.mktemp("export") / "model")
    serving.export(model, SIZE, folder, {"backbone": "small"})
    return folder


@pytest.fixture(scope="session")
def other_model(tmp_path_factory):
    """The export of another network, of another dimension."""
    from glrtf.inference import serving

    folder = str(tmp_path_factory.mktemp("other_export") / "model")
    serving.export(make_model(seed=1, dimension=8), SIZE, folder, {"backbone": "small"})
    return folder


@pytest.fixture(scope="session")
def workdir(tmp_path_factory):
    """A training run's folder after its first checkpoint: v2b0 at 32, random weights."""
    from glrtf.config.training import TrainConfig
    from glrtf.models.retrieval_model import embedding_model_from_config
    from glrtf.training import checkpoints
    from tfrecords_tools.command import cli

    folder = tmp_path_factory.mktemp("run")
    config = TrainConfig(backbone="v2b0", size=SIZE, workdir=str(folder))
    (folder / "config.yaml").write_text(cli.to_yaml(config))
    network = embedding_model_from_config(config)
    arrays = {
        name: variable.value.numpy()
        for name, variable in checkpoints.embedding_arrays(network).items()
    }
    checkpoints.write(str(folder / "checkpoints"), arrays, checkpoints.Position(1, 0.1, 5, 36))
    return str(folder)
