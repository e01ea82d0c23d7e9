"""Keras as this project needs it, regardless of ~/.keras/keras.json and the environment.

Keras takes its backend, its default dtype, the order of image axes and its epsilon from a file in
the user's home directory that any program may write. With ``floatx: float16`` embeddings change in
the fourth digit, with ``channels_first`` no model here can be built. So the modules of this project
import Keras from here:

    from glrtf.config.keras_settings import keras
"""

import os

from glrtf.config import keras_backend
from tfrecords_tools.errors import UserError

# Keras's own defaults if there is no keras.json.
_FLOATX = "float32"
_EPSILON = 1e-7
_IMAGE_DATA_FORMAT = "channels_last"

try:
    import keras as keras
except ValueError as error:
    home = os.path.expanduser(os.environ.get("KERAS_HOME", "~/.keras"))
    raise UserError(f"{home}/keras.json: refused by Keras ({error}); fix or remove it") from None

if keras.config.backend() != keras_backend.chosen():
    raise UserError(
        f"Keras: expected the backend {keras_backend.chosen()}, found {keras.config.backend()}, "
        "which was chosen before glrtf was imported; set KERAS_BACKEND="
        f"{keras_backend.chosen()}"
    )
keras.config.set_floatx(_FLOATX)
keras.config.set_epsilon(_EPSILON)
keras.config.set_image_data_format(_IMAGE_DATA_FORMAT)

ON_JAX = keras_backend.chosen() == "jax"
"""Whether models run on JAX in this process, not on TensorFlow."""
