"""What a KerasHub preset says of its input, from a stand-in for its image converter."""

import sys
import types

import pytest

from glrtf.inference.descriptors import hub
from glrtf.models import hub as presets
from tfrecords_tools.errors import UserError

# As of ImageConverter where a preset sets nothing.
PLAIN = {
    **{"image_size": None, "scale": None, "offset": None, "crop_to_aspect_ratio": True},
    **{"pad_to_aspect_ratio": False, "interpolation": "bilinear", "antialias": False},
}
UNSCALED = {"range": "0..255"}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, {"resize": "crop", "filter": "bilinear", "antialias": False, **UNSCALED}),
        (
            {"crop_to_aspect_ratio": False, "interpolation": "lanczos3", "antialias": True},
            {"resize": "squash", "filter": "lanczos", "antialias": True, **UNSCALED},
        ),
        # No filter of ours: the manifest's default.
        (
            {
                **{"crop_to_aspect_ratio": False, "pad_to_aspect_ratio": True},
                **{"interpolation": "lanczos5", "image_size": (48, 48)},
            },
            {"resize": "pad", "antialias": False, "size": 48, **UNSCALED},
        ),
    ],
)
def test_the_converter_says_how_photos_are_prepared(monkeypatch, said, expected):
    converter = types.SimpleNamespace(**{**PLAIN, **said})
    for module in (hub, presets):
        monkeypatch.setattr(module, "image_converter", lambda name: converter)
    assert hub._preparation("keras_hub:any") == expected


def test_its_scale_is_a_mean_and_a_deviation(monkeypatch):
    converter = types.SimpleNamespace(**{**PLAIN, "scale": 1 / 127.5, "offset": -1.0})
    for module in (hub, presets):
        monkeypatch.setattr(module, "image_converter", lambda name: converter)
    found = hub._preparation("keras_hub:any")
    # value / 127.5 - 1 = (value / 255 - 0.5) / 0.5
    assert found["mean"] == pytest.approx([0.5] * 3) and found["std"] == pytest.approx([0.5] * 3)


def _keras_hub(error):
    def from_preset(name):
        raise error

    converter = types.SimpleNamespace(from_preset=from_preset)
    return types.SimpleNamespace(
        __version__="1", layers=types.SimpleNamespace(ImageConverter=converter)
    )


def test_a_converter_that_cannot_be_loaded_is_not_taken_for_none(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_hub", _keras_hub(ValueError("has no converter")))
    assert presets.image_converter("keras_hub:any") is None
    missing = ImportError("It requires `tensorflow-text`.\nMore.")
    monkeypatch.setitem(sys.modules, "keras_hub", _keras_hub(missing))
    with pytest.raises(UserError, match=r"keras_hub:any: .*\(It requires `tensorflow-text`\.\)"):
        presets.input_scale("keras_hub:any")
