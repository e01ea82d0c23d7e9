"""Searches without TensorFlow: by the LiteRT copy of an exported model."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from tiny_models import EMBEDDING_SIZE, make_model

from glrtf.commands import search
from glrtf.config.service import PhotoSearchConfig
from glrtf.inference import formats, lite_copy, serving
from glrtf.inference.embedders import load_embedder
from glrtf.service.batch_model import BatchModel
from tfrecords_tools.errors import UserError

pytest.importorskip("ai_edge_litert", reason="pip install '.[tflite]'")

# Runs a command where neither TensorFlow nor Keras can be loaded.
_WITHOUT = """
import sys
sys.modules["tensorflow"] = sys.modules["keras"] = None
from glrtf.commands.search import main
sys.exit(main(sys.argv[1:]))
"""


def _export(folder, seed=0):
    model = make_model(seed)

    def add(place):
        formats.export_file(model, EMBEDDING_SIZE, lite_copy.path_in(place), "tflite")

    serving.export(model, EMBEDDING_SIZE, str(folder), {}, add)
    return str(folder)


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """The world's model, exported with its copy: equal weights, so an equal digest."""
    return _export(tmp_path_factory.mktemp("lite") / "model")


def test_the_copy_gives_the_rows_of_the_saved_model(export):
    light, full = load_embedder(export, light=True), load_embedder(export)
    assert (light.runtime, full.runtime) == ("litert", "tensorflow")
    assert (light.name, light.digest, light.dimension) == (export, full.digest, full.dimension)
    assert light.spec() == full.spec()
    shape = (3, EMBEDDING_SIZE, EMBEDDING_SIZE, 3)
    images = list(np.random.default_rng(0).integers(0, 256, shape, np.uint8))
    rows = [BatchModel(each, ("plain", "hflip"))(images) for each in (light, full)]
    np.testing.assert_allclose(rows[0], rows[1], atol=serving.TOLERANCE)


def test_a_search_loads_no_tensorflow_and_answers_the_same(world, export, tmp_path):
    settings = {**world.searched, "model": export, "cache": str(tmp_path / "cache")}
    arguments = [f"--{name}={value}" for name, value in settings.items()]
    found = str(tmp_path / "light.json")
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT, world.photos[1], *arguments, f"--json={found}"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "INFO:" not in done.stderr
    settings["model"], expected = world.model, str(tmp_path / "full.json")
    search.run_search(PhotoSearchConfig((world.photos[1],), json=expected, **settings))
    answers = []
    for path in (found, expected):
        with open(path) as file:
            [answer] = json.load(file)["answers"]
        answers.append([(each["image_id"], round(each["final"], 4)) for each in answer["photos"]])
    assert answers[0] == answers[1]
    assert answers[0][0][0] == f"{1:016x}"


def test_without_litert_tensorflow_is_used(export, monkeypatch):
    monkeypatch.setattr(lite_copy, "MODULE", "no_such_module")
    assert load_embedder(export, light=True).runtime == "tensorflow"


def test_a_changed_copy_is_refused(export, tmp_path):
    folder = shutil.copytree(export, tmp_path / "model")
    with open(lite_copy.path_in(str(folder)), "r+b") as file:
        file.seek(2000)
        file.write(b"changed")
    with pytest.raises(UserError, match=r"lite\.tflite"):
        load_embedder(str(folder), light=True)


def test_another_models_copy_is_refused(export, tmp_path):
    other = _export(tmp_path / "other", seed=1)
    folder = shutil.copytree(export, tmp_path / "model")
    for name in (lite_copy.FILE_NAME, f"{lite_copy.FILE_NAME}.json"):
        shutil.copy(f"{other}/{name}", folder)
    with pytest.raises(UserError, match="expected the copy of the model in"):
        load_embedder(str(folder), light=True)
