"""Tests here run TensorFlow on two logical CPU devices."""

import keras
import pytest
from tf_devices import split_cpu

split_cpu()

SIZE = 32


def make_model(seed: int = 0, dimension: int = 16) -> keras.Model:
    """A small network of the kind that is embedded with: [0, 1] images to unit rows."""
    keras.utils.set_random_seed(seed)
    images = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Rescaling(2.0, offset=-1.0)(images)
    x = keras.layers.Conv2D(8, 5, strides=2, activation="relu")(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(dimension)(x)
    return keras.Model(images, keras.layers.UnitNormalization()(x))


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
def workdir(tmp_path_factory):
    """A training run's folder after its first checkpoint: v2b0 at 32, random weights."""
    from glrtf.config.training import TrainConfig
    from glrtf.models.retrieval_model import embedding_model_from_config
    from glrtf.training import checkpoints
    from tfrecords_tools import cli

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
