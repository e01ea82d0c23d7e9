"""What a user's keras.json and environment say changes no number."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

from glrtf.config.keras_settings import keras
from glrtf.config.training import TrainConfig
from glrtf.models.retrieval_model import embedding_model_from_config

ROOT = Path(__file__).parents[3]
_EMBED = """
import json, sys
import numpy as np
from glrtf.config.training import TrainConfig
from glrtf.models.retrieval_model import embedding_model_from_config
from glrtf.config.keras_settings import keras
keras.utils.set_random_seed(0)
model = embedding_model_from_config(TrainConfig(size=32, embedding_dim=8), precision="float32")
image = np.random.default_rng(0).random((1, 32, 32, 3), np.float32)
config = keras.config
print(json.dumps([
    [config.backend(), config.floatx(), config.epsilon(), config.image_data_format()],
    model(image).numpy().astype(float).tolist(),
]))
"""


def run(code, home, settings, **environment):
    home.mkdir()
    (home / "keras.json").write_text(json.dumps(settings))
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "KERAS_HOME": str(home), "CUDA_VISIBLE_DEVICES": "", **environment},
        capture_output=True,
        text=True,
        cwd=ROOT,
    )


def test_embeddings_do_not_depend_on_keras_json_and_the_environment(tmp_path):
    changed = {
        "floatx": "float16",
        "epsilon": 0.1,
        "backend": "torch",
        "image_data_format": "channels_first",
    }
    found = run(_EMBED, tmp_path / "changed", changed, KERAS_BACKEND="jax")
    assert found.returncode == 0, found.stderr
    settings, rows = json.loads(found.stdout)
    assert settings == ["tensorflow", "float32", 1e-7, "channels_last"]
    # float16 anywhere would show in the fourth digit.
    keras.utils.set_random_seed(0)
    model = embedding_model_from_config(TrainConfig(size=32, embedding_dim=8), precision="float32")
    image = np.random.default_rng(0).random((1, 32, 32, 3), np.float32)
    np.testing.assert_allclose(rows, model(image).numpy(), atol=1e-5)


_REFUSE = """
from tfrecords_tools.errors import UserError
{before}
try:
    import glrtf.config.keras_settings
except UserError as error:
    print(error)
"""


def test_a_keras_json_that_keras_refuses_is_named(tmp_path):
    found = run(_REFUSE.format(before=""), tmp_path / "home", {"floatx": "bfloat16"})
    assert f"{tmp_path}/home/keras.json: refused by Keras" in found.stdout


def test_a_keras_that_was_loaded_with_another_backend_is_named(tmp_path):
    before = (
        "import sys, types\n"
        "sys.modules['keras'] = keras = types.ModuleType('keras')\n"
        "keras.config = types.SimpleNamespace(backend=lambda: 'torch')"
    )
    found = run(_REFUSE.format(before=before), tmp_path / "home", {})
    assert "expected the backend tensorflow, found torch" in found.stdout


def test_keras_is_imported_in_one_place():
    """Else the order of imports would decide which settings hold."""
    imports = re.compile(r"^\s*(import keras\b|from keras\b)", re.MULTILINE)
    paths = (ROOT / "glrtf").rglob("*.py")
    having = [path.name for path in paths if imports.search(path.read_text())]
    assert having == ["keras_settings.py"]
