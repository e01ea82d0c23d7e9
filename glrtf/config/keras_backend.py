"""The backend that Keras runs on in this process.

Keras takes its backend from KERAS_BACKEND when it is imported, and keeps it. Commands that train or
embed on JAX choose it here before Keras is imported; everything else runs on TensorFlow.
"""

import os
import sys
from typing import Literal, TypeAlias

from tfrecords_tools.errors import UserError

Backend: TypeAlias = Literal["tensorflow", "jax"]

_chosen: Backend = "tensorflow"


def chosen() -> Backend:
    """The backend of this process."""
    return _chosen


def use(backend: Backend) -> None:
    """Chooses the backend; call it before Keras is imported.

    Raises:
        UserError: If Keras was imported with another one.
    """
    global _chosen
    if "keras" in sys.modules and backend != _chosen:
        raise UserError(
            f"--engine: expected {_chosen}, with which this process imported Keras, found "
            f"{backend}; a process runs one engine: start another one"
        )
    _chosen = backend
    os.environ["KERAS_BACKEND"] = backend
