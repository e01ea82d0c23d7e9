"""A keras.json that TensorFlow cannot be imported with is one line before it is imported."""

import json
import subprocess
import sys

import pytest

from glrtf.commands import evaluate, plan
from glrtf.config import keras_file
from tfrecords_tools.errors import UserError


@pytest.fixture
def keras_json(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    return tmp_path / "keras.json"


# Each of them ended in a traceback of tensorflow/python/keras/backend.py (TensorFlow 2.20).
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"floatx": "bfloat16"},
            "floatx: expected float16 or float32 or float64, found 'bfloat16'",
        ),
        ({"floatx": ["float32"]}, "floatx: expected float16 or float32 or float64"),
        ({"floatx": None}, "floatx: expected float16 or float32 or float64, found None"),
        ({"image_data_format": "x"}, "image_data_format: expected channels_last or"),
        ({"epsilon": "a"}, "epsilon: expected a number such as 1e-7, found 'a'"),
        ({"epsilon": 1}, "epsilon: expected a number such as 1e-7, found 1"),
        ([], "expected an object, found []"),
    ],
)
def test_every_command_names_file_and_value(keras_json, tmp_path, capsys, settings, message):
    keras_json.write_text(json.dumps(settings))
    assert plan.main(["--tpu", "v5e-4"]) == 2
    assert f"{keras_json}: {message}" in capsys.readouterr().err
    missing = str(tmp_path / "missing.csv")
    assert evaluate.main([missing, missing]) == 2
    assert str(keras_json) in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["", "no JSON", "{}", '{"floatx": "float64", "epsilon": 1e-5, "backend": "torch"}']
)
def test_what_keras_and_tensorflow_take_is_let_through(keras_json, text):
    keras_json.write_text(text)
    keras_file.require_sound()


def test_without_a_file(keras_json):
    keras_file.require_sound()


def test_tensorflow_takes_what_is_let_through(keras_json):
    """The rule is TensorFlow's own: float64 passes here and there, bfloat16 in neither."""
    keras_json.write_text('{"floatx": "float64", "image_data_format": "channels_first"}')
    keras_file.require_sound()
    code = "import tensorflow.python.keras.backend"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    keras_json.write_text('{"floatx": "bfloat16"}')
    with pytest.raises(UserError):
        keras_file.require_sound()
    found = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert b"AssertionError" in found.stderr
