import io
import json
import struct
import sys
import types

import numpy as np
import pytest
from PIL import Image

from glrtf.reporting import projector

ROWS = np.array([[0.6, 0.8, 0], [0, 1, 0], [-1, 0, 1e-7]])
LABELS = [("01", "query", "7"), ("02", "index", "7"), ("03", "index", "")]


@pytest.fixture
def folder(tmp_path):
    red = tmp_path / "red.jpg"
    Image.new("RGB", (100, 50), (220, 10, 10)).save(red)
    where = tmp_path / "projector"
    projector.write_projector(str(where), ROWS, LABELS, [None, str(red), None])
    return where


def test_pictures_lie_row_by_row_on_a_square_grid(folder):
    # Three pictures make a grid of 2 x 2: the second lies top right, the rest is grey.
    pixels = np.asarray(Image.open(folder / "sprite.jpg"), np.int64)
    assert pixels.shape == (96, 96, 3)
    np.testing.assert_allclose(pixels[24, 72], (220, 10, 10), atol=12)
    for down, across in ((24, 24), (72, 24), (72, 72)):
        np.testing.assert_allclose(pixels[down, across], 160, atol=3)


def test_tensorboard_reads_what_is_written(folder, monkeypatch):
    """The projector's own handlers, without TensorFlow, as a browser would call them."""
    pytest.importorskip("tensorboard", reason="needs tensorboard")
    from werkzeug.test import Client

    monkeypatch.setitem(
        sys.modules, "tensorboard.compat.notf", types.ModuleType("tensorboard.compat.notf")
    )
    from tensorboard.plugins import base_plugin
    from tensorboard.plugins.projector.projector_plugin import ProjectorPlugin

    apps = ProjectorPlugin(base_plugin.TBContext(logdir=str(folder))).get_plugin_apps()

    def get(what, query=""):
        answer = Client(apps[what]).get(f"{what}?run=.{query}")
        assert answer.status_code == 200, answer.data
        return answer.data

    assert json.loads(get("/runs")) == ["."]
    (shown,) = json.loads(get("/info"))["embeddings"]
    assert shown["tensorShape"] == [3, 3]
    assert shown["sprite"]["singleImageDim"] == [projector.SPRITE_SIDE] * 2
    name = f"&name={shown['tensorName']}"
    values = struct.unpack("<9f", get("/tensor", name))
    np.testing.assert_allclose(np.reshape(values, (3, 3)), ROWS, atol=1e-6)
    header, *labels = get("/metadata", name).decode().splitlines()
    assert header == "id\tkind\tlandmark"
    assert [tuple(label.split("\t")) for label in labels] == LABELS
    assert Image.open(io.BytesIO(get("/sprite_image", name))).size == (96, 96)
