"""Whether TensorFlow can be imported with the user's keras.json.

TensorFlow's own copy of Keras reads that file too, while it is imported, and ends in an
AssertionError that does not name it (TensorFlow 2.20, tensorflow/python/keras/backend.py).
"""

import json
import os

from tfrecords_tools.errors import UserError

_CHOICES = {
    "floatx": ("float16", "float32", "float64"),
    "image_data_format": ("channels_last", "channels_first"),
}


def require_sound() -> None:
    """Refuses a keras.json with which TensorFlow or Keras cannot be imported.

    Raises:
        UserError: Naming file, key and value.
    """
    home = os.path.expanduser(os.environ.get("KERAS_HOME", "~/.keras"))
    path = os.path.join(home, "keras.json")
    try:
        with open(path, "rb") as file:
            settings = json.load(file)
    except (OSError, ValueError):
        return  # Both treat a file that is not JSON as empty; many commands need neither.
    if problem := _problem(settings):
        raise UserError(f"{path}: {problem}; correct the file or delete it")


def _problem(settings: object) -> str:
    if not isinstance(settings, dict):
        return f"expected an object, found {settings!r:.60}"
    for key, choices in _CHOICES.items():
        if key in settings and settings[key] not in choices:
            return f"{key}: expected {' or '.join(choices)}, found {settings[key]!r:.60}"
    epsilon = settings.get("epsilon", 1e-7)
    if not isinstance(epsilon, float):
        return f"epsilon: expected a number such as 1e-7, found {epsilon!r:.60}"
    return ""
