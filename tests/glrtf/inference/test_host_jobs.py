"""Models that ONNX Runtime or LiteRT runs are embedded without TensorFlow and Keras."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tiny_descriptors
from shard_writing import photo, write_split

from glrtf.config.inference import EmbedConfig
from glrtf.data import numpy_resize
from glrtf.data.host_images import decode_on_host
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.inference import host_jobs
from tfrecords_tools.errors import UserError

SIZE = 16

# Runs commands where neither TensorFlow nor Keras nor JAX can be imported.
_WITHOUT = """
import importlib, json, sys
sys.modules.update(dict.fromkeys(("tensorflow", "keras", "jax")))
codes = [importlib.import_module(f"glrtf.{name}").main(argv)
         for name, *argv in json.loads(sys.argv[1])]
print(codes)
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Three photos as a folder and as shards, and models of their mean colour."""
    folder = tmp_path_factory.mktemp("world")
    (folder / "photos").mkdir()
    for number in range(3):
        (folder / "photos" / f"{number:016x}.jpg").write_bytes(photo(number))
    write_split(folder / "data" / "test", [2, 1], split="test")
    # A process that starts here imports this module; in tests, the folder glrtf hides the code.
    shutil.copy(tiny_descriptors.__file__, folder)
    tiny_descriptors.write_onnx(folder / "mean.onnx")
    tiny_descriptors.write_tflite(folder / "mean.tflite")
    return folder


def _embedded(world, output, model, data, *more):
    described = ["--descriptor.range", "0..255", "--descriptor.antialias", "false"]
    data = ["--data", str(world / data), "--output", str(world / output)]
    return ["embed", "--model", str(world / model), *data, *described, *more]


def test_embed_and_describe_load_no_tensorflow(world):
    pytest.importorskip("onnxruntime", reason="pip install '.[onnx]'")
    pytest.importorskip("ai_edge_litert", reason="pip install '.[tflite]'")
    ways = {
        "folder": ("mean.onnx", "photos"),
        "shards": ("mean.onnx", "data"),
        "lite": ("mean.tflite", "data"),
    }
    commands = [_embedded(world, output, *inputs) for output, inputs in ways.items()]
    keep = ["--descriptor.resize", "keep", "--descriptor.size", "24"]
    function = _embedded(world, "function", "", "photos", *keep)
    function[2] = "tiny_descriptors:embed"
    described = ["describe", str(world / "mean.onnx"), "--descriptor.range", "0..255"]
    picture = ["--photo", str(world / "photos" / f"{0:016x}.jpg")]
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT, json.dumps([*commands, function, described + picture])],
        check=True,
        capture_output=True,
        text=True,
        cwd=world,
    )
    assert done.stdout.splitlines()[-1] == "[0, 0, 0, 0, 0]", done.stderr
    photos = [decode_on_host(photo(number)) for number in range(3)]
    small = np.array([numpy_resize.resize(each, SIZE) for each in photos])
    for output in ways:
        made = EmbeddingSet.open(world / output)
        rows = np.concatenate([made.part(part)[0] for part in range(made.num_parts)])
        np.testing.assert_allclose(rows, tiny_descriptors.mean_colour(small), atol=1e-6)
    # The photos are 40 x 24: keep makes them 24 x 14, which changes their mean a little.
    [kept] = [EmbeddingSet.open(world / "function").part(0)[0]]
    wholes = [tiny_descriptors.mean_colour(each[None])[0] for each in photos]
    assert ((kept * np.array(wholes)).sum(1) > 0.999).all()


def test_a_device_or_an_engines_model_in_the_settings_needs_an_engine(world):
    model = str(world / "mean.onnx")
    (world / "folder_of_a_model").mkdir(exist_ok=True)
    (world / "folder_of_a_model" / "saved_model.pb").touch()

    def suffice(**settings):
        return host_jobs.suffice(EmbedConfig(model, "photos", "set", **settings))

    assert suffice() and suffice(strategy="cpu") and suffice(engine="tensorflow")
    assert suffice(also=(f"{model}=other",))
    assert not suffice(also=(f"{world}/folder_of_a_model=other",))
    assert not suffice(strategy="mirrored") and not suffice(tpu="local")
    assert not suffice(engine="jax")
    with pytest.raises(UserError, match=r"none\.onnx"):
        host_jobs.suffice(EmbedConfig("none.onnx", "photos", "set"))
