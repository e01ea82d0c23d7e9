import shutil

import numpy as np
import pytest
import tiny_descriptors
from PIL import Image

from glrtf.config.descriptor import DescriptorConfig
from glrtf.inference import tta
from glrtf.inference.descriptors import kinds, loading, onnx_file
from glrtf.inference.embedders import load_embedder
from glrtf.inference.host_views import embed_on_host
from tfrecords_tools.errors import UserError

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), np.uint8)
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.3, 0.1)


def rows_of(embedder, images=IMAGES):
    if not embedder.in_graph:
        return embed_on_host(embedder, [images], ("plain",))
    return tta.embed_views(embedder.embed, [images], ("plain",)).numpy()


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Kind -> a model's name, and the flags that it needs."""
    folder = tmp_path_factory.mktemp("models")
    scaled = {"mean": MEAN, "std": STD}
    return {
        "onnx": (tiny_descriptors.write_onnx(folder / "a.onnx"), scaled),
        "saved_model": (tiny_descriptors.write_saved_model(folder / "saved"), scaled),
        "keras": (tiny_descriptors.write_keras(folder / "a.keras"), {**scaled, "pooling": "mean"}),
        "tflite": (tiny_descriptors.write_tflite(folder / "a.tflite"), scaled),
        "function": ("tiny_descriptors:embed", {**scaled, "size": 16}),
    }


@pytest.mark.parametrize("kind", ["onnx", "saved_model", "keras", "tflite", "function"])
def test_every_kind_gives_the_same_rows(models, kind):
    model, flags = models[kind]
    assert kinds.kind_of("--model", model) == kind
    embedder = load_embedder(model, descriptor=DescriptorConfig(**flags))
    assert (embedder.dimension, embedder.size) == (3, 16)
    expected = tiny_descriptors.mean_colour(IMAGES, MEAN, STD)
    np.testing.assert_allclose(rows_of(embedder), expected, atol=1e-5)


def test_the_digest_is_of_bytes_and_preparation(models, tmp_path):
    model, flags = models["onnx"]
    load = lambda path, **more: load_embedder(path, descriptor=DescriptorConfig(**more)).digest  # noqa: E731
    copy = shutil.copy(model, str(tmp_path / "copy.onnx"))
    assert load(model, **flags) == load(copy, **flags)
    assert load(model, **flags) != load(model, range="0..1")
    assert load(model, **flags) != load(model, **flags, filter="bicubic")
    other = tiny_descriptors.write_onnx(tmp_path / "other.onnx", two_outputs=True)
    assert load(other, output="features", **flags) != load(model, **flags)


def test_a_manifest_says_what_flags_would(models, tmp_path):
    model = shutil.copy(models["onnx"][0], str(tmp_path / "a.onnx"))
    (tmp_path / "descriptor.yaml").write_text("range: 0..1\nresize: crop\ncrop: 0.5\n")
    embedder = load_embedder(model)
    assert embedder.input.crop == 0.5
    np.testing.assert_allclose(rows_of(embedder), tiny_descriptors.mean_colour(IMAGES), atol=1e-5)
    # One named after the file comes first, and a flag overrides both.
    (tmp_path / "a.onnx.descriptor.yaml").write_text("range: 0..1\nresize: pad\n")
    assert load_embedder(model).input.resize == "pad"
    flag = DescriptorConfig(mean=MEAN, std=STD)
    expected = tiny_descriptors.mean_colour(IMAGES, MEAN, STD)
    np.testing.assert_allclose(rows_of(load_embedder(model, descriptor=flag)), expected, atol=1e-5)


def test_what_a_set_was_made_with_is_taken_where_nothing_else_says_it(models):
    model, flags = models["onnx"]
    first = load_embedder(model, descriptor=DescriptorConfig(**flags, filter="bicubic"))
    again = load_embedder(model, recorded=first.preparation)
    assert (again.digest, again.input) == (first.digest, first.input)


def test_uint8_needs_no_range(tmp_path):
    model = tiny_descriptors.write_onnx(tmp_path / "a.onnx", dtype="uint8", layout="nhwc")
    expected = tiny_descriptors.mean_colour(IMAGES)
    np.testing.assert_allclose(rows_of(load_embedder(model)), expected, atol=1e-5)


