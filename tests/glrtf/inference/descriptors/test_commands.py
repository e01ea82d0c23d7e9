"""Models of other projects through the commands: describe, embed, search."""

import json

import numpy as np
import pytest
import tiny_descriptors
import yaml
from PIL import Image
from tiny_models import EMBEDDING_SIZE, make_model

from glrtf.commands import describe, embed, search
from glrtf.embeddings.embedding_set import EmbeddingSet

COLOURS = [(200, 30, 30), (20, 180, 60), (40, 60, 220), (160, 160, 20)]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Four photos of 24 x 16 pixels: the middle in one colour, the sides white."""
    folder = tmp_path_factory.mktemp("photos")
    for number, colour in enumerate(COLOURS):
        values = np.full((16, 24, 3), 255, np.uint8)
        values[:, 4:20] = colour
        Image.fromarray(values).save(folder / f"photo{number}.png")
    return folder


@pytest.fixture(scope="module")
def network():
    return make_model()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_descriptors.write_onnx(tmp_path_factory.mktemp("model") / "a.onnx")


@pytest.fixture(scope="module")
def index(photos, model, tmp_path_factory):
    """The photos embedded with the model, from flags alone, and with a second one."""
    folder = tmp_path_factory.mktemp("sets")
    other = tiny_descriptors.write_onnx(folder / "b.onnx", dtype="uint8", layout="nhwc")
    argv = f"--model {model} --data {photos} --output {folder}/a --also {other}={folder}/b"
    flags = "--descriptor.mean 0.5 0.4 0.3 --descriptor.std 0.2 0.3 0.1 --descriptor.resize crop"
    assert embed.main([*argv.split(), *flags.split(), "--strategy", "cpu"]) == 0
    return folder / "a"


@pytest.fixture(scope="module")
def saved_model(network, tmp_path_factory):
    """Our own export of the network."""
    from glrtf.inference import serving

    folder = str(tmp_path_factory.mktemp("export") / "model")
    serving.export(network, EMBEDDING_SIZE, folder, {"backbone": "small"})
    return folder


def test_rows_and_what_a_set_says_of_them(photos, index, model, capsys):
    done = EmbeddingSet.open(index)
    # 16 x 24 has the short side already: columns 4 to 19 are the middle.
    middle = np.array(COLOURS, np.uint8)[:, None, None]
    expected = tiny_descriptors.mean_colour(middle, (0.5, 0.4, 0.3), (0.2, 0.3, 0.1))
    # Photos that are no JPEG are read as one of quality 95, whose colours run a little; of the
    # whole first photo the cosine would be 0.09.
    assert ((done.part(0)[0] * expected).sum(1) > 0.99).all()
    preparation = done.meta["preparation"]
    assert preparation["resize"] == "crop" and preparation["mean"] == [0.5, 0.4, 0.3]
    assert (done.meta["runtime"], done.meta["model"]) == ("onnx", model)
    assert EmbeddingSet.open(index.parent / "b").meta["preparation"]["dtype"] == "uint8"


def test_searched_photos_are_prepared_as_the_index_was(photos, index, model, tmp_path, capsys):
    answers = tmp_path / "answers.json"
    photo = str(photos / "photo2.png")
    argv = [photo, "--model", model, "--index", str(index), "--json", str(answers)]
    assert search.main(argv) == 0
    [found] = json.loads(answers.read_text())["answers"]
    best = found["photos"][0]
    assert best["image_id"] == "photo2" and best["direct"] > 0.99
    # Flags that say something else are compared with the set.
    flags = ["--descriptor.range", "0..1"]
    assert search.main([*argv, *flags]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "expected embeddings of photos prepared as for" in message
    assert "resize squash, found crop" in message or "range" in message


def test_another_model_with_the_same_preparation_is_refused(photos, index, tmp_path, capsys):
    other = tiny_descriptors.write_onnx(tmp_path / "c.onnx", size=16, two_outputs=True)
    argv = [str(photos / "photo0.png"), "--model", other, "--index", str(index)]
    assert search.main([*argv, "--descriptor.output", "features"]) == 2
    assert "expected the range of its input" in capsys.readouterr().err


def test_settings_for_our_own_models_are_refused(saved_model, photos, tmp_path, capsys):
    argv = f"--model {saved_model} --data {photos} --output {tmp_path}/set --descriptor.size 64"
    assert embed.main(argv.split()) == 2
    found = capsys.readouterr().err
    assert f"--descriptor.size: expected none for {saved_model}" in found


def test_our_onnx_export_fills_sets_that_agree_with_the_saved_models(
    network, saved_model, photos, tmp_path
):
    pytest.importorskip("tf2onnx", reason="pip install '.[onnx]'")
    from glrtf.inference import formats

    file = str(tmp_path / "model.onnx")
    formats.export_file(network, EMBEDDING_SIZE, file, "onnx")
    argv = f"--model {saved_model} --data {photos} --output {tmp_path}/a --also {file}={tmp_path}/b"
    assert embed.main([*argv.split(), "--strategy", "cpu"]) == 0
    first, second = (EmbeddingSet.open(tmp_path / name) for name in "ab")
    np.testing.assert_allclose(second.part(0)[0], first.part(0)[0], atol=1e-5)
    assert first.meta["model_digest"] == second.meta["model_digest"]
    assert "runtime" not in first.meta and second.meta["runtime"] == "onnx"


def test_a_changed_export_is_refused(tmp_path, capsys):
    path = tmp_path / "m.onnx"
    tiny_descriptors.write_onnx(path)
    info = {"size": 16, "dimension": 3, "model_digest": "0" * 64, "files": {"m.onnx": "1" * 64}}
    (tmp_path / "m.onnx.json").write_text(json.dumps(info))
    argv = f"--model {path} --data {tmp_path} --output {tmp_path}/set"
    Image.new("RGB", (20, 20)).save(tmp_path / "p.png")
    assert embed.main(argv.split()) == 2
    assert "m.onnx: changed since it was written" in capsys.readouterr().err


def test_describe_drafts_a_manifest_that_embed_reads(photos, model, tmp_path, capsys):
    draft, picture = tmp_path / "descriptor.yaml", tmp_path / "seen.png"
    argv = f"{model} --output {draft} --photo {photos / 'photo1.png'} --picture {picture}"
    assert describe.main([*argv.split(), "--descriptor.range", "0..1"]) == 0
    shown = capsys.readouterr().out
    assert "input: image float32 (n, 3, 16, 16)\n" in shown
    assert "output: features float32 (n, 3)\n" in shown
    assert Image.open(picture).size == (16, 16)
    assert yaml.safe_load(draft.read_text())["range"] == "0..1"
    assert describe.main([model, "--descriptor.manifest", str(draft)]) == 0
    assert "range: 0..1" in capsys.readouterr().out


def test_describe_asks_for_what_is_open(model, tmp_path, capsys):
    assert describe.main([model]) == 2
    printed = capsys.readouterr()
    # The tensors are shown all the same.
    assert "input: image float32 (n, 3, 16, 16)" in printed.out
    assert "--descriptor.range" in printed.err
