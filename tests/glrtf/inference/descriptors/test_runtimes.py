import ctypes
import faulthandler
import gc
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_descriptors

from glrtf.config.descriptor import DescriptorConfig
from glrtf.inference import tta
from glrtf.inference.descriptors import kinds, runtimes
from glrtf.inference.embedders import load_embedder
from glrtf.inference.host_views import embed_on_host
from tfrecords_tools.errors import UserError

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), np.uint8)


@pytest.fixture
def amx(monkeypatch):
    """A CPU with bfloat16, whatever this one has."""
    monkeypatch.setattr(runtimes, "has_bfloat16", lambda: True)


def choose(kind, runtime="auto", precision="float32", **more):
    return runtimes.choose("--model", "M", kind, runtime, precision, **more)


def test_each_kind_has_its_own_runtime(amx):
    found = {kind: choose(kind) for kind in ("export", "workdir", "onnx", "tflite", "function")}
    assert found == {
        **{"export": "tensorflow", "workdir": "tensorflow", "onnx": "onnx"},
        **{"tflite": "litert", "function": "python"},
    }
    assert choose("onnx", "openvino") == "openvino"


def test_bfloat16_on_a_cpu_is_openvinos_where_it_can_be(amx, monkeypatch):
    pytest.importorskip("openvino", reason="pip install '.[openvino]'")
    assert choose("export", precision="bfloat16") == "openvino"
    assert choose("onnx", precision="bfloat16") == "openvino"
    # On a GPU or TPU the network itself computes in it.
    assert choose("workdir", precision="bfloat16", on_cpu=False) == "tensorflow"
    # A file is run on the CPU there, too.
    assert choose("onnx", precision="bfloat16", on_cpu=False) == "openvino"
    monkeypatch.setattr(runtimes, "has_bfloat16", lambda: False)
    assert choose("workdir", precision="bfloat16") == "tensorflow"


@pytest.mark.parametrize(
    ("kind", "runtime", "precision", "part"),
    [
        ("onnx", "tensorflow", "float32", "expected onnx, openvino or auto, found tensorflow"),
        ("workdir", "onnx", "float32", "export the model as a file first"),
        ("function", "openvino", "float32", "expected a model, found a function"),
        ("export", "tensorflow", "bfloat16", "computes in float32; leave --precision out, or"),
        ("export", "openvino", "bfloat16", "expected a CPU with amx_bf16 or avx512_bf16"),
    ],
)
def test_what_no_runtime_does_is_refused(monkeypatch, kind, runtime, precision, part):
    pytest.importorskip("openvino", reason="pip install '.[openvino]'")
    monkeypatch.setattr(runtimes, "has_bfloat16", lambda: runtime != "openvino")
    with pytest.raises(UserError, match="expected") as caught:
        choose(kind, runtime, precision)
    assert part in str(caught.value)


@pytest.mark.parametrize("kind", ["onnx", "tflite", "saved_model"])
def test_openvino_gives_the_rows_of_the_kinds_own_runtime(tmp_path, monkeypatch, kind):
    pytest.importorskip("openvino", reason="pip install '.[openvino]'")
    monkeypatch.setenv("TFRECORDS_TOOLS_CACHE", str(tmp_path / "cache"))
    path = tmp_path / {"onnx": "m.onnx", "tflite": "m.tflite", "saved_model": "m"}[kind]
    model = getattr(tiny_descriptors, f"write_{kind}")(path)
    assert kinds.kind_of("--model", model) == kind
    flags = DescriptorConfig(range="0..1")
    embedder = load_embedder(model, descriptor=flags, runtime="openvino")
    assert (embedder.runtime, embedder.in_graph) == ("openvino", False)
    found = embed_on_host(embedder, [IMAGES], ("plain",))
    np.testing.assert_allclose(found, tiny_descriptors.mean_colour(IMAGES), atol=1e-5)


def test_a_conversion_is_kept_for_the_next_command(saved_model, tmp_path, monkeypatch):
    pytest.importorskip("openvino", reason="pip install '.[openvino]'")
    from glrtf.inference.descriptors import openvino_models

    monkeypatch.setenv("TFRECORDS_TOOLS_CACHE", str(tmp_path / "cache"))
    images = np.random.default_rng(1).integers(0, 256, (3, 32, 32, 3), np.uint8)
    first = load_embedder(saved_model, runtime="openvino")
    ours = load_embedder(saved_model)
    expected = tta.embed_views(ours.embed, [images], ("plain", "hflip"))
    found = embed_on_host(first, [images], ("plain", "hflip"))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert first.digest == ours.digest
    monkeypatch.setattr(openvino_models, "_from_tensorflow", None)
    again = load_embedder(saved_model, runtime="openvino")
    np.testing.assert_array_equal(embed_on_host(again, [images], ("plain", "hflip")), found)


class SignalStack(ctypes.Structure):
    """`stack_t` of Linux."""

    _fields_ = [("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]


def is_mapped(address):
    lines = Path("/proc/self/maps").read_text().splitlines()
    ranges = (line.split()[0].split("-") for line in lines)
    return any(int(first, 16) <= address < int(end, 16) for first, end in ranges)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_models_that_are_let_go_leave_signals_a_stack(tmp_path):
    # Python runs its handlers on the alternate stack that faulthandler, or OpenVINO, has set.
    pytest.importorskip("openvino", reason="pip install '.[openvino]'")
    pytest.importorskip("onnx", reason="pip install '.[onnx]'")
    assert faulthandler.is_enabled()  # By pytest.
    path = str(tmp_path / "colour.onnx")
    tiny_descriptors.write_onnx(path)
    flags = DescriptorConfig(range="0..1")
    models = [load_embedder(path, descriptor=flags, runtime="openvino") for _ in range(3)]
    while models:
        del models[0]
        gc.collect()
        stack = SignalStack()
        assert ctypes.CDLL(None).sigaltstack(None, ctypes.byref(stack)) == 0
        assert stack.start and is_mapped(stack.start)
        assert is_mapped(stack.start + stack.size - 1)