@pytest.mark.parametrize("batch", [1, 2, 4])
def test_a_model_of_one_batch_length_is_called_as_often_as_it_takes(tmp_path, batch):
    model = tiny_descriptors.write_onnx(tmp_path / "a.onnx", batch=batch)
    embedder = load_embedder(model, descriptor=DescriptorConfig(range="0..255"))
    expected = tiny_descriptors.mean_colour(IMAGES)
    np.testing.assert_allclose(rows_of(embedder), expected, atol=1e-5)


@pytest.mark.parametrize(("pooling", "power"), [("mean", 1), ("gem", 3)])
def test_maps_are_pooled(tmp_path, pooling, power):
    model = tiny_descriptors.write_onnx(tmp_path / "a.onnx", maps=True)
    embedder = load_embedder(model, descriptor=DescriptorConfig(range="0..1", pooling=pooling))
    rows = ((IMAGES / 255.0) ** power).mean((1, 2)) ** (1 / power)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(rows_of(embedder), rows, atol=1e-5)


def test_bgr_turns_the_channels_round(models):
    model, _ = models["onnx"]
    flags = DescriptorConfig(range="-1..1", channels="bgr")
    expected = tiny_descriptors.mean_colour(IMAGES, 0.5, 0.5)[:, ::-1]
    np.testing.assert_allclose(rows_of(load_embedder(model, descriptor=flags)), expected, atol=1e-5)


def test_keep_embeds_each_photo_at_its_own_shape(tmp_path):
    model = tiny_descriptors.write_onnx(tmp_path / "a.onnx", size="side")
    flags = DescriptorConfig(range="0..255", size=20, resize="keep")
    embedder = load_embedder(model, descriptor=flags)
    from glrtf.data.resizers import host_resizer

    image = np.asarray(Image.fromarray(IMAGES[0]).resize((30, 10)))
    canvas = np.empty((1, *embedder.input.shape), np.uint8)
    host_resizer(embedder.input)(image, canvas[0])
    shown = np.asarray(canvas[:, 1:8, :20])  # 30 x 10 becomes 20 x 7 (6.67).
    found = embed_on_host(embedder, [canvas], ("plain", "hflip"))
    np.testing.assert_allclose(found, tiny_descriptors.mean_colour(shown), atol=1e-5)


def test_views_are_added_as_they_are_without_l2(tmp_path):
    # The left half counts: one number a photo, which l2 would make 1.
    embedder = loading.make_embedder(*half_model(), any_size=False)
    images = np.zeros((1, 4, 4, 3), np.uint8)
    images[:, :, :2], images[:, :, 2:] = 3, 4
    assert not embedder.unit_views
    # plain (3, 6), hflip (4, 8): the sum (7, 14) has the same direction; views of length 1 too.
    found = embed_on_host(embedder, [images], ("plain", "hflip"))
    np.testing.assert_allclose(found, [[7 / 245**0.5, 14 / 245**0.5]], atol=1e-6)


def half_model():
    from glrtf.inference.descriptors.manifests import Preparation
    from glrtf.inference.descriptors.raw_models import RawModel, TensorInfo

    def run(images, *_):
        left = images[:, :, :2].astype(float).mean((1, 2, 3))
        return np.stack([left, 2 * left], 1)

    tensors = [TensorInfo("a", None, "")], [TensorInfo("b", None, "")]
    raw = RawModel(*tensors, run, "digest", "python")
    return "half", raw, Preparation(4, "a", "b", "nhwc", "uint8", None, (), (), l2=False)


def refusal(model, **flags):
    with pytest.raises(UserError) as caught:
        load_embedder(str(model), descriptor=DescriptorConfig(**flags))
    return str(caught.value).replace(str(model), "M")


