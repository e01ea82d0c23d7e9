"""Which engine is taken on which machine, with which packages."""

import pytest

from glrtf.config import keras_backend
from glrtf.config.training import TrainConfig
from glrtf.training import accelerators, engines
from glrtf.training.accelerators import Accelerators
from glrtf.training.engines import Packages, choose
from tfrecords_tools.errors import UserError

V5E = Accelerators("tpu", "TPU v5e", ("/dev/vfio/0",))
V7X = Accelerators("tpu", "TPU v7x", ("/dev/vfio/0",))
GPU = Accelerators("gpu", "NVIDIA GPU", ("/dev/nvidia0",))
TF_CPU = Packages(tensorflow="2.20.0")
TF_TPU = Packages(tensorflow="2.20.0", tensorflow_tpu="2.20.0", libtpu="0.0.24")
JAX_TPU = Packages(jax="0.10.2", libtpu="0.0.52", jax_libtpu="0.0.52")
KAGGLE = Packages(tensorflow="2.20.0", jax="0.10.2", libtpu="0.0.52", jax_libtpu="0.0.52")
JAX_CUDA = Packages(jax="0.10.2", jax_cuda="0.10.2")


@pytest.mark.parametrize(
    ("found", "packages", "engine"),
    [
        (None, TF_CPU, "tensorflow"),
        (None, KAGGLE, "tensorflow"),
        (None, Packages(jax="0.10.2"), "jax"),
        (V5E, TF_TPU, "tensorflow"),
        (V5E, KAGGLE, "jax"),
        (V5E, JAX_TPU, "jax"),
        (V7X, JAX_TPU, "jax"),
        (GPU, TF_CPU, "tensorflow"),
        (GPU, JAX_CUDA, "jax"),
    ],
)
def test_auto_takes_what_drives_the_machine(found, packages, engine):
    assert choose("auto", found=found, packages=packages).engine == engine


@pytest.mark.parametrize(
    ("found", "packages", "parts"),
    [
        (V5E, TF_CPU, ["1 x TPU v5e (/dev/vfio/0)", "tensorflow 2.20.0", "jax[tpu]", ".[tpu]"]),
        (V7X, TF_TPU, ["TPU v7x", "jax[tpu]"]),
        (GPU, Packages(jax="0.10.2"), ["NVIDIA GPU", "jax[cuda12]", ".[gpu]"]),
        (V5E, Packages(), ["neither TensorFlow nor JAX"]),
    ],
)
def test_an_accelerator_that_nothing_drives_is_named_with_what_would(found, packages, parts):
    with pytest.raises(UserError) as caught:
        choose("auto", found=found, packages=packages)
    message = str(caught.value)
    assert message.startswith("--engine: expected")
    assert "--strategy cpu" in message
    assert all(part in message for part in parts), message
    assert (".[tpu]" in message) == (found is V5E)  # TensorFlow never drives a v7x.
    assert "\n" not in message


def test_the_cpu_is_taken_where_it_is_asked_for_by_name():
    assert choose("auto", "cpu", found=V5E, packages=KAGGLE).engine == "tensorflow"


def test_a_tpu_by_its_name_and_clusters_of_tf_config_are_tensorflows():
    assert choose("auto", remote=True, found=V5E, packages=KAGGLE).engine == "tensorflow"
    assert choose("auto", "multiworker", found=GPU, packages=KAGGLE).engine == "tensorflow"


def test_an_engine_that_is_not_installed_is_named():
    with pytest.raises(UserError, match=r"expected the package jax, found tensorflow 2\.20\.0"):
        choose("jax", packages=TF_CPU)
    with pytest.raises(UserError, match=r"expected the package tensorflow, found jax 0\.10\.2"):
        choose("tensorflow", packages=JAX_TPU)


def test_another_engines_libtpu_is_refused_before_it_aborts_the_import():
    both = Packages("2.20.0", "2.20.0", "0.10.2", "", "0.0.52", "0.0.52")
    with pytest.raises(UserError, match=r"libtpu: expected 0\.0\.24 .* found 0\.0\.52"):
        choose("tensorflow", packages=both)
    assert choose("jax", packages=both).engine == "jax"
    older = Packages("2.20.0", "2.20.0", "0.10.2", "", "0.0.24", "0.0.52")
    with pytest.raises(UserError, match=r"libtpu: expected 0\.0\.52 .* found 0\.0\.24"):
        choose("jax", packages=older)
    assert choose("auto", found=V5E, packages=both).engine == "jax"
    assert choose("auto", found=V5E, packages=older).engine == "tensorflow"


def test_a_process_keeps_the_engine_that_it_imported_keras_with(monkeypatch):
    import glrtf.config.keras_settings  # noqa: F401  It imports Keras on TensorFlow.

    monkeypatch.setattr(accelerators, "present", lambda: None)
    monkeypatch.setattr(Packages, "installed", classmethod(lambda cls: KAGGLE))
    with pytest.raises(UserError, match="found jax; a process runs one engine"):
        engines.select(TrainConfig(engine="jax"))
    assert keras_backend.chosen() == "tensorflow"


def test_the_sample_falls_back_to_the_cpu(monkeypatch):
    monkeypatch.setattr(accelerators, "present", lambda: V5E)
    monkeypatch.setattr(Packages, "installed", classmethod(lambda cls: TF_CPU))
    with pytest.raises(UserError, match="--engine: expected one that drives"):
        engines.select(TrainConfig())
    assert engines.select(TrainConfig(), fall_back=True).engine == "tensorflow"