def test_what_the_file_leaves_open_is_required(tmp_path):
    several = tiny_descriptors.write_onnx(tmp_path / "a.onnx", two_outputs=True)
    assert refusal(several, range="0..1") == (
        "M: expected one output, found 2 (features float32 (n, 3); logits float32 (n, 3)); choose"
        " one with --descriptor.output NAME"
    )
    assert "found 'rows'" in refusal(several, range="0..1", output="rows")
    single = tiny_descriptors.write_onnx(tmp_path / "b.onnx")
    assert refusal(single).startswith(
        "M: expected the range of its input image float32 (n, 3, 16, 16), which the file does not"
        " say; give --descriptor.range 0..1"
    )
    free = tiny_descriptors.write_onnx(tmp_path / "c.onnx", size="side")
    assert "give --descriptor.size" in refusal(free, range="0..1")


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        ({"size": 32}, "size: expected 16 as its input has, found 32"),
        ({"layout": "nhwc"}, "layout: expected nchw as its input"),
        ({"dtype": "uint8"}, "dtype: expected float32 as its input"),
        ({"resize": "keep"}, "resize: expected squash, crop or pad for an input of 16 pixels"),
        ({"pooling": "mean"}, "pooling mean: expected an output of tokens (n, t, c) or maps"),
        ({"signature": "serve"}, "--descriptor.signature: expected none"),
    ],
)
def test_what_contradicts_the_file_is_named(tmp_path, flags, part):
    model = tiny_descriptors.write_onnx(tmp_path / "a.onnx")
    assert part in refusal(model, range="0..1", **flags)


def test_rows_that_are_not_one_a_photo_are_refused(monkeypatch):
    monkeypatch.setattr(tiny_descriptors, "embed", lambda images: np.ones((7, 3)))
    assert refusal("tiny_descriptors:embed", size=16).startswith(
        "M: expected one row for each of 2 images, found an output of shape (7, 3)"
    )
    monkeypatch.setattr(tiny_descriptors, "embed", lambda images: np.ones((len(images), 2, 5)))
    assert "found (2, 2, 5); name a pooling" in refusal("tiny_descriptors:embed", size=16)
    monkeypatch.setattr(tiny_descriptors, "embed", lambda images: "rows")
    assert "expected an output of numbers" in refusal("tiny_descriptors:embed", size=16)


def test_files_that_are_no_models(tmp_path):
    for name in ("a.onnx", "a.tflite", "a.keras"):
        (tmp_path / name).write_bytes(b"not a model")
        assert refusal(tmp_path / name, range="0..1").startswith("M: expected ")
    (tmp_path / "a.onnx").unlink()
    assert "expected a file, found none" in refusal(tmp_path / "a.onnx")
    assert "found a folder that is none of them" in refusal(tmp_path)
    assert "expected a module no_such_module" in refusal("no_such_module:embed")
    assert "expected a function nothing in tiny_descriptors" in refusal("tiny_descriptors:nothing")


def test_a_signature_is_chosen_by_name(tmp_path):
    model = tiny_descriptors.write_saved_model(tmp_path / "m", signatures=("first", "second"))
    found = refusal(model, range="0..1")
    assert found.startswith("M: expected one of its signatures (first, second), found no name")
    flags = DescriptorConfig(range="0..1", signature="second")
    expected = tiny_descriptors.mean_colour(IMAGES)
    np.testing.assert_allclose(rows_of(load_embedder(model, descriptor=flags)), expected, atol=1e-5)


def test_a_models_weights_in_other_files_are_part_of_its_digest(tmp_path):
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = numpy_helper.from_array(np.eye(3, dtype=np.float32), "weights")
    images = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3])
    rows = helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["n", 3])
    node = helper.make_node("MatMul", ["image", "weights"], ["rows"])
    graph = helper.make_graph([node], "g", [images], [rows], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    path = str(tmp_path / "a.onnx")
    options = {"save_as_external_data": True, "location": "a.bin", "size_threshold": 0}
    onnx.save_model(model, path, **options)
    first = onnx_file.file_digest(path)
    (tmp_path / "a.bin").write_bytes(np.zeros((3, 3), np.float32).tobytes())
    assert onnx_file.file_digest(path) != first
    (tmp_path / "a.bin").unlink()
    with pytest.raises(UserError, match=r"expected its weights in .*a\.bin, found no such file"):
        onnx_file.file_digest(path)
